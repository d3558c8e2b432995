"""A million rule files at random: `python -m bench.fuzz [--cases N]`. Output: `results/fuzz.md`.

Claims: no file crashes or hangs the compiler, and whatever compiles parses as Python (all of it), is clean
under the project's linter and builds on the meta device (samples). Seeds start at 10^18, far from those
of the tests; a find is had again by `tests.fuzzing.fate(case(KIND, SEED))`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import write_results
from tests.fuzzing import KINDS, bounded, built_on_meta, case, fate
from tests.sources import ROOT

SHARES = {"derived": 0.65, "mutated": 0.32, "composed": 0.03}
START = 10**18
CHUNK = 500  # cases in one task
LINTED, BUILT = 10, 20  # of compiled cases, one in so many


@dataclass
class Tally:
    """What came of some cases of one kind. `wrong`: seeds with what went wrong."""

    reached: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    linted: int = 0
    built: int = 0
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, other: Tally) -> None:
        self.reached += other.reached
        self.codes += other.codes
        self.wrong += other.wrong
        self.linted += other.linted
        self.built += other.built
        self.slowest = max(self.slowest, other.slowest)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000_000)
    count = parser.parse_args().cases
    began = time.perf_counter()
    tallies = {kind: run(kind, int(share * count)) for kind, share in SHARES.items()}
    write_results("fuzz", "Rule files at random", rows(tallies, time.perf_counter() - began), ["hypothesis", "ruff"])
    if any(t.wrong for t in tallies.values()):
        sys.exit(1)


def run(kind: str, count: int) -> Tally:
    """`count` cases of one kind, on every core."""
    total = Tally()
    starts = range(START, START + count, CHUNK)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for tally in pool.map(chunk, repeat(kind), starts, (min(CHUNK, START + count - s) for s in starts)):
            total.add(tally)
    return total


def chunk(kind: str, start: int, count: int) -> Tally:
    """Some cases, one after the other; what goes wrong is written down, not raised."""
    tally = Tally()
    samples: dict[str, str] = {}
    for seed in range(start, start + count):
        began = time.process_time()
        try:
            with bounded():
                came = fate(case(kind, seed))
            tally.reached[came.reached] += 1
            tally.codes.update(came.codes)
            compiled = tally.reached["compiled"]
            if came.files and compiled % LINTED == 0:
                samples |= {f"{seed}_{name}": text for name, text in came.files if name.endswith(".py")}
            if came.files and compiled % BUILT == 0:
                built_on_meta(dict(came.files)["model.py"])
                tally.built += 1
        except Exception as error:
            tally.wrong.append(f"{kind} {seed}: {type(error).__name__}: {error}")
        tally.slowest = max(tally.slowest, (time.process_time() - began, seed))
    tally.linted = len(samples) // 3
    tally.wrong += lint(samples)
    return tally


def lint(samples: dict[str, str]) -> list[str]:
    """What the linter says of emitted files, a line each."""
    if not samples:
        return []
    with TemporaryDirectory() as folder:
        for name, text in samples.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
        command += ["--config", str(ROOT / "pyproject.toml"), folder]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.splitlines() if result.returncode else []


def rows(tallies: dict[str, Tally], seconds: float) -> list[str]:
    """The tables of the results."""
    ends = ("refused", "read", "planned", "compiled")
    wrong = [line for t in tallies.values() for line in t.wrong]
    codes = sum((t.codes for t in tallies.values()), Counter[str]())
    total = sum(sum(t.reached.values()) for t in tallies.values()) + len(wrong)
    return [
        f"{total:,} files in {seconds / 60:.0f} minutes; seeds from {START}.",
        "",
        f"| kind | {' | '.join(ends)} | linted | built on meta | slowest case, seconds |",
        f"|{'---|' * (len(ends) + 4)}",
        *(
            f"| {kind} | {' | '.join(f'{t.reached[end]:,}' for end in ends)} | {t.linted:,} | {t.built:,} "
            f"| {t.slowest[0]:.2f} (seed {t.slowest[1]}) |"
            for kind, t in tallies.items()
        ),
        "",
        f"Crashes, hangs, emitted files that are no Python, unclean or not built: {len(wrong)}.",
        *(f"- {line}" for line in wrong[:50]),
        "",
        f"Diagnostics met: {', '.join(f'{code} ({n:,})' for code, n in sorted(codes.items()))}.",
    ]


assert SHARES.keys() == KINDS.keys()

if __name__ == "__main__":
    main()
