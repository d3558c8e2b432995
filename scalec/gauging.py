"""What `equiv` and `convert` do, from names to words. Input: rules, a network, an optimizer. Output: texts.

Two rules are compared as functions of the network's sizes: by how they move from one base, or with `absolute`
by their values. What a network fixes is no variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

from scalec import catalogue as codes
from scalec.calculus.scaling import Decay
from scalec.calculus.world import settled
from scalec.derive.compare import Difference, differences, told
from scalec.derive.convert import Converted, converted_text
from scalec.derive.gauge import Form, Gauges, TensorForm, moves
from scalec.derive.problem import DECAY, EPSILON
from scalec.diagnostics import Reporter, ScalecError, did_you_mean
from scalec.operands import Chooser, Operands, Subject, prepare
from scalec.pipeline import sizes_of
from scalec.plan.make import Request, make_one_plan
from scalec.plan.model import Plan, PlannedTensor, Quantity
from scalec.plan.orders import family_of
from scalec.plan.regimes import regime_of
from scalec.program.program import Program
from scalec.resolve.load import Workspace
from scalec.source import Source
from scalec.symbolic.dominance import Cell, NotMonomialError, UndecidedError
from scalec.symbolic.formula import UNIT, ZERO, Formula, Symbol, divide, mul, power, substitute, symbol, symbols
from scalec.symbolic.order import Order, Regime
from scalec.symbolic.text import plain
from scalec.syntax.parser import parse_regime
from scalec.syntax.printer import ref_text


@dataclass(frozen=True)
class Pair:
    """Two rules on one program under one optimizer."""

    first: Subject
    second: Subject

    @property
    def program(self) -> Program:
        return self.first.program

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Those that either has clauses under: there it may be another rule than elsewhere."""
        clauses = (*self.first.rule.clauses, *self.second.rule.clauses)
        found = [regime_of(d) for clause in clauses for group in clause.around.under for d in group]
        sizes = {d.name for d in self.program.dimensions}
        return tuple(r for r in dict.fromkeys(found) if sizes.intersection(name for name, _ in r.growth))


def pair(first: tuple[Workspace, Operands], second: tuple[Workspace, Operands]) -> Pair:
    """The network and the optimizer are those that the first names. Raises ScalecError."""
    one = prepare(*first)
    reporter = Reporter()
    workspace, operands = second
    chooser = Chooser(workspace, reporter)
    rule = chooser.ref("rule", operands.rule, operands.said)
    reporter.stop_on_errors()
    assert rule is not None
    return Pair(one, Subject(chooser.rule(rule, one.team), one.program, one.optimizers))


def equivalence(
    first: tuple[Workspace, Operands], second: tuple[Workspace, Operands], *, absolute: bool = False, base: str = "",
    regime: str = "",
) -> str:  # fmt: skip
    """A sentence that the two are one rule. Raises ScalecError where they are not, with where and by how much.

    `absolute`: values are compared, and not only how they move from whatever base. `regime`: orders are, as sizes
    grow in it alone.
    """
    rules = pair(first, second)
    if regime:
        return _along(rules, first, second, regime)
    sizes = sizes_of("--base", base, {}, Reporter()) if absolute else None
    names = _names(rules, first, second)
    gauges = Gauges(rules.program)
    forms = [form_of(subject, sizes) for subject in (rules.first, rules.second)]
    found = [(d, "") for d in differences(gauges, *forms)]
    for named in rules.regimes:
        under = differences(gauges, *(form_of(subject, sizes, named) for subject in (rules.first, rules.second)))
        found += [(d, f"under {named.name}, ") for d in under if d not in (known for known, _ in found)]
    on = f"on {rules.program.name} for {' + '.join(rules.first.team)}"
    notes = () if absolute else tuple(_where_it_stays(rules, names))
    if found:
        texts = [f"{where}{told(d, names)}" for d, where in found]
        Reporter().fail(
            codes.NOT_EQUIVALENT,
            f"{names[0]} and {names[1]} are different rules {on}: {_but([d for d, _ in found])}{texts[0]}",
            notes=(*texts[1:], *notes),
        )
    moved = [
        f"  {path}: {names[1]}'s factors are {names[0]}'s times {plain(theta)}\n"
        for path in forms[0].tensors
        if (theta := divide(gauges.multiplier(forms[1], path), gauges.multiplier(forms[0], path))) != UNIT
    ]
    same = "up to gauge" if moved else "number by number"
    said = "".join(f"  note: {note}\n" for note in notes)
    return f"{names[0]} and {names[1]} are the same rule {on}, {same}\n{''.join(moved)}{said}"


