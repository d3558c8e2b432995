"""What `equiv` and `convert` do, from names to words. Input: rules, a network, an optimizer. Output: texts.

Two rules are compared as functions of the network's sizes: by how they move from one base, or with `absolute`
by their values. What a network fixes is no variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from scalec import catalogue as codes
from scalec.calculus.scaling import Decay, Family
from scalec.derive.compare import differences, told
from scalec.derive.gauge import Form, Gauges, TensorForm
from scalec.diagnostics import Reporter
from scalec.operands import Chooser, Operands, Subject, prepare
from scalec.pipeline import sizes_of
from scalec.plan.make import Request, make_plan
from scalec.plan.model import Plan, PlannedTensor, Quantity
from scalec.program.program import Program
from scalec.resolve.load import Workspace
from scalec.symbolic.dominance import Cell
from scalec.symbolic.formula import UNIT, ZERO, Formula, Symbol, divide, mul, substitute, symbol
from scalec.symbolic.order import Order, Regime
from scalec.symbolic.text import plain

NAMES = ("A", "B")


@dataclass(frozen=True)
class Pair:
    """Two rules on one program under one optimizer."""

    first: Subject
    second: Subject

    @property
    def program(self) -> Program:
        return self.first.program


def pair(first: tuple[Workspace, Operands], second: tuple[Workspace, Operands]) -> Pair:
    """The network and the optimizer are those that the first names. Raises ScalecError."""
    one = prepare(*first)
    reporter = Reporter()
    workspace, operands = second
    chooser = Chooser(workspace, reporter)
    rule = chooser.ref("rule", operands.rule)
    reporter.stop_on_errors()
    assert rule is not None
    return Pair(one, Subject(chooser.rule(rule, one.optimizer.name), one.program, one.optimizer))


def equivalence(
    first: tuple[Workspace, Operands], second: tuple[Workspace, Operands], *, absolute: bool = False, base: str = ""
) -> str:
    """A sentence that the two are one rule. Raises ScalecError where they are not, with where and by how much.

    `absolute`: values are compared, and not only how they move from whatever base.
    """
    rules = pair(first, second)
    sizes = sizes_of("--base", base, {}, Reporter())
    forms = [form_of(subject, sizes if absolute else None) for subject in (rules.first, rules.second)]
    names = [operands.rule or name for (_, operands), name in zip((first, second), NAMES, strict=True)]
    gauges = Gauges(rules.program)
    found = list(differences(gauges, *forms))
    on = f"on {rules.program.name} for {rules.first.optimizer.name}"
    if found:
        Reporter().fail(
            codes.NOT_EQUIVALENT,
            f"{names[0]} and {names[1]} are different rules {on}: {told(found[0], names)}",
            notes=[told(d, names) for d in found[1:]],
        )
    moved = [
        f"  {path}: {names[1]}'s factors are {names[0]}'s times {plain(theta)}\n"
        for path in forms[0].tensors
        if (theta := divide(gauges.multiplier(forms[1], path), gauges.multiplier(forms[0], path))) != UNIT
    ]
    same = "up to gauge" if moved else "number by number"
    return f"{names[0]} and {names[1]} are the same rule {on}, {same}\n{''.join(moved)}"


# ---- from a rule to its form -----------------------------------------------------------------
def form_of(subject: Subject, base: Mapping[str, Fraction] | None = None) -> Form:
    """The numbers of a rule, written in ratios to the base sizes; with a base, its values and not its laws."""
    cell = Cell(free(subject.program))
    request = Request(cell=cell) if base is None else Request(base=base, regime=cell.regime)
    made = make_plan(subject.program, subject.rule, subject.optimizer, request, Reporter())
    view = _law if base is None else _value
    return Form(
        {t.tensor.path: _tensor(t, made, view) for t in made.tensors},
        {(s.site.path, name): view(made, q) for s in made.sites for name, q in s.numbers.items()},
    )


def free(program: Program) -> Regime:
    """Every size that the network leaves free grows on its own."""
    names = [d.name for d in program.dimensions if d.grows and d.default is None]
    return Regime("every size", tuple(names), tuple((name, Order.of({name: 1})) for name in names))


def _tensor(planned: PlannedTensor, made: Plan, view: Callable[[Plan, Quantity], Formula]) -> TensorForm:
    optimizer = made.optimizers[planned.optimizer]
    return TensorForm(
        {name: view(made, q) for name, q in planned.numbers.items()},
        cast(Family, "declared" if optimizer.family == "other" else optimizer.family),
        cast(Decay, optimizer.decay),
        (("init.dist", planned.init.word), ("optimizer", planned.optimizer)),
    )


def _law(made: Plan, quantity: Quantity) -> Formula:
    return ZERO if quantity.formula == ZERO else relative(made.program, quantity.law)


def _value(made: Plan, quantity: Quantity) -> Formula:
    def run(s: Symbol) -> Formula | None:
        known = made.run.get(s.name) if s.kind == "run" else None
        return known.formula if isinstance(known, Quantity) else None

    return relative(made.program, substitute(quantity.formula, run))


def relative(program: Program, formula: Formula) -> Formula:
    """A formula in base sizes and ratios of the free sizes; what is fixed, or follows a default, says so."""

    def replace(s: Symbol) -> Formula | None:
        dimension = program.dimension.get(s.name)
        if dimension is None or s.kind not in ("size", "base", "ratio"):
            return None
        if dimension.default is not None:
            return relative(program, _seen(dimension.default, s.kind))
        if s.kind == "size":
            base = symbol("base", s.name)
            return mul(base, symbol("ratio", s.name)) if dimension.grows else base
        return UNIT if s.kind == "ratio" and not dimension.grows else None

    return substitute(formula, replace)


def _seen(default: Formula, kind: str) -> Formula:
    """A default at the size, at the base, or the ratio of the two."""
    at_base = substitute(default, lambda s: symbol("base", s.name) if s.kind == "size" else None)
    return {"size": default, "base": at_base}.get(kind) or divide(default, at_base)
