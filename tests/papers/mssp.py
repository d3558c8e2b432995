"""The tables of arXiv:2605.14200 for the MLP with experts, typed by hand from the authors' code. Raw powers of sizes.

Columns: initial spread, SGD's rate, Adam's rate, Adam's epsilon. An entry is the powers of `N` (width), `M` (experts),
`E` (width of one expert), of `P` (pixels), which is a constant: the code has it in Adam's rate of the first tensor and
not in SGD's. The last tensor starts at zero by default; its spread is what it has otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod

HALF = Fraction(1, 2)
Sizes = dict[str, float]


@dataclass(frozen=True)
class Power:
    """`N^N * M^M * E^E * P^P`."""

    N: Fraction | int = 0
    M: Fraction | int = 0
    E: Fraction | int = 0
    P: Fraction | int = 0

    def at(self, sizes: Sizes) -> float:
        return prod(sizes[name] ** float(getattr(self, name)) for name in "NMEP")


@dataclass(frozen=True)
class Row:
    std: Power
    sgd_lr: Power
    adam_lr: Power
    adam_eps: Power


def sizes(regime: str, width: int) -> Sizes:
    """How sizes move: 8 experts of width 128 at width 128, or 16 wide where they stay narrow."""
    experts = {"fixed_experts": 8.0, "fine_grained": width / 16, "proportional": width / 16}
    narrow = {"fixed_experts": float(width), "fine_grained": 16.0, "proportional": float(width)}
    return {"N": float(width), "M": experts[regime], "E": narrow[regime], "P": 12288.0}


ONE = Power()
W_IN = Row(Power(P=-HALF), Power(N=1), Power(P=-1), Power(N=-1))
OUT = Row(Power(N=-1), Power(N=-1), Power(N=-1), ONE)

MUP: dict[str, dict[str, Row]] = {
    "fixed_experts": {
        "w_in": W_IN,
        "moe.router": Row(Power(N=-1), Power(N=-1), Power(N=-1), ONE),
        "moe.up": Row(Power(N=-HALF), ONE, Power(N=-1), Power(N=-1)),
        "moe.down": Row(Power(E=-HALF), ONE, Power(E=-1), Power(N=-1)),
        "out": OUT,
    },
    "fine_grained": {
        "w_in": W_IN,
        "moe.router": Row(Power(N=-HALF), Power(M=1, N=-1), Power(N=-1), Power(M=-1)),
        "moe.up": Row(Power(N=-HALF), Power(M=1, N=-1), Power(N=-1), Power(M=-1)),
        "moe.down": Row(Power(E=-HALF), Power(M=1, N=1), Power(E=-1), Power(N=-1, M=-1)),
        "out": OUT,
    },
    "proportional": {
        "w_in": W_IN,
        "moe.router": Row(Power(N=-HALF), ONE, Power(N=-1), Power(M=-1)),
        "moe.up": Row(Power(N=-HALF), Power(M=1), Power(N=-1), Power(N=-1, M=-1)),
        "moe.down": Row(Power(E=-HALF), Power(M=1), Power(E=-1), Power(N=-1, M=-1)),
        "out": OUT,
    },
}

# What MSSP changes: a router that is zero, a larger spread, one draw for all experts.
ZERO = {"fixed_experts": ("moe.router",), "fine_grained": (), "proportional": ()}
LOUDER = {"fixed_experts": {}, "fine_grained": {"moe.down": Power(M=HALF, E=-HALF)}, "proportional": {}}
SHARED = {"fixed_experts": (), "fine_grained": (), "proportional": ("moe.up", "moe.down")}

# The same as numbers, at width 1024: spread, Adam's rate, epsilon, SGD's rate.
VECTORS: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("fixed_experts", "moe.router"): (9.765625e-4, 9.765625e-4, 1, 9.765625e-4),
    ("fixed_experts", "moe.up"): (0.03125, 9.765625e-4, 9.765625e-4, 1),
    ("fixed_experts", "moe.down"): (0.03125, 9.765625e-4, 9.765625e-4, 1),
    ("fine_grained", "moe.router"): (0.03125, 9.765625e-4, 0.015625, 0.0625),
    ("fine_grained", "moe.up"): (0.03125, 9.765625e-4, 0.015625, 0.0625),
    ("fine_grained", "moe.down"): (0.25, 0.0625, 1.52588e-5, 65536),
    ("proportional", "moe.router"): (0.03125, 9.765625e-4, 0.015625, 1),
    ("proportional", "moe.up"): (0.03125, 9.765625e-4, 1.52588e-5, 64),
    ("proportional", "moe.down"): (0.03125, 9.765625e-4, 1.52588e-5, 64),
    **{(regime, "w_in"): (9.0211e-3, 8.13802e-5, 9.765625e-4, 1024) for regime in MUP},
    **{(regime, "out"): (9.765625e-4, 9.765625e-4, 1, 9.765625e-4) for regime in MUP},
}

# Tuned factors on Adam's rates for MSSP where everything grows: base rate 0.16, every spread times 1/4.
TUNED = {"w_in": 4, "moe.router": 1 / 4, "moe.up": 1 / 4, "moe.down": 1 / 256, "out": 64}
