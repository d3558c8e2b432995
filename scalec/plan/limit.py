"""Sizes in the limit of a regime: the base's, times what the scales have become. Input: a formula. Output: its sign."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scalec.program.program import Program
from scalec.symbolic import formula as f
from scalec.symbolic.dominance import Cell
from scalec.symbolic.formula import Formula, Symbol
from scalec.symbolic.order import Order, Regime
from scalec.symbolic.sign import in_limit


class Limit:
    """A program on a cell of directions. Sizes that the regime leaves alone are at their base, or follow their default.

    The scales are the only sizes that are left, so that `K/M` is `base.K/base.M` where both grow as one.
    """

    def __init__(self, program: Program, base: Mapping[str, Fraction], cell: Cell) -> None:
        self.program = program
        self.base = base
        self.growth = dict(cell.regime.growth)
        scales = cell.regime.scales
        alone = Regime(cell.regime.name, scales, tuple((scale, Order.of({scale: 1})) for scale in scales))
        self.cell = Cell(alone, cell.rays)

    def sign(self, formula: Formula) -> int | None:
        """The sign from some size on. Raises `UndecidedError` where the cell must be split."""
        return in_limit(f.substitute(formula, self._settled), self.cell)

    def _settled(self, s: Symbol) -> Formula | None:
        match s.kind:
            case "size":
                return self._size(s.name)
            case "ratio":
                return f.divide(self._size(s.name), self._base(s.name))
            case "base":
                return self._base(s.name)
            case _:
                return None

    def _size(self, name: str) -> Formula:
        dimension = self.program.dimension.get(name)
        if name in self.growth:
            powers = (f.power(f.symbol("size", scale), e) for scale, e in self.growth[name].powers)
            return f.mul(self._base(name), *powers)
        if dimension is None or dimension.default is None:
            return self._base(name)
        return f.substitute(dimension.default, self._settled)

    def _base(self, name: str) -> Formula:
        dimension = self.program.dimension.get(name)
        number = self.base.get(name, dimension.fixed if dimension else None)
        return f.symbol("base", name) if number is None else f.number(number)
