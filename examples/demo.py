"""The main job, start to end: plan a GPT, compile it at three widths under two rules, train it, compare.

Input: `examples/gpt.scale`. Output: a folder in `runs/` with the emitted files, `results.json` and `transfer.png`;
on the terminal the plan, live training, a table, a sentence that is computed from the table, and what `scalec check`
says of a larger kind of network, a GPT of experts, which nobody has to train for that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.data import corpus
from examples.sweep import Settings, TrialFailedError, sweep
from examples.transfer import Curve, Trial, conclusion, curves, trials

ROOT = Path(__file__).parents[1]
RULE_FILE = ROOT / "examples" / "gpt.scale"
STEADY, MOVING = "gpt_mup", "gpt_sp"
BATCH, EVAL_SEQUENCES = 16, 64
EXPERTS_FILE, EXPERTS_RULES = ROOT / "examples" / "moe_gpt.scale", ("gpt_moe_mup", "gpt_mssp")
REGIMES = {"fixed_experts": "wider experts", "fine_grained": "more experts", "proportional": "more and wider experts"}
GOALS = ("stable_training", "maximal_update", "maximal_scale_stability")

console = Console()


@dataclass(frozen=True)
class Study:
    """`widths[0]` is the base of the rule file; learning rates are powers of two, by their exponents."""

    widths: tuple[int, ...]
    rates: tuple[int, ...]
    steps: int


FULL = Study(widths=(64, 128, 256), rates=tuple(range(-12, -5)), steps=200)
QUICK = Study(widths=(64, 256), rates=(-10, -8, -6, -4), steps=40)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    study = QUICK if options.quick else FULL
    out: Path = (options.out or ROOT / "runs" / ("demo-quick" if options.quick else "demo")).resolve()
    text = corpus(ROOT / ".cache" / "text")
    console.print(f"Training text: {text.name}, {text.size / 1e6:.1f} MB", highlight=False)
    show_plan(study)
    folders = compile_all(study, out)
    settings = Settings(text.path, out / "logs", study.steps, BATCH, EVAL_SEQUENCES, 1, options.workers)
    planned = trials((STEADY, MOVING), study.widths, study.rates, range(options.seeds))
    try:
        losses = sweep(planned, folders, settings)
    except TrialFailedError as error:
        console.print(f"a training run failed: {error}", style="red", markup=False)
        return 1
    conclude(losses, out)
    console.rule(f"scalec check {EXPERTS_FILE.name}")
    print("\n\n".join(map(verdict, REGIMES)))
    return 0


def show_plan(study: Study) -> None:
    """Print the plan at the base and the widest size, having made sure that both rules agree at the base."""
    at_base = [_scalec("plan", _rule(name), *_at(study.widths[0]), "--format", "json") for name in (STEADY, MOVING)]
    mine, other = (json.loads(text)["tensors"] for text in at_base)
    if [_values(t) for t in mine] != [_values(t) for t in other]:
        raise SystemExit(f"{STEADY} and {MOVING} differ at the base width {study.widths[0]}: it is not one model")
    console.rule(f"scalec plan {RULE_FILE.name}, rule {STEADY}")
    sizes = [word for width in (study.widths[0], study.widths[-1]) for word in _at(width)]
    print(_scalec("plan", _rule(STEADY), *sizes))


def compile_all(study: Study, out: Path) -> dict[tuple[str, int], Path]:
    """`scalec compile` for every rule and width that is trained; the folders, by rule and width."""
    wanted = {(t.rule, t.size): None for t in trials((STEADY, MOVING), study.widths, (0,), (0,))}
    folders = {(rule, width): out / f"{rule}-{width}" for rule, width in wanted}
    for (rule, width), folder in folders.items():
        _scalec("compile", _rule(rule), *_at(width), "-o", str(folder))
    console.print(f"Compiled {len(folders)} models to {out}", highlight=False)
    return folders


def conclude(losses: Mapping[Trial, float], out: Path) -> None:
    """Table, plot, results and the sentence."""
    found = {rule: curves(losses, rule, STEADY) for rule in (STEADY, MOVING)}
    console.print(table(found))
    plot(found, out / "transfer.png")
    rows = [asdict(trial) | {"val_loss": loss} for trial, loss in losses.items()]
    (out / "results.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    console.print(f"Plot: {out / 'transfer.png'}", highlight=False)
    console.print(conclusion(STEADY, MOVING, found), style="bold", highlight=False)


def verdict(regime: str) -> str:
    """What is proved of the rules for experts in one way of growing: the table, and how each finding begins."""
    said = _scalec(
        "check", str(EXPERTS_FILE), "--rule", ",".join(EXPERTS_RULES), "--network", "small_moe_gpt",
        "--optimizer", "adamw", "--regime", regime, "--goal", ",".join(GOALS), statuses=(0, 1),
    )  # fmt: skip
    table, _, rest = said.partition("\n\n")
    findings = [line for line in rest.splitlines() if line.startswith("error")]
    return "\n".join([f"A wider stream, {REGIMES[regime]} (--regime {regime}):", table, *findings])


def table(found: Mapping[str, Sequence[Curve]]) -> Table:
    """Validation loss: a row for each rule and width, a column for each rate, the best of a row marked.

    The last column is the optimum between the rates tried, which the conclusion speaks of.
    """
    rates = sorted(next(iter(found.values()))[0].losses)
    heads = ("rule", "width", *(f"2^{rate}" for rate in rates), "optimum")
    shown = Table(*heads, title="validation loss", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits 80 columns
    for rule, rows in found.items():
        for curve in rows:
            cells = [f"[bold]{x:.3f}*[/]" if r == curve.best else f"{x:.3f}" for r, x in curve.losses.items()]
            shown.add_row(rule, str(curve.size), *cells, f"2^{curve.optimum:.1f}{' edge' if curve.at_edge else ''}")
        shown.add_section()
    return shown


def plot(found: Mapping[str, Sequence[Curve]], path: Path, what: str = "width") -> None:
    """Loss against learning rate for each size, the two rules side by side, best rates marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, (rule, rows) in zip(figure.subplots(1, len(found), sharey=True), found.items(), strict=True):
        for i, curve in enumerate(rows):
            color = colormaps["viridis"](0.85 * i / max(1, len(rows) - 1))
            axes.plot(*zip(*curve.losses.items(), strict=True), color=color, label=f"{what} {curve.size}")
            axes.plot(curve.best, curve.losses[curve.best], "*", color=color, markersize=14)
        axes.set(title=rule, xlabel="learning rate, log2")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[0].set_ylabel("validation loss, nats per byte")
    figure.savefig(path, dpi=150)


def _values(tensor: Mapping[str, object]) -> dict[str, object]:
    return {name: tensor[name] for name in ("name", "shape", "init", "scale", "lr", "eps", "wd", "optimizer")}


def _rule(name: str) -> str:
    return f"{RULE_FILE}:{name}"


def _at(width: int) -> list[str]:
    return ["--at", f"N={width}"]


def _scalec(*arguments: str, statuses: Sequence[int] = (0,)) -> str:
    """Run the command; what it says about a mistake goes to the terminal. `check` ends with 1 where it refutes."""
    command = [sys.executable, "-m", "scalec", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in statuses:
        done.check_returncode()
    return done.stdout


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two widths, four rates, 40 steps")
    parser.add_argument("--seeds", type=int, default=1, help="runs for each rule, width and rate")
    parser.add_argument("--out", type=Path, help="default: runs/demo, or runs/demo-quick")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time, one thread each")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
