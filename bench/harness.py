"""How every claim about speed is measured. Input: two callables. Output: their ratio, its interval, a file.

The two run in turns, the one that goes first changing from pair to pair, and only the ratios within a
pair are used: what disturbs the machine disturbs both.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import comb
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"
MIN_PAIRS = 15


@dataclass(frozen=True)
class Comparison:
    """Ratios of the first callable's time to the second's, one for each pair."""

    name: str
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        return median_interval(self.ratios)

    def reaches(self, limit: float) -> bool:
        """Whether the interval goes down to `limit`."""
        return self.interval[0] <= limit


def compare(
    name: str, first: Callable[[], object], second: Callable[[], object], pairs: int = 25, repeats: int = 1
) -> Comparison:
    """Time `first` against `second` in `pairs` interleaved pairs, each timing the sum of `repeats` calls."""
    if pairs < MIN_PAIRS:
        raise ValueError(f"{pairs} pairs are too few: at least {MIN_PAIRS}")
    first(), second()
    ratios = []
    for pair in range(pairs):
        if pair % 2:
            denominator, numerator = seconds(second, repeats), seconds(first, repeats)
        else:
            numerator, denominator = seconds(first, repeats), seconds(second, repeats)
        ratios.append(numerator / denominator)
    comparison = Comparison(name, tuple(ratios))
    print(f"{name}: {comparison.median:.3f}", file=sys.stderr, flush=True)
    return comparison


def seconds(run: Callable[[], object], repeats: int = 1) -> float:
    """Wall-clock seconds of `repeats` calls, with the garbage collector held off."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        return time.perf_counter() - start
    finally:
        gc.enable()


def median_interval(values: Sequence[float], coverage: float = 0.9) -> tuple[float, float]:
    """The narrowest symmetric pair of order statistics that holds the median with probability `coverage`.

    No distribution is assumed: the number of values below the median is binomial with p = 1/2.
    Raises ValueError when there are too few values for any such pair.
    """
    ordered, n = sorted(values), len(values)
    outside = 0.0
    rank = 0  # how many values lie beyond the interval on each side
    while outside + 2 * comb(n, rank) / 2**n <= 1 - coverage:
        outside += 2 * comb(n, rank) / 2**n
        rank += 1
    if rank == 0:
        raise ValueError(f"{n} values hold no {coverage:.0%} interval of the median")
    return ordered[rank - 1], ordered[n - rank]


def comparison_rows(comparisons: Sequence[Comparison], limit: float) -> list[str]:
    """A Markdown table of ratios, each with the verdict that its interval allows."""
    rows = ["| comparison | median ratio | 90 % interval | pairs | claim | |", "|---|---|---|---|---|---|"]
    for c in comparisons:
        low, high = c.interval
        verdict = "holds" if c.reaches(limit) else "FAILS"
        claim = f"interval reaches {limit:.3g}"
        rows.append(f"| {c.name} | {c.median:.3f} | {low:.3f} to {high:.3f} | {len(c.ratios)} | {claim} | {verdict} |")
    return rows


def write_results(name: str, title: str, body: Sequence[str], packages: Sequence[str], command: str = "") -> Path:
    """Write `results/NAME.md`: the command (`bench.NAME` unless given), date, versions, machine, then `body`."""
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)])
    head = [
        f"# {title}",
        "",
        f"- command: `python -m {command or f'bench.{name}'}`",
        f"- date: {datetime.now(UTC).date().isoformat()}",
        f"- versions: {versions}",
        f"- machine: {platform.machine()}, {os.cpu_count()} cores, {sys.platform}",
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join([*head, *body, ""]), encoding="utf-8")
    print(path.read_text("utf-8"))
    return path
