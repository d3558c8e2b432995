"""Train emitted files, each in a process of its own. Input: trials and folders. Output: validation losses.

The child cannot import scalec: it runs isolated, elsewhere, with the name blocked. It is told what to do
on its command line and answers with one JSON object a line, the last of which carries `val_loss`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from examples.transfer import Trial

# The child's whole program: the emitted folder on the path, scalec off it, then the script as if run by name.
RUN_WITHOUT_SCALEC = """
import runpy, sys
sys.modules["scalec"] = None  # `import scalec` raises ImportError from here on
script, folder = sys.argv[1], sys.argv[2]
sys.path.insert(0, folder)
sys.argv = [script, *sys.argv[3:]]
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


Report = Callable[[int, float], None]


def sweep(trials: Iterable[Trial], folders: Mapping[tuple[str, int], Path], settings: Settings) -> dict[Trial, float]:
    """Run all trials, `settings.workers` at a time, under a live display; `folders` has the emitted files."""
    planned = list(trials)
    with _progress() as progress, ThreadPoolExecutor(settings.workers) as pool:
        everything = progress.add_task("all runs", total=len(planned) * settings.steps, loss="")

        def run(trial: Trial) -> float:
            bar = _Bar(progress, everything, _title(trial), settings.steps)
            val_loss = run_trial(trial, folders[trial.rule, trial.width], settings, bar.report)
            bar.finish()
            return val_loss

        try:
            return dict(zip(planned, pool.map(run, planned), strict=True))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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


def run_trial(trial: Trial, folder: Path, settings: Settings, report: Report) -> float:
    """Train once with the emitted files in `folder`; `report` hears of every logged step.

    Raises TrialFailedError when the child fails or ends without a validation loss.
    """
    out = settings.out / f"{trial.rule}-{trial.width}-{trial.log2_lr}-{trial.seed}"
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-I", "-c", RUN_WITHOUT_SCALEC, str(folder / "train.py"), str(folder)]
    command += arguments(trial, settings, out)
    last: dict[str, float] = {}
    with (
        (out / "stderr.txt").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=out, stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        for last in _lines(child):
            if "loss" in last:
                report(int(last["step"]), last["loss"])
        status = child.wait()
        errors.seek(0)
        if status != 0 or "val_loss" not in last:
            raise TrialFailedError(f"{_title(trial)}: exit status {status}\n{errors.read()[-2000:]}")
    return last["val_loss"]


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
    return f"{trial.rule} width {trial.width} lr 2^{trial.log2_lr} seed {trial.seed}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
