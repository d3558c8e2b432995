"""The passes in order: the table of contents of the compiler.

text -> tree -> files (`load`) -> rule, network, optimizer (`prepare`) -> program -> plan -> files.
Everything here takes values and returns values or raises `ScalecError`; printing and writing are the
command line's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from importlib.metadata import version
from itertools import chain

from scalec import catalogue as codes
from scalec.calculus.scaling import Scaling
from scalec.check.claims import goals_of, hold
from scalec.check.goals import DEFAULT, GOALS
from scalec.check.report import Report
from scalec.check.run import Laws, check
from scalec.diagnostics import Diagnostic, Reporter, ScalecError
from scalec.emit.files import EmittedFile, emit
from scalec.emit.names import Stamp
from scalec.operands import Chooser, Operands, Subject, names_of, prepare
from scalec.plan.apart import examine_rule
from scalec.plan.make import Planned, Request
from scalec.plan.make import make_plan as plan_rule
from scalec.plan.model import Plan
from scalec.plan.orders import scaling
from scalec.plan.regimes import holds
from scalec.plan.tune import parse_tune, parse_tuned
from scalec.program.lower import lower
from scalec.resolve.goals import resolve_goal
from scalec.resolve.laws import check_law
from scalec.resolve.load import Workspace, load_text
from scalec.resolve.networks import resolve_network
from scalec.resolve.optimizers import resolve_optimizer
from scalec.resolve.rules import resolve_rule
from scalec.source import Source, Span
from scalec.symbolic.dominance import Cell
from scalec.symbolic.evaluate import to_formula, to_number
from scalec.symbolic.formula import symbol
from scalec.symbolic.order import Regime
from scalec.symbolic.regime import resolve_regime
from scalec.syntax import nodes
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse_regime, parse_sizes
from scalec.syntax.printer import joint_text


@dataclass(frozen=True)
class PlanRequest:
    """Sizes, tuned values and a regime as the command line writes them: `N=4096,L=48`, `readout.lr=0.1`, `width`.

    `tuned` is a file of tuned values, which those of `tunes` override.
    """

    at: tuple[str, ...] = ()
    base: str | None = None
    tunes: tuple[str, ...] = ()
    regime: str | None = None
    tuned: Source | None = None


def plan(workspace: Workspace, operands: Operands, request: PlanRequest) -> Plan:
    """The plan of a rule on a network at sizes. Raises ScalecError."""
    subject = prepare(workspace, operands)
    reporter = Reporter()
    places: list[dict[str, Span]] = [{} for _ in (*request.at, "base")]
    at = tuple(sizes_of("--at", text, p, reporter) for text, p in zip(request.at, places[:-1], strict=True))
    base = sizes_of("--base", request.base or "", places[-1], reporter)
    tuned = tuple(parse_tuned(request.tuned, reporter)) if request.tuned else ()
    tunes = (*tuned, *(tune for text in request.tunes if (tune := parse_tune(text, reporter))))
    regime = _regime(workspace, request.regime, reporter) if request.regime else None
    reporter.stop_on_errors()
    return plan_rule(
        subject.program, subject.rule, subject.optimizers,
        Request(at, base, tunes, workspace.unit.tree.span.source.name, places, regime), reporter,
    )  # fmt: skip


@dataclass(frozen=True)
class CheckRun:
    """One `check` block, with the optimizers and the regime of one run; `report` is None where it could not run."""

    declaration: nodes.CheckDecl
    optimizer: str
    regime: str
    report: Report | None
    diagnostics: tuple[Diagnostic, ...]


def check_rule(
    workspace: Workspace, operands: Operands, regime: str, goals: Sequence[str] = DEFAULT, causes: Sequence[str] = ()
) -> Report:
    """Prove or refute desiderata of a rule on a network as sizes grow. Raises ScalecError.

    `regime` is a name or several with `+`; `causes` are tensors whose effects are also shown alone.
    """
    subject = prepare(workspace, operands)
    reporter = Reporter()
    growth = _regime(workspace, regime, reporter)
    wanted = [goal for name in goals for goal in resolve_goal(workspace, name, GOALS, None, reporter)]
    reporter.stop_on_errors()
    assert growth is not None
    return check(subject.program, laws(subject), growth, wanted, causes)


def _regime(workspace: Workspace, text: str, reporter: Reporter) -> Regime | None:
    return Chooser(workspace, reporter).regime(parse_regime(Source("--regime", text)))


def laws(subject: Subject) -> Laws:
    """How a rule's attributes move, by the cell of directions: worked out once for all in which the same of it applies.

    With conditions, or laws that are required, the directions matter themselves.
    """
    rule = subject.rule
    statements = (s for clause in rule.clauses for s in clause.node.statements)
    if any(clause.around.where for clause in rule.clauses) or any(isinstance(s, nodes.Bound) for s in statements):
        return cache(partial(orders, subject))
    planned: Planned = {}
    surroundings = [*(clause.around for clause in rule.clauses), *(demand.around for demand in rule.demands)]
    known: dict[tuple[bool, ...], Scaling] = {}

    def of_regime(cell: Cell) -> Scaling:
        applies = tuple(holds(around, cell.regime, subject.program) for around in surroundings)
        if applies not in known:
            known[applies] = orders(subject, cell, planned)
        return known[applies]

    return of_regime


def orders(subject: Subject, cell: Cell, planned: Planned | None = None) -> Scaling:
    """How every attribute of a rule moves with the sizes, in some directions of a regime. Raises ScalecError."""
    request = Request(cell=cell)
    return scaling(plan_rule(subject.program, subject.rule, subject.optimizers, request, Reporter(), planned))


Known = dict[tuple[str, ...], tuple[Subject, Laws]]  # by team


def run_checks(workspace: Workspace) -> Iterator[CheckRun]:
    """Every `check` block of the file under work, for each of its optimizers and regimes."""
    for declaration in workspace.unit.checks:
        reporter = Reporter()
        chooser = Chooser(workspace, reporter)
        teams = [names_of(joint) for joint in declaration.owners] or list(chooser.teams(declaration.rule))
        if not declaration.regimes:
            reporter.report(codes.NO_OPERAND, "a check says in which regime", declaration.span, helps=["`under width`"])
        if reporter.diagnostics:
            yield CheckRun(declaration, "", "", None, reporter.ordered)
            continue
        known: Known = {}
        for team in teams:
            for joint in declaration.regimes:
                yield _run_check(workspace, declaration, team, joint, known)


def _run_check(
    workspace: Workspace, declaration: nodes.CheckDecl, team: tuple[str, ...], joint: nodes.Joint, known: Known
) -> CheckRun:
    reporter, report = Reporter(), None
    with _collected(reporter):
        if team not in known:
            subject = Chooser(workspace, reporter).subject(declaration.rule, declaration.network, team)
            known[team] = subject, laws(subject)
        subject, moves = known[team]
        growth = resolve_regime(workspace, joint, reporter)
        goals = goals_of(declaration.claims, workspace, reporter)
        reporter.stop_on_errors()
        assert growth is not None
        report = check(subject.program, moves, growth, tuple(chain(*goals.values())))
        hold(declaration.claims, goals, report, subject.program, reporter)
    placed = tuple(d if d.span else replace(d, span=declaration.span) for d in reporter.ordered)
    return CheckRun(declaration, " + ".join(team), joint_text(joint), report, placed)


def examine(workspace: Workspace) -> tuple[Diagnostic, ...]:
    """Names and kinds of everything the file under work declares; nothing is proved."""
    reporter = Reporter()
    optimizers = tuple(workspace.candidates("optimizer", workspace.main))
    whole = workspace.unit.leaves("network")  # others may lack what those that extend them have
    for declaration in workspace.unit.own.values():
        if reporter.full:
            break
        with _collected(reporter) as own:
            match declaration:
                case nodes.NetworkDecl(name) if all(p.value for p in declaration.params):
                    network = resolve_network(workspace, _as_declared(declaration), own)
                    own.stop_on_errors()
                    assert network is not None
                    if name in whole:
                        lower(network, own)
                case nodes.OptimizerDecl(name):
                    resolve_optimizer(workspace, name, own)
                case nodes.LawDecl():
                    _law(workspace, declaration, own)
                case nodes.GoalDecl(name):
                    resolve_goal(workspace, name, GOALS, declaration.span, own)
                case nodes.RuleDecl() | nodes.Derived():
                    rule = resolve_rule(workspace, _as_declared(declaration), optimizers, own)
                    if isinstance(declaration, nodes.Derived):
                        _derivation(workspace, declaration, own)
                    elif rule and not own.diagnostics and all(p.value for p in declaration.params):
                        examine_rule(rule, workspace.candidates("dimension", workspace.main), optimizers, own)
                case nodes.RegimeDecl():
                    _growths(workspace, declaration, own)
                case _:
                    pass  # a network that needs arguments is examined where it gets them
    for block in workspace.unit.checks:
        workspace.find("rule", block.rule.path, workspace.main, block.rule.span, reporter)
        workspace.find("network", block.network.path, workspace.main, block.network.span, reporter)
        for owner in (part for joint in block.owners for part in joint.parts):
            workspace.find("optimizer", owner.text, workspace.main, owner.span, reporter)
        for regime in (part for joint in block.regimes for part in joint.parts):
            workspace.find("regime", regime.text, workspace.main, regime.span, reporter)
    return reporter.ordered


def _growths(workspace: Workspace, regime: nodes.RegimeDecl, reporter: Reporter) -> None:
    """The dimensions and the growths of a regime. One in which nothing grows is of use beside others."""
    name, own = nodes.Path(regime.name, span=regime.span), Reporter()
    resolve_regime(workspace, nodes.Joint((name,), span=regime.span), own)
    reporter.take(d for d in own.diagnostics if d.code is not codes.NOTHING_GROWS)
    for growth in regime.growths:
        workspace.find("dimension", growth.dim, workspace.main, growth.span, reporter)


def _law(workspace: Workspace, law: nodes.LawDecl, reporter: Reporter) -> None:
    """The names in `law NAME = ...`, and what is done with them."""
    known = check_law(workspace, law, workspace.main, reporter)
    reporter.stop_on_errors()
    to_formula(law.value, lambda name: symbol("size", name), known, reporter)


def _derivation(workspace: Workspace, derived: nodes.Derived, reporter: Reporter) -> None:
    """The names in `rule mine = derive ...`."""
    workspace.find("network", derived.network.path, workspace.main, derived.network.span, reporter)
    for goal in derived.goals:
        resolve_goal(workspace, goal.text, GOALS, goal.span, reporter)
    for joint in derived.regimes:
        resolve_regime(workspace, joint, reporter)


def diagnose_text(text: str, name: str = "<string>") -> tuple[Diagnostic, ...]:
    """Everything wrong with a rule file given as text, in order of position."""
    try:
        return examine(load_text(text, name))
    except ScalecError as error:
        return error.diagnostics


@contextmanager
def _collected(reporter: Reporter) -> Iterator[Reporter]:
    """A reporter for one declaration: where it stops, the next one is examined all the same."""
    own = Reporter()
    try:
        yield own
    except ScalecError as error:
        own.diagnostics = list(error.diagnostics)
    reporter.take(own.diagnostics)


def _as_declared(declaration: nodes.NetworkDecl | nodes.RuleDecl | nodes.Derived) -> nodes.Ref:
    """A reference to a declaration; parameters without a default stand for themselves."""
    params = declaration.params if not isinstance(declaration, nodes.Derived) else ()
    open_ = [p for p in params if p.value is None]
    arguments = tuple(nodes.Argument(p.name, nodes.Name(p.name, span=p.span), span=p.span) for p in open_)
    return nodes.Ref(declaration.name, arguments, span=declaration.span)


def compile_files(workspace: Workspace, operands: Operands, request: PlanRequest) -> tuple[EmittedFile, ...]:
    """The texts that `compile` writes, at the one size of the request. Raises ScalecError."""
    return emit_files(plan(workspace, operands, request), fingerprint(workspace, operands, request))


def emit_files(made: Plan, inputs_hash: str) -> tuple[EmittedFile, ...]:
    """The texts of a plan at its one size. Raises ScalecError."""
    return emit(made, made.sizes[0], Stamp(version("scalec"), inputs_hash))


def fingerprint(workspace: Workspace, operands: Operands, request: PlanRequest) -> str:
    """SHA-256 of the rule text in canonical form: comments and layout do not change it."""
    texts = sorted(to_text(unit.tree) for unit in workspace.units.values())
    tuned = request.tuned.text if request.tuned else ""
    asked = (request.base, request.tunes, request.regime, tuned)
    return hashlib.sha256("\0".join((*texts, repr(operands), repr(asked))).encode()).hexdigest()


def sizes_of(option: str, text: str, places: dict[str, Span], reporter: Reporter) -> Mapping[str, Fraction]:
    """The sizes that an option names; notes where."""
    sizes: dict[str, Fraction] = {}
    for size in parse_sizes(Source(option, text)) if text.strip() else ():
        if size.value is None or size.name in sizes:
            what = "has no value" if size.value is None else "is given twice"
            reporter.report(codes.CONTRADICTION, f"`{size.name}` {what}", size.span)
        else:
            sizes[size.name] = to_number(size.value, reporter)
            places[size.name] = size.span
    return sizes
