"""Single layers: a matrix, a nonlinearity, a norm."""

from __future__ import annotations

from fractions import Fraction

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.modifiers import adapted
from scalec.program.building import Block, Builder
from scalec.program.program import Axis, Parts
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.symbolic.formula import Formula

NONLINEARITIES: dict[str, ops.Nonlinearity] = {
    n.name: n
    for n in (
        ops.Nonlinearity("identity"),
        ops.Nonlinearity("relu"),
        ops.Nonlinearity("gelu"),
        ops.Nonlinearity("silu"),
        ops.Nonlinearity("square_relu", degree=Fraction(2)),
        ops.Nonlinearity("tanh", bounded=True),
        ops.Nonlinearity("sigmoid", bounded=True, constant=True),
    )
}


BIAS = Option("bias", "flag", default=False)


def matrix(
    b: Builder, at: Block, x: Value, fan_out: Formula, role: str, local: str, *,
    parts: Parts | None = None, sides: tuple[Formula, ...] | None = None, stack: Axis | None = None,
) -> Value:  # fmt: skip
    """A dense weight with what the network's modifiers make of it, and a bias where the block has biases."""
    dense = at.dense(x, fan_out, role, local, parts=parts, sides=sides, stack=stack)
    out = bias(b, at, dense.name, "bias" if local == "weight" else f"{local}.bias", fan_out)
    return adapted(b, at, x, Value(out, fan_out), role, local, sides, stack)


def bias(b: Builder, at: Block, x: str, local: str, length: Formula) -> str:
    """`x + b` where the block has biases, else `x`."""
    if not at.flag("bias"):
        return x
    path = at.vector(local, "bias", length)
    return b.emit(ops.Bias(path, x, path))


def normalised(b: Builder, x: str, path: str, length: Formula, centred: bool, gain: str | None) -> str:
    """A norm over `length` coordinates, with its gain if it has one."""
    if gain is None:
        return b.emit(ops.Normalise(path, x, length, centred))
    normal = b.emit(ops.Normalise(f"{path}.normal", x, length, centred))
    return b.emit(ops.Gain(path, normal, gain))


def _linear(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    return matrix(b, at, x, at.size("size"), "linear", "weight")


def _act(b: Builder, at: Block, x: Value) -> Value:
    return Value(b.emit(ops.Elementwise(at.path, x.name, NONLINEARITIES[at.word("function")])), x.width)


def _norm(b: Builder, at: Block, x: Value) -> Value:
    at.options["width"] = x.width
    if at.flag("bias") and not (at.word("kind") == "layer" and at.flag("gain")):
        b.reporter.report(
            codes.OPTION, "only `norm(layer)` with its gain has a bias", at.node.span, helps=["leave `bias` away"]
        )
    gain = at.vector("gain", "norm.gain", x.width) if at.flag("gain") else None
    out = normalised(b, x.name, at.path, x.width, at.word("kind") == "layer", gain)
    return Value(bias(b, at, out, "bias", x.width), x.width)


def _dropout(b: Builder, at: Block, x: Value) -> Value:
    """Zeroes coordinates at random in training: no factor that moves with a size, so no operation."""
    return x


DROPOUT = Option("dropout", "chance", optional=True)

SPECS = (
    BlockSpec("linear", (Option("size", "size", 0), BIAS), _linear, "linear"),
    BlockSpec("act", (Option("function", "word", 0, tuple(NONLINEARITIES)),), _act, "act"),
    BlockSpec(
        "norm",
        (Option("kind", "word", 0, ("layer", "rms"), "layer"), Option("gain", "flag", default=True), BIAS),
        _norm,
        "norm",
    ),
    BlockSpec("dropout", (Option("p", "chance", 0),), _dropout, "dropout"),
)
