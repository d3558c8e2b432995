"""From a network declaration to its parts. Input: a workspace and a reference. Output: `NetworkDef`.

Parameters are substituted, ancestors come first; dimensions are checked against the declared ones.
Blocks stay trees: what a block means is the business of `program.lower`.
"""

from __future__ import annotations

from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.resolve.bind import bind, substitute
from scalec.resolve.load import GENERATIONS, Found, Workspace
from scalec.source import Span
from scalec.syntax import nodes

SIZES = 200  # of a network


@dataclass(frozen=True)
class NetworkDim:
    """A dimension of a network: its size where fixed, its default where it has one, its description."""

    name: str
    doc: str
    fixed: bool
    value: nodes.Expr | None
    span: Span


@dataclass(frozen=True)
class NetworkDef:
    name: str
    dims: tuple[NetworkDim, ...]
    items: tuple[nodes.Block | nodes.Let, ...]
    span: Span


def resolve_network(
    workspace: Workspace, ref: nodes.Ref, reporter: Reporter, unit: str | None = None
) -> NetworkDef | None:
    """The network that `ref` means in a file, its parameters bound: sizes and blocks of its ancestors, then its own."""
    found = workspace.find("network", ref.path, unit or workspace.main, ref.span, reporter)
    if found is None:
        return None
    dims: dict[str, NetworkDim] = {}
    items: list[nodes.Block | nodes.Let] = []
    for home, declaration, bindings in reversed(_generations(workspace, found, ref, reporter)):
        for item in declaration.items:
            match item:
                case nodes.Dims(sizes) | nodes.Fixed(sizes):
                    fixed = isinstance(item, nodes.Fixed)
                    for size in sizes:
                        _add(dims, workspace, home, substitute(size, bindings), fixed, reporter)
                case nodes.Block() | nodes.Let():
                    items.append(substitute(item, bindings))
    span = found.declaration.span
    if len(dims) > SIZES:
        reporter.fail(codes.LIMIT, f"network `{ref.path}` has more than {SIZES} sizes", span)
    return NetworkDef(ref.path, tuple(dims.values()), tuple(items), span)


Generation = tuple[str, nodes.NetworkDecl, dict[str, nodes.Expr]]


def _generations(workspace: Workspace, found: Found, ref: nodes.Ref, reporter: Reporter) -> list[Generation]:
    """The network, its parent, and so on: the file that each stands in, its declaration, its parameters bound."""
    line: list[Generation] = []
    seen: set[tuple[str, str]] = set()
    parent: Found | None = found
    while parent is not None:
        declaration = parent.declaration
        assert isinstance(declaration, nodes.NetworkDecl)
        if (parent.unit, declaration.name) in seen:
            reporter.report(codes.CYCLE, f"network `{declaration.name}` extends itself", ref.span)
            break
        if len(line) >= GENERATIONS:
            message = f"network `{declaration.name}` is an ancestor in generation {len(line)}"
            reporter.fail(codes.LIMIT, message, ref.span)
        seen.add((parent.unit, declaration.name))
        bindings = bind(declaration.name, declaration.params, ref, reporter)
        line.append((parent.unit, declaration, bindings))
        if declaration.extends is None:
            break
        ref = substitute(declaration.extends, bindings)
        parent = workspace.find("network", ref.path, parent.unit, ref.span, reporter)
    return line


def _add(
    dims: dict[str, NetworkDim],
    workspace: Workspace,
    unit: str,
    size: nodes.Size,
    fixed: bool,
    reporter: Reporter,
) -> None:
    found = workspace.find("dimension", size.name, unit, size.span, reporter)
    if found is None:
        return
    if size.name in dims:
        reporter.report(
            codes.DUPLICATE_NAME,
            f"dimension `{size.name}` is listed twice",
            size.span,
            labels=[(dims[size.name].span, "first here")],
        )
        return
    assert isinstance(found.declaration, nodes.Dim)
    fixed = fixed or found.declaration.fixed
    dims[size.name] = NetworkDim(size.name, found.declaration.doc or "", fixed, size.value, size.span)
