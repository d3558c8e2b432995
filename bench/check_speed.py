"""Time and memory of a static check, beside a coordinate check that trains.

Claims: a GPT of 61 layers and width 7168 is checked in three regimes in less than a second beyond imports and
under 200 MB resident; the cost does not depend on layers, heads or sizes. So is a network of DeepSeek's shape, of 61
layers and 256 experts, in each of its regimes, and in all of them by one `check` block. Beside it, in turns: the
coordinate check of the package `mup`, on an MLP of three layers at four widths.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from mup import MuReadout, set_base_shapes
from mup.coord_check import get_coord_data
from torch import nn

from bench.harness import Comparison, compare, seconds, write_results
from scalec.api import check_rule
from scalec.pipeline import run_checks
from scalec.resolve.load import Workspace, load_text

SECONDS, MEGABYTES, INDEPENDENT = 1.0, 200, 1.1
RUNS = 5
REGIMES = ("width", "depth", "head_dim")
LARGE = {"N": 7168, "L": 61, "H": 56}
SMALL = {"N": 256, "L": 4, "H": 2}
WIDTHS, BATCH, CLASSES = (128, 256, 512, 1024), 64, 10

EXPERTS = {"N": 7168, "L": 58, "H": 128, "F": 18432, "Rq": 1536, "Rkv": 512, "M": 256, "K": 8, "Ne": 2048}
OF_EXPERTS = (
    "fixed_experts", "fine_grained", "proportional",
    "more_experts", "more_experts_and_batch", "sparsity", "sparsity_and_batch",
)  # fmt: skip
MIXTURE = f"""use std.deepseek
rule sized_rule extends deepseek_mssp for adamw {{ base {", ".join(f"{n} = {v}" for n, v in EXPERTS.items())} }}
check sized_rule on deepseek for adamw under {", ".join(OF_EXPERTS)} {{ expect maximal_update }}
"""

RULE = """use std.completep
network sized {{
  dims N = {N}, L = {L}, H = {H}
  embed(vocabulary = 256, width = N)
  position(128)
  repeat L {{
    residual {{ norm(layer) attention(heads = H, causal) }}
    residual {{ norm(layer) mlp(width = 4*N, act = gelu) }}
  }}
  norm(layer)
  readout(256)
}}
rule sized_rule extends completep for adamw {{ base N = {N}, L = {L}, H = {H} }}
"""


def main() -> None:
    torch.set_num_threads(1)
    large, small = (checked(sizes) for sizes in (LARGE, SMALL))
    alone = {regime: median(seconds(partial(check, large, regime)) for _ in range(RUNS)) for regime in REGIMES}
    total, peak = sum(alone.values()), resident(LARGE)
    sizes = compare(
        "61 layers, width 7168, 56 heads over 4 layers, width 256, 2 heads", all_regimes(large), all_regimes(small)
    )
    beside = compare(
        f"mup's coordinate check over {len(REGIMES)} static checks", coordinate_check, all_regimes(large), 15
    )
    mixture = load_text(MIXTURE, "mixture.scale")
    experts = {regime: median(seconds(partial(check, mixture, regime, "deepseek")) for _ in range(RUNS))
               for regime in OF_EXPERTS}  # fmt: skip
    together = median(seconds(lambda: deque(run_checks(mixture), 0)) for _ in range(RUNS))
    body = [
        f"In one process, one thread, after imports; median of {RUNS} runs. Network: {LARGE}, rule completep, AdamW.",
        "",
        "| regime | seconds |",
        "|---|---|",
        *(f"| {regime} | {taken:.3f} |" for regime, taken in alone.items()),
        "",
        f"Network: `deepseek` at {EXPERTS}, rule deepseek_mssp, AdamW.",
        "",
        "| regime | seconds |",
        "|---|---|",
        *(f"| {regime} | {taken:.3f} |" for regime, taken in experts.items()),
        "",
        "| claim | measured | |",
        "|---|---|---|",
        _claim(f"three regimes under {SECONDS} s", f"{total:.3f} s", total < SECONDS),
        _claim(f"`scalec check` of them under {MEGABYTES} MB", f"{peak:.0f} MB", peak < MEGABYTES),
        _claim(
            f"`deepseek` in each of its regimes under {SECONDS} s",
            f"{max(experts.values()):.3f} s at most",
            max(experts.values()) < SECONDS,
        ),
        _claim(
            f"`deepseek` in all its regimes under {SECONDS} s",
            f"{together:.3f} s",
            together < SECONDS,
        ),
        "",
        "| comparison | median ratio | 90 % interval | pairs | claim | |",
        "|---|---|---|---|---|---|",
        _row(sizes, f"reaches {INDEPENDENT}", "holds" if sizes.reaches(INDEPENDENT) else "FAILS"),
        _row(beside, "-", ""),
        "",
        f"The coordinate check trains an MLP of three layers at widths {WIDTHS} for 3 steps, on {BATCH} rows.",
    ]  # fmt: skip
    write_results("check_speed", "Time and memory of a check", body, ["scalec", "mup", "torch"])


def checked(sizes: dict[str, int]) -> Workspace:
    return load_text(RULE.format(**sizes), "sized.scale")


def check(workspace: Workspace, regime: str, network: str = "sized") -> None:
    check_rule(workspace, regime=regime, rule="sized_rule", network=network, optimizer="adamw")


def all_regimes(workspace: Workspace) -> Callable[[], None]:
    def run() -> None:
        for regime in REGIMES:
            check(workspace, regime)

    return run


def resident(sizes: dict[str, int]) -> float:
    """Peak resident megabytes of `scalec check` of the three regimes."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "sized.scale")
        block = f"check sized_rule on sized for adamw under {', '.join(REGIMES)} {{ expect maximal_update }}\n"
        file.write_text(RULE.format(**sizes) + block, encoding="utf-8")
        # A process between: what this one has imported would count as its child's.
        said = subprocess.run([sys.executable, "-c", PEAK, file], check=True, capture_output=True, text=True)
    return int(said.stdout) / 1024


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "scalec", "check", sys.argv[1]], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def mlp(width: int) -> nn.Module:
    layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), MuReadout(width, CLASSES)]
    return nn.Sequential(*layers)


def scaled(width: int) -> nn.Module:
    model = mlp(width)
    set_base_shapes(model, mlp(WIDTHS[0]), delta=mlp(WIDTHS[1]))
    return model


def coordinate_check() -> None:
    data = [(torch.randn(BATCH, 64), torch.randint(CLASSES, (BATCH,)))]
    models = {width: partial(scaled, width) for width in WIDTHS}
    get_coord_data(
        models, data, optimizer="adamw", lr=1e-3, mup=True, nsteps=3, nseeds=1,
        cuda=False, flatten_input=True, show_progress=False,
    )  # fmt: skip


def _claim(claim: str, measured: str, holds: bool) -> str:
    return f"| {claim} | {measured} | {'holds' if holds else 'FAILS'} |"


def _row(c: Comparison, claim: str, verdict: str) -> str:
    low, high = c.interval
    return f"| {c.name} | {c.median:.3f} | {low:.3f} to {high:.3f} | {len(c.ratios)} | {claim} | {verdict} |"


if __name__ == "__main__":
    main()