def _along(
    rules: Pair, first: tuple[Workspace, Operands], second: tuple[Workspace, Operands], regime: str
) -> str:  # fmt: skip
    """The same of the orders under one regime: two rules that differ elsewhere may be one there."""
    reporter = Reporter()
    growth = Chooser(first[0], reporter).regime(parse_regime(Source("--regime", regime)))
    reporter.stop_on_errors()
    assert growth is not None
    names = _names(rules, first, second)
    forms = (form_of(subject, regime=growth) for subject in (rules.first, rules.second))
    try:
        one, other = (_orders(form, rules.program, growth) for form in forms)
    except (NotMonomialError, UndecidedError):
        reporter.fail(codes.NO_ORDER, f"not every attribute has one order under {growth.name}")
    found = list(differences(Gauges(rules.program), one, other))
    on = f"on {rules.program.name} for {' + '.join(rules.first.team)} under {growth.name}"
    if not found:
        return f"{names[0]} and {names[1]} are the same rule {on}, in all orders\n"
    texts = [told(d, names) for d in found]
    message = f"{names[0]} and {names[1]} are different rules {on}: {_but(found)}{texts[0]}"
    reporter.fail(codes.NOT_EQUIVALENT, message, notes=texts[1:])


def _orders(form: Form, program: Program, regime: Regime) -> Form:
    """Every number as a monomial in the scales of a regime."""
    cell = Cell(regime)

    def order(formula: Formula) -> Formula:
        if formula == ZERO:
            return ZERO
        powers = cell.order_of(settled(formula, program, regime)).exponent.powers
        return mul(UNIT, *(power(symbol("ratio", scale), exponent) for scale, exponent in powers))

    tensors = {
        path: replace(t, numbers={n: order(v) for n, v in t.numbers.items()}) for path, t in form.tensors.items()
    }
    return Form(tensors, {site: order(factor) for site, factor in form.sites.items()})


def _where_it_stays(rules: Pair, names: Sequence[str]) -> Iterator[str]:
    """What would make them different rules if the network did not fix a size."""
    program = rules.program
    fixed = [d.name for d in program.dimensions if not d.grows]
    loose = replace(program, dimensions=tuple(replace(d, grows=True) for d in program.dimensions))
    try:
        forms = [form_of(replace(subject, program=loose)) for subject in (rules.first, rules.second)]
    except ScalecError:
        return  # a condition that hangs on a size which is fixed after all
    for d in differences(Gauges(loose), *forms):
        moving = sorted({s.name for s in symbols(d.quotient) if s.kind == "ratio"} if d.quotient else ())
        if moving and set(moving) <= set(fixed):
            sizes = " and ".join(f"`{name}`" for name in moving)
            values = f"`{d.first}` in {names[0]} and `{d.second}` in {names[1]}"
            yield f"`{d.attribute}` of `{d.path}` would be {values} if {program.name} did not fix {sizes}"


def _but(found: Sequence[Difference]) -> str:
    """Epsilon and decay alone change no order of what is trained, as long as they stay small enough."""
    return "the same inits and rates, but " if {d.attribute for d in found} <= {EPSILON, DECAY} else ""


def conversion(
    rule: tuple[Workspace, Operands], like: tuple[Workspace, Operands] | None, name: str, words: tuple[str, ...] = ()
) -> str:
    """A rule file: the rule with the factors of another one in the forward pass, or with none. Raises ScalecError.

    `words`: what could have been asked for that is no rule.
    """
    reporter = Reporter()
    if like is None:
        subject, said = prepare(*rule), "with no factors in the forward pass"
        other = None
    else:
        _check_form(*like, words, reporter)
        rules = pair(rule, like)
        subject, said = rules.first, f"in the gauge of {rules.second.rule.name}"
        other = form_of(rules.second, partial=True)
    chooser = Chooser(rule[0], reporter)
    ref = chooser.ref("rule", rule[1].rule, rule[1].said)
    assert ref is not None
    gauges, form, cell = Gauges(subject.program), form_of(subject), Cell(free(subject.program))
    uses = tuple(sorted({chooser.use("rule", ref.path), *(chooser.use("optimizer", o) for o in subject.team)}))
    head = Converted(name, uses, ref_text(ref), ", ".join(subject.team), said)
    try:
        return converted_text(gauges, form, gauges.like(form, other), cell, head)
    except (NotMonomialError, UndecidedError):
        reporter.fail(codes.NO_ORDER, f"a factor of `{ref.path}` is no product of powers of sizes")


def _check_form(workspace: Workspace, operands: Operands, words: tuple[str, ...], reporter: Reporter) -> None:
    """A form is a rule or a word: where it is neither, both are listed."""
    ref = Chooser(workspace, reporter).ref("rule", operands.rule, operands.said)
    rules = workspace.candidates("rule", workspace.main)
    if ref is not None and ref.path not in rules:
        reporter.fail(
            codes.UNKNOWN_NAME, f"no form is called `{ref.path}`", ref.span,
            notes=[f"known here: {', '.join((*words, *sorted(rules)))}"],
            helps=did_you_mean(ref.path, (*words, *rules)),
        )  # fmt: skip


