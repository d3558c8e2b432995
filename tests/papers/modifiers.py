"""Tables of sparsity, adapters and u-muP, typed by hand: powers of sizes, or numbers where a rule has no base.

- SuPar, arXiv:2405.15743 [read in the authors' code]: hidden weights alone have std 1/sqrt(m * rho) and Adam's
  learning rate 1/(m * rho), m the width ratio; decay is one number. Epsilon is muP's [derived].
- LoRA+, arXiv:2402.12354 [second-hand, the identifier recalled]: A starts at 1/sqrt(n), B at 0; learning rates 1/n
  and 1. Its factor 1/rank is LoRA's own [second-hand]; the rates do not move with the rank [derived].
- muA, arXiv:2602.06204 [Cor. 4.4, second-hand; gamma = 0 read in the README of its code]: one learning rate,
  n^-1/2 * r^-(1 - gamma)/2, where the factor is r^-gamma.
- u-muP, arXiv:2407.17465, table 2 [read in the authors' slides] and rates over depth [read in the authors' code].
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import sqrt

from tests.papers.columns import HALF

Powers = Mapping[str, Mapping[str, Fraction | int]]  # attribute -> dimension -> exponent

SUPAR: Mapping[str, Powers] = {
    "input": {"init.std": {}, "lr": {}, "eps": {"N": -1}, "wd": {}},
    "gain": {"lr": {}, "eps": {"N": -1}, "wd": {}},
    "hidden": {"init.std": {"N": -HALF, "rho": -HALF}, "lr": {"N": -1, "rho": -1}, "eps": {"N": -1}, "wd": {}},
    "output": {"init.std": {"N": -1}, "lr": {"N": -1}, "eps": {}, "wd": {}},
}


def lora_plus(gamma: Fraction) -> Mapping[str, Powers]:
    return {
        "a": {"init.std": {"N": -HALF}, "lr": {"N": -1}},
        "b": {"init.std": {}, "lr": {}},
        "site": {"scale": {"r": -gamma}},
    }


def lora_mup(gamma: Fraction) -> Mapping[str, Powers]:
    """[derived] A as an output weight of table 3 of arXiv:2203.03466."""
    return {**lora_plus(gamma), "a": {"init.std": {"N": -1}, "lr": {"N": -1}}}


def mu_a(gamma: Fraction) -> Mapping[str, Powers]:
    lr = {"N": -HALF, "r": -(1 - gamma) / 2}
    return {
        "a": {"init.std": {"N": -HALF}, "lr": lr},
        "b": {"init.std": {}, "lr": lr},
        "site": {"scale": {"r": -gamma}},
    }


def umup(column: str, fan_in: int, fan_out: int, depth: int) -> dict[str, float]:
    """Multiplier, init std and learning rate over the run's. `depth`: blocks, 1 outside of them."""
    scale, lr = {
        "input": (1.0, 1 / sqrt(fan_out)),
        "hidden": (1 / sqrt(fan_in), 1 / sqrt(fan_in)),
        "output": (1 / fan_in, 1.0),
    }[column]
    return {"scale": scale, "init.std": 1.0, "lr": lr / sqrt(depth)}
