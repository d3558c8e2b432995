"""Sizes of chains of Gaussian matrices by Wick's theorem, written without the calculus.

A chain `A_k ... A_1 v` has the squared norm `v^T A_1^T ... A_k^T A_k ... A_1 v`. Its expectation is a sum
over all ways of pairing equal matrices; a pairing identifies the rows and the columns of the two, and each
class of identified indices that is left contributes its range. All terms are positive, so the order
is that of the largest. Matrices may be stacked: a copy index belongs to a stretch of the chain, ends in a
sum over the copies, and is identified like any other index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Apply:
    """Multiply by matrix `name` (or its transpose); `stacked`: each copy has a draw of its own."""

    name: str
    transposed: bool
    stacked: bool


class Sum:
    """Sum the copies; a new copy index begins."""


def exponent(
    chain: Sequence[Apply | Sum], sigma: dict[str, Fraction], shape: dict[str, tuple[int, int]],
    dims: Sequence[Fraction], copies: Fraction,
) -> Fraction:  # fmt: skip
    """Exponent of the coordinate RMS of the chain applied to a vector of ones. `shape`: (row, column) spaces."""
    applied, stretch = [], 0
    for step in chain:
        if isinstance(step, Sum):
            stretch += 1
        else:
            applied.append((step, stretch))
    half = len(applied)
    space = [_side(shape, applied[0][0], inp=True)] + [_side(shape, a, inp=False) for a, _ in applied]
    # Indices: 0..half along the ket, then the bra back from the shared output index `half`.
    places = [(a, p, p + 1, ("ket", s)) for p, (a, s) in enumerate(applied)]
    places += [(a, 2 * half - p, 2 * half - p - 1, ("bra", s)) for p, (a, s) in enumerate(applied)]
    spaces = space + space[-2::-1]
    ranges = {i: dims[s] for i, s in enumerate(spaces)} | {
        (side, s): copies if s < stretch else Fraction(0) for side in ("ket", "bra") for s in range(stretch + 1)
    }
    best = max(_loops(pairs, ranges, stretch) for pairs in _pairings(tuple(places)))
    return sum((sigma[a.name] for a, _ in applied), Fraction(0)) + (best - dims[spaces[half]]) / 2


def _side(shape: dict[str, tuple[int, int]], a: Apply, inp: bool) -> int:
    return shape[a.name][1 if inp != a.transposed else 0]


def _pairings(places: tuple) -> Iterator[list]:
    if not places:
        yield []
        return
    first, rest = places[0], places[1:]
    for i, other in enumerate(rest):
        if other[0].name == first[0].name:
            for more in _pairings(rest[:i] + rest[i + 1 :]):
                yield [(first, other), *more]


def _loops(pairs: list, ranges: dict, last: int) -> Fraction:
    parent = {index: index for index in ranges}

    def find(index):
        while parent[index] != index:
            index = parent[index]
        return index

    parent[find(("bra", last))] = find(("ket", last))
    for (a, a_in, a_out, a_copy), (b, b_in, b_out, b_copy) in pairs:
        ends_a, ends_b = (a_in, a_out)[:: -1 if a.transposed else 1], (b_in, b_out)[:: -1 if b.transposed else 1]
        for x, y in (*zip(ends_a, ends_b, strict=True), *([(a_copy, b_copy)] if a.stacked else [])):
            parent[find(x)] = find(y)
    classes: dict = {}
    for index, size in ranges.items():
        classes[find(index)] = min(size, classes.get(find(index), size))
    return sum(classes.values(), Fraction(0))
