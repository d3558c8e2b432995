"""From names of goals to desiderata. Input: a workspace, a name. Output: what it stands for, each once.

A `goal` declaration names several desiderata at once; they are told apart from `known`, the
desiderata themselves, whose names no declaration may take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.resolve.load import Found, Workspace
from scalec.source import Span
from scalec.syntax import nodes


def resolve_goal(
    workspace: Workspace, name: str, known: Collection[str], span: Span | None, reporter: Reporter
) -> tuple[str, ...]:
    """The desiderata that a name means in the file under work; reports what is unknown."""
    return tuple(dict.fromkeys(_flatten(workspace, name, workspace.main, known, span, reporter, ())))


def _flatten(
    workspace: Workspace, name: str, unit: str, known: Collection[str], span: Span | None,
    reporter: Reporter, path: tuple[Found, ...],
) -> Iterator[str]:  # fmt: skip
    declared = workspace.candidates("goal", unit)
    if name in known and name not in declared:
        yield name
        return
    if name not in declared:
        everything = [*known, *declared]
        reporter.report(
            codes.UNKNOWN_GOAL, f"no desideratum is called `{name}`", span,
            notes=[f"there are {', '.join(everything)}"], helps=did_you_mean(name, everything),
        )  # fmt: skip
        return
    found = workspace.find("goal", name, unit, span, reporter)
    if found is None:
        return
    assert isinstance(found.declaration, nodes.GoalDecl)
    if name in known:
        message = f"`{name}` is a desideratum already; a combination needs a name of its own"
        reporter.report(codes.DUPLICATE_NAME, message, found.declaration.span)
    elif found in path:
        reporter.report(codes.CYCLE, f"goal `{name}` is made of itself", span)
    else:
        for part in found.declaration.joint.parts:
            yield from _flatten(workspace, part.text, found.unit, known, part.span, reporter, (*path, found))
