"""From regimes taken together to what declares them. Input: a workspace, `width + depth`. Output: `RegimeDef`.

What a growth means is the business of `symbolic.regime`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.resolve.load import Found, Workspace
from scalec.syntax import nodes


@dataclass(frozen=True)
class RegimeDef:
    """`parts`: the declarations with growths behind the names, each as often as it is named."""

    joint: nodes.Joint
    parts: tuple[nodes.RegimeDecl, ...]


def find_regime(workspace: Workspace, joint: nodes.Joint, unit: str, reporter: Reporter) -> RegimeDef:
    """What `joint` means in a file; a name that means nothing is reported and left out."""
    return RegimeDef(joint, tuple(_flatten(workspace, joint, unit, reporter, ())))


def _flatten(
    workspace: Workspace, joint: nodes.Joint, unit: str, reporter: Reporter, path: tuple[Found, ...]
) -> Iterator[nodes.RegimeDecl]:
    for part in joint.parts:
        found = workspace.find("regime", part.text, unit, part.span, reporter)
        if found is None:
            continue
        declaration = found.declaration
        assert isinstance(declaration, nodes.RegimeDecl)
        if found in path:
            reporter.report(codes.CYCLE, f"regime `{declaration.name}` is made of itself", part.span)
        elif declaration.joint:
            yield from _flatten(workspace, declaration.joint, found.unit, reporter, (*path, found))
        else:
            yield declaration
