"""What each block of the language means: options, tensors, sites, operations. One entry a block.

Adding a block is one function here with its `BlockSpec`, one transfer function for each operation
that is new (`calculus/`), one entry in the emitter's table (`emit/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scalec.program import ops
from scalec.program.building import Block, BlockSpec, Builder, Option, Place, Value
from scalec.program.program import Axis
from scalec.symbolic.formula import UNIT, Formula, divide, mul

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


# ---- ends of the network ---------------------------------------------------------------------
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
    out = _matrix(b, at, x, size, "readout", "weight", at.path)
    site = at.site("logits", "logits", path=b.unique("logits"))
    scaled = b.emit(ops.Scale(site, out.name, site))
    return Value(b.emit(ops.Output(f"{site}.out", scaled, size)), size)


# ---- layers ----------------------------------------------------------------------------------
def _matrix(b: Builder, at: Block, x: Value, fan_out: Formula, role: str, local: str, path: str) -> Value:
    """A dense weight without bias: `out = W x`."""
    at.tensor(local, role, fan_in=x.width, fan_out=fan_out, shape=(fan_out, x.width), layout="out_in")
    return Value(b.emit(ops.Linear(path, x.name, path)), fan_out)


def _linear(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    return _matrix(b, at, x, at.size("size"), "linear", "weight", at.path)


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


def _attention(b: Builder, at: Block, x: Value) -> Value:
    """Multi-head self-attention: dot product, softmax over the context, weighted sum of values."""
    heads = at.size("heads")
    head_dim = at.size("head_dim") if "head_dim" in at.options else divide(x.width, heads)
    inner, context = mul(heads, head_dim), b.context or UNIT
    at.options |= {"head_dim": head_dim, "width": x.width}
    at.relative |= {"heads": heads, "kv_heads": heads, "head_dim": head_dim}

    def project(local: str) -> str:
        flat = _matrix(b, at, x, inner, f"attention.{local}", local, f"{at.path}.{local}")
        return b.emit(ops.Reshape(f"{flat.name}.heads", flat.name, f"{at.path}.heads", heads, split=True))

    q, k, v = project("q"), project("k"), project("v")
    dots = b.emit(ops.Dot(f"{at.path}.dots", q, k, head_dim))
    site = at.site("logits", "attention.logits", required=True)
    logits = b.emit(ops.Scale(site, dots, site))
    weights = b.emit(ops.Softmax(f"{at.path}.weights", logits, context))
    mixed = b.emit(ops.Mix(f"{at.path}.mixed", weights, v, context))
    merged = b.emit(ops.Reshape(f"{at.path}.merged", mixed, f"{at.path}.heads", heads, split=False))
    site = at.site("output", "attention.output")
    scaled = Value(b.emit(ops.Scale(site, merged, site)), inner)
    return _matrix(b, at, scaled, x.width, "attention.o", "o", f"{at.path}.o")


def _mlp(b: Builder, at: Block, x: Value) -> Value:
    at.options["input"] = x.width
    hidden = _matrix(b, at, x, at.size("width"), "mlp.up", "up", f"{at.path}.up")
    active = b.emit(ops.Elementwise(f"{at.path}.activation", hidden.name, NONLINEARITIES[at.word("act")]))
    site = at.site("act", "mlp.act")
    scaled = Value(b.emit(ops.Scale(site, active, site)), hidden.width)
    return _matrix(b, at, scaled, x.width, "mlp.down", "down", f"{at.path}.down")


# ---- composition -----------------------------------------------------------------------------
def _residual(b: Builder, at: Block, x: Value) -> Value:
    """`x * skip + f(x) * scale`; its site is called after the first layer inside."""
    inner = b.sequence(at, x)
    at.same_width(x, inner)
    kinds = at.layer_kinds()
    path = b.unique(f"{at.place.path}residual.{kinds[0] if kinds else 'empty'}")
    site = at.site(
        "scale", "residual", *(f"residual.{kind}" for kind in kinds), path=path, attributes=("scale", "skip")
    )
    branch = b.emit(ops.Scale(f"{site}.branch", inner.name, site))
    skip = b.emit(ops.Scale(f"{site}.skip", x.name, site, "skip"))
    return Value(b.emit(ops.Add(site, (skip, branch))), x.width)


def _sum(b: Builder, at: Block, x: Value) -> Value:
    """Parallel branches on one input, added."""
    outs = b.parallel(at, x)
    for out in outs:
        at.same_width(outs[0], out)
    return Value(b.emit(ops.Add(b.unique(f"{at.place.path}sum"), tuple(o.name for o in outs))), outs[0].width)


def _branch(b: Builder, at: Block, x: Value) -> Value:
    return b.sequence(at, x)


def _repeat(b: Builder, at: Block, x: Value) -> Value:
    """`count` copies in a row, each with weights of its own; the width stays."""
    carried, count = Value(f"{at.path}.in", x.width), at.size("count")
    inside = Place(
        f"{at.path}.",
        f"{at.place.stored}{at.stored}.{{{at.path}}}.",
        at.within,
        (*at.place.axes, Axis(at.path, count)),
    )
    with b.nested() as body:
        out = b.sequence(at, carried, inside)
    at.same_width(x, out)
    repeat = ops.Repeat(at.path, x.name, at.path, count, carried.name, out.name, tuple(body))
    return Value(b.emit(repeat), x.width)


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
    BlockSpec(
        "norm", (Option("kind", "word", 0, ("layer",), "layer"), Option("gain", "flag", default=True)), _norm, "norm"
    ),
    BlockSpec(
        "attention",
        (Option("heads", "size"), Option("head_dim", "size", optional=True), Option("causal", "flag", default=False)),
        _attention,
        "attention",
    ),
    BlockSpec(
        "mlp", (Option("width", "size"), Option("act", "word", None, tuple(NONLINEARITIES), "gelu")), _mlp, "mlp"
    ),
    BlockSpec("linear", (Option("size", "size", 0),), _linear, "linear"),
    BlockSpec("act", (Option("function", "word", 0, tuple(NONLINEARITIES)),), _act, "act"),
    BlockSpec("readout", (Option("size", "size", 0),), _readout, "readout"),
    BlockSpec("residual", (), _residual, None, body=True),
    BlockSpec("sum", (), _sum, None, body=True),
    BlockSpec("branch", (), _branch, None, body=True),
    BlockSpec("repeat", (Option("count", "size", 0),), _repeat, "block", "blocks", body=True),
)
BLOCKS: Mapping[str, BlockSpec] = {spec.kind: spec for spec in SPECS}

# Blocks and options of the language that this version does not lower yet: said so, never guessed.
PLANNED_BLOCKS = ("modulate", "patch", "conv", "timestep", "label", "lora", "sparse", "dropout", "moe")
PLANNED_OPTIONS = (
    "kv_heads",
    "rope",
    "qk_norm",
    "tied",
    "bias",
    "rms",
    "swiglu",
    "gate",
    "by",
    "context",
    "sincos",
)
