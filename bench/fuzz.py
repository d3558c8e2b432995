"""A million rule files at random: `python -m bench.fuzz [--cases N] [--processes P]`. Output: `results/fuzz.md`.

Claims: no file crashes or hangs the compiler, and whatever compiles parses as Python (all of it), is clean
under the project's linter and builds on the meta device (samples). Seeds start at 10^18, far from those
of the tests; a find is had again by `tests.fuzzing.fate(case(KIND, SEED))`.

A run goes on where the last one stopped, which `results/fuzz.json` keeps after every round of cases; one that
is asked to stop (SIGTERM, SIGINT) ends its round first. What once went wrong is tried again before anything else.
Exit code 1 while something is wrong.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from pydantic import BaseModel

from bench import harness
from tests.fuzzing import KINDS, bounded, built_on_meta, case, fate
from tests.sources import ROOT

ROUND = {"derived": 325, "mutated": 160, "composed": 15}  # cases that are done, and kept, together
CASES = 1_000_000
START = 10**18
LINTED, BUILT = 10, 20  # one seed in so many, of those that compile


class Find(BaseModel):
    """A case that went wrong, on which commit; `mended`: the first commit seen where it does not."""

    kind: str
    seed: int
    what: str
    commit: str
    mended: str | None = None


class Tally(BaseModel):
    """What came of the cases of one kind. `slowest`: seconds of the processor, and the seed."""

    reached: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    linted: int = 0
    built: int = 0
    slowest: tuple[float, int] = (0.0, 0)

    def plus(self, other: Tally) -> Tally:
        return Tally(
            reached=self.reached + other.reached,
            codes=self.codes + other.codes,
            linted=self.linted + other.linted,
            built=self.built + other.built,
            slowest=max(self.slowest, other.slowest),
        )


class Part(BaseModel):
    """One run: `rounds` rounds on one commit."""

    date: str
    commit: str
    rounds: int = 0
    minutes: float = 0.0


class State(BaseModel):
    """All that was run so far."""

    parts: list[Part] = []
    tallies: dict[str, Tally] = {kind: Tally() for kind in ROUND}
    finds: list[Find] = []

    @property
    def rounds(self) -> int:
        return sum(part.rounds for part in self.parts)

    @property
    def cases(self) -> int:
        return self.rounds * sum(ROUND.values())

    @property
    def wrong(self) -> list[Find]:
        return [find for find in self.finds if not find.mended]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, help="how many more, in whole rounds (all that are left)")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    file = harness.RESULTS / "fuzz.json"
    state = State.model_validate_json(file.read_text("utf-8")) if file.exists() else State()
    left = CASES - state.cases if given.cases is None else given.cases
    more(state, -(-left // sum(ROUND.values())), given.processes, file)
    harness.write_results("fuzz", "Rule files at random", rows(state), ["hypothesis", "ruff"])
    if state.wrong:
        sys.exit(1)


def more(state: State, count: int, processes: int, file: Path) -> None:
    """`count` more rounds, or until asked to stop; `state` and its file follow each round."""
    stop: list[int] = []

    def asked(number: int, frame: FrameType | None) -> None:
        stop.append(number)

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    part = Part(date=datetime.now(UTC).date().isoformat(), commit=commit())
    try:
        retry(state.wrong, part.commit)
        state.parts += [part] if count > 0 else []
        began = time.perf_counter()
        for tallies, finds in results(range(state.rounds, state.rounds + count), processes):
            state.tallies = {kind: state.tallies[kind].plus(tallies[kind]) for kind in ROUND}
            state.finds += [find.model_copy(update={"commit": part.commit}) for find in finds]
            part.rounds += 1
            part.minutes = (time.perf_counter() - began) / 60
            keep(state, file)
            if stop:
                break
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    keep(state, file)


def keep(state: State, file: Path) -> None:
    """Written whole or not at all, so that no stop leaves half of it."""
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(state.model_dump_json(indent=1) + "\n", encoding="utf-8")
    new.replace(file)


def commit() -> str:
    """The commit under test, with a `+` where the package is changed."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "scalec", "grammars", "rules")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def retry(finds: list[Find], now: str) -> None:
    """What went wrong before, once more."""
    for find in finds:
        again = one(find.kind, find.seed, Tally())
        find.what, find.mended = again or find.what, None if again else now


