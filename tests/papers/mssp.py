"""The tables of arXiv:2605.14200 for the MLP with experts, typed by hand from the authors' code. Raw powers of sizes.

Columns: initial spread, SGD's rate, Adam's rate, Adam's epsilon, as a function of N (width), M (experts), E (width of
one expert). Every tensor's `fan_in` is what the code calls so: the input's pixels, N, N, E, N. The pixels are a
constant; the code has them in Adam's rate of the first tensor and not in SGD's. The last tensor starts at zero by
default; its spread is what it has otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

PIXELS = 12288
Size = Callable[[float, float, float], float]


@dataclass(frozen=True)
class Row:
    std: Size
    sgd_lr: Size
    adam_lr: Size
    adam_eps: Size


W_IN = Row(lambda N, M, E: PIXELS**-0.5, lambda N, M, E: N, lambda N, M, E: 1 / PIXELS, lambda N, M, E: 1 / N)
OUT = Row(lambda N, M, E: 1 / N, lambda N, M, E: 1 / N, lambda N, M, E: 1 / N, lambda N, M, E: 1)

# How sizes move: at width N, the number of experts and the width of one.
REGIMES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "fixed_experts": (lambda N: 8, lambda N: N),
    "fine_grained": (lambda N: N / 16, lambda N: 16),
    "proportional": (lambda N: N / 16, lambda N: N),
}

MUP: dict[str, dict[str, Row]] = {
    "fixed_experts": {
        "w_in": W_IN,
        "moe.router": Row(lambda N, M, E: 1 / N, lambda N, M, E: 1 / N, lambda N, M, E: 1 / N, lambda N, M, E: 1),
        "moe.up": Row(lambda N, M, E: N**-0.5, lambda N, M, E: 1, lambda N, M, E: 1 / N, lambda N, M, E: 1 / N),
        "moe.down": Row(lambda N, M, E: E**-0.5, lambda N, M, E: 1, lambda N, M, E: 1 / E, lambda N, M, E: 1 / N),
        "out": OUT,
    },
    "fine_grained": {
        "w_in": W_IN,
        "moe.router": Row(lambda N, M, E: N**-0.5, lambda N, M, E: M / N, lambda N, M, E: 1 / N, lambda N, M, E: 1 / M),
        "moe.up": Row(lambda N, M, E: N**-0.5, lambda N, M, E: M / N, lambda N, M, E: 1 / N, lambda N, M, E: 1 / M),
        "moe.down": Row(
            lambda N, M, E: E**-0.5, lambda N, M, E: M * N, lambda N, M, E: 1 / E, lambda N, M, E: 1 / (N * M)
        ),
        "out": OUT,
    },
    "proportional": {
        "w_in": W_IN,
        "moe.router": Row(lambda N, M, E: N**-0.5, lambda N, M, E: 1, lambda N, M, E: 1 / N, lambda N, M, E: 1 / M),
        "moe.up": Row(lambda N, M, E: N**-0.5, lambda N, M, E: M, lambda N, M, E: 1 / N, lambda N, M, E: 1 / (N * M)),
        "moe.down": Row(lambda N, M, E: E**-0.5, lambda N, M, E: M, lambda N, M, E: 1 / E, lambda N, M, E: 1 / (N * M)),
        "out": OUT,
    },
}

# What MSSP changes: a router that is zero, a larger spread, one draw for all experts.
ZERO = {"fixed_experts": ("moe.router",), "fine_grained": (), "proportional": ()}
LOUDER: dict[str, dict[str, Size]] = {
    "fixed_experts": {},
    "fine_grained": {"moe.down": lambda N, M, E: sqrt(M) * E**-0.5},
    "proportional": {},
}
SHARED = {"fixed_experts": (), "fine_grained": (), "proportional": ("moe.up", "moe.down")}

# Facts as numbers, at width 1024: spread, Adam's rate, epsilon, SGD's rate.
VECTORS: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("fixed_experts", "moe.router"): (9.765625e-4, 9.765625e-4, 1, 9.765625e-4),
    ("fixed_experts", "moe.up"): (0.03125, 9.765625e-4, 9.765625e-4, 1),
    ("fixed_experts", "moe.down"): (0.03125, 9.765625e-4, 9.765625e-4, 1),
    ("fine_grained", "moe.router"): (0.03125, 9.765625e-4, 0.015625, 0.0625),
    ("fine_grained", "moe.up"): (0.03125, 9.765625e-4, 0.015625, 0.0625),
    ("fine_grained", "moe.down"): (0.25, 0.0625, 1.52587890625e-5, 65536),
    ("proportional", "moe.router"): (0.03125, 9.765625e-4, 0.015625, 1),
    ("proportional", "moe.up"): (0.03125, 9.765625e-4, 1.52587890625e-5, 64),
    ("proportional", "moe.down"): (0.03125, 9.765625e-4, 1.52587890625e-5, 64),
    **{(regime, "w_in"): (9.021097956087902e-3, 8.138020833333333e-5, 9.765625e-4, 1024) for regime in REGIMES},
    **{(regime, "out"): (9.765625e-4, 9.765625e-4, 1, 9.765625e-4) for regime in REGIMES},
}
