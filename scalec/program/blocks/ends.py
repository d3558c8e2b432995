"""Where a network begins and ends: data, tokens, positions, logits."""

from __future__ import annotations

from dataclasses import replace

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import BIAS, matrix
from scalec.program.building import Block, Builder
from scalec.program.program import Use
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Positions, Value
from scalec.symbolic.formula import UNIT, Formula, divide, number
from scalec.symbolic.text import plain


def _input(b: Builder, at: Block, x: Value) -> Value:
    size = at.size("size")
    return Value(b.emit(ops.Input(at.path, size, one_hot=False, batch=_batch(at))), size)


def _batch(at: Block) -> Formula | None:
    return at.size("batch") if "batch" in at.options else None


def _embed(b: Builder, at: Block, x: Value) -> Value:
    vocabulary, width = at.size("vocabulary"), at.size("width")
    b.positions = Positions(at.path, at.size("context") if "context" in at.options else None)
    tokens = b.emit(ops.Input(f"{at.path}.tokens", vocabulary, one_hot=True, batch=_batch(at)))
    table = at.tensor("weight", "embedding", fan_in=UNIT, fan_out=width, shape=(vocabulary, width), layout="in_out")
    b.table = b.table if at.place.within else table
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
    out = _tied(b, at, x, size) if at.flag("tied") else matrix(b, at, x, size, "readout", "weight")
    site = at.site("logits", "logits", path=b.unique("logits"))
    scaled = b.emit(ops.Scale(site, out.name, site))
    return Value(b.emit(ops.Output(f"{site}.out", scaled, size)), size)


def _tied(b: Builder, at: Block, x: Value, size: Formula) -> Value:
    """The embedding's rows as weights: one tensor, two uses, the first of them transposed."""
    place = next((i for i, tensor in enumerate(b.tensors) if tensor.path == b.table), None)
    if place is None or at.flag("bias"):
        what = "has no bias" if at.flag("bias") else "reads the table of `embed`, and the network has none"
        b.reporter.fail(codes.OPTION, f"a tied readout {what}", at.node.span, helps=["leave `tied` away"])
    table = b.tensors[place]
    if table.shape != (size, x.width):
        (rows, row), (here, width) = map(plain, table.shape), map(plain, (size, x.width))
        b.reporter.fail(
            codes.BLOCK_PLACE,
            "a tied readout has the sizes of `embed`",
            at.node.span,
            notes=[f"the table has {rows} rows of {row}, the readout would have {here} of {width}"],
        )
    shape_class = b.shape_class(table.shape, x.width, size)
    use = Use(x.width, size, role="readout", shape_class=shape_class, within=at.within)
    b.tensors[place] = replace(table, uses=(replace(table.uses[0], transposed=True), use))
    at.tensors["weight"] = table.path
    return Value(b.emit(ops.Linear(at.path, x.name, table.path, use=1)), size)


BATCH = Option("batch", "size", optional=True)

SPECS = (
    BlockSpec("input", (Option("size", "size", 0), BATCH), _input, "data", opens="yes"),
    BlockSpec(
        "embed",
        (Option("vocabulary", "size", 0), Option("width", "size", 1), Option("context", "size", optional=True), BATCH),
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
    BlockSpec("readout", (Option("size", "size", 0), Option("tied", "flag", default=False), BIAS), _readout, "readout"),
)
