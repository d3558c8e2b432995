"""Attention: dot products, softmax over the context, weighted sum of values."""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import matrix
from scalec.program.building import Block, BlockSpec, Builder, Option, Value
from scalec.symbolic.formula import UNIT, Formula, divide, mul


def _attention(b: Builder, at: Block, x: Value) -> Value:
    """Multi-head attention, to the stream itself or to a side stream: dot product, softmax over the context,
    weighted sum of values.
    """
    heads = at.size("heads")
    head_dim = at.size("head_dim") if "head_dim" in at.options else divide(x.width, heads)
    seen, context = _seen(b, at, x)
    inner = mul(heads, head_dim)
    at.options |= {"head_dim": head_dim, "width": x.width}
    at.relative |= {"heads": heads, "kv_heads": heads, "head_dim": head_dim}

    def project(local: str) -> str:
        flat = matrix(b, at, x if local == "q" else seen, inner, f"attention.{local}", local, f"{at.path}.{local}")
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
    return matrix(b, at, scaled, x.width, "attention.o", "o", f"{at.path}.o")


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
            Option("head_dim", "size", optional=True),
            Option("causal", "flag", default=False),
            Option("context", "stream", optional=True),
        ),
        _attention,
        "attention",
    ),
)
