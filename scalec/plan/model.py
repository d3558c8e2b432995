"""`Plan`: what a rule says of each tensor, as formulas over the sizes. Data only.

Input: `make_plan`. Output: frozen data for the tables, the emitter and `apply`. Invariant: formulas
hold at every size; `sizes` lists the sizes somebody asked for. Numbers appear in `numbers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from scalec.plan.truth import Guard
from scalec.program.program import Axis, Parts, Program, Site, Tensor
from scalec.source import Span
from scalec.symbolic.formula import (
    UNIT,
    Formula,
    Symbol,
    add,
    divide,
    evaluate,
    mul,
    number,
    substitute,
    symbol,
    symbols,
)


@dataclass(frozen=True)
class Law:
    """A named formula, `NAME = FORMULA` and what it cites. `fitted`: somebody measured it, nobody proved it."""

    name: str
    formula: str
    fitted: bool
    cite: str
    span: Span

    @property
    def text(self) -> str:
        words = ("law", self.name, "=", self.formula, "fit" if self.fitted else "", self.cite)
        return " ".join(word for word in words if word)

    @property
    def location(self) -> str:
        return self.span.location


@dataclass(frozen=True)
class Origin:
    """The clause that said it: `tensor readout { init.std ~ 1/fan_in }` of rule `rule`, or a default.

    `laws`: those that it names, and what these are made of; `given`: of a law that was solved, the clauses behind what
    else it reads.
    """

    rule: str
    text: str
    span: Span | None = None
    laws: tuple[Law, ...] = ()
    given: tuple[Origin, ...] = ()

    @property
    def fits(self) -> tuple[Law, ...]:
        """The fitted laws behind it."""
        inner = (law for origin in self.given for law in origin.fits)
        return tuple(dict.fromkeys((*(law for law in self.laws if law.fitted), *inner)))

    @property
    def location(self) -> str:
        return self.span.location if self.span else self.rule


@dataclass(frozen=True)
class Quantity:
    """A number at every size: `formula` = anchor * law.

    `anchor` is the value at the base size (over base and run symbols), `law` how it moves (over
    ratios, or sizes where a clause said `=`). `origins`: the clauses that made it, in order;
    `anchored`: those that said where it starts; `losers`: those that were overridden.
    `complement`: the value is 1 minus the formula (betas).
    """

    anchor: Formula
    law: Formula
    formula: Formula
    origins: tuple[Origin, ...] = ()
    losers: tuple[Origin, ...] = ()
    complement: bool = False
    anchored: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A word: `init = zero`, `schedule = cosine`."""

    word: str
    origins: tuple[Origin, ...] = ()
    losers: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class OptimizerClass:
    """An optimizer as the plan needs it.

    `name` as in the rule file; `path` the checked dotted class name; `arguments` its fixed keyword
    arguments; `family` the update family for the calculus; `uses` the attributes it takes;
    `decay`: `torch` (shrink by lr*wd), `independent` (by wd), `l2` (wd*w in the gradient), `none`.
    `factor`, over `fan_in` and `fan_out`: what the class multiplies its update by; `batched`: how it
    comes to an update, for code that does it at once for many matrices. `effect`, over these and `lr`: the size
    of the change that an update makes to the output for an input of size 1, where the family does not say.
    """

    name: str
    path: str
    arguments: tuple[tuple[str, str | Fraction], ...]
    family: str
    uses: tuple[str, ...]
    decay: str
    factor: Formula = UNIT
    batched: BatchedStep | None = None
    effect: Formula | None = None


@dataclass(frozen=True)
class BatchedStep:
    """A scheme and its numbers."""

    scheme: str
    arguments: tuple[tuple[str, Fraction], ...]


@dataclass(frozen=True)
class PlannedTensor:
    """`numbers`: init.std, init.mean, scale, lr, eps, wd, beta1, ... as far as the optimizer uses them.

    `said` are numbers as the rule means them: `lr` the step on the normalised update, `wd` as `wd_kind`
    says. `numbers` are what the optimizer's class is told: its own factor divided out of `lr`, `wd` in
    its own convention. `frozen` is `yes` where training leaves the tensor alone: then there are those of
    its start and of the forward pass alone. `split` names the parts that its optimizer takes one by one, or is `no`.
    `decay_per_step` is None where L2 goes through a normalised
    update and no such number exists.
    """

    tensor: Tensor
    owner: Choice
    frozen: Choice
    init: Choice
    shared: Choice | None
    wd_kind: Choice
    split: Choice
    numbers: Mapping[str, Quantity]
    said: Mapping[str, Quantity]
    decay_per_step: Quantity | None

    @property
    def shared_axes(self) -> tuple[Axis, ...]:
        """The axes along which all copies start equal."""
        return tuple(axis for axis in self.tensor.axes if self.shared and axis.word == self.shared.word)

    @property
    def parts(self) -> Parts | None:
        """The matrices that its optimizer takes one by one, where it does not take it whole."""
        return self.tensor.parts if self.tensor.parts and self.tensor.parts.word == self.split.word else None

    @property
    def optimizer(self) -> str | None:
        """The name of the one that trains it."""
        return None if self.frozen.word == "yes" else self.owner.word


@dataclass(frozen=True)
class PlannedSite:
    site: Site
    numbers: Mapping[str, Quantity]


