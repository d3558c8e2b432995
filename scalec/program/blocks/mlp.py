"""The feed-forward block, with one branch or gated by a second."""

from __future__ import annotations

from scalec.program import ops
from scalec.program.blocks.layers import BIAS, DROPOUT, NONLINEARITIES, matrix
from scalec.program.building import Block, Builder
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.symbolic.formula import Formula

GATES = {"swiglu": "silu"}  # a gated unit -> the nonlinearity of its gate


def _mlp(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    return feed_forward(b, at, x, at.size("width"))


def feed_forward(b: Builder, at: Block, x: Value, width: Formula, part: str = "") -> Value:
    """`down(f(up x))`, or `down(f(gate x) * up x)`. `part`: what of a larger block it is, `shared.`."""
    word, path = at.word("act"), f"{at.path}.{part}"
    bent = matrix(b, at, x, width, "mlp.gate", f"{part}gate") if word in GATES else None
    hidden = matrix(b, at, x, width, "mlp.up", f"{part}up")
    active = bend(b, path, word, hidden.name, bent.name if bent else None)
    site = at.site(f"{part}act", "mlp.act")
    scaled = Value(b.emit(ops.Scale(site, active, site)), width)
    return matrix(b, at, scaled, x.width, "mlp.down", f"{part}down")


def bend(b: Builder, path: str, word: str, up: str, gate: str | None) -> str:
    """`f(up)`, or `f(gate) * up`; `path` ends with a dot."""
    active = b.emit(ops.Elementwise(f"{path}activation", gate or up, NONLINEARITIES[GATES.get(word, word)]))
    return b.emit(ops.Multiply(f"{path}product", active, up, mean_x=True)) if gate else active


ACT = Option("act", "word", None, (*NONLINEARITIES, *GATES), "gelu")

SPECS = (BlockSpec("mlp", (Option("width", "size"), ACT, BIAS, DROPOUT), _mlp, "mlp"),)
