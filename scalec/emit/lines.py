"""What every table of a plan says, line by line. Input: a plan. Output: lines, in blocks of what agrees.

Invariant: a line has one value a size; tensors share a block where their values and the clauses behind
them are the same; work is linear in tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from scalec.emit.columns import columns, formula_text, plain_number
from scalec.emit.short import Short
from scalec.plan.model import Choice, Plan, PlannedTensor, Quantity
from scalec.symbolic.formula import as_number, symbol

FIT = " (fit)"  # behind what is empirical


@dataclass(frozen=True)
class Line:
    """One attribute of some tensors or sites, or of the run: its formula and its value at each size.

    `fits`: the fitted laws that it hangs on.
    """

    attribute: str
    formula: str
    values: tuple[str, ...]
    clause: str
    fits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """What has the same lines: paths of tensors or sites."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]


def blocks(
    plan: Plan,
    shown: Callable[[float], str] = lambda x: f"{x:.4g}",
    spelled: Callable[[Quantity], str] = formula_text,
) -> tuple[Block, ...]:
    """Tensors that agree, then the sites that are scaled at all, in order of their first."""
    short = Short(plan)
    cells = Cells(plan, shown, lambda quantity: spelled(replace(quantity, formula=short.formula(quantity.formula))))
    found: dict[tuple[Line, ...], list[str]] = {}
    for t in plan.tensors:
        found.setdefault(cells.tensor(t), []).append(t.tensor.path)
    for s in plan.sites:
        scaled = [n for n, q in s.numbers.items() if as_number(q.formula) != 1]
        if scaled:
            found.setdefault(cells.lines(s.numbers, scaled), []).append(s.site.path)
    return tuple(Block(tuple(names), lines) for lines, names in found.items())


class Cells:
    """Values of a plan at its sizes as text. Tensors that share their numbers share the work."""

    def __init__(
        self, plan: Plan, shown: Callable[[float], str], spelled: Callable[[Quantity], str] = formula_text
    ) -> None:
        self.plan = plan
        self.shown = shown
        self.spelled = spelled
        self.columns = columns(plan)
        self.of_run = of_run(plan)
        self.known: dict[tuple[int, str, str], tuple[Line, ...]] = {}

    def tensor(self, t: PlannedTensor) -> tuple[Line, ...]:
        key = (id(t.numbers), t.init.word, t.split.word)
        if key not in self.known:
            self.known[key] = tuple(self._tensor(t))
        return self.known[key]

    def _tensor(self, t: PlannedTensor) -> Iterator[Line]:
        if t.init.word in ("zero", "ones"):
            yield self._word("init", t.init)
        hidden = {"init.std", "init.mean"} if t.init.word in ("zero", "ones") else set()
        usual = {"init.mean": 0, **{use.scale: 1 for use in t.tensor.uses}}
        hidden |= {n for n, value in usual.items() if as_number(t.numbers[n].formula) == value}
        if t.optimizer is None:
            yield self._word("frozen", t.frozen)
        elif len(self.plan.optimizers) > 1:
            yield self._word("optimizer", t.owner)
        if t.optimizer and t.parts:
            yield self._word("split", t.split)
        yield from self.lines(t.numbers, [n for n in t.numbers if n not in hidden and n not in self.of_run])
        if t.decay_per_step is not None and as_number(t.decay_per_step.formula) != 0:
            yield self._line("decay/step", t.decay_per_step)

    def lines(self, numbers: Mapping[str, Quantity], names: Iterable[str]) -> tuple[Line, ...]:
        return tuple(self._line(name, numbers[name]) for name in names)

    def _word(self, name: str, choice: Choice) -> Line:
        where = choice.origins[-1].location if choice.origins else ""
        return Line(name, choice.word, ("",) * len(self.columns), where)

    def _line(self, name: str, quantity: Quantity) -> Line:
        values = tuple(" to ".join(map(self.shown, self.plan.values(quantity, sizes))) for sizes in self.columns)
        where = quantity.origins[-1].location if quantity.origins else ""
        fits = tuple(law.name for law in self.plan.fits(quantity))
        return Line(name, self.spelled(quantity) + (FIT if fits else ""), values, where, fits)


def of_run(plan: Plan) -> tuple[str, ...]:
    """Attributes that are the run's own for every tensor, at every size: said once, below the table."""
    every = {id(t.numbers): (t.optimizer, t.numbers) for t in plan.tensors if t.optimizer}.values()
    names = dict.fromkeys(name for _, numbers in every for name in numbers)

    def runs(name: str) -> bool:
        """Of its owner, where a tensor has it at all."""
        own = ((numbers[name], symbol("run", plan.run_name(o, name))) for o, numbers in every if name in numbers)
        return all(quantity.formula == value for quantity, value in own)

    return tuple(name for name in names if runs(name))


def title(plan: Plan) -> list[str]:
    owners = ", ".join(plan.optimizers)
    base = ", ".join(f"{n} = {plain_number(v)}" for n, v in plan.base.items())
    under = f" under {plan.regime}" if plan.regime else ""
    return [f"{plan.rule} on {plan.program.name} for {owners}{under}", f"base {base}"]


def footer(plan: Plan) -> list[str]:
    shared = of_run(plan)
    lines = [f"{', '.join(shared)}: the run's, for every tensor"] if shared else []
    sizes = columns(plan)
    for name, value in plan.run.items():
        if isinstance(value, Choice):
            shown = value.word
        else:
            shown = ", ".join(dict.fromkeys(f"{plan.value(value, s):.6g}" for s in sizes))
            shown = shown or formula_text(Short(plan).quantity(value))
            shown += FIT if plan.fits(value) else ""
            shown += _share(plan, value) if name == "final_lr" and len(plan.optimizers) > 1 else ""
        lines.append(f"run.{name} = {shown}")
    return [*lines, *(f"empirical, not proved: {law.text}" for law in plan.fitted), *plan.sources]


def _share(plan: Plan, final: Quantity) -> str:
    """Of several rates one is said to end somewhere; one factor moves them all."""
    rates = [(plan.value(final, sizes), plan.value(plan.rate, sizes)) for sizes in columns(plan)]
    shares = ", ".join(dict.fromkeys(f"{end / rate:.6g}" for end, rate in rates if rate))
    return f" of run.{plan.rate_name}" + (f": every rate ends at {shares} of its own" if shares else "")