# ---- cases ---------------------------------------------------------------------------------------
Result = tuple[dict[str, Tally], list[Find]]


def results(numbers: range, processes: int) -> Iterator[Result]:
    """The rounds in order, on so many processes."""
    if processes == 1:
        yield from map(one_round, numbers)
        return
    with ProcessPoolExecutor(processes, initializer=deaf) as pool:
        try:
            yield from pool.map(one_round, numbers)
        finally:
            pool.shutdown(cancel_futures=True)


def deaf() -> None:
    """Whoever stops the run stops the main process, and that alone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def one_round(number: int) -> Result:
    """The cases of a round, one after the other; what goes wrong is written down, not raised."""
    tallies = {kind: Tally() for kind in ROUND}
    seeds = [(kind, START + number * count + i) for kind, count in ROUND.items() for i in range(count)]
    wrong = [(kind, seed, one(kind, seed, tallies[kind])) for kind, seed in seeds]
    return tallies, [Find(kind=kind, seed=seed, what=what, commit="") for kind, seed, what in wrong if what]


def one(kind: str, seed: int, tally: Tally) -> str | None:
    """What goes wrong in a case, if anything; `tally` counts it."""
    began = time.process_time()
    try:
        with bounded():
            came = fate(case(kind, seed))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        tally.slowest = max(tally.slowest, (time.process_time() - began, seed))
    tally.reached[came.reached] += 1
    tally.codes.update(came.codes)
    return look(dict(came.files), seed, tally) if came.files else None


def look(files: dict[str, str], seed: int, tally: Tally) -> str | None:
    """What is wrong with emitted files, of the seeds that are looked at."""
    if seed % LINTED == 0:
        tally.linted += 1
        if said := lint(files):
            return said
    if seed % BUILT == 0:
        tally.built += 1
        try:
            built_on_meta(files["model.py"])
        except Exception as error:
            return f"not built: {type(error).__name__}: {error}"
    return None


def lint(files: dict[str, str]) -> str:
    """What the linter says of emitted files, on one line."""
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
        command += ["--config", str(ROOT / "pyproject.toml"), "."]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "; ".join(result.stdout.splitlines()) if result.returncode else ""


# ---- results -------------------------------------------------------------------------------------
def rows(state: State) -> list[str]:
    """The tables of the results."""
    ends = ("refused", "read", "planned", "compiled")
    codes = sum((t.codes for t in state.tallies.values()), Counter[str]())
    mended = [find for find in state.finds if find.mended]
    return [
        f"{state.cases:,} of {CASES:,} files were tried; seeds from {START}.",
        "",
        "| date | commit | files | minutes |",
        "|---|---|---|---|",
        *(f"| {p.date} | {p.commit} | {p.rounds * sum(ROUND.values()):,} | {p.minutes:.0f} |" for p in state.parts),
        "",
        f"| kind | {' | '.join(ends)} | linted | built on meta | slowest case, seconds |",
        f"|{'---|' * (len(ends) + 4)}",
        *(
            f"| {kind} | {' | '.join(f'{t.reached[end]:,}' for end in ends)} | {t.linted:,} | {t.built:,} "
            f"| {t.slowest[0]:.2f} (seed {t.slowest[1]}) |"
            for kind, t in state.tallies.items()
        ),
        "",
        f"Crashes, hangs, emitted files that are no Python, unclean or not built: {len(state.wrong)}.",
        *(f"- {find.kind} {find.seed} ({find.commit}): {find.what}" for find in state.wrong[:50]),
        "",
        f"Wrong once, and right when tried again: {len(mended)}.",
        *(f"- {f.kind} {f.seed} ({f.commit}, right at {f.mended}): {f.what}" for f in mended[:50]),
        "",
        f"Diagnostics met: {', '.join(f'{code} ({n:,})' for code, n in sorted(codes.items()))}.",
    ]


assert ROUND.keys() == KINDS.keys()

if __name__ == "__main__":
    main()
