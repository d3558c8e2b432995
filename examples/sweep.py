"""Train emitted files in processes of their own. Input: trials and folders. Output: validation losses.

A child trains a few trials of one folder, one after the other, since importing torch takes as long as a short
run. It cannot import scalec: it runs isolated, elsewhere, with the name blocked. It is told what to do on its
command line and answers with one JSON object a line; one with `val_loss` ends a trial.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from examples.transfer import Trial

PER_PROCESS = 4  # trials

# The child's whole program: the emitted folder on the path, scalec off it, then the script as if run by name.
RUN_WITHOUT_SCALEC = """
import json, runpy, sys
sys.modules["scalec"] = None  # `import scalec` raises ImportError from here on
script, folder, command_lines = sys.argv[1:]
sys.path.insert(0, folder)
for words in json.loads(command_lines):
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")
"""


@dataclass(frozen=True)
class Settings:
    """What all trials have in common. `out` is where runs may write; `threads` is for each process."""

    data: Path
    out: Path
    steps: int
    batch: int
    eval_sequences: int
    threads: int
    workers: int


class TrialFailedError(RuntimeError):
    """A training process ended without a validation loss; the message ends with what it printed last."""


Report = Callable[[Trial, int, float], None]  # a logged step and its loss


def sweep(trials: Iterable[Trial], folders: Mapping[tuple[str, int], Path], settings: Settings) -> dict[Trial, float]:
    """Run all trials, `settings.workers` at a time, under a live display; `folders` has the emitted files."""
    planned = list(trials)
    with _progress() as progress, ThreadPoolExecutor(settings.workers) as pool:
        everything = progress.add_task("all runs", total=len(planned) * settings.steps, loss="")

        def run(batch: Sequence[Trial]) -> list[float]:
            bars = {trial: _Bar(progress, everything, _title(trial), settings.steps) for trial in batch}
            folder = folders[batch[0].rule, batch[0].size]
            val_losses = run_trials(batch, folder, settings, lambda trial, step, loss: bars[trial].report(step, loss))
            for bar in bars.values():
                bar.finish()
            return val_losses

        batches = list(_batches(planned))
        try:
            losses = [loss for found in pool.map(run, batches) for loss in found]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return dict(zip((trial for batch in batches for trial in batch), losses, strict=True))


def _batches(trials: Iterable[Trial]) -> Iterator[Sequence[Trial]]:
    """Trials of one folder, a few at a time, in the order given."""
    for _, group in groupby(trials, key=lambda trial: (trial.rule, trial.size)):
        while batch := tuple(islice(group, PER_PROCESS)):
            yield batch


class _Bar:
    """One run's line of the display; its steps count for the line of all runs too."""

    def __init__(self, progress: Progress, everything: TaskID, title: str, steps: int) -> None:
        self.progress, self.everything, self.steps, self.done = progress, everything, steps, 0
        self.task = progress.add_task(title, total=steps, loss="")

    def report(self, step: int, loss: float) -> None:
        self.progress.update(self.task, completed=step, loss=f"loss {loss:.3f}")
        self.progress.advance(self.everything, step - self.done)
        self.done = step

    def finish(self) -> None:
        self.progress.advance(self.everything, self.steps - self.done)
        self.progress.remove_task(self.task)


def run_trials(trials: Sequence[Trial], folder: Path, settings: Settings, report: Report) -> list[float]:
    """Train each with the emitted files in `folder`, in one process; `report` hears of every logged step.

    Raises TrialFailedError when the child fails or ends without all validation losses.
    """
    outs = [settings.out / f"{t.rule}-{t.size}-{t.log2_lr}-{t.seed}" for t in trials]
    for out in outs:
        out.mkdir(parents=True, exist_ok=True)
    words = [arguments(trial, settings, out) for trial, out in zip(trials, outs, strict=True)]
    command = [sys.executable, "-I", "-c", RUN_WITHOUT_SCALEC, str(folder / "train.py"), str(folder), json.dumps(words)]
    losses: list[float] = []
    with (
        (outs[0] / "stderr.txt").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=outs[0], stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        for line in _lines(child):
            if "val_loss" in line:
                losses.append(line["val_loss"])
            elif "loss" in line:
                report(trials[len(losses)], int(line["step"]), line["loss"])
        status = child.wait()
        errors.seek(0)
        if status != 0 or len(losses) != len(trials):
            failed = trials[min(len(losses), len(trials) - 1)]
            raise TrialFailedError(f"{_title(failed)}: exit status {status}\n{errors.read()[-2000:]}")
    return losses


def arguments(trial: Trial, settings: Settings, out: Path) -> list[str]:
    """The command line of the emitted `train.py`; a rate is a power of two, so its decimals are exact."""
    values = {
        "data": settings.data.resolve(),
        "out": out.resolve(),
        "steps": settings.steps,
        "batch": settings.batch,
        "lr": 2.0**trial.log2_lr,
        "seed": trial.seed,
        "eval-sequences": settings.eval_sequences,
        "threads": settings.threads,
        "log": "jsonl",
    }
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def _lines(child: subprocess.Popen[str]) -> Iterator[dict[str, float]]:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def _title(trial: Trial) -> str:
    return f"{trial.rule} {trial.size} lr 2^{trial.log2_lr} seed {trial.seed}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
