"""Dot products with many vectors, and weighted sums of them. Input: World, vectors. Output: vectors.

The vectors of a value (the keys of a context, the outputs of experts) are the rows of a matrix `X` that the
data makes: a dot product with each of them is `X d`, a weighted sum `X^T w`. So the rule for weights holds:
scalars `w` that training moved along `X d` turn the sum towards `d`, and all copies of it alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from scalec.calculus import transfer
from scalec.calculus.components import Component, Vector, aligned, dot, merged, scalars, sum_over, union
from scalec.calculus.pruning import prune
from scalec.calculus.weights import Direction, Matrix
from scalec.calculus.world import World
from scalec.program.ops import Dot, Mix


# ---- one dot product -------------------------------------------------------------------------
def dots(world: World, op: Dot, x: Vector, y: Vector) -> Vector:
    """`x . y`. One that is a weighted sum of such vectors as the other gives their weights back."""
    back = (_met(world, op.y, "forward", x, y), _met(world, op.x, "forward", y, x))
    return union(dot(world.length[op.x], x, y, op.out), *back)


def dots_back(world: World, op: Dot, d: Vector, x: Vector, y: Vector) -> tuple[Vector, Vector]:
    return _times(world, op.y, "backward", d, y), _times(world, op.x, "backward", d, x)


# ---- weighted sum ----------------------------------------------------------------------------
def mix(world: World, op: Mix, weights: Vector, x: Vector) -> Vector:
    """Vectors with their own words, and what weights that came from dot products with them turn their sum to."""
    return _over(world, op, union(transfer.weighted(weights, x, op.out), _met(world, op.x, "backward", weights, x)))


def mix_back(world: World, op: Mix, d: Vector, weights: Vector, x: Vector) -> tuple[Vector, Vector]:
    """Gradients of the weights and of the vectors."""
    overlap = union(aligned(world.length[op.x], d, x, op.out), _times(world, op.x, "forward", prune(d), x))
    share = transfer.weighted(weights, d, op.out)
    return overlap, share if op.axis else _over(world, op, share)


def _over(world: World, op: Mix, terms: Vector) -> Vector:
    """Over positions of the data the terms have much in common: the law of large numbers."""
    if op.axis is not None:
        return sum_over(world.axis[op.axis], terms, op.out)
    return transfer.scale(world.order(op.count, op.out, "count"), terms, op.out)


# ---- X d and X^T w ---------------------------------------------------------------------------
def _times(world: World, name: str, direction: Direction, v: Vector, x: Vector) -> Vector:
    return merged(_of(c, s) for s, matrix in _matrices(world, name, direction, x) for c in matrix.initial(v))


def _met(world: World, name: str, direction: Direction, v: Vector, x: Vector) -> Vector:
    """Only the part where `v` came through `X` before."""
    return merged(_of(c, s) for s, matrix in _matrices(world, name, direction, x) for c in matrix.coherent(v))


def _matrices(world: World, name: str, direction: Direction, x: Vector) -> Iterator[tuple[Component, Matrix]]:
    return ((s, world.rows(name, direction, s)) for s in scalars(x))


def _of(c: Component, rows: Component) -> Component:
    """Initial only if the rows are."""
    return c.caused(rows.cause) if (c.part, rows.part) == ("init", "delta") else c
