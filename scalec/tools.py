"""Tools for rule files themselves: the canonical layout, and a file to begin with.

Input: texts, operands. Output: texts, or ScalecError. Reading and writing files is the command line's.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import unified_diff

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError
from scalec.emit.starter import Start, published, starter_text
from scalec.operands import Chooser, Operands, Subject, team_of
from scalec.plan.horizon import with_run_sizes
from scalec.plan.make import Request, make_plan
from scalec.resolve.load import Kind, load_standard
from scalec.resolve.optimizers import resolve_optimizer
from scalec.source import Source
from scalec.syntax import nodes
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse


def canonical(source: Source) -> str:
    """The text laid out the one way, comments kept. Raises ScalecError where it does not parse."""
    return to_text(parse(source))


def difference(source: Source, text: str) -> str:
    """What would change, as a unified diff."""
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    lines = unified_diff(before, after, source.name, f"{source.name} (canonical)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def starter(operands: Operands, file: str) -> str:
    """A rule file to begin with, from standard packs. Raises ScalecError.

    Where the rule leaves the optimizer open and gives tensors to none, it is the last that works entry by
    entry: such a one suits tensors of every shape.
    """
    workspace, reporter = load_standard(), Reporter()
    chooser = Chooser(workspace, reporter)
    rule, network = chooser.ref("rule", operands.rule, "--rule"), chooser.ref("network", operands.network, "--network")
    reporter.stop_on_errors()
    assert rule is not None
    assert network is not None
    team = team_of(operands.optimizer) if operands.optimizer else _usual(chooser, rule)
    subject = chooser.subject(rule, network, team)
    declared: tuple[tuple[Kind, str], ...] = (
        ("network", network.path), *(("optimizer", name) for name in team), ("rule", rule.path),
    )  # fmt: skip
    found = [workspace.find(kind, name, workspace.main, None, reporter) for kind, name in declared]
    packs = tuple(dict.fromkeys(f.unit for f in found if f))
    checks = published(workspace.units[packs[-1]].checks, rule, network, team)
    _stop_where_incomplete(subject)
    program = with_run_sizes(subject.program, subject.rule, ())
    return starter_text(Start(rule, network, packs, subject.rule, program, subject.optimizers, checks), file)


def _stop_where_incomplete(subject: Subject) -> None:
    """A rule that says a part, to be combined with one that says the rest, is nothing to begin with alone."""
    reporter, name = Reporter(), subject.rule.name
    try:
        make_plan(subject.program, subject.rule, subject.optimizers, Request(), reporter)
    except ScalecError as error:
        unsaid = [d for d in error.diagnostics if d.code == codes.UNCOVERED]
        if unsaid:
            how = f"begin with a rule that says the rest; then write `extends THAT, {name}` in the file"
            first, *others = unsaid
            raise ScalecError([replace(first, notes=tuple(d.message for d in others), helps=(how,))]) from None


def _usual(chooser: Chooser, rule: nodes.Ref) -> tuple[str, ...]:
    teams = chooser.teams(rule)
    chooser.reporter.stop_on_errors()
    if len(teams) == 1:
        return teams[0]
    found = [resolve_optimizer(chooser.workspace, name, chooser.reporter) for (name,) in teams]
    return next((o.name,) for o in reversed(found) if o and o.family == "entrywise")
