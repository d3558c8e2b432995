"""The feed-forward block, with one branch or gated by a second."""

from __future__ import annotations

from scalec.program import ops
from scalec.program.blocks.layers import BIAS, DROPOUT, NONLINEARITIES, matrix
from scalec.program.building import Block, BlockSpec, Builder, Option
from scalec.program.streaming import Value

GATES = {"swiglu": "silu"}  # a gated unit -> the nonlinearity of its gate


def _mlp(b: Builder, at: Block, x: Value) -> Value:
    """`down(f(up x))`, or `down(f(gate x) * up x)`."""
    at.options["input"] = x.width
    width, word = at.size("width"), at.word("act")
    bent = matrix(b, at, x, width, "mlp.gate", "gate") if word in GATES else None
    hidden = matrix(b, at, x, width, "mlp.up", "up")
    function = NONLINEARITIES[GATES.get(word, word)]
    active = b.emit(ops.Elementwise(f"{at.path}.activation", (bent or hidden).name, function))
    if bent:
        active = b.emit(ops.Multiply(f"{at.path}.product", active, hidden.name, mean_x=True))
    site = at.site("act", "mlp.act")
    scaled = Value(b.emit(ops.Scale(site, active, site)), width)
    return matrix(b, at, scaled, x.width, "mlp.down", "down")


SPECS = (
    BlockSpec(
        "mlp",
        (Option("width", "size"), Option("act", "word", None, (*NONLINEARITIES, *GATES), "gelu"), BIAS, DROPOUT),
        _mlp,
        "mlp",
    ),
)
