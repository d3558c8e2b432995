"""Where a network begins and ends: data, tokens, positions, logits."""

from __future__ import annotations

from dataclasses import replace

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import matrix
from scalec.program.building import Block, BlockSpec, Builder, Option, Positions, Value
from scalec.symbolic.formula import UNIT, divide, number


def _input(b: Builder, at: Block, x: Value) -> Value:
    size = at.size("size")
    return Value(b.emit(ops.Input(at.path, size, one_hot=False)), size)


def _embed(b: Builder, at: Block, x: Value) -> Value:
    vocabulary, width = at.size("vocabulary"), at.size("width")
    b.positions = Positions(at.path, at.size("context") if "context" in at.options else None)
    tokens = b.emit(ops.Input(f"{at.path}.tokens", vocabulary, one_hot=True))
    at.tensor("weight", "embedding", fan_in=UNIT, fan_out=width, shape=(vocabulary, width), layout="in_out")
    return Value(b.emit(ops.Linear(at.path, tokens, at.path)), width)


def _position(b: Builder, at: Block, x: Value) -> Value:
    """Added to the stream: a learned row per position, or waves of a position's number, of its row and column."""
    if b.positions is None:
        b.reporter.fail(codes.BLOCK_PLACE, "the stream has no positions to tell apart", at.node.span)
    if at.flag("sincos"):
        return _sincos(b, at, x, b.positions)
    if "context" not in at.options:
        b.reporter.fail(
            codes.OPTION,
            "learned positions need their number",
            at.node.span,
            helps=["`position(T)`; `position(sincos)` learns nothing and needs none"],
        )
    context = at.size("context")
    b.positions = replace(b.positions, context=context)
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


def _sincos(b: Builder, at: Block, x: Value, positions: Positions) -> Value:
    at.options["pairs"] = divide(x.width, number(2 if positions.side is None else 4))
    if positions.side is not None:
        at.options["side"] = positions.side
    waves = b.emit(ops.Constant(f"{at.path}.waves", x.width))
    return Value(b.emit(ops.Add(at.path, (x.name, waves))), x.width)


def _readout(b: Builder, at: Block, x: Value) -> Value:
    size = at.size("size")
    at.options |= {"input": x.width, "positions": b.positions is not None}
    out = matrix(b, at, x, size, "readout", "weight", at.path)
    site = at.site("logits", "logits", path=b.unique("logits"))
    scaled = b.emit(ops.Scale(site, out.name, site))
    return Value(b.emit(ops.Output(f"{site}.out", scaled, size)), size)


SPECS = (
    BlockSpec("input", (Option("size", "size", 0),), _input, "data", opens="yes"),
    BlockSpec(
        "embed",
        (Option("vocabulary", "size", 0), Option("width", "size", 1), Option("context", "size", optional=True)),
        _embed,
        "embed",
        opens="yes",
    ),
    BlockSpec(
        "position",
        (Option("context", "size", 0, optional=True), Option("sincos", "flag", default=False)),
        _position,
        "position",
    ),
    BlockSpec("readout", (Option("size", "size", 0),), _readout, "readout"),
)
