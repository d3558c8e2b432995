"""From `regime` declarations to a `Regime`. Input: a workspace and regimes taken together.

`A + B` grows both at once with independent scales: the scales of each part get names of their own,
`s`, `t`, `u`, ... in order. A dimension that a regime names is free of its default, also where it
stays put (`Ne ~ 1`).
"""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.resolve.load import Workspace
from scalec.resolve.regimes import RegimeDef, find_regime
from scalec.symbolic import formula as f
from scalec.symbolic.evaluate import to_formula
from scalec.symbolic.order import Order, Regime
from scalec.syntax import nodes
from scalec.syntax.printer import joint_text

SCALES = "stuvwxyz"


def resolve_regime(
    workspace: Workspace, joint: nodes.Joint, reporter: Reporter, unit: str | None = None
) -> Regime | None:
    """The regime that `joint` means in a file; reports and gives None where a name or a growth is wrong."""
    before = len(reporter.diagnostics)
    found = find_regime(workspace, joint, unit or workspace.main, reporter)
    return to_regime(found, reporter) if len(reporter.diagnostics) == before else None


def to_regime(found: RegimeDef, reporter: Reporter) -> Regime | None:
    """The growths of its parts, at once; reports and gives None where one is wrong, or where nothing grows."""
    before, name = len(reporter.diagnostics), joint_text(found.joint)
    growth: dict[str, Order] = {}
    scales: list[str] = []
    for declaration in found.parts:
        own: dict[str, str] = {}
        for line in declaration.growths:
            order = _order(line.order, own, scales, reporter)
            if line.dim in growth:
                reporter.report(codes.CONTRADICTION, f"`{line.dim}` grows twice in `{name}`", line.span)
            elif order is not None:
                growth[line.dim] = order
    if not scales and len(reporter.diagnostics) == before:
        reporter.report(codes.NOTHING_GROWS, f"nothing grows in regime `{name}`", found.joint.span)
    if len(reporter.diagnostics) > before:
        return None
    return Regime(name, tuple(scales), tuple(sorted(growth.items())))


def _order(expr: nodes.Expr, own: dict[str, str], scales: list[str], reporter: Reporter) -> Order | None:
    """`s`, `s^2`, `1`: a monomial in scales; `own` maps the declaration's names to those of the whole."""

    def scope(name: str) -> f.Formula:
        if name not in own:
            scale = SCALES[len(scales)] if len(scales) < len(SCALES) else f"s{len(scales)}"
            own[name] = scale
            scales.append(scale)
        return f.symbol("size", own[name])

    formula = to_formula(expr, scope, (), reporter)
    if (
        isinstance(formula, f.Sum)
        or formula.coefficient != 1
        or any(not isinstance(a, f.Symbol) for a, _ in formula.factors)
    ):
        reporter.report(
            codes.EXPRESSION,
            "a growth is a product of powers of scales",
            expr.span,
            helps=["`N ~ s`, `N ~ s^2`, `Ne ~ 1`"],
        )
        return None
    return Order.of((a.name, e) for a, e in formula.factors if isinstance(a, f.Symbol))
