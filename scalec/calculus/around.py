"""What would come back to where it is already. Input: vectors with their places. Output: less of them.

A stream goes around its branches. A component `p t` that came out of a branch becomes `t` again once the letters `p`
are popped; but `t` itself has stayed on the stream. Where it is as large there as anything that `p t` becomes, `p t` is
left out, on the claim that `t` stays as large a part of its surroundings. Every pass of a training is held against the
claims made so far (`Around.broken`); where one is broken, the training is run again without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from scalec.calculus.components import Component, Vector, size
from scalec.calculus.pruning import prune
from scalec.calculus.structure import Structure, inputs
from scalec.calculus.words import History, as_common, history
from scalec.program.ops import (
    Add,
    Bias,
    Broadcast,
    Constant,
    Gain,
    Gather,
    Input,
    Linear,
    Normalise,
    Operation,
    Output,
    Repeat,
    Scale,
)
from scalec.symbolic.dominance import Magnitude

Way = Literal["forward", "backward"]
Name = tuple[str, str]  # of a letter
Pair = tuple[Name, Name]  # the letter popped last, and the one that is then on top
Carries = Add | Bias | Broadcast | Gain | Gather | Normalise | Output | Repeat | Scale  # words go through as they are


@dataclass(frozen=True, eq=False)
class Home:
    """Values that hold parts of one sum. `letters`: those whose pop puts a vector, or its gradient, among them."""

    letters: frozenset[Name]


class Claim(NamedTuple):
    """Of each vector at home, the largest component that begins with `start` is at least this `share`."""

    home: Home
    start: History
    share: Magnitude
    popped: Name

    @property
    def pair(self) -> Pair:
        return self.popped, self.start.word[0].name

    def holds(self, vector: Vector) -> bool:
        same = [c for c in vector if c.part == self.start.part]
        whole = size(self.share.cell, same)
        return whole is None or any(whole * self.share <= c.order and self.start in c.history.starts for c in same)


@dataclass(frozen=True, eq=False)
class Around:
    """What one training leaves out. `refuted`: claims not to make; `made`: where each was made first."""

    structure: Structure
    refuted: frozenset[Pair]
    made: dict[Claim, tuple[int, Way, int]] = field(default_factory=dict)

    def prune(self, vector: Vector, op: Operation, way: Way, step: int) -> Vector:
        """Less of what an operation reads, or of the gradient of what it puts out."""
        kept = prune(vector)
        home = self.homes.get(op.x if way == "forward" and isinstance(op, Linear) else op.out)
        if home is None or len(kept) < 2:
            return kept
        left, claims = kept[0].order.cell.once(_left, kept, home, self.refuted)
        for claim in claims:
            self.made.setdefault(claim, (step, way, self._position(op, way)))
        return left

    def broken(self, step: int, forward: Mapping[str, Vector], backward: Mapping[str, Vector]) -> frozenset[Pair]:
        """The claims that a pass breaks. One that it made itself binds what it worked out later, the same way."""
        read = {"forward": forward, "backward": backward}
        return frozenset(
            claim.pair
            for claim, (then, first, position) in self.made.items()
            for way, name, at in self._read.get(claim.home, ())
            if then < step or (way == first and at >= position)
            if not claim.holds(read[way].get(name, ()))
        )

    # ---- places ------------------------------------------------------------------------------
    @cached_property
    def homes(self) -> Mapping[str, Home]:
        """The home of a value, where there is a sum in it."""
        root = _connected(self.structure)
        places: dict[Name, set[str]] = {}
        for op in self.structure.operations:
            if isinstance(op, Linear):
                turned = self.structure.program.tensor[op.tensor].uses[op.use].transposed
                there, back = ("backward", "forward") if turned else ("forward", "backward")
                places.setdefault((op.tensor, there), set()).add(root[op.x])
                places.setdefault((op.tensor, back), set()).add(root[op.out])
        sums = {root[op.out] for op in self.structure.operations if isinstance(op, Add)}
        homes = {r: Home(frozenset(letter for letter, found in places.items() if found == {r})) for r in sorted(sums)}
        return {name: homes[r] for name, r in root.items() if r in homes}

    @cached_property
    def _read(self) -> Mapping[Home, tuple[tuple[Way, str, int], ...]]:
        """Where what is at home is made into something else: the way, the value, the position."""
        found: dict[Home, list[tuple[Way, str, int]]] = {}
        for op in self.structure.operations:
            if isinstance(op, Carries | Input | Constant):
                continue
            ways: tuple[tuple[Way, str], ...] = (*(("forward", name) for name in inputs(op)), ("backward", op.out))
            for way, name in ways:
                if name in self.homes:
                    found.setdefault(self.homes[name], []).append((way, name, self._position(op, way)))
        return {home: tuple(places) for home, places in found.items()}

    def _position(self, op: Operation, way: Way) -> int:
        """In the order of execution; what is repeated together has one."""
        outer = next(iter(self.structure.within[op.out]), op)
        return self._index[outer.out] if way == "forward" else -self._index[outer.out]

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {op.out: i for i, op in enumerate(self.structure.operations)}


def _connected(structure: Structure) -> Mapping[str, str]:
    """For each value one that stands for all that sums, norms and the like connect it with."""
    group = {op.out: {op.out} for op in structure.operations}
    group |= {repeat.carried: {repeat.carried} for repeat in structure.repeats}
    for op in structure.operations:
        if isinstance(op, Carries):
            for name in (*inputs(op), *((op.carried, op.carried_out) if isinstance(op, Repeat) else ())):
                if group[name] is not group[op.out]:
                    group[op.out] |= group[name]
                    group |= dict.fromkeys(group[name], group[op.out])
    return {name: min(names) for name, names in group.items()}


# ---- what is left out ------------------------------------------------------------------------
def _left(vector: Vector, home: Home, refuted: frozenset[Pair]) -> tuple[Vector, tuple[Claim, ...]]:
    """The components that are kept, and the claims on which others are not. What these rely on is kept."""
    begun: dict[History, list[Component]] = {}
    for c in vector:
        for start in c.history.starts:
            begun.setdefault(start, []).append(c)
    left, needed, claims = dict.fromkeys(vector), set[Component](), list[Claim]()
    for c in vector:
        there = () if c in needed else _there(c, home, begun)
        for claim, t in there:
            if t in left and claim.pair not in refuted:
                del left[c]
                needed.add(t)
                claims.append(claim)
                break
    return tuple(left), tuple(claims)


def _there(c: Component, home: Home, begun: Mapping[History, Iterable[Component]]) -> Iterator[tuple[Claim, Component]]:
    """What `c` comes back as after some pops, and a component that is that and, until then, as large as `c`."""
    gains = c.history.gains
    for popped in range(1, min(len(gains), len(c.word))):
        last = c.word[popped - 1]
        if last.name in home.letters:
            start = history(c.order.cell, c.part, "", c.word[popped:], last.below)
            for t in begun.get(start, ()):
                if (
                    t is not c
                    and as_common(t.deps, c.deps)
                    and all(c.order * g <= t.order for g in gains[: popped + 1])
                ):
                    yield Claim(home, start, c.order * gains[popped] / t.order, last.name), t
