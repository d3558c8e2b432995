"""Does the learning rate transfer where experts and width grow together? `examples/moe_gpt.scale`, three rules.

The emitted files are trained on the complete Shakespeare as the demo trains them; the sentences are computed from
the table, whichever way it falls. Losses are kept in `runs/moe_transfer` as they come, by the files that were
trained, so a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from bench.demo import table
from bench.harness import RESULTS, write_results
from examples import demo
from examples.data import corpus
from examples.sweep import Settings, sweep
from examples.transfer import Curve, Trial, curves, fact, trials
from scalec.api import compile_to, load

RULE_FILE = demo.ROOT / "bench" / "rules" / "moe_transfer.scale"
RULES = ("gpt_moe_mup", "gpt_mssp", "gpt_moe_sp")
NETWORK, REGIME = "small_moe_gpt", "fine_grained"
WIDTHS = (64, 128, 256)
RATES = tuple(range(-10, -4))
STEPS, BATCH, SEEDS = 200, 16, 3
OUT = demo.ROOT / "runs" / "moe_transfer"


class Kept:
    """Losses on disk, by what was trained: the emitted files, the settings, the rate and the seed."""

    def __init__(self, path: Path, folders: Mapping[tuple[str, int], Path], settings: Settings) -> None:
        self.path = path
        self.losses: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        common = f"{settings.data.stat().st_size} {settings.steps} {settings.batch} {settings.eval_sequences}"
        self.digest = {place: _digest(folder, common) for place, folder in folders.items()}

    def key(self, trial: Trial) -> str:
        return f"{self.digest[trial.rule, trial.size]} {trial.log2_lr} {trial.seed}"

    def missing(self, planned: Sequence[Trial]) -> list[Trial]:
        return [trial for trial in planned if self.key(trial) not in self.losses]

    def add(self, losses: Mapping[Trial, float]) -> None:
        self.losses |= {self.key(trial): loss for trial, loss in losses.items()}
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self.losses, indent=1), encoding="utf-8")
        unfinished.replace(self.path)


def _digest(folder: Path, common: str) -> str:
    files = (folder / name for name in ("model.py", "optim.py", "train.py"))
    return sha256(b"\0".join([common.encode(), *(file.read_bytes() for file in files)])).hexdigest()[:16]


def train(seeds: int, workers: int) -> dict[Trial, float]:
    """Every trial's validation loss, seed by seed."""
    planned = sorted(trials(RULES, WIDTHS, RATES, range(seeds)), key=lambda t: (t.seed, t.rule, t.size))
    folders = {(t.rule, t.size): OUT / f"{t.rule}-{t.size}" for t in planned}
    for (rule, width), folder in folders.items():
        compile_to(folder, load(RULE_FILE), rule=rule, network=NETWORK, at={"N": width}, regime=REGIME)
    text = corpus(demo.ROOT / ".cache" / "text")
    settings = Settings(text.path, OUT / "logs", STEPS, BATCH, demo.EVAL_SEQUENCES, 1, workers)
    kept = Kept(OUT / "losses.json", folders, settings)
    for _, group in groupby(kept.missing(planned), key=lambda t: (t.seed, t.rule, t.size)):
        kept.add(sweep(group, folders, settings))
    return {trial: kept.losses[kept.key(trial)] for trial in planned}


def report(losses: Mapping[Trial, float]) -> list[str]:
    found = {rule: curves(losses, rule, RULES[0]) for rule in RULES}
    seeds = len({trial.seed for trial in losses})
    return [
        f"`examples/moe_gpt.scale` at three sizes: widths {', '.join(map(str, WIDTHS))} with 8, 16 and 32 experts of",
        f"width 64, 2, 4 and 8 of them active. {STEPS} steps of {BATCH} sequences of bytes of the complete",
        f"Shakespeare, loss on {demo.EVAL_SEQUENCES} held-out sequences in nats per byte, seeds: {seeds}.",
        "",
        *table(found),
        "",
        *sentences(found, losses),
        "",
        "`gpt_moe_sp` is one rate and `1/sqrt(fan_in)` for every tensor, the sum over experts as it is. The three are",
        "one model at width 64. ![Loss against learning rate](moe_transfer.png)",
    ]


def sentences(found: Mapping[str, Sequence[Curve]], losses: Mapping[Trial, float]) -> list[str]:
    """For each rule where its best rate went and what the base's costs; how far seeds are apart."""
    said = [fact(rule, lines, "width") for rule, lines in found.items()]
    if len({trial.seed for trial in losses}) > 1:
        said.append(_spread(losses))
    return [f"- {sentence}." for sentence in said]


def _spread(losses: Mapping[Trial, float]) -> str:
    """The largest difference between seeds at the best rate of each size and rule."""
    same: dict[Trial, list[float]] = {}
    for trial, loss in losses.items():
        same.setdefault(replace(trial, seed=0), []).append(loss)
    best: dict[tuple[str, int], list[float]] = {}
    for trial, values in same.items():
        place = (trial.rule, trial.size)
        if place not in best or sum(values) < sum(best[place]):
            best[place] = values
    return f"At the best rates seeds lie at most {max(max(v) - min(v) for v in best.values()):.3f} apart"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.moe_transfer", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, one thread each")
    options = parser.parse_args(arguments)
    OUT.mkdir(parents=True, exist_ok=True)
    losses = train(options.seeds, options.workers)
    demo.plot({rule: curves(losses, rule, RULES[0]) for rule in RULES}, RESULTS / "moe_transfer.png")
    title = "Learning-rate transfer where experts and width grow together"
    command = f"bench.moe_transfer --seeds {options.seeds}"
    write_results("moe_transfer", title, report(losses), ["scalec", "torch"], command)


if __name__ == "__main__":
    main()
