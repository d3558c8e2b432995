"""Transfer functions of the operations without weights, each forward and backward side by side.

Input: vectors. Output: vectors. calculus.md section 3; one paragraph there, one pair of functions here.
`x` is the whole vector at this step; a function that carries only some components of it along takes
them apart (`part`), since sizes are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from scalec.calculus.components import (
    ABSENT,
    Component,
    Link,
    Vector,
    dot,
    each,
    initial,
    merged,
    product,
    scalars,
    size,
    union,
)
from scalec.calculus.words import NOWHERE, Copies, history, letter
from scalec.program.ops import Balance, Elementwise, Multiply, Normalise, Share, Softmax
from scalec.symbolic.dominance import Cell, Magnitude


def source(one: Magnitude, root: str, rule: str) -> Vector:
    """What enters: the data, or the loss gradient. Order 1 by assumption."""
    return (Component(one, history(one.cell, "init", root), Link(rule, root, one)),)


def scale(factor: Magnitude, x: Vector, at: str) -> Vector:
    return each(x, lambda c: c.times(factor, "a forward multiplier", at))


# ---- elementwise nonlinearity ----------------------------------------------------------------
def elementwise(op: Elementwise, part: Vector, x: Vector, cell: Cell) -> Vector:
    """`f(x)`: of degree p, a component `c` of `x` becomes `c * |x|^(p-1)`; bounded, at most order 1."""
    kept = elementwise_back(op, part, x, cell)
    return merged(_capped(c, op.out) for c in kept) if op.function.bounded else kept


def elementwise_constant(op: Elementwise, cell: Cell) -> Vector:
    """`f(0)`, for a function like the sigmoid."""
    return source(cell.one, op.out, "the function's constant") if op.function.constant else ABSENT


def elementwise_back(op: Elementwise, d: Vector, x: Vector, cell: Cell) -> Vector:
    """`d * f'(x)`."""
    return merged(_marked(c, op.out, op.function.mean_derivative, cell) for c in _slope(op, d, x, cell))


def _slope(op: Elementwise, vector: Vector, x: Vector, cell: Cell) -> Vector:
    width = size(cell, x)
    if op.function.degree == 1 or op.function.bounded or width is None:
        return vector
    slope = width ** (op.function.degree - 1)
    return each(vector, lambda c: c.times(slope, f"slope of a function of degree {op.function.degree}", op.out))


def _capped(c: Component, at: str) -> Component:
    cell = c.order.cell
    if cell.larger(c.order, cell.one) is cell.one:
        return c
    return c.times(c.order.inverse, "a bounded function: saturated at order 1", at)


def _marked(c: Component, factor: str, has_mean: bool, cell: Cell) -> Component:
    """Times a factor: of nonzero mean, it leaves the word; else it marks it."""
    return c if has_mean else marked(c, factor, cell)


def marked(c: Component, name: str, cell: Cell) -> Component:
    """Changed by something called `name`; a second time changed back."""
    if c.word and c.word[0].name == (name, "mark"):
        return c.written(c.word[1:], c.deps)
    return c.written((letter(name, "mark", cell.one, cell.one, below=c.deps), *c.word), c.deps)


# ---- products --------------------------------------------------------------------------------
def multiply(op: Multiply, x: Vector, y: Vector, cell: Cell) -> Vector:
    """`x * y`, coordinate by coordinate, seen as `x` times a factor and as `y` times a factor."""
    return union(_times_factor(x, y, op.y, op.mean_y, op.out, cell), _times_factor(y, x, op.x, op.mean_x, op.out, cell))


def multiply_back(op: Multiply, d: Vector, x: Vector, y: Vector, cell: Cell) -> tuple[Vector, Vector]:
    """Gradients of `x` and of `y`: `d * y` and `d * x`."""
    return (
        _times_factor(d, y, op.y, op.mean_y, op.out, cell), _times_factor(d, x, op.x, op.mean_x, op.out, cell)
    )  # fmt: skip


def _times_factor(x: Vector, factor: Vector, name: str, has_mean: bool, at: str, cell: Cell) -> Vector:
    sizes = scalars(factor)
    return merged(_times(c, s, name, has_mean, at, cell) for c in x for s in sizes)


def _times(c: Component, factor: Component, name: str, has_mean: bool, at: str, cell: Cell) -> Component:
    """Of mean zero, the factor marks the word. A second time it is there squared: the mean of that is no copy's own."""
    result = product(c, factor, "size of the other factor", at)
    if has_mean:
        return result
    top = c.word[0] if c.word else None
    if top is not None and top.name == (name, "mark"):
        alone = result.times(top.grown.inverse, "of the copies summed before, one meets its own factor", at)
        return alone.written(c.word[1:], top.below)
    mark = letter(name, "mark", cell.one, cell.one, own=factor.deps, below=c.deps)
    return result.written((mark, *c.word), result.deps)


