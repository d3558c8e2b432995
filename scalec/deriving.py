"""What `scalec derive` says: from names to a rule file. Input: a workspace, names. Output: language text.

What is given comes from a rule to keep, if one is named, through the same plan as every rule's; what that leaves
unsaid is solved for. The text is parsed and checked before it is given out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from scalec import catalogue as codes
from scalec.calculus.forward import UnsupportedError
from scalec.calculus.scaling import Scaling
from scalec.calculus.structure import Structure
from scalec.calculus.world import UnresolvedError
from scalec.check.goals import DEFAULT, GOALS
from scalec.check.report import Report
from scalec.check.run import check
from scalec.derive.derive import solutions
from scalec.derive.problem import DECAY, EPSILON, FACTOR, INIT, RATE, Lever, Problem
from scalec.derive.solve import RestlessError
from scalec.derive.write import Frame, rule_text
from scalec.diagnostics import Reporter
from scalec.operands import Chooser, Operands, Subject, team_of
from scalec.plan.make import Request, make_plan
from scalec.plan.model import Plan
from scalec.plan.orders import scaling
from scalec.program.ops import Bias
from scalec.resolve.goals import resolve_goal
from scalec.resolve.load import Kind, Workspace
from scalec.source import Source
from scalec.symbolic.dominance import Cell
from scalec.symbolic.order import Regime
from scalec.symbolic.regime import resolve_regime
from scalec.syntax import nodes
from scalec.syntax.parser import parse_regime
from scalec.syntax.printer import ref_text


@dataclass(frozen=True)
class Asked:
    """What a rule is wanted for. `operands.rule` is the rule to keep, None for none; `name` what to call it."""

    operands: Operands
    regime: str
    goals: tuple[str, ...] = DEFAULT
    name: str = "derived"


def derive_rule(workspace: Workspace, asked: Asked) -> str:
    """The text of a rule file that reaches the goals. Raises ScalecError where there is none."""
    reporter = Reporter()
    subject, growth, frame = _resolved(workspace, asked)
    problem = problem_of(subject, growth)
    try:
        found = solutions(problem)
    except UnsupportedError as error:
        reporter.fail(codes.NO_TRANSFER, f"`{error.value}` is {error.reason}; the calculus has no rule for that")
    except UnresolvedError as error:
        reporter.fail(codes.NO_ORDER, f"`{error.attribute}` of `{error.subject}` has no order")
    except RestlessError:
        reporter.fail(codes.OUT_OF_REACH, f"laws for {frame.network} under {frame.regime} do not come to rest")
    reports = []
    for solution in found:
        report = check(problem.program, problem.scaling(solution.orders), growth, frame.goals)
        if report.verdict == "pass":
            return rule_text(problem, solution, frame)
        reports.append(report)
    _out_of_reach(reports[0], frame, reporter)


def _out_of_reach(report: Report, frame: Frame, reporter: Reporter) -> NoReturn:
    failed = [goal for goal, verdict in report.verdicts.items() if verdict != "pass"]
    said = [f.diagnostic.message for f in report.findings if f.diagnostic.severity == "error"]
    reporter.fail(
        codes.OUT_OF_REACH,
        f"no law reaches {', '.join(f'`{goal}`' for goal in failed)} on {frame.network} under {frame.regime}",
        notes=[f"at the best that was found {message}" for message in said],
    )


def problem_of(subject: Subject, regime: Regime) -> Problem:
    """The given part of a rule on a program, and what it leaves open."""
    request = Request(cell=Cell(regime), partial=True)
    plan = make_plan(subject.program, subject.rule, subject.optimizers, request, Reporter())
    open_ = frozenset(_open(plan))
    biases = {op.tensor for op in Structure(subject.program).operations if isinstance(op, Bias)}
    given = scaling(plan)
    tensors = {
        path: replace(t, init=None) if path in biases and Lever(path, INIT) in open_ else t
        for path, t in given.tensors.items()
    }
    return Problem(subject.program, Scaling(tensors, given.sites), open_, regime)


def _open(plan: Plan) -> Iterator[Lever]:
    """The attributes that no clause speaks of."""
    for tensor in plan.tensors:
        for name in (INIT, RATE, EPSILON, DECAY):
            if name in tensor.said and not tensor.said[name].origins and (name != INIT or not tensor.init.origins):
                yield Lever(tensor.tensor.path, name)
    for site in plan.sites:
        if not site.numbers[FACTOR].origins:
            yield Lever(site.site.path, FACTOR)


# ---- names -----------------------------------------------------------------------------------
def _resolved(workspace: Workspace, asked: Asked) -> tuple[Subject, Regime, Frame]:
    reporter = Reporter()
    chooser = Chooser(workspace, reporter)
    network = chooser.ref("network", asked.operands.network)
    keep = chooser.ref("rule", asked.operands.rule) if asked.operands.rule else None
    team = _team(chooser, asked.operands.optimizer, keep)
    joint = parse_regime(Source("--regime", asked.regime))
    homes = [chooser.home("regime", part.text) for part in joint.parts]
    home = next((h for h in homes if h is not workspace), workspace)
    growth = resolve_regime(home, joint, reporter)
    goals = tuple(g for name in asked.goals for g in resolve_goal(workspace, name, GOALS, None, reporter))
    reporter.stop_on_errors()
    assert network is not None
    assert growth is not None
    (optimizer,) = team
    subject = chooser.subject(keep, network, team, asked.operands.allowed_classes)
    names: list[tuple[Kind, str]] = [("network", network.path), ("optimizer", optimizer)]
    names += [("regime", part.text) for part in joint.parts] + ([("rule", keep.path)] if keep else [])
    uses = tuple(sorted({chooser.use(kind, name) for kind, name in names}))
    parent = ref_text(keep) if keep else ""
    return subject, growth, Frame(asked.name, uses, parent, ref_text(network), optimizer, growth.name, goals)


def _team(chooser: Chooser, named: str | None, keep: nodes.Ref | None) -> tuple[str, ...]:
    """The one optimizer that a rule is derived for; reports where there are several."""
    only = (named or chooser.only("optimizer")) if not keep or named else None
    team = team_of(only) if only else chooser.team(keep) if keep else ()
    if len(team) > 1:
        message = f"a rule is derived for one optimizer, not for {' and '.join(f'`{o}`' for o in team)} at once"
        chooser.reporter.report(codes.NO_OPERAND, message, helps=[f"`--optimizer {team[0]}`"])
    return team
