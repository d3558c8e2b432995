"""What a learning-rate sweep says about transfer. Input: losses of trials. Output: curves and one sentence.

Pure: no files, no processes. A size is a width or a depth, whatever grows: `what` in sentences. Rates are powers of
two, written as their exponents, evenly spaced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

STAYED = 0.5  # octaves: the optimum moved by less than a factor 1.41 at every size
MOVED = 1.0  # octaves: from the base to the largest it moved by a factor 2 or more


@dataclass(frozen=True)
class Trial:
    """One training run: the emitted model of `rule` at `size`, with learning rate `2^log2_lr`."""

    rule: str
    size: int
    log2_lr: int
    seed: int


@dataclass(frozen=True)
class Curve:
    """Validation loss against learning rate at one size: means over seeds, infinite where one diverged."""

    size: int
    losses: Mapping[int, float]

    @property
    def best(self) -> int:
        return min(self.losses, key=lambda rate: (self.losses[rate], rate))

    @property
    def at_edge(self) -> bool:
        """The best rate is the lowest or highest tried: the true best may lie beyond it."""
        return self.best in (min(self.losses), max(self.losses))

    @property
    def optimum(self) -> float:
        """Where the loss is lowest, between the rates tried: the vertex of a parabola through the best rate
        and its neighbours. Two rates of almost equal loss then count as almost equal, not as a jump.
        """
        rates = sorted(self.losses)
        i = rates.index(self.best)
        if self.at_edge:
            return self.best
        left, middle, right = (self.losses[rate] for rate in rates[i - 1 : i + 2])
        bend = left - 2 * middle + right
        if not 0 < bend < math.inf:
            return self.best
        return self.best + (rates[i + 1] - rates[i]) / 2 * (left - right) / bend

    def cost(self, log2_lr: int) -> float:
        """How much loss is given away at this size with this rate instead of the best one."""
        return self.losses[log2_lr] - self.losses[self.best]


def trials(rules: Sequence[str], sizes: Sequence[int], rates: Sequence[int], seeds: Sequence[int]) -> list[Trial]:
    """All runs to make, the longest first. At the base, `sizes[0]`, one rule stands for all."""
    return [
        Trial(rule, size, rate, seed)
        for size in sorted(sizes, reverse=True)
        for rule in (rules if size != sizes[0] else rules[:1])
        for rate in rates
        for seed in seeds
    ]


def curves(losses: Mapping[Trial, float], rule: str, base_rule: str) -> list[Curve]:
    """A curve for each size of `rule`, smallest first; the base was trained as `base_rule`."""
    base = min(trial.size for trial in losses)
    grouped: dict[int, dict[int, list[float]]] = {}
    for trial, loss in sorted(losses.items(), key=lambda item: (item[0].size, item[0].log2_lr)):
        if trial.rule == (base_rule if trial.size == base else rule):
            by_rate = grouped.setdefault(trial.size, {})
            by_rate.setdefault(trial.log2_lr, []).append(loss if math.isfinite(loss) else math.inf)
    return [Curve(size, {rate: fmean(x) for rate, x in g.items()}) for size, g in grouped.items()]


def conclusion(steady: str, moving: str, found: Mapping[str, Sequence[Curve]], what: str = "width") -> str:
    """Whether the best rate stayed put under `steady` and moved under `moving`, read off the curves."""
    facts = "; ".join(fact(name, found[name], what) for name in (steady, moving))
    return f"{_verdict(steady, moving, found)}. {facts}.{_edge_note(found, what)}"


def _verdict(steady: str, moving: str, found: Mapping[str, Sequence[Curve]]) -> str:
    if any(curve.at_edge for curve in found[steady]):
        return f"Transfer did not show in this run: the rates tried do not enclose the best one under {steady}"
    if max(abs(shift) for shift in shifts(found[steady])) > STAYED:
        return f"Transfer did not show in this run: the best rate moves under {steady}"
    if abs(shifts(found[moving])[-1]) < MOVED:
        return f"This run does not tell the rules apart: the best rate hardly moves under {moving} either"
    return f"Transfer shows: the best rate stays put under {steady} and moves under {moving}"


def shifts(curves: Sequence[Curve]) -> list[float]:
    """How far the optimum of each size is from the base's, in octaves."""
    return [curve.optimum - curves[0].optimum for curve in curves]


def fact(name: str, curves: Sequence[Curve], what: str) -> str:
    base, largest = curves[0], curves[-1]
    path = ", ".join(f"2^{c.optimum:.1f}" for c in curves)
    sizes = ", ".join(str(c.size) for c in curves)
    return (
        f"{name}: best rate {path} at {what}s {sizes}; the base's best of those tried, 2^{base.best}, "
        f"gives {largest.losses[base.best]:.3f} at {what} {largest.size}, "
        f"{largest.cost(base.best):.3f} above the best there"
    )


def _edge_note(found: Mapping[str, Sequence[Curve]], what: str) -> str:
    edges = [f"{name} at {what} {c.size}" for name, curves in found.items() for c in curves if c.at_edge]
    return f" At the edge of the rates tried: {', '.join(edges)}." if edges else ""
