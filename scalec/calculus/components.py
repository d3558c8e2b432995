"""Vectors as small sets of components. Input: components. Output: merged, pruned tuples of them.

A component is a part of a vector with a size and a history: which weights it was multiplied by last
(its word), and along which replicated axes it differs from copy to copy (its deps). Invariants: the
factors along `chain` multiply to `order`; a vector holds no component that another one makes
redundant; an empty vector is identically zero, which is not the same as small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from math import prod

from scalec.calculus.words import Copies, Deps, History, Part, Word, as_common, history
from scalec.symbolic.dominance import Cell, Magnitude


@dataclass(slots=True, eq=False)  # never changed; frozen, it would take three times as long to make
class Link:
    """One step of a derivation: the rule applied, where, and the factor it contributed."""

    rule: str
    at: str
    factor: Magnitude
    before: Link | None = None

    def __iter__(self) -> Iterator[Link]:
        """From the first step to this one."""
        steps: list[Link] = []
        link: Link | None = self
        while link is not None:
            steps.append(link)
            link = link.before
        return reversed(steps)


@dataclass(slots=True, eq=False)  # as above
class Component:
    """One component of a vector. `cause`: the tensor whose update made it, "" for the initial part; of
    components that merge, the larger one's (per cause, train one tensor at a time).

    What is made of a component in one way is made once: it is the same object wherever it comes from.
    """

    order: Magnitude
    history: History
    chain: Link = field(repr=False)
    cause: str = ""
    _made: dict[object, Component] = field(default_factory=dict, repr=False)

    @property
    def part(self) -> Part:
        return self.history.part

    @property
    def word(self) -> Word:
        return self.history.word

    @property
    def deps(self) -> Deps:
        return self.history.deps

    def times(self, factor: Magnitude, rule: str, at: str) -> Component:
        """Another size, the same history."""
        if factor is factor.cell.one:
            return self
        found = self._made.get((factor, rule, at))
        if found is None:
            chain = Link(rule, at, factor, self.chain)
            found = self._made[factor, rule, at] = Component(self.order * factor, self.history, chain, self.cause)
        return found

    def caused(self, tensor: str) -> Component:
        found = self._made.get(tensor)
        if found is None:
            past = history(self.order.cell, "delta", self.history.root, self.word, self.deps)
            found = self._made[tensor] = Component(self.order, past, self.chain, tensor)
        return found

    def written(self, word: Word, deps: Deps) -> Component:
        """Another history, the same size."""
        past = history(self.order.cell, self.part, self.history.root, word, deps)
        if past is self.history:
            return self
        found = self._made.get(past)
        if found is None:
            found = self._made[past] = Component(self.order, past, self.chain, self.cause)
        return found

    @property
    def is_scalar(self) -> bool:
        return not self.word and not self.history.root

    def without_direction(self) -> Component:
        if self.is_scalar:
            return self
        past = history(self.order.cell, self.part, "", (), self.deps)
        found = self._made.get(past)
        if found is None:
            found = self._made[past] = Component(self.order, past, self.chain, self.cause)
        return found

    def spread(self, deps: Deps) -> Component:
        """Idiosyncratic along `deps` from now on, also where letters are popped later."""
        if deps <= self.deps:
            return self
        return self.written(tuple(letter.over(letter.below | deps) for letter in self.word), self.deps | deps)

    def gathered(self, axis: Copies) -> Component:
        """Copies laid side by side: the axis is gone, nothing was summed."""
        return self.written(tuple(letter.over(letter.below - {axis}) for letter in self.word), self.deps - {axis})


Vector = tuple[Component, ...]
ABSENT: Vector = ()


# ---- sets of components ----------------------------------------------------------------------
def union(*vectors: Vector) -> Vector:
    """The sum of vectors, component by component. Nothing is dropped because there is much."""
    present = [vector for vector in vectors if vector]
    return merged(chain(*present)) if len(present) > 1 else present[0] if present else ABSENT


def merged(components: Iterable[Component]) -> Vector:
    """A vector of them.

    A component goes only where another of the same part and word is nowhere smaller and, now and under every
    letter, idiosyncratic along no other axis. Of two that tie but differ as monomials the simpler one stays.
    """
    first: dict[History, Component] = {}
    several: dict[History, list[Component]] = {}
    for c in components:
        kind = c.history.kind
        if first.setdefault(kind, c) is not c:
            rivals = several.get(kind) or [first[kind]]
            for rival in rivals:
                if _covers(rival, c):
                    break
            else:
                several[kind] = [*(r for r in rivals if not _covers(c, r)), c]
    if not several:
        return tuple(first.values())
    return tuple(c for kind, one in first.items() for c in several.get(kind, (one,)))


def _covers(big: Component, small: Component) -> bool:
    if big.history is not small.history:
        if not as_common(big.deps, small.deps):
            return False
        if not all(a.covers(b) for a, b in zip(big.word, small.word, strict=True)):
            return False
    return _exceeds(big, small)


def _exceeds(big: Component, small: Component) -> bool:
    """At least as large; of two that tie the simpler."""
    if not small.order <= big.order:
        return False
    return not big.order <= small.order or big.order.simplicity <= small.order.simplicity


def size(cell: Cell, vector: Iterable[Component]) -> Magnitude | None:
    """The order of the coordinate RMS, None for an absent vector. Raises `UndecidedError`."""
    return cell.largest(c.order for c in vector)


def initial(vector: Vector) -> Vector:
    return tuple(c for c in vector if c.history.part == "init")


def changed(vector: Vector) -> Vector:
    return tuple(c for c in vector if c.history.part == "delta")


def each(vector: Vector, change: Callable[[Component], Component]) -> Vector:
    """The same change to every component; one that lets two merge is followed by `merged`."""
    return tuple(change(c) for c in vector)


def scalars(vector: Vector) -> Vector:
    """The sizes of a vector without its directions, one for each part and deps."""
    return vector[0].order.cell.once(_scalars, vector) if vector else vector


def _scalars(vector: Iterable[Component]) -> Vector:
    kept: dict[tuple[Part, Deps], list[Component]] = {}
    for c in vector:
        rivals = kept.setdefault((c.history.part, c.history.deps), [])
        if not any(_exceeds(r, c) for r in rivals):
            rivals[:] = [*(r for r in rivals if not _exceeds(c, r)), c]
    return merged(c.without_direction() for rivals in kept.values() for c in rivals)


# ---- sums over copies ------------------------------------------------------------------------
def sum_over(axis: Copies, vector: Iterable[Component], at: str) -> Vector:
    """The sum of the copies of a vector along an axis; fan-out is its transpose and counts the same.

    Idiosyncratic components grow by the square root of the count (central limit), all others by the
    count (law of large numbers). Raises nothing.
    """
    return merged(_summed(axis, c, at) for c in vector)


def _summed(axis: Copies, c: Component, at: str) -> Component:
    if axis not in c.deps:
        return c.times(axis.count, f"a sum over {axis.name} of terms they share: law of large numbers", at)
    grown = axis.count.root
    word = _bound(axis, c.word, grown)
    rule = f"a sum over {axis.name} of independent terms: central limit"
    return c.written(word, c.deps - {axis}).times(grown, rule, at)


def _bound(axis: Copies, word: Word, grown: Magnitude) -> Word:
    """The newest letter with weights of its own along the axis records the growth; newer ones forget the axis."""
    letters = list(word)
    for i, letter in enumerate(letters):
        if axis in letter.own and axis not in letter.bound:
            letters[i] = letter.summed(axis, grown)
            break
        letters[i] = letter.over(letter.below - {axis})
    return tuple(letters)


# ---- products --------------------------------------------------------------------------------
def product(c: Component, factor: Component, rule: str, at: str) -> Component:
    """`c` times a scalar or the size of a vector: initial only if both are; idiosyncratic where either is."""
    result = c.spread(factor.deps).times(factor.order, rule, at)
    if c.part == "init" and factor.part == "delta":
        return result.caused(factor.cause)
    return result


def dot(length: Magnitude, x: Vector, y: Vector, at: str) -> Vector:
    """`sum of x_i y_i` over `length` coordinates: coherent for components that point the same way."""
    sizes = scalars(y)
    apart = (_times(a, b, length.root, "a dot product of independent vectors", at) for a in scalars(x) for b in sizes)
    return _scalars((*apart, *aligned(length, x, y, at)))


def aligned(length: Magnitude, x: Vector, y: Vector, at: str) -> Vector:
    """The coherent part of a dot product."""
    along: dict[tuple[object, ...], list[Component]] = {}
    for b in y:
        along.setdefault(b.history.direction, []).append(b)
    pairs = ((a, b) for a in x for b in along.get(a.history.direction, ()))
    return _scalars(
        _times(a, b, length, "a dot product of aligned vectors", at).times(
            _others(a, b, length).inverse, "of the copies summed before, one meets itself", at
        )
        for a, b in pairs
    )


def _others(a: Component, b: Component, length: Magnitude) -> Magnitude:
    """By how much sums that only one of two aligned vectors went through enlarged it."""
    axes = (axis for p, q in zip(a.word, b.word, strict=True) for axis in p.bound ^ q.bound)
    return prod((axis.count.root for axis in axes), start=length.cell.one)


def _times(a: Component, b: Component, sum_of: Magnitude, rule: str, at: str) -> Component:
    return product(a, b, "size of the other vector", at).times(sum_of, rule, at)
