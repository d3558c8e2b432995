"""Arguments to parameters, by substitution in the tree. Input: a reference and the declared parameters.

Substitution happens before anything is evaluated, so a parameter may stand wherever an expression
may, and every node keeps the span of the text that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic, Reporter, ScalecError, did_you_mean
from scalec.source import Span
from scalec.syntax import nodes

N = TypeVar("N")
Bindings = Mapping[str, nodes.Expr]
LARGEST = 256  # operations in the value of a parameter
WHOLE, DEEPEST = 4096, 200  # operations in an expression with all values in their places, and how deep they are


def bind(
    owner: str,
    params: tuple[nodes.Size, ...],
    ref: nodes.Ref | None,
    reporter: Reporter,
    span: Span | None = None,
) -> dict[str, nodes.Expr]:
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
    bound: dict[str, nodes.Expr] = {}
    for param in params:
        value = given.get(param.name)
        if value is None and param.value is None:
            if fit:  # else a misspelt one was meant
                reporter.report(codes.ARGUMENTS, f"`{owner}` needs a value for parameter `{param.name}`",
                                ref.span if ref else span)  # fmt: skip
            continue
        expr = substitute(param.value, bound) if value is None else value
        assert expr is not None
        if _exceeds(expr, LARGEST):
            reporter.fail(codes.LIMIT, f"the value of parameter `{param.name}` of `{owner}` is too large", expr.span)
        bound[param.name] = expr
    return bound


def _exceeds(expr: nodes.Expr, size: int) -> bool:
    """Whether there are more operations, or deeper ones. The walk ends there: values may double each time."""
    count, queue = 0, [(expr, 1)]
    while queue:
        (node, depth), count = queue.pop(), count + 1
        if count > size or depth > DEEPEST:
            return True
        match node:
            case nodes.Negate(operand):
                queue.append((operand, depth + 1))
            case nodes.Binary(_, left, right):
                queue += ((left, depth + 1), (right, depth + 1))
            case nodes.Call(_, arguments):
                queue += ((a, depth + 1) for a in arguments)
            case nodes.Number() | nodes.Name():
                pass
    return False


def substitute(node: N, bindings: Bindings) -> N:
    """The tree with every `Name` that is a bound parameter replaced by its value.

    Raises ScalecError where an expression comes out beyond all use.
    """
    if not bindings:
        return node
    result = _replaced(node, bindings)
    if isinstance(result, nodes.Expr) and _exceeds(result, WHOLE):
        assert isinstance(node, nodes.Node)
        message = "with the values of its parameters, this expression is too large"
        raise ScalecError([Diagnostic(codes.LIMIT, message, node.span)])
    return result


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
