"""Does the learning rate transfer? The demo with three seeds: a small GPT at three widths under two rules.

Runs `make demo SEEDS=3`, or reads what a finished one left (`--finished runs/demo/results.json`), and writes its
table, its plot and its sentence, which is computed from the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.harness import RESULTS, write_results
from examples import demo
from examples.transfer import Curve, Trial, conclusion, curves

SEEDS = 3
OUT = demo.ROOT / "runs" / "demo"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__)
    parser.add_argument("--finished", type=Path, help="results.json of a finished demo")
    finished: Path | None = parser.parse_args(arguments).finished
    if finished is None and demo.main(["--seeds", str(SEEDS), "--out", str(OUT)]):
        raise SystemExit("the demo failed")
    losses = read(finished or OUT / "results.json")
    found = {rule: curves(losses, rule, demo.STEADY) for rule in (demo.STEADY, demo.MOVING)}
    demo.plot(found, RESULTS / "demo.png")
    seeds = len({trial.seed for trial in losses})
    body = [
        f"`make demo SEEDS={seeds}`: `examples/gpt.scale` at three widths, {demo.FULL.steps} steps on bytes of the",
        f"complete Shakespeare, loss on {demo.EVAL_SEQUENCES} held-out sequences in nats per byte, mean over seeds.",
        "",
        *table(found),
        "",
        conclusion(demo.STEADY, demo.MOVING, found),
        "",
        "What the two rules share, the embedding's rate and the constant schedule, was chosen by a small search",
        "on this text. ![Loss against learning rate](demo.png)",
        "",
        "It ends with what `scalec check` proves of `examples/moe_gpt.scale`:",
        "",
        *(line for regime in demo.REGIMES for line in ("```", demo.verdict(regime), "```", "")),
    ]
    write_results("demo", "Learning-rate transfer over width", body, ["scalec", "torch"])


def read(path: Path) -> dict[Trial, float]:
    rows = json.loads(path.read_text("utf-8"))
    return {Trial(r["rule"], r["size"], r["log2_lr"], r["seed"]): r["val_loss"] for r in rows}


def table(found: Mapping[str, Sequence[Curve]], what: str = "width") -> list[str]:
    rates = sorted(next(iter(found.values()))[0].losses)
    rows = [
        f"| rule | {what} | {' | '.join(f'2^{rate}' for rate in rates)} | optimum |",
        "|---" * (len(rates) + 3) + "|",
    ]
    for rule, lines in found.items():
        for curve in lines:
            cells = [f"**{loss:.3f}**" if rate == curve.best else f"{loss:.3f}" for rate, loss in curve.losses.items()]
            edge = " (edge)" if curve.at_edge else ""
            rows.append(f"| {rule} | {curve.size} | {' | '.join(cells)} | 2^{curve.optimum:.1f}{edge} |")
    return rows


if __name__ == "__main__":
    main()