def side_by_side(first: tuple[Workspace, Operands], second: tuple[Workspace, Operands]) -> str:
    """A table of what two rules say differently, laws and words, and whether the difference is one of gauge."""
    rules = pair(first, second)
    one, other = form_of(rules.first), form_of(rules.second)
    found = {(path, name): "gauge" for path, name, _ in moves(one, other)}
    apart = {(d.path, d.attribute): d for d in differences(Gauges(rules.program), one, other)}
    found |= dict.fromkeys(apart, "differs")
    places = [*one.tensors, *(path for path, _ in (*one.sites, *other.sites))]
    rows = [("", "", *_names(rules, first, second), "")]
    for path, name in sorted(found, key=lambda place: places.index(place[0])):
        a, b = (_raw(form, path, name) for form in (one, other))
        d = apart.get((path, name))
        said = (plain(a), plain(b)) if a is not None and b is not None else (d.first, d.second) if d else ("", "")
        rows.append((path, name, *said, found[path, name]))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "".join("  ".join(f"{c:{w}}" for c, w in zip(r, widths, strict=True)).rstrip() + "\n" for r in rows)


def _raw(form: Form, path: str, name: str) -> Formula | None:
    """A number as the rule says it, factors where they are; None for a word."""
    return form.tensors[path].numbers.get(name) if path in form.tensors else form.sites.get((path, name), UNIT)


def _names(rules: Pair, first: tuple[Workspace, Operands], second: tuple[Workspace, Operands]) -> tuple[str, str]:
    """What messages call the two: as the user did, or as they are called; told apart where two files agree."""
    subjects = (rules.first, rules.second)
    one, other = (o.rule or s.rule.name for (_, o), s in zip((first, second), subjects, strict=True))
    if one == other and first[0].main != second[0].main:
        return f"the first {one}", f"the second {other}"
    return one, other


# ---- from a rule to its form -----------------------------------------------------------------
def form_of(
    subject: Subject, base: Mapping[str, Fraction] | None = None, regime: Regime | None = None, *, partial: bool = False
) -> Form:  # fmt: skip
    """The numbers of a rule, written in ratios to the base sizes; with a base, its values and not its laws.

    `regime`: the one that `under` clauses are held against, else none of them holds. `partial`: what the rule does
    not say is 1. Raises ScalecError, also where a condition makes it another rule at other sizes.
    """
    cell = Cell(free(subject.program))
    request = Request(regime=regime or cell.regime, partial=partial)
    request = replace(request, cell=cell) if base is None else replace(request, base=base)
    made = make_one_plan(subject.program, subject.rule, subject.optimizers, request)
    view = _law if base is None else _value
    return Form(
        {t.tensor.path: _tensor(t, made, view) for t in made.tensors},
        {(s.site.path, name): view(made, q) for s in made.sites for name, q in s.numbers.items()},
    )


def free(program: Program) -> Regime:
    """Every size that the network leaves free grows on its own, also one that has a default."""
    names = [d.name for d in program.dimensions if d.grows]
    return Regime("every size", tuple(names), tuple((name, Order.of({name: 1})) for name in names))


def _tensor(planned: PlannedTensor, made: Plan, view: Callable[[Plan, Quantity], Formula]) -> TensorForm:
    optimizer = made.optimizers[planned.optimizer] if planned.optimizer else None
    return TensorForm(
        {name: view(made, q) for name, q in planned.numbers.items()},
        family_of(optimizer),
        cast(Decay, optimizer.decay if optimizer else "none"),
        (
            ("init.dist", planned.init.word),
            ("init.shared", ", ".join(axis.word for axis in planned.shared_axes)),
            ("optimizer", planned.optimizer or ""),
            ("split", planned.split.word),
        ),
    )


def _law(made: Plan, quantity: Quantity) -> Formula:
    return ZERO if quantity.formula == ZERO else relative(made.program, made.moves(quantity))


def _value(made: Plan, quantity: Quantity) -> Formula:
    def run(s: Symbol) -> Formula | None:
        known = made.run.get(s.name) if s.kind == "run" else None
        return substitute(known.formula, run) if isinstance(known, Quantity) else None

    return relative(made.program, substitute(quantity.formula, run))


def relative(program: Program, formula: Formula) -> Formula:
    """A formula in base sizes and ratios to them; what the network fixes does not move."""

    def known(s: Symbol) -> Formula | None:
        grows = s.name in program.dimension and program.dimension[s.name].grows
        if s.kind == "size":
            base = symbol("base", s.name)
            return mul(base, symbol("ratio", s.name)) if grows else base
        return UNIT if s.kind == "ratio" and not grows else None

    return substitute(formula, known)
