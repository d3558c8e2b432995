"""Attention: dot products, softmax over the context, weighted sum of values."""

from __future__ import annotations

from dataclasses import dataclass

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import BIAS, DROPOUT, matrix, normalised
from scalec.program.building import Block, BlockSpec, Builder, Option
from scalec.program.program import OptionValue
from scalec.program.streaming import Value
from scalec.symbolic.formula import UNIT, Formula, divide, mul, number

ROTARY: dict[str, OptionValue] = {"rope_base": number(10000), "rope_layout": "halves"}


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
    """Multi-head attention, to the stream itself or to a side stream: dot product, softmax over the context,
    weighted sum of values.
    """
    heads, (seen, context) = _heads(b, at, x), _seen(b, at, x)
    q = _project(b, at, x, "q", heads, heads.axes)
    k, v = (_shared(b, at, _project(b, at, seen, local, heads, heads.keys), local, heads) for local in "kv")
    dots = b.emit(ops.Dot(f"{at.path}.dots", q, k, heads.head_dim))
    site = at.site("logits", "attention.logits", required=True)
    logits = b.emit(ops.Scale(site, dots, site))
    weights = b.emit(ops.Softmax(f"{at.path}.weights", logits, context))
    merged = b.emit(ops.Mix(f"{at.path}.mixed", weights, v, context))
    for axis, count in reversed(heads.axes):
        name = f"{at.path}.merged" if axis == heads.axes[0][0] else f"{axis}.merged"
        merged = b.emit(ops.Reshape(name, merged, axis, count, split=False))
    site = at.site("output", "attention.output")
    scaled = Value(b.emit(ops.Scale(site, merged, site)), mul(heads.head_dim, *(n for _, n in heads.axes)))
    return matrix(b, at, scaled, x.width, "attention.o", "o")


def _heads(b: Builder, at: Block, x: Value) -> _Heads:
    """Reads the sizes; leaves those that follow from them with the block."""
    count = at.size("heads")
    kv_count = at.size("kv_heads") if "kv_heads" in at.options else count
    head_dim = at.size("head_dim") if "head_dim" in at.options else divide(x.width, count)
    at.options |= {"head_dim": head_dim, "width": x.width}
    at.relative |= {"heads": count, "kv_heads": kv_count, "head_dim": head_dim}
    _rotary(b, at, head_dim)
    if count == kv_count:
        return _Heads(head_dim, ((f"{at.path}.heads", count),))
    group = at.options["group"] = divide(count, kv_count)
    return _Heads(head_dim, ((f"{at.path}.kv_heads", kv_count), (f"{at.path}.group", group)))


def _rotary(b: Builder, at: Block, head_dim: Formula) -> None:
    """Positions turn pairs of coordinates: no weight, no change of any size, nothing for the calculus."""
    if not at.flag("rope"):
        for name in sorted(ROTARY.keys() & at.options.keys()):
            b.reporter.report(codes.OPTION, f"`{name}` says nothing without `rope`", at.node.span)
        return
    if "context" in at.options:
        b.reporter.fail(
            codes.OPTION, "`rope` turns the positions of one stream, and `context` is another", at.node.span
        )
    if b.context is None:
        b.reporter.fail(
            codes.OPTION,
            "`rope` needs to know how many positions there are",
            at.node.span,
            helps=["say it where tokens enter: `embed(..., context = T)`"],
        )
    at.options |= ROTARY | at.options | {"rope_context": b.context, "rope_pairs": divide(head_dim, number(2))}


def _project(b: Builder, at: Block, x: Value, local: str, heads: _Heads, axes: tuple[tuple[str, Formula], ...]) -> str:
    """Queries, keys or values, split into heads; queries and keys normalised where asked."""
    value = matrix(b, at, x, mul(heads.head_dim, *(n for _, n in axes)), f"attention.{local}", local).name
    for axis, count in axes:
        name = f"{at.path}.{local}.{axis.rpartition('.')[2]}"
        value = b.emit(ops.Reshape(name, value, axis, count, split=True))
    if local == "v" or not at.flag("qk_norm"):
        return value
    gain = at.vector(f"{local}_norm.gain", "attention.qk_norm.gain", heads.head_dim)
    return normalised(b, value, f"{at.path}.{local}_norm", heads.head_dim, False, gain)


def _shared(b: Builder, at: Block, value: str, local: str, heads: _Heads) -> str:
    """A key or value as each head of its group reads it."""
    for axis, count in heads.axes[1:]:
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
            Option("rope_base", "size", optional=True),
            Option("rope_layout", "word", None, ("halves", "pairs"), optional=True),
            Option("context", "stream", optional=True),
            BIAS,
            DROPOUT,
        ),
        _attention,
        "attention",
    ),
)
