"""Which of two orders is larger, exactly. Input: formulas, a regime. Output: magnitudes on a cell of directions.

The scales of a regime are independent, so they may grow in any direction of the open positive
orthant. A `Cell` is an open cone of such directions, held by its rays. On a cell two magnitudes
compare where their quotient has one sign on every ray; where it has both, the cell must be split
along the plane on which they tie (`UndecidedError` carries it). Orders are continuous in the direction, so
what holds on the open cells holds on the planes between them. No sampling, no floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from math import gcd
from operator import add, le, mul
from typing import ParamSpec, TypeVar, cast

from scalec.symbolic.formula import Apply, Atom, Formula, Product, Root, Sum, Symbol
from scalec.symbolic.order import ONE, Order, Regime

Ray = tuple[int, ...]
Grains = tuple[int | Fraction, ...]
T = TypeVar("T")
Fields = ParamSpec("Fields")
ZERO = Fraction(0)
GRAIN = 2**8 * 3**2 * 5 * 7 * 11  # exponents are whole numbers of 1/GRAIN, those that are not stay fractions


class UndecidedError(Exception):
    """The cell holds directions in which this quotient (in the scales) grows and some in which it falls."""

    def __init__(self, quotient: Order) -> None:
        self.quotient = quotient
        super().__init__(str(quotient))


class NotMonomialError(Exception):
    """The formula's order is no monomial: a logarithm, or leading terms that may cancel."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        super().__init__("no monomial")


class Magnitude:
    """An order seen on a cell. One object per order and cell: equality is identity.

    `<=` means "nowhere larger on this cell"; it is a partial order, as cells may need splitting. Of magnitudes
    that tie the one of least `simplicity` is shown; no sequence of such falls for ever. `grains` are the exponents of
    the cell's symbols and `slopes` those along its rays, both times `GRAIN`.
    """

    def __init__(self, cell: Cell, grains: Grains) -> None:
        self.cell = cell
        self.grains = grains
        self.slopes = cell.slopes(grains)
        self._products: dict[Magnitude, Magnitude] = {}
        self._within: dict[Magnitude, bool] = {}

    def __mul__(self, other: Magnitude) -> Magnitude:
        found = self._products.get(other)
        if found is None:
            found = self._products[other] = self.cell.measured(tuple(map(add, self.grains, other.grains)))
        return found

    def __pow__(self, exponent: Fraction | int) -> Magnitude:
        return self.cell.measured(tuple(_whole(grain * Fraction(exponent)) for grain in self.grains))

    @cached_property
    def root(self) -> Magnitude:
        return self ** Fraction(1, 2)

    @cached_property
    def inverse(self) -> Magnitude:
        return self.cell.measured(tuple(-grain for grain in self.grains))

    def __truediv__(self, other: Magnitude) -> Magnitude:
        return self * other.inverse

    def __le__(self, other: Magnitude) -> bool:
        found = self._within.get(other)
        if found is None:
            found = self._within[other] = all(map(le, self.slopes, other.slopes))
        return found

    def __ge__(self, other: Magnitude) -> bool:
        return other <= self

    def ties(self, other: Magnitude) -> bool:
        """Equal in every direction of the cell, though perhaps not as monomials."""
        return self.slopes == other.slopes

    @cached_property
    def order(self) -> Order:
        return Order.of((name, Fraction(e, GRAIN)) for name, e in zip(self.cell.symbols, self.grains, strict=True))

    @cached_property
    def growth(self) -> tuple[Fraction, ...]:
        """The exponent along each ray."""
        return tuple(Fraction(slope, GRAIN) for slope in self.slopes)

    @cached_property
    def simplicity(self) -> tuple[object, ...]:
        powers = self.order.powers
        return len(powers), sum(abs(e) for _, e in powers), powers

    @cached_property
    def exponent(self) -> Order:
        """The magnitude as a monomial in the scales."""
        return self.cell.regime.exponent(self.order)

    def __repr__(self) -> str:
        return str(self.order)


