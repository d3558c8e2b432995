"""Prediction against measurement. Input: exponents, measured terms at several sizes. Output: a row per term.

A slope is that of a straight line through the logarithms, by least squares; over seeds, the median.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log
from statistics import fmean, median

from scalec.torch.predict import Prediction
from scalec.torch.terms import Term

TOLERANCE = 0.15

Samples = Mapping[Term, Sequence[Sequence[float]]]  # by seed, then by size


@dataclass(frozen=True)
class Fit:
    """The slope of one term. `seeds`: the slope of each seed; `local`: of the medians, between neighbouring sizes."""

    slope: float
    seeds: tuple[float, ...]
    local: tuple[float, ...]

    def near(self, exponent: Fraction | float) -> bool:
        return abs(self.slope - float(exponent)) <= TOLERANCE


@dataclass(frozen=True)
class Row:
    """One term: the predicted exponent, None for an absent term; the fit, None where zeros leave no slope."""

    term: Term
    predicted: Fraction | None
    fit: Fit | None

    @property
    def agrees(self) -> bool:
        return self.predicted is not None and self.fit is not None and self.fit.near(self.predicted)


def compare(predicted: Prediction, measured: Samples, sizes: Sequence[float]) -> list[Row]:
    """A row for every term that is both predicted and measured, unless it is absent on both sides."""
    return list(_rows(predicted, measured, sizes))


def _rows(predicted: Prediction, measured: Samples, sizes: Sequence[float]) -> Iterator[Row]:
    for term, exponent in predicted.items():
        if term not in measured:
            continue
        zeros = [value == 0.0 for seed in measured[term] for value in seed]
        if exponent is not None or not all(zeros):
            yield Row(term, exponent, None if any(zeros) else fit(sizes, measured[term]))


def fit(sizes: Sequence[float], values: Sequence[Sequence[float]]) -> Fit:
    """Slopes of positive values, one list for each seed, over at least two sizes."""
    seeds = tuple(slope(sizes, seed) for seed in values)
    middle = [median(column) for column in zip(*values, strict=True)]
    pairs = zip(zip(sizes, middle, strict=True), zip(sizes[1:], middle[1:], strict=True), strict=False)
    local = tuple(slope([a, b], [x, y]) for (a, x), (b, y) in pairs)
    return Fit(median(seeds), seeds, local)


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Least squares in logarithms."""
    x, y = [log(size) for size in sizes], [log(value) for value in values]
    centre, level = fmean(x), fmean(y)
    spread = sum((a - centre) ** 2 for a in x)
    return sum((a - centre) * (b - level) for a, b in zip(x, y, strict=True)) / spread
