"""How blocks are put together: residual connections, parallel branches, repetition."""

from __future__ import annotations

from scalec.program import ops
from scalec.program.building import Block, Builder
from scalec.program.program import Axis
from scalec.program.specs import BlockSpec, Option, Place
from scalec.program.streaming import Value


def _residual(b: Builder, at: Block, x: Value) -> Value:
    """`x * skip + f(x) * scale`; its site is called after the first layer inside.

    A gate that a block inside has left multiplies `f(x)`.
    """
    positions = b.positions
    with b.gated() as gates:
        inner = b.sequence(at, x)
    at.same_width(x, inner)
    at.same_positions(positions)
    kinds = at.layer_kinds()
    path = b.unique(f"{at.place.path}residual.{kinds[0] if kinds else 'empty'}")
    site = at.site(
        "scale", "residual", *(f"residual.{kind}" for kind in kinds), path=path, attributes=("scale", "skip")
    )
    for gate in gates:
        inner = Value(b.emit(ops.Multiply(b.unique(f"{site}.gated"), inner.name, gate.name)), inner.width)
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
    positions = b.positions
    with b.nested() as body, b.copies(at.path, count, at.node.body or ()):
        out = b.sequence(at, carried, inside)
    at.same_width(x, out)
    at.same_positions(positions)
    repeat = ops.Repeat(at.path, x.name, at.path, count, carried.name, out.name, tuple(body))
    return Value(b.emit(repeat), x.width)


SPECS = (
    BlockSpec("residual", (), _residual, None, body=True),
    BlockSpec("sum", (), _sum, None, body=True, opens="inside"),
    BlockSpec("branch", (), _branch, None, body=True, opens="inside"),
    BlockSpec("repeat", (Option("count", "size", 0),), _repeat, "block", "blocks", body=True),
)
