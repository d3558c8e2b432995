"""Attention: dot products, softmax over the context, weighted sum of values.

Latent attention (arXiv:2405.04434) makes queries, keys and values of vectors of a small rank, behind a norm; positions
turn coordinates of their own, of which all heads read one key.
"""

from __future__ import annotations

from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks import rotary
from scalec.program.blocks.layers import BIAS, DROPOUT, matrix, normalised
from scalec.program.building import Block, Builder
from scalec.program.program import Parts
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Value
from scalec.resolve.vocabulary import HEADS
from scalec.symbolic.formula import UNIT, Formula, add, divide, mul

LATENT = ("q_rank", "rope_dim")  # what is said of latent attention alone
DIRECT = ("kv_heads", "qk_norm", "rope", "context")  # and of any other alone


@dataclass(frozen=True)
class _Heads:
    """`head_dim` coordinates for each head; the axes that queries are split into, outermost first.

    With fewer keys than queries, a head is one of the `group` that read the same key.
    """

    head_dim: Formula
    axes: tuple[tuple[str, Formula], ...]

    @property
    def keys(self) -> tuple[tuple[str, Formula], ...]:
        return self.axes[:1]


def _attention(b: Builder, at: Block, x: Value) -> Value:
    latent = "kv_rank" in at.options
    odd = [name for name in (DIRECT if latent else LATENT) if at.options.get(name, False) is not False]
    for name in odd:
        said = f"`{name}` says nothing of latent attention" if latent else f"`{name}` says nothing without `kv_rank`"
        b.reporter.report(codes.OPTION, said, at.node.span)
    return _latent(b, at, x) if latent else _direct(b, at, x)


def _direct(b: Builder, at: Block, x: Value) -> Value:
    """Multi-head attention, to the stream itself or to a side stream: dot product, softmax over the context,
    weighted sum of values.
    """
    heads, (seen, context) = _heads(b, at, x), _seen(b, at, x)
    q = _project(b, at, x, "q", heads, heads.axes)
    k, v = (_shared(b, at, _project(b, at, seen, local, heads, heads.keys), local, heads.axes[1:]) for local in "kv")
    dots = b.emit(ops.Dot(f"{at.path}.dots", q, k, heads.head_dim))
    return _mixed(b, at, x, dots, v, context, heads)


def _mixed(b: Builder, at: Block, x: Value, dots: str, v: str, context: Formula, heads: _Heads) -> Value:
    """What becomes of the dot products: weights of values, whose sum all heads put together."""
    site = at.site("logits", "attention.logits", required=True)
    logits = b.emit(ops.Scale(site, dots, site))
    weights = b.emit(ops.Softmax(f"{at.path}.weights", logits, context))
    merged = b.emit(ops.Mix(f"{at.path}.mixed", weights, v, context))
    for axis, count in reversed(heads.axes):
        name = f"{at.path}.merged" if axis == heads.axes[0][0] else f"{axis}.merged"
        merged = b.emit(ops.Reshape(name, merged, axis, count, split=False))
    site = at.site("output", "attention.output")
    count = mul(*(n for _, n in heads.axes))
    scaled = Value(b.emit(ops.Scale(site, merged, site)), mul(heads.head_dim, count))
    return matrix(b, at, scaled, x.width, "attention.o", "o", parts=Parts(HEADS, count, "fan_in"))


# ---- latent ------------------------------------------------------------------------------------
def _latent(b: Builder, at: Block, x: Value) -> Value:
    """`head_dim` coordinates of a head come from what the stream is compressed to, `rope_dim` more say positions."""
    count = at.size("heads")
    head_dim = at.options["head_dim"] = at.size("head_dim") if "head_dim" in at.options else divide(x.width, count)
    turned = at.size("rope_dim") if "rope_dim" in at.options else None
    at.options["width"] = x.width
    at.relative |= {"heads": count, "kv_heads": count, "head_dim": add(head_dim, turned) if turned else head_dim}
    rotary.rotary(b, at, turned, "rope_dim")
    heads = _Heads(head_dim, ((f"{at.path}.heads", count),))
    queries, latent = _compressed(b, at, x, "q"), _compressed(b, at, x, "kv")
    q, k, v = (
        _project(b, at, s, local, heads, heads.axes) for s, local in ((queries, "q"), (latent, "k"), (latent, "v"))
    )
    dots = b.emit(ops.Dot(f"{at.path}.dots", q, k, head_dim))
    if turned:
        places = _Heads(turned, heads.axes)
        turning = _project(b, at, queries, "q_rope", places, heads.axes)
        key = _shared(b, at, _project(b, at, x, "k_rope", places, ()), "k_rope", heads.axes)
        dots = b.emit(ops.Add(f"{at.path}.sum", (dots, b.emit(ops.Dot(f"{at.path}.turned", turning, key, turned)))))
    return _mixed(b, at, x, dots, v, b.context or UNIT, heads)


