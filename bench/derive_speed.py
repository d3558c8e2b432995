"""Time of a derivation, beside a check.

Claim: a rule is derived in less than two seconds beyond imports, whatever is asked for: the tables of the papers that
the tests compare with, structural changes where scale alone does not do, and the larger network with experts. Beside
each case, in turns: the check of a rule that is there, completep on gpt under width + depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

from bench.harness import seconds, write_results
from scalec.api import check_rule
from scalec.check.goals import DEFAULT
from scalec.deriving import Asked, derive_rule
from scalec.operands import Operands
from scalec.resolve.load import load_text
from tests.derive.bare import MORE

SECONDS, RUNS = 2.0, 5
STABLE = ("maximal_scale_stability",)
IN_THE_PAPER = (*STABLE, "maximal_update")
RULES = """
rule owners  { tensor * { optimizer = adamw }  tensor matrix { optimizer = muonlike } }
rule divided { site residual { scale = 1/sqrt(L) } }
"""
PACKS = """
use std.moe
use std.supar
use std.lora
use std.optimizers
use std.regimes
rule adapters for adam, adamw {
  tensor * { frozen = yes }
  tensor lora { frozen = no }
  tensor lora.b { init = zero }
  site lora { scale ~ 1/rank }
}
"""


class Case(NamedTuple):
    network: str
    optimizer: str
    regime: str
    goals: tuple[str, ...] = DEFAULT
    keep: str | None = None

    def __str__(self) -> str:
        kept = f" keep {self.keep}" if self.keep else ""
        return f"{self.network} for {self.optimizer} under {self.regime}{kept}"


def renamed() -> Iterator[Case]:
    """What tests/derive compares with a paper, on networks of other names."""
    for network in ("mlp", "gpt"):
        yield from (Case(network, optimizer, "width") for optimizer in ("sgd", "adam", "adamw"))
        yield Case(network, "muonlike + adamw", "width", keep="owners")
    yield Case("mlp", "muonlike", "width")
    yield from (Case("gpt", "adamw", regime) for regime in ("depth", "width + depth", "head_dim"))
    yield from (Case("resmlp", o, "width + depth", keep="divided") for o in ("sgd", "adam", "adamw"))
    for optimizer in ("sgd", "adam"):
        for regime in ("fixed_experts", "fine_grained", "proportional"):
            yield from (Case("moe_mlp", optimizer, regime, goals) for goals in (DEFAULT, IN_THE_PAPER))


def standard() -> Iterator[Case]:
    """Adapters and sparse weights, and the larger network with experts."""
    yield from (Case("sparse_gpt", "adamw", regime) for regime in ("sparser", "width + sparser"))
    yield from (Case("lora_gpt", "adamw", regime, keep="adapters") for regime in ("rank", "width", "width + rank"))
    yield from (Case("moe_gpt", optimizer, "width", STABLE) for optimizer in ("sgd", "adamw"))


def main() -> None:
    here = load_text(MORE + RULES, "derived.scale")
    packs = load_text(PACKS, "packs.scale")
    beside = load_text("use std.completep\nuse std.optimizers\nuse std.regimes\n", "beside.scale")
    check = partial(check_rule, beside, regime="width + depth", rule="completep", network="gpt", optimizer="adamw")
    rows, slowest = [], 0.0
    for case, workspace in (*((case, here) for case in renamed()), *((case, packs) for case in standard())):
        asked = Asked(Operands(case.keep, case.network, case.optimizer), case.regime, case.goals)
        taken, ratio = timed(partial(derive_rule, workspace, asked), check)
        slowest = max(slowest, taken)
        print(f"{case}: {taken:.2f} s", flush=True)
        rows.append(
            f"| {case} | {'default' if case.goals is DEFAULT else ', '.join(case.goals)} | {taken:.2f} | {ratio:.1f} |"
        )
    body = [
        f"In one process, one thread, after imports; median of {RUNS} runs. The last column is the median of ratios",
        "to a check of completep on gpt under width + depth, which ran before or after each.",
        "",
        "| case | goals | seconds | checks |",
        "|---|---|---|---|",
        *rows,
        "",
        "| claim | measured | |",
        "|---|---|---|",
        f"| the slowest under {SECONDS} s | {slowest:.2f} s | {'holds' if slowest < SECONDS else 'FAILS'} |",
    ]  # fmt: skip
    write_results("derive_speed", "Time of a derivation", body, ["scalec"])


def timed(run: Callable[[], object], beside: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of a run, and the median ratio to what ran beside it, each first in every second pair."""
    run(), beside()
    taken, ratios = [], []
    for pair in range(RUNS):
        before = seconds(beside) if pair % 2 else None
        own = seconds(run)
        taken.append(own)
        ratios.append(own / (before or seconds(beside)))
    return median(taken), median(ratios)


if __name__ == "__main__":
    main()
