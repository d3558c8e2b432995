"""Which regime a plan is under, and which clauses hold there. Input: regimes, sizes. Output: a `Regime`, truth.

Regimes are compared by structure: one agrees with another where the dimensions that the other names grow in the
same directions, whatever the scales are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import product

from scalec import catalogue as codes
from scalec.calculus.world import settled
from scalec.diagnostics import Reporter, ScalecError
from scalec.plan.sizes import Sizes
from scalec.program.program import Program
from scalec.resolve.regimes import RegimeDef
from scalec.resolve.rules import Around
from scalec.symbolic.dominance import Cell, NotMonomialError, UndecidedError
from scalec.symbolic.formula import symbol
from scalec.symbolic.order import ONE, Order, Regime
from scalec.symbolic.regime import to_regime

Direction = tuple[Fraction, ...]


@cache
def regime_of(found: RegimeDef) -> Regime:
    """The regime that an `under` names. Raises ScalecError where its growths are wrong."""
    reporter = Reporter()
    regime = to_regime(found, reporter)
    if regime is None:
        raise ScalecError(reporter.diagnostics)
    return regime


def holds(around: Around, active: Regime | None, program: Program) -> bool:
    """Whether one regime of each group agrees with the active one; without one nothing under a regime holds."""
    return all(
        active is not None and any(agrees(active, regime_of(found), program) for found in group)
        for group in around.under
    )


def agrees(active: Regime, named: Regime, program: Program) -> bool:
    """Whether the dimensions that `named` names grow under `active` as they do there."""
    dims = [name for name, _ in named.growth]
    grown = [_order(name, active, program) for name in dims]
    if any(order is None for order in grown):
        return False
    return _directions(active, grown) == _directions(named, [order for _, order in named.growth])


def _order(name: str, regime: Regime, program: Program) -> Order | None:
    """How a dimension grows, in the scales: as the regime says, else as its default does."""
    growth = dict(regime.growth)
    if name in growth or name not in program.dimension:
        return growth.get(name, ONE)
    try:
        return Cell(regime).order_of(settled(symbol("size", name), program, regime)).exponent
    except (NotMonomialError, UndecidedError):
        return None


def _directions(regime: Regime, orders: Sequence[Order | None]) -> frozenset[Direction]:
    """Where each scale takes the dimensions alone, up to its speed."""
    rows = (tuple(order.exponent(scale) if order else Fraction(0) for order in orders) for scale in regime.scales)
    return frozenset(tuple(e / max(map(abs, row)) for e in row) for row in rows if any(row))


# ---- without --regime ----------------------------------------------------------------------------
def infer(
    arounds: Sequence[tuple[Around, str]], program: Program, base: Sizes, targets: Sequence[Sizes], reporter: Reporter
) -> Regime | None:
    """The one regime of the `under` clauses that fits what moved between base and targets; None where there are none.

    `arounds` are what surrounds the clauses, and what to call these. The base itself among the targets says nothing.
    Regimes that fit and under which the same clauses hold are one. Raises ScalecError where no regime fits, or several
    do.
    """
    found = dict.fromkeys(r for around, _ in arounds for group in around.under for r in map(regime_of, group))
    if not found:
        return None
    moved = [sizes for sizes in targets if any(sizes[d] != base[d] for d in sizes if d in base)]
    fitting = [r for r in found if moved and all(fits(r, program, base, sizes) for sizes in moved)]
    held = {r: [name for around, name in arounds if around.under and holds(around, r, program)] for r in found}
    if fitting and all(held[r] == held[fitting[0]] for r in fitting):
        return fitting[0]
    *most, last = [f"`{r.name}`" for r in fitting] or [""]
    fit = f"{', '.join(most)} and {last} fit" if fitting else "no regime that the rule names fits"
    reporter.fail(
        codes.NO_REGIME,
        f"{fit} what moved from the base",
        notes=[
            *_moves(program, base, targets),
            *(f"`{r.name}` ({_growth(r)}): {', '.join(f'`{name}`' for name in held[r])}" for r in fitting or found),
        ],
        helps=[f"say it: `--regime {(fitting or list(found))[0].name}`"],
    )


def fits(regime: Regime, program: Program, base: Sizes, target: Sizes) -> bool:
    """Whether some scales, each up or down, move exactly the dimensions that moved, and the way they did."""
    named = [(target[d] / base[d], order) for d, order in regime.growth if d in base and d in target]
    if any(order.powers for d, order in regime.growth if d not in program.dimension):
        return False
    ways = (dict(zip(regime.scales, way, strict=True)) for way in product((1, -1), repeat=len(regime.scales)))
    return any(all(_moves_so(ratio, order, way) for ratio, order in named) for way in ways)


def _moves_so(ratio: Fraction, order: Order, way: Mapping[str, int]) -> bool:
    signs = {(exponent > 0) == (way[scale] > 0) for scale, exponent in order.powers}
    if len(signs) == 2:
        return True  # scales that pull both ways: any ratio may come of it
    return ratio == 1 if not signs else ratio > 1 if signs == {True} else ratio < 1


def _moves(program: Program, base: Sizes, targets: Iterable[Sizes]) -> Iterator[str]:
    for sizes in targets:
        moved = [f"{d.name} {base[d.name]} to {sizes[d.name]}" for d in program.dimensions
                 if d.name in base and d.name in sizes and sizes[d.name] != base[d.name]]  # fmt: skip
        yield f"moved: {', '.join(moved) or 'nothing'}"


def _growth(regime: Regime) -> str:
    return ", ".join(f"{name} ~ {order}" for name, order in regime.growth)
