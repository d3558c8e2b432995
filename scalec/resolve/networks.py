"""From a network declaration to its parts. Input: a workspace and a reference. Output: `NetworkDef`.

Parameters are substituted; dimensions are checked against the declared ones. Blocks stay trees:
what a block means is the business of `program.lower`.
"""

from __future__ import annotations

from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.resolve.bind import bind, substitute
from scalec.resolve.load import Workspace
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
    """The network that `ref` means in a file, its parameters bound."""
    found = workspace.find("network", ref.path, unit or workspace.main, ref.span, reporter)
    if found is None:
        return None
    declaration = found.declaration
    assert isinstance(declaration, nodes.NetworkDecl)
    if declaration.extends:
        reporter.report(codes.NOT_SUPPORTED, "`extends` of a network is not supported yet", declaration.extends.span)
    bindings = bind(declaration.name, declaration.params, ref, reporter)
    dims: dict[str, NetworkDim] = {}
    items: list[nodes.Block | nodes.Let] = []
    for item in declaration.items:
        match item:
            case nodes.Dims(sizes) | nodes.Fixed(sizes):
                for size in sizes:
                    _add(
                        dims,
                        workspace,
                        found.unit,
                        substitute(size, bindings),
                        isinstance(item, nodes.Fixed),
                        reporter,
                    )
            case nodes.Block() | nodes.Let():
                items.append(substitute(item, bindings))
    if len(dims) > SIZES:
        reporter.fail(codes.LIMIT, f"network `{declaration.name}` has more than {SIZES} sizes", declaration.span)
    return NetworkDef(declaration.name, tuple(dims.values()), tuple(items), declaration.span)


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
