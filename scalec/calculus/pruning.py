"""Which components of a vector can be left out. Input: a vector. Output: what of it still matters.

What a component may become is counted against the central limit (`History.gains`): others go through the same weights.
"""

from __future__ import annotations

from scalec.calculus.components import Component, Vector, union
from scalec.calculus.words import Deps, History, Part, compared
from scalec.symbolic.dominance import Magnitude


def prune(vector: Vector) -> Vector:
    """Drop what stays below another of the same part whatever it still gains (`History.gains`).

    Another one offers its order and its deps; and if their words begin alike, all that popping those
    letters brings as well. Of two that would drop each other the first stays.
    """
    return vector[0].order.cell.once(_pruned, vector) if len(vector) > 1 else vector


def _pruned(vector: Vector) -> Vector:
    offers = _Offers(vector)
    left = [(i, c) for i, c in enumerate(vector) if not offers.beat(i, c)]
    alike: dict[History, Offers] = {}
    for i, c in enumerate(vector):
        for start in c.history.starts:
            alike.setdefault(start, {}).setdefault(c.order, i)
    return tuple(c for i, c in left if not _matched(i, c, alike))


Offers = dict[Magnitude, int]  # orders, each with the first component of the vector that has it


class _Offers:
    """The orders that components of a vector offer, by part and deps.

    Idiosyncratic along fewer axes than these, a component gains the square root of their counts in sums. `plain` are
    those that gain nothing themselves: of the largest order one stays, in a direction that is seldom a weight's own.
    """

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        self.made: dict[tuple[Part, Deps], Offers] = {}
        self.plain: dict[tuple[Part, Deps], Offers] = {}
        self.met: dict[tuple[Part, Deps], tuple[Offers, Offers]] = {}
        self.rivals: dict[tuple[object, ...], Offers | None] = {}
        for i, c in enumerate(vector):
            past = c.history
            for found in (self.made,) if past.gaining else (self.made, self.plain):
                found.setdefault((past.part, past.deps), {}).setdefault(c.order, i)

    def beat(self, i: int, c: Component) -> bool:
        """Whether one of them is larger than `c` ever gets, or as large and plain; if both are, an earlier one."""
        past = c.history
        kind = (past.part, past.deps, c.order, past.peaks)
        if kind not in self.rivals:
            self.rivals[kind] = self._rivals(c)
        rivals = self.rivals[kind]
        if rivals is None:
            return True
        return any(first < i or not self._mutual(self.vector[first], c) for first in rivals.values())

    def _rivals(self, c: Component) -> Offers | None:
        """The plain ones that are as large as components of this kind ever get; None where something is larger."""
        peaks, place = [c.order * gain for gain in c.history.peaks], (c.part, c.deps)
        if place not in self.met:
            self.met[place] = self._against(self.made, c), self._against(self.plain, c)
        larger, plain = self.met[place]
        if any(not order <= c.order and all(peak <= order for peak in peaks) for order in larger):
            return None
        return {order: first for order, first in plain.items() if all(peak <= order for peak in peaks)}

    def _against(self, made: dict[tuple[Part, Deps], Offers], c: Component) -> Offers:
        """What a component with the part and deps of `c` is held against."""
        found: Offers = {}
        for (part, other), offers in made.items():
            if part == c.part and not compared(c.deps - other):
                for order, first in offers.items():
                    found.setdefault(_less(order, other - c.deps), first)
        return found

    def _mutual(self, other: Component, c: Component) -> bool:
        return not compared(other.deps - c.deps) and other.order <= _less(c.order, c.deps - other.deps)


def _matched(i: int, c: Component, alike: dict[History, Offers]) -> bool:
    """Whether one whose word begins alike stays as large as `c` once the letters that both have are popped."""
    for start, gains in c.history.to_come:
        for order, first in alike[start].items():
            if first == i or not c.order <= order or (first > i and order <= c.order):
                continue  # its own, or not larger and not before it
            if all(c.order * gain <= order for gain in gains):
                return True
    return False


def _less(order: Magnitude, axes: Deps) -> Magnitude:
    for axis in axes:
        order = order / axis.count.root
    return order


def joined(before: Vector, after: Vector) -> Vector:
    """The next state of an iteration: `after`, and of `before` what makes no part of it larger.

    Among directions that tie, pruning keeps one; which one must not depend on the round.
    """
    old = tuple(c for c in before if any(c.part == a.part and c.order <= a.order for a in after))
    return prune(union(old, after))
