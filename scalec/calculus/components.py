"""Vectors as small sets of components. Input: components. Output: merged, pruned tuples of them.

A component is a part of a vector with a size and a history: which weights it was multiplied by last
(its word), and along which replicated axes it differs from copy to copy (its deps). Invariants: the
factors along `chain` multiply to `order`; a vector holds no component that another one makes
redundant; an empty vector is identically zero, which is not the same as small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Literal

from scalec.symbolic.dominance import Cell, Magnitude

LETTERS = 4  # weights in a word
MARKED = 2 * LETTERS  # and marks: at most so many together


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """A replicated axis: layers, heads, experts. Few copies are not told `apart`, unless data chooses among them.

    `compared`: something takes differences between the copies, which leaves nothing of what they share.
    """

    name: str
    count: Magnitude
    apart: bool = True
    compared: bool = False


Deps = frozenset[Copies]
NOWHERE: Deps = frozenset()


@dataclass(frozen=True)
class Letter:
    """`forward`: this vector is `W v`; `backward`: it is `W^T v`; `mark`: it is `v` times a factor of mean 0.

    `own`: the axes along which `W` has draws of its own. `below`: the deps of `v`. `grown`: by how much
    sums over the axes in `bound` enlarged it; meeting one's own weight again undoes that, since only
    one term of the sum does. `met`: training applies the weight in the opposite direction; `gain`: the
    most that popping this letter then brings over the central limit.
    """

    tensor: str
    direction: Literal["forward", "backward", "mark"]
    grown: Magnitude
    gain: Magnitude
    met: bool = True
    own: Deps = NOWHERE
    below: Deps = NOWHERE
    bound: Deps = NOWHERE

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.tensor, self.direction, self.grown, self.below, self.bound))

    @cached_property
    def sign(self) -> int:
        """The same number for letters that differ in nothing but what is below."""
        signs = self.grown.cell.signs
        return signs.setdefault((self.tensor, self.direction, self.grown, self.own, self.bound), len(signs))

    def over(self, below: Deps) -> Letter:
        """The same letter on a vector with other deps."""
        if below == self.below:
            return self
        found = self._over.get(below)
        if found is None:
            found = self._over[below] = replace(self, below=below)
        return found

    @cached_property
    def _over(self) -> dict[Deps, Letter]:
        return {}

    def summed(self, axis: Copies, grown: Magnitude) -> Letter:
        """The same letter after a sum over an axis along which its weights differ."""
        found = self._summed.get((axis, grown))
        if found is None:
            found = replace(self, grown=self.grown * grown, bound=self.bound | {axis})
            self._summed[axis, grown] = found
        return found

    @cached_property
    def _summed(self) -> dict[tuple[Copies, Magnitude], Letter]:
        return {}

    @cached_property
    def name(self) -> tuple[str, str]:
        return self.tensor, self.direction


Word = tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True)
class Component:
    """One component of a vector. `cause`: the tensor whose update made it, "" for the initial part; of
    components that merge, the larger one's (per cause, train one tensor at a time).

    `root` names the vector the word ends at; two components point the same way where root and word agree.
    """

    order: Magnitude
    part: Literal["init", "delta"]
    root: str
    chain: Link = field(compare=False, repr=False)
    cause: str = field(default="", compare=False)
    word: Word = ()
    deps: Deps = NOWHERE

    @property
    def direction(self) -> tuple[object, ...]:
        return (self.root, *(letter.name for letter in self.word))

    @cached_property
    def heights(self) -> tuple[Magnitude, ...]:
        """The order now, and after popping letters one by one, counted against the central limit.

        A pop brings `letter.gain`, undoes the growth the letter recorded, and where only this letter made
        the component idiosyncratic along an axis, lets a later sum over it be coherent.
        """
        heights = [self.order]
        for letter in self.word:
            if not letter.met:
                break
            here = heights[-1] * letter.gain / letter.grown
            for axis in letter.own - letter.below:
                here = here * axis.count.root
            heights.append(here)
        return tuple(heights)

    @cached_property
    def needs(self) -> tuple[tuple[Magnitude, ...], ...]:
        """What one that shares the first `j` letters must be as large as, never to stay below this one."""
        return tuple(
            tuple(dict.fromkeys(self.order * later / height for later in self.heights[j + 1 :]))
            for j, height in enumerate(self.heights)
        )

    def times(self, factor: Magnitude, rule: str, at: str) -> Component:
        """Another size, the same history."""
        if factor is factor.cell.one:
            return self
        chain = Link(rule, at, factor, self.chain)
        return Component(self.order * factor, self.part, self.root, chain, self.cause, self.word, self.deps)

    def caused(self, tensor: str) -> Component:
        return Component(self.order, "delta", self.root, self.chain, tensor, self.word, self.deps)

    def written(self, word: Word, deps: Deps) -> Component:
        """Another history, the same size; of five weights the oldest is forgotten."""
        return Component(self.order, self.part, self.root, self.chain, self.cause, _recent(word), deps)

    @property
    def is_scalar(self) -> bool:
        return not self.word and not self.root

    def without_direction(self) -> Component:
        return Component(self.order, self.part, "", self.chain, self.cause, (), self.deps)

    def spread(self, deps: Deps) -> Component:
        """Idiosyncratic along `deps` from now on, also where letters are popped later."""
        if deps <= self.deps:
            return self
        return self.written(tuple(letter.over(letter.below | deps) for letter in self.word), self.deps | deps)

    def gathered(self, axis: Copies) -> Component:
        """Copies laid side by side: the axis is gone, nothing was summed."""
        return self.written(tuple(letter.over(letter.below - {axis}) for letter in self.word), self.deps - {axis})


def _recent(word: Word) -> Word:
    """The last weights with the marks between them: a mark is no weight that another would push out."""
    if len(word) <= LETTERS:
        return word
    weights = [i for i, letter in enumerate(word) if letter.direction != "mark"]
    end = weights[LETTERS] if len(weights) > LETTERS else len(word)
    return word[: min(end, MARKED)]


Vector = tuple[Component, ...]
ABSENT: Vector = ()


# ---- sets of components ----------------------------------------------------------------------
def union(*vectors: Iterable[Component]) -> Vector:
    """The sum of vectors, component by component. Nothing is dropped because there is much.

    A component goes only where another of the same part and word is nowhere smaller and, now and under every
    letter, idiosyncratic along no other axis. Of two that tie but differ as monomials the simpler one stays.
    """
    kept: dict[tuple[object, ...], list[Component]] = {}
    for vector in vectors:
        for c in vector:
            key = (c.part, c.root, *[letter.sign for letter in c.word])
            rivals = kept.get(key)
            if rivals is None:
                kept[key] = [c]
            elif not any(_covers(r, c) for r in rivals):
                kept[key] = [*(r for r in rivals if not _covers(c, r)), c]
    return tuple(c for rivals in kept.values() for c in rivals)


def _covers(big: Component, small: Component) -> bool:
    if not (_as_common(big.deps, small.deps) and small.order <= big.order):
        return False
    if big.word != small.word and not all(
        _as_common(a.below, b.below) for a, b in zip(big.word, small.word, strict=True)
    ):
        return False
    return not big.order <= small.order or big.order.simplicity <= small.order.simplicity


def _as_common(big: Deps, small: Deps) -> bool:
    """Idiosyncratic along no other axis, and what differs along a compared one is not lost beside what does not."""
    return big <= small and not any(axis.compared for axis in small - big)


def prune(vector: Vector) -> Vector:
    """Drop what stays below another of the same part whatever it still gains (`Component.heights`).

    Another one offers its order and its deps; and if their words begin alike, all that popping those
    letters brings as well. Of two that would drop each other the first stays.
    """
    offers: dict[tuple[str, Magnitude, Deps], int] = {}
    alike: dict[tuple[str, Deps, Word], dict[Magnitude, int]] = {}
    for i, c in enumerate(vector):
        offers.setdefault((c.part, c.order, c.deps), i)
        for j in range(1, len(c.word) + 1):
            alike.setdefault((c.part, c.deps, c.word[:j]), {}).setdefault(c.order, i)

    def outgrown(i: int, c: Component) -> bool:
        return any(
            c.part == part and _outgrown(c, order, deps)
            and (first < i or not _outgrown(vector[first], c.order, c.deps))
            for (part, order, deps), first in offers.items()
        )  # fmt: skip

    def matched(i: int, c: Component) -> bool:
        return any(
            c.order <= order and (first < i or not order <= c.order) and all(map(order.__ge__, c.needs[j]))
            for j in range(1, len(c.heights))
            for order, first in alike[c.part, c.deps, c.word[:j]].items()
        )

    return tuple(c for i, c in enumerate(vector) if not outgrown(i, c) and not matched(i, c))


def _outgrown(c: Component, order: Magnitude, deps: Deps) -> bool:
    """Idiosyncratic along fewer axes, `c` gains the square root of their counts in sums."""
    if not c.order <= order or any(axis.compared for axis in c.deps - deps):
        return False
    for axis in deps - c.deps:
        order = order / axis.count.root
    return all(map(order.__ge__, c.heights))


def joined(before: Vector, after: Vector) -> Vector:
    """The next state of an iteration: `after`, and of `before` what makes no part of it larger.

    Among directions that tie, pruning keeps one; which one must not depend on the round.
    """
    old = (c for c in before if any(c.part == a.part and c.order <= a.order for a in after))
    return prune(union(old, after))


def size(cell: Cell, vector: Iterable[Component]) -> Magnitude | None:
    """The order of the coordinate RMS, None for an absent vector. Raises `UndecidedError`."""
    return cell.largest(c.order for c in vector)


def initial(vector: Vector) -> Vector:
    return tuple(c for c in vector if c.part == "init")


def changed(vector: Vector) -> Vector:
    return tuple(c for c in vector if c.part == "delta")


def each(vector: Vector, change: Callable[[Component], Component]) -> Vector:
    """The same change to every component; one that lets two merge is followed by a `union`."""
    return tuple(change(c) for c in vector)


def scalars(vector: Iterable[Component]) -> Vector:
    """The sizes of a vector without its directions, one for each part and deps."""
    return union(c if c.is_scalar else c.without_direction() for c in vector)


# ---- sums over copies ------------------------------------------------------------------------
def sum_over(axis: Copies, vector: Iterable[Component], at: str) -> Vector:
    """The sum of the copies of a vector along an axis; fan-out is its transpose and counts the same.

    Idiosyncratic components grow by the square root of the count (central limit), all others by the
    count (law of large numbers). Raises nothing.
    """
    return union(_summed(axis, c, at) for c in vector)


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
    apart = (
        _times(a, b, length.root, "a dot product of independent vectors", at) for a in scalars(x) for b in scalars(y)
    )
    return scalars((*apart, *aligned(length, x, y, at)))


def aligned(length: Magnitude, x: Vector, y: Vector, at: str) -> Vector:
    """The coherent part of a dot product."""
    along: dict[tuple[object, ...], list[Component]] = {}
    for b in y:
        along.setdefault(b.direction, []).append(b)
    pairs = ((a, b) for a in x for b in along.get(a.direction, ()))
    return scalars(
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