@dataclass(frozen=True)
class Plan:
    """`base`: base sizes of all dimensions of the program; `given`: for each requested size what the
    user named; `freed`: dimensions named there or in the base, which do not follow their default;
    `cites`: sources of the rule and its ancestors, each after the rule that cites it; `regime`: the one that its
    `under` clauses were held against, if it has any; `guards`: conditions that hang on sizes, and demands."""

    rule: str
    file: str
    program: Program
    optimizers: Mapping[str, OptimizerClass]
    base: Mapping[str, Fraction]
    freed: tuple[str, ...]
    sizes: tuple[Mapping[str, Fraction], ...]
    tensors: tuple[PlannedTensor, ...]
    sites: tuple[PlannedSite, ...]
    run: Mapping[str, Quantity | Choice]
    cites: tuple[tuple[str, str], ...] = ()
    regime: str = ""
    guards: tuple[Guard, ...] = ()

    @cached_property
    def tensor(self) -> dict[str, PlannedTensor]:
        return {t.tensor.path: t for t in self.tensors}

    def run_name(self, owner: str, attribute: str) -> str:
        """What the run's value for an optimizer is called: `lr`, or `muon.lr` where there are several."""
        return f"{owner}.{attribute}" if len(self.optimizers) > 1 else attribute

    @property
    def rate_name(self) -> str:
        """What the run's learning rate is called; of several optimizers, the first one's."""
        return self.run_name(next(iter(self.optimizers)), "lr")

    @property
    def rate(self) -> Quantity:
        """The run's learning rate; of several optimizers, the first one's."""
        found = self.run[self.rate_name]
        assert isinstance(found, Quantity)
        return found

    def fits(self, quantity: Quantity) -> tuple[Law, ...]:
        """The fitted laws that a value hangs on, be it through the run's: it is empirical where there are any."""
        own = (law for origin in quantity.origins for law in origin.fits)
        read = (self.run[s.name] for s in symbols(quantity.formula) if s.kind == "run" and s.name in self.run)
        runs = (law for q in read if isinstance(q, Quantity) for law in self.fits(q))
        return tuple(dict.fromkeys((*own, *runs)))

    def moves(self, quantity: Quantity) -> Formula:
        """How a value moves with the sizes: 1 at the base, with what moves of the run that it starts from or reads."""

        def read(s: Symbol) -> Formula | None:
            value = self._of_run(s)
            return None if value is None else self._whole(value)

        def started(s: Symbol) -> Formula | None:
            value = self._of_run(s)
            if value is None:
                return None
            base = add(UNIT, mul(number(-1), value.anchor)) if value.complement else value.anchor
            return mul(symbol(s.kind, s.name), divide(self._whole(value), base))

        law = substitute(quantity.law, read)
        moved = substitute(quantity.anchor, started)
        return law if moved == quantity.anchor else mul(law, divide(moved, quantity.anchor))

    def _of_run(self, s: Symbol) -> Quantity | None:
        """A value of the run, where it moves."""
        value = self.run.get(s.name) if s.kind == "run" else None
        return value if isinstance(value, Quantity) and value.law != UNIT else None

    def _whole(self, value: Quantity) -> Formula:
        """A value of the run in sizes alone."""
        moved = mul(value.anchor, self.moves(value))
        return add(UNIT, mul(number(-1), moved)) if value.complement else moved

    @cached_property
    def fitted(self) -> tuple[Law, ...]:
        """Every fitted law that some value hangs on."""
        shared = {id(said): said for said in (*(t.numbers for t in self.tensors), *(s.numbers for s in self.sites))}
        every = [q for said in (*shared.values(), self.run) for q in said.values() if isinstance(q, Quantity)]
        return tuple(dict.fromkeys(law for q in every for law in self.fits(q)))

    @cached_property
    def site(self) -> dict[str, PlannedSite]:
        return {s.site.path: s for s in self.sites}

    @cached_property
    def shown(self) -> tuple[Mapping[str, Fraction], ...]:
        """The sizes with numbers: those asked for, else the base's where they are all known."""
        complete = all(d.name in self.base for d in self.program.dimensions)
        return self.sizes or ((self.base,) if complete else ())

    @property
    def sources(self) -> tuple[str, ...]:
        """What is cited, each once."""
        return tuple(dict.fromkeys(text for _, text in self.cites))

    def value(self, quantity: Quantity, sizes: Mapping[str, Fraction]) -> float:
        """The number at a size, by the same float operations as the emitted code; of the first layer."""
        return self.values(quantity, sizes)[0]

    def values(self, quantity: Quantity, sizes: Mapping[str, Fraction]) -> tuple[float, ...]:
        """The number, or those of the first and the last layer where it depends on the layer."""
        layered = any(s.kind == "layer" for s in symbols(quantity.formula))
        ends: tuple[Literal["first", "last"], ...] = ("first", "last") if layered else ("first",)
        found = (evaluate(quantity.formula, self.environment(sizes, end)) for end in ends)
        return tuple(1 - value if quantity.complement else value for value in found)

    def environment(
        self, sizes: Mapping[str, Fraction], layer: Literal["first", "last"] = "first"
    ) -> Callable[[Symbol], float]:
        """What each symbol is at a size, in a layer; `run` symbols are the plan's own run quantities."""

        def look_up(s: Symbol) -> float:
            match s.kind:
                case "size":
                    return float(sizes[s.name])
                case "base":
                    return float(self.base[s.name])
                case "ratio":
                    return float(sizes[s.name]) / float(self.base[s.name])
                case "run":
                    quantity = self.run[s.name]
                    assert isinstance(quantity, Quantity)
                    return self.value(quantity, sizes)
                case "layer":
                    stack = self.program.stacks[s.name]
                    return evaluate(stack.first if layer == "first" else stack.last, look_up)
                case "unknown":
                    raise LookupError(s.name)

        return look_up

    def order_formula(self, formula: Formula) -> Formula:
        """A law with dimensions that follow their default written in those they follow."""

        def replace(s: Symbol) -> Formula | None:
            if s.kind not in ("size", "ratio") or s.name in self.freed:
                return None
            default = self.program.dimension[s.name].default
            return None if default is None else self.order_formula(default)

        return substitute(formula, replace)
