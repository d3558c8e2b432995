"""The feed-forward block."""

from __future__ import annotations

from scalec.program import ops
from scalec.program.blocks.layers import NONLINEARITIES, matrix
from scalec.program.building import Block, BlockSpec, Builder, Option, Value


def _mlp(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    hidden = matrix(b, at, x, at.size("width"), "mlp.up", "up", f"{at.path}.up")
    active = b.emit(ops.Elementwise(f"{at.path}.activation", hidden.name, NONLINEARITIES[at.word("act")]))
    site = at.site("act", "mlp.act")
    scaled = Value(b.emit(ops.Scale(site, active, site)), hidden.width)
    return matrix(b, at, scaled, x.width, "mlp.down", "down", f"{at.path}.down")


SPECS = (
    BlockSpec(
        "mlp", (Option("width", "size"), Option("act", "word", None, tuple(NONLINEARITIES), "gelu")), _mlp, "mlp"
    ),
)
