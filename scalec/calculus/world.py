"""A program and a rule seen on one cell of a regime: every formula resolved to an order.

Input: Structure, Scaling, Cell. Output: `World`, what the transfer functions read. Raises
`UnresolvedError` where a formula has no monomial order, `UndecidedError` where the cell must be split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TypeVar, cast

from scalec.calculus.components import Component
from scalec.calculus.scaling import Scaling, TensorScaling
from scalec.calculus.structure import Structure
from scalec.calculus.weights import OPPOSITE, Direction, Matrix, Weight
from scalec.calculus.words import Copies, Deps
from scalec.program.ops import Linear, Repeat, Scale
from scalec.program.program import Program, Tensor
from scalec.source import Span
from scalec.symbolic.dominance import Cell, Magnitude, NotMonomialError
from scalec.symbolic.formula import UNIT, Formula, Symbol, add, mul, substitute
from scalec.symbolic.order import Regime

T = TypeVar("T")


class UnresolvedError(Exception):
    """`attribute` of `subject` (a tensor, a site, a value) has no monomial order; `span` is who said it."""

    def __init__(self, subject: str, attribute: str, formula: Formula, span: Span | None) -> None:
        self.subject, self.attribute, self.formula, self.span = subject, attribute, formula, span
        super().__init__(f"{attribute} of {subject}")


@dataclass(frozen=True)
class World:
    structure: Structure
    scaling: Scaling
    cell: Cell

    @property
    def program(self) -> Program:
        return self.structure.program

    @property
    def one(self) -> Magnitude:
        return self.cell.one

    def same(self, other: World) -> bool:
        """Whether the other is of the same program, rule and directions."""
        mine, theirs = self.cell, other.cell
        return (mine.regime, mine.rays, self.scaling) == (theirs.regime, theirs.rays, other.scaling) and (
            self.program is other.program
        )

    def remembered(self, what: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives, worked out once for all who ask for the same."""
        found = self._known.get(what)
        if found is None:
            found = self._known[what] = make()
        return cast(T, found)

    @cached_property
    def _known(self) -> dict[tuple[object, ...], object]:
        return {}

    # ---- sizes -------------------------------------------------------------------------------
    def order(self, formula: Formula, subject: str, attribute: str) -> Magnitude:
        found = self._orders.get(formula)
        if found is None:
            try:
                found = self.cell.order_of(settled(formula, self.program, self.cell.regime))
            except NotMonomialError as error:
                tensor = self.scaling.tensors.get(subject)
                span = tensor.spans.get(attribute) if tensor else None
                raise UnresolvedError(subject, attribute, error.formula, span) from None
            self._orders[formula] = found
        return found

    @cached_property
    def _orders(self) -> dict[Formula, Magnitude]:
        return {}

    @cached_property
    def axis(self) -> Mapping[str, Copies]:
        counts = {name: self.order(count, name, "count") for name, count in self.structure.axes.items()}
        chosen, compared = self.structure.chosen, self.structure.compared
        return {
            n: Copies(n, count, n in chosen or not count.ties(self.one), n in compared) for n, count in counts.items()
        }

    @cached_property
    def length(self) -> Mapping[str, Magnitude]:
        return {name: self.order(f, name, "length") for name, f in self.structure.length.items()}

    def site(self, op: Scale) -> Magnitude:
        """The factor of a site; the index of a layer counts as their number."""
        found = self._sites.get(op)
        if found is None:
            found = self._sites[op] = self._site(op)
        return found

    @cached_property
    def _sites(self) -> dict[Scale, Magnitude]:
        return {}

    def _site(self, op: Scale) -> Magnitude:
        formula = self.scaling.sites.get((op.site, op.attribute), UNIT)
        stacks = self.program.stacks
        late = substitute(formula, lambda s: add(stacks[s.name].last, UNIT) if s.kind == "layer" else None)
        return self.order(late, op.site, op.attribute)

    def copies(self, repeat: Repeat) -> Copies:
        return self.axis[repeat.axis]

    @cached_property
    def clip(self) -> Magnitude | None:
        return None if self.scaling.clip is None else self.order(self.scaling.clip, "run", "clip")

    # ---- vectors of the data -----------------------------------------------------------------
    def rows(self, name: str, direction: Direction, vector: Component) -> Matrix:
        """Vectors of this size as the rows of a matrix, one row for each position or copy."""
        key = (name, direction, vector.order, vector.deps)
        found = self._rows.get(key)
        if found is None:
            n, m = (self.length[name], self.one) if direction == "forward" else (self.one, self.length[name])
            made = "vectors of the data"
            found = Matrix(
                name, direction, n, m, self.one, vector.order, vector.deps, made=made, sign=f"rows of {name}"
            )
            self._rows[key] = found
        return found

    @cached_property
    def _rows(self) -> dict[tuple[str, Direction, Magnitude, Deps], Matrix]:
        return {}

    # ---- weights -----------------------------------------------------------------------------
    @cached_property
    def weights(self) -> Mapping[str, Weight]:
        return {tensor.path: self._weight(tensor) for tensor in self.program.tensors}

    def _weight(self, tensor: Tensor) -> Weight:
        rule = self.scaling.tensors[tensor.path]

        def order(formula: Formula | None, attribute: str) -> Magnitude | None:
            return None if formula is None else self.order(formula, tensor.path, attribute)

        stored = [
            (self.axis[name], self.order(count, tensor.path, "count"))
            for name, count in self.structure.stored[tensor.path]
        ]
        axes = frozenset(axis for axis, _ in stored)
        copies = prod((count for _, count in stored), start=self.one)
        met = prod((axis.count for axis, _ in stored), start=self.one)
        initial, lr, wd = order(rule.init, "init.std"), order(rule.lr, "lr"), order(rule.wd, "wd")
        return Weight(
            tensor.path,
            self._matrices(tensor, rule, initial, axes),
            rule.family,
            lr,
            order(rule.effect, "effect"),
            axes,
            wd * initial if rule.decay == "l2" and wd is not None and initial is not None else None,
            order(rule.eps, "eps"),
            wd if wd is None or lr is None or rule.decay == "independent" else wd * lr,
            copies,
            met / copies,
            None if rule.parts == UNIT else self.order(rule.parts, tensor.path, "parts"),
        )

    def _matrices(
        self, tensor: Tensor, rule: TensorScaling, initial: Magnitude | None, axes: Deps
    ) -> tuple[Matrix, ...]:
        own = frozenset(axis for axis in axes if axis.apart and axis.name not in rule.shared)
        applied = self._applied(tensor)
        rows = len(self.structure.stored[tensor.path]) > len(tensor.axes)  # each output coordinate is a copy
        kept = None if tensor.density == UNIT else self.order(tensor.density, tensor.path, "density")
        matrices = []
        for use, scale in zip(tensor.uses, rule.scale, strict=True):
            factor = self.order(scale, tensor.path, "scale")
            matrices.append(
                Matrix(
                    tensor.path,
                    "backward" if use.transposed else "forward",
                    self.order(mul(use.fan_in, tensor.density), tensor.path, "fan_in"),
                    self.one if rows else self.order(mul(use.fan_out, tensor.density), tensor.path, "fan_out"),
                    factor,
                    None if initial is None else initial * factor,
                    own,
                    applied,
                    density=kept,
                )
            )
        return tuple(matrices)

    def _applied(self, tensor: Tensor) -> tuple[Direction, ...]:
        """The directions in which passes apply a weight: there for each use, back where somebody asks."""
        found: dict[Direction, None] = {}
        for op in self.structure.operations:
            if isinstance(op, Linear) and op.tensor == tensor.path:
                direction: Direction = "backward" if tensor.uses[op.use].transposed else "forward"
                found[direction] = None
                if op.x not in self.structure.given:
                    found[OPPOSITE[direction]] = None
        return tuple(found)


def settled(formula: Formula, program: Program, regime: Regime) -> Formula:
    """Dimensions that the regime does not name, in terms of their defaults; fixed ones as numbers."""
    named = {name for name, _ in regime.growth}

    def replace(symbol: Symbol) -> Formula | None:
        dimension = program.dimension.get(symbol.name)
        if dimension is None or dimension.default is None or symbol.name in named or symbol.kind == "base":
            return None
        return settled(dimension.default, program, regime)

    return substitute(formula, replace)
