"""The setting of muP for the class DiT of arXiv:2505.15270, typed by hand from the authors' code [read there].

Widths move, heads stay 72 wide; `m` is the width over 288. Init is a standard deviation at width `n`:
`("kaiming", "fan_in")` is Kaiming normal, sqrt(2) over the root of that fan (the gain is recalled: torch's own
for that name), a number is itself. Multipliers and rates are powers of `m`; epsilon is torch's 1e-8 everywhere
and there is no weight decay. What the compiler's network leaves out of theirs: biases (0, and of their layer's
rate), the dropped label, the learned variance.
"""

from __future__ import annotations

BASE_WIDTH, BASE_HEADS, DEPTH, HEAD_DIM = 288, 4, 28, 72
RUN = {"lr": 2.0**-10, "eps": 1e-8, "wd": 0.0}
KAIMING = "kaiming"

# tensor of the network: (init, power of m in the rate, power of m in the forward multiplier)
TABLE: dict[str, tuple[str | float, int, int]] = {
    "patch": (KAIMING, 0, 0),  # x_embedder: input
    "c.linear": (KAIMING, 0, 0),  # t_embedder.mlp.0: input, 256 coordinates
    "c.linear2": (KAIMING, -1, 0),  # t_embedder.mlp.2: hidden
    "c.label": (1.0, 0, 0),  # y_embedder: input, torch's N(0, 1)
    **{f"block.attention.{part}": (KAIMING, -1, 0) for part in "qkvo"},
    **{f"block.mlp.{part}": (KAIMING, -1, 0) for part in ("up", "down")},
    **{f"block.modulate{i}.{part}": (KAIMING, -1, 0) for i in ("", "2") for part in ("shift", "scale", "gate")},
    **{f"modulate.{part}": (KAIMING, -1, 0) for part in ("shift", "scale")},
    "readout": (0.0, 0, -1),  # MuReadout: zero, multiplier 1/m
}