def _compressed(b: Builder, at: Block, x: Value, local: str) -> Value:
    """The stream in `rank` coordinates, normalised; the stream itself where no rank is given."""
    if f"{local}_rank" not in at.options:
        return x
    small = matrix(b, at, x, at.size(f"{local}_rank"), f"attention.{local}_down", f"{local}_down")
    gain = at.vector(f"{local}_norm.gain", "norm.gain", small.width)
    return Value(normalised(b, small.name, f"{at.path}.{local}_norm", small.width, False, gain), small.width)


# ---- heads -------------------------------------------------------------------------------------
def _heads(b: Builder, at: Block, x: Value) -> _Heads:
    """Reads the sizes; leaves those that follow from them with the block."""
    count = at.size("heads")
    kv_count = at.size("kv_heads") if "kv_heads" in at.options else count
    head_dim = at.size("head_dim") if "head_dim" in at.options else divide(x.width, count)
    at.options |= {"head_dim": head_dim, "width": x.width}
    at.relative |= {"heads": count, "kv_heads": kv_count, "head_dim": head_dim}
    if at.flag("rope") and "context" in at.options:
        said = "`rope` turns the positions of one stream, and `context` is another"
        b.reporter.fail(codes.OPTION, said, at.node.span)
    rotary.rotary(b, at, head_dim if at.flag("rope") else None, "rope")
    if count == kv_count:
        return _Heads(head_dim, ((f"{at.path}.heads", count),))
    group = at.options["group"] = divide(count, kv_count)
    return _Heads(head_dim, ((f"{at.path}.kv_heads", kv_count), (f"{at.path}.group", group)))


def _project(b: Builder, at: Block, x: Value, local: str, heads: _Heads, axes: tuple[tuple[str, Formula], ...]) -> str:
    """Queries, keys or values, split into heads; queries and keys normalised where asked."""
    count = mul(*(n for _, n in axes))
    parts = Parts(HEADS, count, "fan_out") if axes else None
    value = matrix(b, at, x, mul(heads.head_dim, count), f"attention.{local}", local, parts=parts).name
    for axis, count in axes:
        name = f"{at.path}.{local}.{axis.rpartition('.')[2]}"
        value = b.emit(ops.Reshape(name, value, axis, count, split=True))
    if local not in ("q", "k") or not at.flag("qk_norm"):
        return value
    gain = at.vector(f"{local}_norm.gain", "attention.qk_norm.gain", heads.head_dim)
    return normalised(b, value, f"{at.path}.{local}_norm", heads.head_dim, False, gain)


def _shared(b: Builder, at: Block, value: str, local: str, axes: tuple[tuple[str, Formula], ...]) -> str:
    """A key or value as each head along these axes reads it."""
    for axis, count in axes:
        value = b.emit(ops.Broadcast(f"{at.path}.{local}.shared", value, axis, count))
    return value


def _seen(b: Builder, at: Block, x: Value) -> tuple[Value, Formula]:
    """What keys and values are made of, and how many there are."""
    if "context" not in at.options:
        return x, b.context or UNIT
    stream = at.stream("context")
    if stream.positions is None:
        b.reporter.fail(codes.BLOCK_PLACE, f"`{at.word('context')}` has no positions to attend to", at.node.span)
    if at.flag("causal"):
        b.reporter.report(
            codes.OPTION,
            "`causal` orders the positions of one stream, and `context` is another",
            at.node.span,
            helps=["leave one of them away"],
        )
    return stream.value, stream.positions.context or UNIT


SPECS = (
    BlockSpec(
        "attention",
        (
            Option("heads", "size"),
            Option("kv_heads", "size", optional=True),
            Option("head_dim", "size", optional=True),
            Option("causal", "flag", default=False),
            Option("qk_norm", "flag", default=False),
            Option("rope", "flag", default=False),
            *rotary.OPTIONS,
            Option("context", "stream", optional=True),
            Option("kv_rank", "size", optional=True),
            Option("q_rank", "size", optional=True),
            Option("rope_dim", "size", optional=True),
            BIAS,
            DROPOUT,
        ),
        _attention,
        "attention",
    ),
)
