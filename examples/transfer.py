"""What a learning-rate sweep says about transfer. Input: losses of trials. Output: curves and one sentence.

Pure: no files, no processes. Rates are powers of two, written as their exponents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Trial:
    """One training run: the emitted model of `rule` at `width`, with learning rate `2^log2_lr`."""

    rule: str
    width: int
    log2_lr: int
    seed: int


@dataclass(frozen=True)
class Curve:
    """Validation loss against learning rate at one width: means over seeds, infinite where one diverged."""

    width: int
    losses: Mapping[int, float]

    @property
    def best(self) -> int:
        return min(self.losses, key=lambda rate: (self.losses[rate], rate))

    @property
    def at_edge(self) -> bool:
        """The best rate is the lowest or highest tried: the true best may lie beyond it."""
        return self.best in (min(self.losses), max(self.losses))

    def cost(self, log2_lr: int) -> float:
        """How much loss is given away at this width with this rate instead of the best one."""
        return self.losses[log2_lr] - self.losses[self.best]


def trials(
    rules: Sequence[str], widths: Sequence[int], rates: Sequence[int], seeds: Sequence[int]
) -> list[Trial]:
    """All runs to make, the longest first. At the base, `widths[0]`, one rule stands for all."""
    return [
        Trial(rule, width, rate, seed)
        for width in sorted(widths, reverse=True)
        for rule in (rules if width != widths[0] else rules[:1])
        for rate in rates
        for seed in seeds
    ]


def curves(losses: Mapping[Trial, float], rule: str, base_rule: str) -> list[Curve]:
    """A curve for each width of `rule`, narrowest first; the base width was trained as `base_rule`."""
    base = min(trial.width for trial in losses)
    grouped: dict[int, dict[int, list[float]]] = {}
    for trial, loss in sorted(losses.items(), key=lambda item: (item[0].width, item[0].log2_lr)):
        if trial.rule == (base_rule if trial.width == base else rule):
            by_rate = grouped.setdefault(trial.width, {})
            by_rate.setdefault(trial.log2_lr, []).append(loss if math.isfinite(loss) else math.inf)
    return [Curve(width, {rate: fmean(x) for rate, x in g.items()}) for width, g in grouped.items()]


def conclusion(steady: str, moving: str, found: Mapping[str, Sequence[Curve]]) -> str:
    """Whether the best rate stayed put under `steady` and moved under `moving`, read off the curves.

    Strict: a best rate that moved by one step of the sweep has moved.
    """
    stayed = {name: len({c.best for c in found[name]}) == 1 for name in (steady, moving)}
    facts = "; ".join(_fact(name, found[name]) for name in (steady, moving))
    match stayed[steady], stayed[moving]:
        case True, False:
            verdict = f"Transfer shows: the best rate stays put under {steady} and moves under {moving}"
        case True, True:
            verdict = f"This run does not tell the rules apart: the best rate stays put under {moving} too"
        case _:
            verdict = f"Transfer did not show in this run: the best rate moves under {steady}"
    return f"{verdict}. {facts}.{_edge_note(found)}"


def _fact(name: str, curves: Sequence[Curve]) -> str:
    base, widest = curves[0], curves[-1]
    path = " -> ".join(f"2^{c.best}" for c in curves)
    return (
        f"{name}: best rate {path} at widths {', '.join(str(c.width) for c in curves)}; "
        f"the base's best rate gives {widest.losses[base.best]:.3f} at width {widest.width}, "
        f"{widest.cost(base.best):.3f} above its best"
    )


def _edge_note(found: Mapping[str, Sequence[Curve]]) -> str:
    edges = [f"{name} at width {c.width}" for name, curves in found.items() for c in curves if c.at_edge]
    return f" At the edge of the rates tried: {', '.join(edges)}." if edges else ""
