"""What would come back to where it is already. Input: vectors with their places. Output: less of them.

A stream goes around its branches. A component `p t` that came out of a branch becomes `t` again once the letters `p`
are popped; but `t` itself has stayed on the stream. Where it is as large there as anything that `p t` becomes, `p t` is
left out, on the claim that `t` stays as large a part of its surroundings. Every pass of a training is held against the
claims made so far (`Around.broken`); where one is broken, the training goes back to the first step that relied on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from scalec.calculus.components import ABSENT, Component, Vector, size
from scalec.calculus.pruning import prune
from scalec.calculus.structure import Structure, connected, ends, inputs
from scalec.calculus.words import History, Part, as_common, history
from scalec.program.ops import (
    Add,
    Bias,
    Broadcast,
    Constant,
    Dot,
    Elementwise,
    Gain,
    Gather,
    Input,
    Linear,
    Mix,
    Multiply,
    Normalise,
    Operation,
    Output,
    Repeat,
    Reshape,
    Scale,
)
from scalec.symbolic.dominance import Cell, Magnitude

Way = Literal["forward", "backward"]
Name = tuple[str, str]  # of a letter
Route = tuple[Name, ...]  # a weight's letter and marks, popped one after the other
Pair = tuple[Route, Name, Part]  # what was popped last, the letter that is then on top, and the part of it all
Carries = Add | Bias | Broadcast | Gain | Gather | Normalise | Output | Repeat | Scale  # words go through as they are
Aligns = Gain | Normalise  # it matters whether the vectors here point the same way
Meets = Dot | Mix  # it matters whether vectors of several places do


@dataclass(frozen=True, eq=False)
class Place:
    """Values that words go through as they are. `sum`: there is one among them; `aligns`: names of the places that
    can be reached without a weight, and where directions matter. `meets`: those of others may matter as well.
    """

    sum: bool
    aligns: tuple[str, ...]
    meets: bool


class Claim(NamedTuple):
    """Of each vector at the place, the largest component that begins with `start` is at least this `share`."""

    place: Place
    start: History
    share: Magnitude
    popped: Route

    @property
    def pair(self) -> Pair:
        return self.popped, self.start.word[0].name, self.start.part

    def holds(self, vector: Vector, way: Way) -> bool:
        """What a gradient brings into a forward vector is a change, whatever the gradient was part of."""
        part: Part = "delta" if way == "forward" and self.popped[0][1] == "backward" else self.start.part
        start = history(self.share.cell, part, "", self.start.word, self.start.deps)
        whole, begun = self.share.cell.once(_begun, vector, part, self.share.cell)
        return whole is None or any(whole * self.share <= order for order in begun.get(start, ()))


class Return(NamedTuple):
    """A vector that comes back as `start` once `route` is popped last. `gains`: what the pops bring one by one;
    `needed`: where it has to be there too, and what the pops until then bring: where it comes back, and on the way
    where directions matter.
    """

    start: History
    route: Route
    gains: tuple[Magnitude, ...]
    needed: tuple[tuple[Place, Magnitude], ...]


@dataclass(eq=False)
class Around:
    """What one training leaves out. `refuted`: claims not to make; `made`: the step, way and position of the first."""

    structure: Structure
    refuted: frozenset[Pair] = frozenset()
    made: dict[Claim, tuple[int, Way, int]] = field(default_factory=dict)

    def prune(self, vector: Vector, op: Operation, way: Way, step: int, known: Vector = ABSENT) -> Vector:
        """Less of what an operation reads, or of the gradient of what it puts out.

        What is `known` to matter stays, so that what is worked out in rounds comes to an end.
        """
        kept = prune(vector)
        if len(kept) < 2:
            return kept
        here = self._root[op.x if way == "forward" and isinstance(op, Linear) else op.out]
        left, claims = kept[0].order.cell.once(
            _left, kept, here, self, self.refuted, frozenset(c.history for c in known)
        )
        for claim in claims:
            self.made.setdefault(claim, (step, way, self._position(op, way)))
        return left

    def broken(self, step: int, forward: Mapping[str, Vector], backward: Mapping[str, Vector]) -> frozenset[Pair]:
        """The claims that a pass breaks. One that it made itself binds what it worked out later, the same way."""
        read = {"forward": forward, "backward": backward}
        return frozenset(
            claim.pair
            for claim, (then, first, position) in self.made.items()
            for way, name, at in self._read.get(claim.place, ())
            if then < step or (way == first and at >= position)
            if not claim.holds(read[way].get(name, ()), way)
        )

    def refute(self, pairs: frozenset[Pair]) -> int:
        """Make such claims no more. Returns the first step that relied on one."""
        first = min(then for claim, (then, _, _) in self.made.items() if claim.pair in pairs)
        self.refuted |= pairs
        self.made = {claim: at for claim, at in self.made.items() if at[0] < first}
        return first

    # ---- places ------------------------------------------------------------------------------
    def returns(self, past: History, where: str) -> tuple[Return, ...]:
        """How what has been through this comes back from a place."""
        if (past, where) not in self._ways_back:
            self._ways_back[past, where] = tuple(_returns(past, where, self))
        return self._ways_back[past, where]

    @cached_property
    def _ways_back(self) -> dict[tuple[History, str], tuple[Return, ...]]:
        return {}

    def places_after(self, route: Route, here: str) -> tuple[Place, ...]:
        """Where a vector, or a gradient, may be once these are popped; none if that is not known."""
        if (route, here) not in self._known:
            first, *marks = route
            found = self._popped.get(first, set())
            if first[1] == "mark":
                found, marks = {here}, [first, *marks]
            for mark in marks:
                near = {self._kept[root] for root in found}
                found = {there for kept, there in self._unmarked.get(mark, ()) if kept in near}
            self._known[route, here] = tuple(self.place[root] for root in sorted(found))
        return self._known[route, here]

    @cached_property
    def _known(self) -> dict[tuple[Route, str], tuple[Place, ...]]:
        return {}

    @cached_property
    def _popped(self) -> Mapping[Name, set[str]]:
        """Where what a weight is met by ends up."""
        found: dict[Name, set[str]] = {}
        for op in self.structure.operations:
            if isinstance(op, Linear):
                turned = self.structure.program.tensor[op.tensor].uses[op.use].transposed
                there, back = ("backward", "forward") if turned else ("forward", "backward")
                found.setdefault((op.tensor, there), set()).add(self._root[op.x])
                found.setdefault((op.tensor, back), set()).add(self._root[op.out])
        return found

    @cached_property
    def _unmarked(self) -> Mapping[Name, set[tuple[str, str]]]:
        """From where to where a mark is removed."""
        ways: dict[Name, set[tuple[str, str]]] = {}
        for op in self.structure.operations:
            for mark, x in _marking(op):
                here, there = self._root[x], self._root[op.out]
                ways.setdefault((mark, "mark"), set()).update({(self._kept[here], there), (self._kept[there], here)})
        return ways

    @cached_property
    def _kept(self) -> Mapping[str, str]:
        """For each value one that stands for all that a word may reach from there as it is."""
        return connected(self.structure.operations, _keeping)

    @cached_property
    def place(self) -> Mapping[str, Place]:
        """The place of each root."""
        near = self.structure.near
        aligned: dict[str, set[str]] = {}
        for op in self.structure.operations:
            if isinstance(op, Aligns):
                aligned.setdefault(near[op.out], set()).update(self._root[name] for name in (op.out, *inputs(op)))
        sums = {self._root[op.out] for op in self.structure.operations if isinstance(op, Add)}
        met = {near[op.out] for op in self.structure.operations if isinstance(op, Meets)}
        return {
            root: Place(root in sums, tuple(sorted(aligned.get(near[root], ()))), near[root] in met)
            for root in dict.fromkeys(self._root.values())
        }

    @cached_property
    def _root(self) -> Mapping[str, str]:
        return connected(self.structure.operations, lambda op: ends(op) if isinstance(op, Carries) else ())

    @cached_property
    def _read(self) -> Mapping[Place, tuple[tuple[Way, str, int], ...]]:
        """Where what is at a place is made into something else: the way, the value, the position."""
        found: dict[Place, list[tuple[Way, str, int]]] = {}
        for op in self.structure.operations:
            if isinstance(op, Carries | Input | Constant):
                continue
            ways: tuple[tuple[Way, str], ...] = (*(("forward", name) for name in inputs(op)), ("backward", op.out))
            for way, name in ways:
                found.setdefault(self.place[self._root[name]], []).append((way, name, self._position(op, way)))
        return {place: tuple(reads) for place, reads in found.items()}

    def _position(self, op: Operation, way: Way) -> int:
        """In the order of execution; what is repeated together has one."""
        outer = next(iter(self.structure.within[op.out]), op)
        place = self.structure.position[outer.out]
        return place if way == "forward" else -place


def _marking(op: Operation) -> tuple[tuple[str, str], ...]:
    """The marks that an operation puts on words or removes, each with the value that it lies in front of."""
    match op:
        case Multiply():
            return (op.y, op.x), (op.x, op.y)
        case Elementwise():
            return ((op.out, op.x),)
        case Reshape():
            return ((op.axis, op.x),)
        case _:
            return ()


def _keeping(op: Operation) -> tuple[str, ...]:
    """The values that an operation reads and puts out some words of as they are."""
    match op:
        case Linear():
            return ()
        case Multiply():
            return (*((op.x,) if op.mean_y else ()), *((op.y,) if op.mean_x else ()))
        case Elementwise():
            return (op.x,) if op.function.mean_derivative else ()
        case _:
            return ends(op)


# ---- what is left out ------------------------------------------------------------------------
def _left(
    vector: Vector, where: str, around: Around, refuted: frozenset[Pair], known: frozenset[History]
) -> tuple[Vector, tuple[Claim, ...]]:
    """The components that are kept, and the claims on which others are not. What these rely on is kept."""
    begun: dict[History, list[Component]] = {}
    for c in vector:
        for start in c.history.starts:
            begun.setdefault(start, []).append(c)
    left, needed, claims = dict.fromkeys(vector), set[Component](), dict[Claim, None]()
    for c in vector:
        for made, t in () if c in needed or c.history in known else _there(c, where, around, begun):
            if t in left and not any(claim.pair in refuted for claim in made):
                del left[c]
                needed.add(t)
                claims |= dict.fromkeys(made)
                break
    return tuple(left), tuple(claims)


def _there(
    c: Component, where: str, around: Around, begun: Mapping[History, Iterable[Component]]
) -> Iterator[tuple[list[Claim], Component]]:
    """What `c` comes back as after some pops, and a component that is that and, until then, as large as `c`."""
    for back in around.returns(c.history, where):
        for t in begun.get(back.start, ()):
            below = t is not c and all(c.order * gain <= t.order for gain in back.gains)
            if below and as_common(t.deps, c.deps):
                shares = ((place, c.order * gain / t.order) for place, gain in back.needed)
                yield [Claim(place, back.start, share, back.route) for place, share in shares], t


def _returns(past: History, where: str, around: Around) -> Iterator[Return]:
    gains, passed, newest = past.gains, dict[tuple[Place, Magnitude], None](), 0
    for popped in range(1, min(len(gains), len(past.word))):
        last = past.word[popped - 1]
        newest = newest if last.direction == "mark" else popped - 1
        route = tuple(letter.name for letter in past.word[newest:popped])
        places = around.places_after(route, where)
        if not places:
            break
        if all(place.sum for place in places):
            start = history(past.cell, past.part, "", past.word[popped:], last.below)
            needed = passed | dict.fromkeys((place, gains[popped]) for place in places)
            yield Return(start, route, gains[: popped + 1], tuple(needed))
        if any(place.meets for place in places):
            break
        passed |= dict.fromkeys((around.place[name], gains[popped]) for place in places for name in place.aligns)


def _begun(vector: Vector, part: Part, cell: Cell) -> tuple[Magnitude | None, Mapping[History, Collection[Magnitude]]]:
    """The size of a part, and the orders of what begins with each start."""
    same, found = [c for c in vector if c.part == part], dict[History, dict[Magnitude, None]]()
    for c in same:
        for start in c.history.starts:
            found.setdefault(start, {})[c.order] = None
    return size(cell, same), found
