"""Does the learning rate transfer over depth? A GPT of width 128 at 2 to 16 layers, CompleteP beside SP.

The emitted files are trained on the complete Shakespeare as the demo trains them; the sentence is computed from
the table, whichever way it falls.
"""

from __future__ import annotations

import os

from bench.demo import table
from bench.harness import RESULTS, write_results
from examples import demo
from examples.data import corpus
from examples.sweep import Settings, sweep
from examples.transfer import conclusion, curves, trials
from scalec.api import compile_to, load

RULE_FILE = demo.ROOT / "bench" / "rules" / "depth_transfer.scale"
STEADY, MOVING = "deep_completep", "deep_sp"
DEPTHS = (2, 4, 8, 16)
RATES = tuple(range(-11, -5))
STEPS, BATCH, SEEDS = 150, 16, 1


def main() -> None:
    out = demo.ROOT / "runs" / "depth"
    planned = trials((STEADY, MOVING), DEPTHS, RATES, range(SEEDS))
    folders = {(t.rule, t.size): out / f"{t.rule}-{t.size}" for t in planned}
    for (rule, depth), folder in folders.items():
        compile_to(folder, load(RULE_FILE), rule=rule, at={"L": depth})
    text = corpus(demo.ROOT / ".cache" / "text")
    settings = Settings(text.path, out / "logs", STEPS, BATCH, demo.EVAL_SEQUENCES, 1, os.cpu_count() or 1)
    losses = sweep(planned, folders, settings)
    found = {rule: curves(losses, rule, STEADY) for rule in (STEADY, MOVING)}
    demo.plot(found, RESULTS / "depth_transfer.png", "depth")
    body = [
        f"`bench/rules/depth_transfer.scale` at four depths, width 128, {STEPS} steps of {BATCH} sequences of",
        f"{text.name}, {SEEDS} seed; loss on {demo.EVAL_SEQUENCES} held-out sequences in nats per byte.",
        "",
        *table(found, "depth"),
        "",
        conclusion(STEADY, MOVING, found, "depth"),
        "",
        "![Loss against learning rate](depth_transfer.png)",
    ]
    write_results("depth_transfer", "Learning-rate transfer over depth", body, ["scalec", "torch"])


if __name__ == "__main__":
    main()
