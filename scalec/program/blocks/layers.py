"""Single layers: a matrix, a nonlinearity, a norm."""

from __future__ import annotations

from fractions import Fraction

from scalec.program import ops
from scalec.program.building import Block, BlockSpec, Builder, Option, Value
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


def matrix(b: Builder, at: Block, x: Value, fan_out: Formula, role: str, local: str, path: str) -> Value:
    """A dense weight without bias: `out = W x`."""
    at.tensor(local, role, fan_in=x.width, fan_out=fan_out, shape=(fan_out, x.width), layout="out_in")
    return Value(b.emit(ops.Linear(path, x.name, path)), fan_out)


def _linear(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    return matrix(b, at, x, at.size("size"), "linear", "weight", at.path)


def _act(b: Builder, at: Block, x: Value) -> Value:
    return Value(b.emit(ops.Elementwise(at.path, x.name, NONLINEARITIES[at.word("function")])), x.width)


def _norm(b: Builder, at: Block, x: Value) -> Value:
    at.options["width"] = x.width
    centred = at.word("kind") == "layer"
    if not at.flag("gain"):
        return Value(b.emit(ops.Normalise(at.path, x.name, x.width, centred)), x.width)
    normal = b.emit(ops.Normalise(f"{at.path}.normal", x.name, x.width, centred))
    at.vector("gain", "norm.gain", x.width)
    return Value(b.emit(ops.Gain(at.path, normal, f"{at.path}.gain")), x.width)


SPECS = (
    BlockSpec("linear", (Option("size", "size", 0),), _linear, "linear"),
    BlockSpec("act", (Option("function", "word", 0, tuple(NONLINEARITIES)),), _act, "act"),
    BlockSpec(
        "norm", (Option("kind", "word", 0, ("layer",), "layer"), Option("gain", "flag", default=True)), _norm, "norm"
    ),
)
