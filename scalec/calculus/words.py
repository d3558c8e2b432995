"""What a component has been through: the weights it was multiplied by last, and where it differs from copy to copy.

Letters and histories that are the same are one object, so that what follows from them is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from scalec.symbolic.dominance import Cell, Magnitude

LETTERS = 4  # weights in a word
MARKED = 2 * LETTERS  # and marks: at most so many together

Part = Literal["init", "delta"]


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """A replicated axis: layers, heads, experts. Few copies are not told `apart`, unless data chooses among them.

    `compared`: something takes differences between the copies, which leaves nothing of what they share.
    """

    name: str
    count: Magnitude
    apart: bool = True
    compared: bool = False

    @property
    def few(self) -> bool:
        """Their number does not grow: what is drawn afresh for each adds up as what all share."""
        return self.count.ties(self.count.cell.one)


Deps = frozenset[Copies]
NOWHERE: Deps = frozenset()


def as_common(big: Deps, small: Deps) -> bool:
    """Idiosyncratic along no other axis of many; what differs along a compared one is not lost beside what does not."""
    return big is small or (all(axis.few for axis in big - small) and not compared(small - big))


def compared(axes: Deps) -> bool:
    return any(axis.compared for axis in axes)


@dataclass(frozen=True, eq=False)
class Letter:
    """`forward`: this vector is `W v`; `backward`: it is `W^T v`; `mark`: it is `v` times a factor of mean 0.

    `own`: the axes along which `W` has draws of its own. `below`: the deps of `v`. `grown`: by how much
    sums over the axes in `bound` enlarged it; meeting one's own weight again undoes that, since only
    one term of the sum does. `met`: training applies the weight in the opposite direction; `gain`:
    what popping this letter then brings over the central limit. Made by `letter`.
    """

    tensor: str
    direction: Literal["forward", "backward", "mark"]
    grown: Magnitude
    gain: Magnitude
    met: bool
    own: Deps
    below: Deps
    bound: Deps

    def over(self, below: Deps) -> Letter:
        """The same letter on a vector with other deps."""
        if below == self.below:
            return self
        return letter(self.tensor, self.direction, self.grown, self.gain, self.met, self.own, below, self.bound)

    def summed(self, axis: Copies, grown: Magnitude) -> Letter:
        """The same letter after a sum over an axis along which its weights differ."""
        both, bound = self.grown * grown, self.bound | {axis}
        return letter(self.tensor, self.direction, both, self.gain, self.met, self.own, self.below, bound)

    @cached_property
    def base(self) -> Letter:
        """One for all letters that differ in nothing but what is below, and in sums over few copies."""
        bound = frozenset(axis for axis in self.bound if not axis.few)
        grown = prod((axis.count.root for axis in bound), start=self.grown.cell.one)
        return letter(self.tensor, self.direction, grown, self.gain, self.met, self.own, NOWHERE, bound)

    def covers(self, other: Letter) -> bool:
        """Whether what is popped is idiosyncratic where `other`'s is, as far as it matters; both have one `base`."""
        return as_common(self.below, other.below) and (
            self.bound is other.bound or not compared(self.bound - other.bound)
        )

    @cached_property
    def name(self) -> tuple[str, str]:
        return self.tensor, self.direction


def letter(
    tensor: str, direction: Literal["forward", "backward", "mark"], grown: Magnitude, gain: Magnitude,
    met: bool = True, own: Deps = NOWHERE, below: Deps = NOWHERE, bound: Deps = NOWHERE,
) -> Letter:  # fmt: skip
    return grown.cell.once(Letter, tensor, direction, grown, gain, met, own, below, bound)


Word = tuple[Letter, ...]


@dataclass(frozen=True, eq=False)
class History:
    """The history of a component, without its size. `root` names the vector the word ends at. Made by `history`."""

    cell: Cell
    part: Part
    root: str
    word: Word
    deps: Deps

    @cached_property
    def kind(self) -> History:
        """One for all histories that differ in nothing but deps."""
        return history(self.cell, self.part, self.root, tuple(letter.base for letter in self.word))

    @cached_property
    def direction(self) -> tuple[object, ...]:
        """Two components point the same way where root and word agree."""
        return (self.root, *(letter.name for letter in self.word))

    @cached_property
    def shape(self) -> tuple[object, ...]:
        letters = tuple((letter.name, letter.below, letter.bound) for letter in self.word)
        return self.part, self.root, letters, self.deps

    @cached_property
    def gains(self) -> tuple[Magnitude, ...]:
        """What popping letters one by one brings in all, counted against the central limit; 1 for none.

        A pop brings `letter.gain`, undoes the growth the letter recorded, and where only this letter made
        the component idiosyncratic along an axis, lets a later sum over it be coherent.
        """
        gains = [self.cell.one]
        for letter in self.word:
            if not letter.met:
                break
            here = gains[-1] * letter.gain / letter.grown
            for axis in letter.own - letter.below:
                here = here * axis.count.root
            gains.append(here)
        return tuple(gains)

    @cached_property
    def peaks(self) -> tuple[Magnitude, ...]:
        """The largest gains."""
        return maxima(self.gains)

    @cached_property
    def gaining(self) -> bool:
        return any(not gain <= self.cell.one for gain in self.gains)

    @cached_property
    def starts(self) -> tuple[History, ...]:
        """Its first letters, for all lengths; the same for all histories that begin with them."""
        return tuple(history(self.cell, self.part, "", self.word[:j], self.deps) for j in range(1, len(self.word) + 1))

    @cached_property
    def to_come(self) -> tuple[tuple[History, tuple[Magnitude, ...]], ...]:
        """For each start that may be popped, what popping more letters then brings."""
        rest = (maxima(later / gain for later in self.gains[j + 1 :]) for j, gain in enumerate(self.gains))
        return tuple(zip(self.starts, tuple(rest)[1:], strict=False))


def history(cell: Cell, part: Part, root: str, word: Word = (), deps: Deps = NOWHERE) -> History:
    """Of five weights the oldest is forgotten."""
    return cell.once(History, cell, part, root, word if len(word) <= LETTERS else _recent(word), deps)


def _recent(word: Word) -> Word:
    """The last weights with the marks between them: a mark is no weight that another would push out."""
    weights = [i for i, letter in enumerate(word) if letter.direction != "mark"]
    end = weights[LETTERS] if len(weights) > LETTERS else len(word)
    return word[: min(end, MARKED)]


def maxima(magnitudes: Iterable[Magnitude]) -> tuple[Magnitude, ...]:
    """Those that are not smaller than another."""
    kept: list[Magnitude] = []
    for magnitude in magnitudes:
        if not any(magnitude <= other for other in kept):
            kept = [*(other for other in kept if not other <= magnitude), magnitude]
    return tuple(kept)
