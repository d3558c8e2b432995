"""Where a network begins and ends: data, tokens, positions, logits."""

from __future__ import annotations

from scalec.program import ops
from scalec.program.blocks.layers import matrix
from scalec.program.building import Block, BlockSpec, Builder, Option, Value
from scalec.symbolic.formula import UNIT


def _input(b: Builder, at: Block, x: Value) -> Value:
    size = at.size("size")
    return Value(b.emit(ops.Input(at.path, size, one_hot=False)), size)


def _embed(b: Builder, at: Block, x: Value) -> Value:
    vocabulary, width = at.size("vocabulary"), at.size("width")
    b.context = at.size("context") if "context" in at.options else None
    tokens = b.emit(ops.Input(f"{at.path}.tokens", vocabulary, one_hot=True))
    at.tensor("weight", "embedding", fan_in=UNIT, fan_out=width, shape=(vocabulary, width), layout="in_out")
    return Value(b.emit(ops.Linear(at.path, tokens, at.path)), width)


def _position(b: Builder, at: Block, x: Value) -> Value:
    """Learned positions: a row per position, added to the stream."""
    context = b.context = at.size("context")
    index = b.emit(ops.Input(f"{at.path}.index", context, one_hot=True))
    at.tensor(
        "weight",
        "embedding.position",
        fan_in=UNIT,
        fan_out=x.width,
        shape=(context, x.width),
        layout="in_out",
    )
    row = b.emit(ops.Linear(f"{at.path}.row", index, at.path))
    return Value(b.emit(ops.Add(at.path, (x.name, row))), x.width)


def _readout(b: Builder, at: Block, x: Value) -> Value:
    size = at.size("size")
    at.options["input"] = x.width
    out = matrix(b, at, x, size, "readout", "weight", at.path)
    site = at.site("logits", "logits", path=b.unique("logits"))
    scaled = b.emit(ops.Scale(site, out.name, site))
    return Value(b.emit(ops.Output(f"{site}.out", scaled, size)), size)


SPECS = (
    BlockSpec("input", (Option("size", "size", 0),), _input, "data", opens=True),
    BlockSpec(
        "embed",
        (Option("vocabulary", "size", 0), Option("width", "size", 1), Option("context", "size", optional=True)),
        _embed,
        "embed",
        opens=True,
    ),
    BlockSpec("position", (Option("context", "size", 0),), _position, "position"),
    BlockSpec("readout", (Option("size", "size", 0),), _readout, "readout"),
)