class Cell:
    """An open cone of directions in which the scales of `regime` grow, spanned by `rays`."""

    def __init__(self, regime: Regime, rays: Iterable[Ray] | None = None) -> None:
        self.regime = regime
        axes = range(len(regime.scales))
        self.rays = tuple(rays or (tuple(int(i == j) for j in axes) for i in axes))
        self.symbols = tuple(name for name, _ in regime.growth)
        self._made: dict[object, object] = {}
        self._magnitudes: dict[Grains, Magnitude] = {}
        self._orders: dict[Formula, Magnitude] = {}

    def once(self, make: Callable[Fields, T], *fields: Fields.args, **named: Fields.kwargs) -> T:
        """What `make` makes of these fields on this cell, always the same object."""
        key = (make, fields)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make(*fields, **named)
        return cast(T, found)

    def forget(self) -> None:
        """Let go of all that was made on this cell, which it refers to in turn: by itself it would not go."""
        self._made.clear()
        self._magnitudes.clear()
        self._orders.clear()

    def magnitude(self, order: Order) -> Magnitude:
        """The magnitude of a monomial in the cell's symbols."""
        powers = dict(order.powers)
        grains = tuple(_whole(powers.pop(name, ZERO) * GRAIN) for name in self.symbols)
        assert not powers, f"{order} under {self.regime.name}"
        return self.measured(grains)

    def measured(self, grains: Grains) -> Magnitude:
        found = self._magnitudes.get(grains)
        if found is None:
            found = self._magnitudes[grains] = Magnitude(self, grains)
        return found

    @cached_property
    def one(self) -> Magnitude:
        return self.magnitude(ONE)

    def slopes(self, grains: Grains) -> Grains:
        """Exponents along each ray, of exponents of each symbol."""
        return tuple(sum(map(mul, grains, rates)) for rates in self._rates)

    @cached_property
    def _rates(self) -> tuple[Grains, ...]:
        """Along each ray, the exponent of each symbol."""
        orders = [order for _, order in self.regime.growth]
        rays = [dict(zip(self.regime.scales, ray, strict=True)) for ray in self.rays]
        return tuple(tuple(_whole(sum((e * ray[s] for s, e in o.powers), ZERO)) for o in orders) for ray in rays)

    # ---- choosing ----------------------------------------------------------------------------
    def larger(self, first: Magnitude, second: Magnitude) -> Magnitude:
        """The larger one; the simpler monomial where both tie. Raises `UndecidedError`."""
        if first.ties(second):
            return min(first, second, key=lambda m: m.simplicity)
        if first <= second:
            return second
        if second <= first:
            return first
        raise UndecidedError((first / second).exponent)

    def largest(self, magnitudes: Iterable[Magnitude]) -> Magnitude | None:
        """The largest, None of none. Raises `UndecidedError`."""
        best: Magnitude | None = None
        for magnitude in dict.fromkeys(magnitudes):
            best = magnitude if best is None else self.larger(best, magnitude)
        return best

    def split(self, quotient: Order) -> tuple[Cell | None, Cell | None]:
        """The open parts where the quotient (in the scales) grows and where it falls; None if empty."""
        return self._above(quotient), self._above(quotient**-1)

    def _above(self, quotient: Order) -> Cell | None:
        powers = dict(quotient.powers)
        exponents = [powers.get(scale, Fraction(0)) for scale in self.regime.scales]
        heights = [(sum((e * r for e, r in zip(exponents, ray, strict=True)), Fraction(0)), ray) for ray in self.rays]
        if not any(height > 0 for height, _ in heights):
            return None
        if all(height >= 0 for height, _ in heights):
            return self
        kept = [ray for height, ray in heights if height >= 0]
        below = [(height, ray) for height, ray in heights if height < 0]
        above = [(height, ray) for height, ray in heights if height > 0]
        edges = [_primitive([h * b - k * a for a, b in zip(up, down, strict=True)])
                 for h, up in above for k, down in below]  # fmt: skip
        return Cell(self.regime, sorted({*kept, *edges}))

    # ---- formulas ----------------------------------------------------------------------------
    def order_of(self, formula: Formula) -> Magnitude:
        """The order of a positive formula. Raises `NotMonomialError`, `UndecidedError`.

        Sizes and their ratios to the base grow as the regime says; base sizes and run-level
        quantities are constants unless the regime names them; the index of a layer is not resolved here.
        """
        found = self._orders.get(formula)
        if found is None:
            found = self._orders[formula] = self._order_of(formula)
        return found

    def _order_of(self, formula: Formula) -> Magnitude:
        if isinstance(formula, Sum):
            return self._order_of_sum(formula)
        if formula.coefficient <= 0:
            raise NotMonomialError(formula)
        result = self.one
        for atom, exponent in formula.factors:
            result *= self._order_of_atom(atom) ** exponent
        return result

    def _order_of_atom(self, atom: Atom) -> Magnitude:
        match atom:
            case Symbol(kind, name):
                grows = kind != "base" and any(name == known for known, _ in self.regime.growth)
                return self.magnitude(Order.of({name: 1})) if grows else self.one
            case Root():
                return self.one
            case Sum():
                return self.order_of(atom)
            case Apply("max", arguments):
                return self._extreme(arguments, self.larger)
            case Apply("min", arguments):
                return self._extreme(arguments, lambda a, b: self.larger(a.inverse, b.inverse).inverse)
            case Apply():
                if all(self.order_of(argument) is self.one for argument in atom.arguments):
                    return self.one
                raise NotMonomialError(Product(Fraction(1), ((atom, Fraction(1)),)))

    def _extreme(self, arguments: tuple[Formula, ...], pick: Callable[[Magnitude, Magnitude], Magnitude]) -> Magnitude:
        orders = [self.order_of(argument) for argument in arguments]
        best = orders[0]
        for order in orders[1:]:
            best = pick(best, order)
        return best

    def _order_of_sum(self, formula: Sum) -> Magnitude:
        """The largest term's. Where that term is subtracted, or ties with one that is, it may cancel."""
        orders = [self.order_of(Product(abs(term.coefficient), term.factors)) for term in formula.terms]
        best = orders[0]
        for order in orders[1:]:
            best = self.larger(best, order)
        signs = {t.coefficient > 0 for t, o in zip(formula.terms, orders, strict=True) if o.ties(best)}
        if signs != {True}:
            raise NotMonomialError(formula)
        return best

    def __str__(self) -> str:
        return f"{self.regime.name}: {directions(self)}"