def weighted(scalar: Vector, x: Vector, at: str) -> Vector:
    """Scalars times vectors: the vectors' words, the deps of both."""
    sizes = scalars(scalar)
    return merged(product(c, s, "size of the weight", at) for c in x for s in sizes)


# ---- softmax ---------------------------------------------------------------------------------
def softmax(op: Softmax, part: Vector, count: Magnitude, axis: Copies | None) -> Vector:
    """Changes of the weights: the logits' own, at most order 1, over the count."""
    return each(
        _differing(part, axis),
        lambda c: _capped(c, op.out).times(count.inverse, "slope of the softmax", op.out),
    )


def softmax_constant(op: Softmax | Share, count: Magnitude) -> Vector:
    """The uniform part of the weights: one over their count."""
    constant = source(count.cell.one, op.out, "weights that sum to 1")
    return each(constant, lambda c: c.times(count.inverse, "shared by all", op.out))


def softmax_back(op: Softmax, d: Vector, count: Magnitude, axis: Copies | None) -> Vector:
    return each(_differing(d, axis), lambda c: c.times(count.inverse, "slope of the softmax", op.out))


def share(op: Share, part: Vector, x: Vector, count: Magnitude, axis: Copies) -> Vector:
    """Changes of `x_i / sum of x`. What all copies share changes them only as far as they differ."""
    uneven = _over_sum(weighted(_differing(x, axis), _common(part, axis), op.out), x, count.cell.one, op.out)
    return _over_sum(union(_differing(part, axis), uneven), x, count, op.out)


def share_back(op: Share, d: Vector, x: Vector, count: Magnitude, axis: Copies) -> Vector:
    """`(d_i - sum over j of d_j x_j / sum of x) / sum of x`: what all copies share is gone."""
    return _over_sum(_differing(d, axis), x, count, op.out)


def _over_sum(vector: Vector, x: Vector, count: Magnitude, at: str) -> Vector:
    width = size(count.cell, x)
    if width is None:
        return ABSENT
    return each(vector, lambda c: c.times((count * width).inverse, "over the sum of all", at))


def _common(vector: Vector, axis: Copies) -> Vector:
    return tuple(c for c in vector if axis not in c.deps)


def _differing(vector: Vector, axis: Copies | None) -> Vector:
    """What all copies share cancels, since the weights sum to 1."""
    return vector if axis is None else tuple(c for c in vector if axis in c.deps)


# ---- balance ---------------------------------------------------------------------------------
def balance(op: Balance, x: Vector, sizes: tuple[Magnitude, Magnitude]) -> Vector:
    """`among * sum of load * mean of x`: each of so many copies has the load `met/among`."""
    among, met = sizes
    mean = among.cell.one if op.everywhere else met / among

    def summed(c: Component) -> Component:
        alone = c.written((), NOWHERE).times(mean, "the mean over all samples, of what some have", op.out)
        return alone.times(among * met, "the loads of all copies, times their number", op.out)

    return merged(map(summed, scalars(x)))


def balance_back(op: Balance, d: Vector, sizes: tuple[Magnitude, Magnitude], axis: Copies) -> Vector:
    """`among * load`, in part another for each copy. A gradient is that of the samples that meet a copy: where `x`
    is there for all, they stand for the others too.
    """
    among, met = sizes
    if op.everywhere:
        given = each(d, lambda c: c.times(among, "the load of a copy, from every sample", op.out))
    else:
        given = each(d, lambda c: c.times(met, "the load of a copy", op.out))
    return merged((*given, *(c.spread(frozenset({axis})) for c in given)))


# ---- normalisation ---------------------------------------------------------------------------
def normalise(op: Normalise, part: Iterable[Component], x: Vector, cell: Cell) -> Vector:
    """`x / |x|`: initial components by the initial size, changes by the larger of initial and current size.

    The same rule carries the gradient back.
    """
    then, now = size(cell, initial(x)), size(cell, x)
    if now is None:
        return ABSENT
    return tuple(
        c.times((then if c.part == "init" and then is not None else now).inverse, "divided by the size", op.out)
        for c in part
    )


def normalise_back(op: Normalise, d: Vector, x: Vector, length: Magnitude, cell: Cell) -> Vector:
    """`(d - x^ <x^, d>/n) / |x|`: the gradient, and its projection on what was normalised."""
    straight, direction = normalise(op, d, x, cell), normalise(op, x, x, cell)
    overlap = dot(length, straight, direction, op.out)
    along = each(overlap, lambda c: c.times(length.inverse, "mean over coordinates", op.out))
    return union(straight, weighted(along, direction, op.out))
