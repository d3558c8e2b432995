"""What `scalec derive` says: from names to a rule file. Input: a workspace, names. Output: language text.

What is given comes from a rule to keep, if one is named, through the same plan as every rule's; what that leaves
unsaid is solved for. The text is parsed and checked before it is given out.
"""

from __future__ import annotations

from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.check.goals import DEFAULT, GOALS
from scalec.derive.given import problem_of
from scalec.derive.reach import reach
from scalec.derive.write import Frame, rule_text
from scalec.diagnostics import Reporter
from scalec.operands import Chooser, Operands, Subject, team_of
from scalec.resolve.goals import resolve_goal
from scalec.resolve.load import Kind, Workspace
from scalec.source import Source
from scalec.symbolic.order import Regime
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
    subject, growth, frame = _resolved(workspace, asked)
    problem = problem_of(subject.program, subject.rule, subject.optimizers, growth)
    return rule_text(reach(problem, frame.goals), frame)


# ---- names -----------------------------------------------------------------------------------
def _resolved(workspace: Workspace, asked: Asked) -> tuple[Subject, Regime, Frame]:
    reporter = Reporter()
    chooser = Chooser(workspace, reporter)
    network = chooser.ref("network", asked.operands.network, "--network")
    keep = chooser.ref("rule", asked.operands.rule, asked.operands.said) if asked.operands.rule else None
    team = _team(chooser, asked.operands.optimizer, keep)
    joint = parse_regime(Source("--regime", asked.regime))
    growth = chooser.regime(joint)
    goals = tuple(g for name in asked.goals for g in resolve_goal(workspace, name, GOALS, None, reporter))
    reporter.stop_on_errors()
    assert network is not None
    assert growth is not None
    subject = chooser.subject(keep, network, team, asked.operands.allowed_classes)
    names: list[tuple[Kind, str]] = [("network", network.path), *(("optimizer", name) for name in team)]
    names += [("regime", part.text) for part in joint.parts] + ([("rule", keep.path)] if keep else [])
    uses = tuple(sorted({chooser.use(kind, name) for kind, name in names}))
    parent = ref_text(keep) if keep else ""
    return subject, growth, Frame(asked.name, uses, parent, ref_text(network), team, growth.name, goals)


def _team(chooser: Chooser, named: str | None, keep: nodes.Ref | None) -> tuple[str, ...]:
    """The optimizers that a rule is derived for. Of several, the rule to keep says whose each tensor is."""
    only = (named or chooser.only("optimizer")) if not keep or named else None
    team = team_of(only) if only else chooser.team(keep) if keep else ()
    if len(team) > 1 and not keep:
        message = f"nothing says which tensors are whose of {' and '.join(f'`{o}`' for o in team)}"
        help_ = f"`--keep RULE`, of a rule with `tensor * {{ optimizer = {team[-1]} }}` and clauses for the others"
        chooser.reporter.report(codes.NO_OPERAND, message, helps=[help_])
    return team