def _whole(number: Fraction) -> int | Fraction:
    return number.numerator if number.denominator == 1 else number


def _primitive(ray: list[Fraction]) -> Ray:
    """The integer vector without common divisor on the same half-line."""
    scale = 1
    for entry in ray:
        scale = scale * entry.denominator // gcd(scale, entry.denominator)
    whole = [int(entry * scale) for entry in ray]
    return tuple(entry // gcd(*whole) for entry in whole)


# ---- words ---------------------------------------------------------------------------------------
def directions(cell: Cell) -> str:
    """Where a claim holds, in words: `2 < t/s < 33/16` for two scales, the rays for more, "" for everywhere."""
    scales = cell.regime.scales
    if len(cell.rays) == len(scales) and set(cell.rays) == set(Cell(cell.regime).rays):
        return ""
    if len(scales) == 2:
        return _interval(scales, *_ends(cell))
    spans = ", ".join(f"({', '.join(map(str, ray))})" for ray in cell.rays)
    return f"({', '.join(scales)}) between the directions {spans}"


def _interval(scales: tuple[str, ...], low: Fraction, high: Fraction | None) -> str:
    ratio = f"{scales[1]}/{scales[0]}"
    below = f"{low} < " if low else ""
    return f"{below}{ratio}" + ("" if high is None else f" < {high}")


def _ends(cell: Cell) -> tuple[Fraction, Fraction | None]:
    """The range of second scale over first, None where it is unbounded."""
    ratios = [None if ray[0] == 0 else Fraction(ray[1], ray[0]) for ray in cell.rays]
    finite = [ratio for ratio in ratios if ratio is not None]
    return min(finite), None if None in ratios else max(finite)


def merged(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The same directions in fewer cells, where two scales let neighbours be joined into one interval."""
    unmerged = list(cells)
    if not unmerged or len(unmerged[0].regime.scales) != 2:
        return tuple(unmerged)
    return tuple(_joined(sorted(unmerged, key=lambda c: _ends(c)[0])))


def _joined(cells: list[Cell]) -> Iterator[Cell]:
    current = cells[0]
    for cell in cells[1:]:
        low, high = _ends(current)
        if high is not None and high < _ends(cell)[0]:
            yield current
            current = cell
        else:
            end = _ends(cell)[1]
            top = None if high is None or end is None else max(high, end)
            current = Cell(cell.regime, (_ray(low), _ray(top)))
    yield current


def _ray(ratio: Fraction | None) -> Ray:
    return (0, 1) if ratio is None else (ratio.denominator, ratio.numerator)


def regions(regime: Regime, decide: Callable[[Cell], T]) -> list[tuple[Cell, T]]:
    """Run `decide` on cells that cover the regime, split wherever it meets `UndecidedError`."""
    todo, done = [Cell(regime)], list[tuple[Cell, T]]()
    while todo:
        cell = todo.pop()
        try:
            done.append((cell, decide(cell)))
        except UndecidedError as tie:
            todo += [part for part in cell.split(tie.quotient) if part is not None]
    return sorted(done, key=lambda pair: pair[0].rays)
