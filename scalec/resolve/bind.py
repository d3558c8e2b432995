"""Arguments to parameters, by substitution in the tree. Input: a reference and the declared parameters.

Substitution happens before anything is evaluated, so a parameter may stand wherever an expression
may, and every node keeps the span of the text that it came from. Invariant: no expression comes out
larger or deeper than the limits here, however often arguments double themselves.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic, Reporter, ScalecError, did_you_mean
from scalec.source import Span
from scalec.syntax import nodes

N = TypeVar("N")
Extent = tuple[int, int]  # how many nodes an expression has, and how deep they are

LARGEST: Extent = (1000, 200)


class Bindings(dict[str, nodes.Expr]):
    """Values of parameters, with the extent of each."""

    def __init__(self) -> None:
        super().__init__()
        self.extents: dict[str, Extent] = {}

    def __setitem__(self, name: str, value: nodes.Expr) -> None:
        super().__setitem__(name, value)
        self.extents[name] = _extent(value, {})


def bind(
    owner: str,
    params: tuple[nodes.Size, ...],
    ref: nodes.Ref | None,
    reporter: Reporter,
    span: Span | None = None,
) -> Bindings:
    """Values of the parameters of `owner`, defaults filled in (a default may use earlier parameters)."""
    known, before = [p.name for p in params], len(reporter.diagnostics)
    given: dict[str, nodes.Expr] = {}
    for position, argument in enumerate(ref.arguments if ref else ()):
        name = argument.name or (known[position] if position < len(known) else None)
        if name not in known or isinstance(argument.value, tuple):
            what = f"no parameter `{name}`" if name else f"{len(known)} parameter{'s' * (len(known) != 1)}, no more"
            notes = (f"its parameters are {', '.join(known)}",) if known else ("it has no parameters",)
            reporter.report(codes.ARGUMENTS, f"`{owner}` has {what}", argument.span, notes=notes,
                            helps=did_you_mean(name or "", known))  # fmt: skip
        elif name in given:
            reporter.report(codes.ARGUMENTS, f"parameter `{name}` of `{owner}` is given twice", argument.span)
        else:
            given[name] = argument.value
    fit = len(reporter.diagnostics) == before
    bound = Bindings()
    for param in params:
        value = given.get(param.name)
        if value is None and param.value is None:
            if fit:  # else a misspelt one was meant
                reporter.report(codes.ARGUMENTS, f"`{owner}` needs a value for parameter `{param.name}`",
                                ref.span if ref else span)  # fmt: skip
        elif value is not None:
            bound[param.name] = value
        elif param.value is not None:
            bound[param.name] = substitute(param.value, bound)
    return bound


def substitute(node: N, bindings: Bindings) -> N:
    """The tree with every `Name` that is a bound parameter replaced by its value.

    Raises ScalecError where an expression comes out beyond all use.
    """
    if not bindings:
        return node
    if isinstance(node, nodes.Expr):
        size, depth = _extent(node, bindings.extents)
        if size > LARGEST[0] or depth > LARGEST[1]:
            message = "with its arguments put in, this expression is too large"
            notes = (f"it comes to {size} operations, {depth} deep; {LARGEST[0]} and {LARGEST[1]} are allowed",)
            raise ScalecError([Diagnostic(codes.LIMIT, message, node.span, notes=notes)])
    return _replaced(node, bindings)


def _replaced(node: N, bindings: Bindings) -> N:
    if isinstance(node, nodes.Name) and node.text in bindings:
        return cast(N, bindings[node.text])
    if isinstance(node, tuple):
        return cast(N, tuple(substitute(item, bindings) for item in node))
    if not is_dataclass(node) or not isinstance(node, nodes.Node):
        return node
    into = _replaced if isinstance(node, nodes.Expr) else substitute
    changed = {field.name: into(getattr(node, field.name), bindings) for field in fields(node) if field.name != "span"}
    return cast(N, replace(node, **changed))


def _extent(expr: nodes.Expr, known: dict[str, Extent]) -> Extent:
    match expr:
        case nodes.Number():
            return 1, 1
        case nodes.Name(text):
            return known.get(text, (1, 1))
        case nodes.Negate(operand):
            inner = [_extent(operand, known)]
        case nodes.Binary(_, left, right):
            inner = [_extent(left, known), _extent(right, known)]
        case nodes.Call(_, arguments):
            inner = [_extent(a, known) for a in arguments]
    return 1 + sum(size for size, _ in inner), 1 + max(depth for _, depth in inner)
