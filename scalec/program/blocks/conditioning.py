"""What a network is told beside its input (a time, a class), and how blocks are steered by it."""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import BIAS, matrix
from scalec.program.building import Block, Builder
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.symbolic.formula import UNIT, as_number, divide, number


def _timestep(b: Builder, at: Block, x: Value) -> Value:
    """Waves of a number per sample: coordinates of order 1, no weights."""
    size = at.size("size")
    known = as_number(size)
    if known is not None and known % 2:
        b.reporter.report(codes.OPTION, f"waves come in pairs: `timestep` has an even size, not {known}", at.node.span)
    at.options["pairs"] = divide(size, number(2))
    return Value(b.emit(ops.Input(at.path, size, one_hot=False)), size)


def _label(b: Builder, at: Block, x: Value) -> Value:
    """A row for each class."""
    classes, width = at.size("classes"), at.size("width")
    index = b.emit(ops.Input(f"{at.path}.index", classes, one_hot=True))
    at.tensor("weight", "embedding.label", fan_in=UNIT, fan_out=width, shape=(classes, width), layout="in_out")
    return Value(b.emit(ops.Linear(at.path, index, at.path)), width)


def _modulate(b: Builder, at: Block, x: Value) -> Value:
    """`x * (1 + scale) + shift`, both linear in a side stream; a gate waits for the end of the residual."""
    stream = at.stream("by")
    if stream.positions not in (None, b.positions):
        b.reporter.report(
            codes.BLOCK_PLACE,
            f"`{at.word('by')}` has other positions than the stream that it modulates",
            at.node.span,
            helps=["`pool` makes one vector a sample of it"],
        )
    at.options["broadcast"] = stream.positions is None and b.positions is not None
    parts = ("shift", "scale", *(["gate"] if at.flag("gate") else []))
    shift, scale, *gates = (matrix(b, at, stream.value, x.width, "modulation", part) for part in parts)
    b.matrices -= set(at.tensors.values())  # they read the side stream: no residual is called after them
    one = b.emit(ops.Constant(f"{at.path}.one", x.width))
    factor = b.emit(ops.Add(f"{at.path}.factor", (one, scale.name)))
    scaled = b.emit(ops.Multiply(f"{at.path}.scaled", x.name, factor, mean_y=True))
    for gate in gates:
        _leave(b, at, gate)
    return Value(b.emit(ops.Add(at.path, (scaled, shift.name))), x.width)


def _leave(b: Builder, at: Block, gate: Value) -> None:
    """The gate is for the residual around the block."""
    if b.gates is None:
        b.reporter.fail(
            codes.BLOCK_PLACE,
            "a gate multiplies what a residual adds, and there is none around it",
            at.node.span,
            helps=["put `modulate` into a residual, or leave `gate` away"],
        )
    b.gates.append(gate)


SPECS = (
    BlockSpec("timestep", (Option("size", "size", 0),), _timestep, "timestep", opens="yes", side=True),
    BlockSpec(
        "label",
        (Option("classes", "size", 0), Option("width", "size", 1)),
        _label,
        "label",
        opens="yes",
        side=True,
    ),
    BlockSpec(
        "modulate",
        (Option("by", "stream", 0), Option("gate", "flag", default=False), BIAS),
        _modulate,
        "modulate",
    ),
)
