"""Orders and regimes: exact exponents, no sympy. A leaf that every room may import.

An `Order` is a monomial in named dimensions with rational exponents, `M^(1/2) * N^-1`.
A `Regime` says how dimensions grow: each is a monomial in one or more independent scales.
Under a regime an order becomes a monomial in the scales, so `Order` serves for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Order:
    """A monomial with coefficient 1: sorted pairs (symbol, nonzero exponent)."""

    powers: tuple[tuple[str, Fraction], ...] = ()

    @staticmethod
    def of(powers: Mapping[str, Fraction | int] | Iterable[tuple[str, Fraction | int]]) -> Order:
        """Build from exponents; repeated symbols add up, zeros vanish."""
        total: dict[str, Fraction] = {}
        for name, exponent in dict(powers).items() if isinstance(powers, Mapping) else powers:
            total[name] = total.get(name, Fraction(0)) + exponent
        return Order(tuple(sorted((n, e) for n, e in total.items() if e)))

    def __mul__(self, other: Order) -> Order:
        return Order.of((*self.powers, *other.powers)) if other.powers else self

    def __truediv__(self, other: Order) -> Order:
        return self * other ** Fraction(-1)

    def __pow__(self, exponent: Fraction | int) -> Order:
        return Order(tuple((n, e * exponent) for n, e in self.powers)) if exponent else Order()

    def exponent(self, name: str) -> Fraction:
        """Exponent of one symbol, 0 where it does not occur."""
        return dict(self.powers).get(name, Fraction(0))

    def as_dict(self) -> dict[str, str]:
        """`{"N": "-1/2"}`, the form of the JSON schemas."""
        return {name: str(exponent) for name, exponent in self.powers}

    def __str__(self) -> str:
        return " * ".join(_power_text(n, e) for n, e in self.powers) or "1"


def _power_text(name: str, exponent: Fraction) -> str:
    if exponent == 1:
        return name
    return f"{name}^{exponent}" if exponent.denominator == 1 else f"{name}^({exponent})"


ONE = Order()


@dataclass(frozen=True, slots=True)
class Regime:
    """How dimensions grow: `N ~ s, L ~ t`. Dimensions not named stay fixed or follow their default.

    `growth` maps a dimension to a monomial in the scales; `scales` are independent and each
    grows to infinity, so the directions of growth form an open cone.
    """

    name: str
    scales: tuple[str, ...]
    growth: tuple[tuple[str, Order], ...]

    def exponent(self, order: Order) -> Order:
        """The order as a monomial in the scales; dimensions that do not grow contribute 1."""
        growth = dict(self.growth)
        result = ONE
        for name, power in order.powers:
            result = result * growth.get(name, ONE) ** power
        return result
