"""Side streams: values computed beside the stream that blocks after them read by name."""

from __future__ import annotations

from collections.abc import Collection

from scalec import catalogue as codes
from scalec.program.building import Block, Builder
from scalec.program.specs import BlockSpec, Place
from scalec.program.streaming import SideStream, Value
from scalec.symbolic.formula import UNIT
from scalec.syntax import nodes


def _let(b: Builder, at: Block, x: Value) -> Value:
    """Starts with an input of its own, where its first block reads one, else from the stream so far."""
    body = at.node.body or ()
    if b.called.setdefault(at.name, at.path) != at.path:
        said = f"a side stream or an input before it is called `{at.name}`"
        b.reporter.report(codes.DUPLICATE_NAME, said, at.node.span)
    opened = _opened(body, b.openers)
    at.options["opened"] = opened
    inside = Place(f"{at.path}.", f"{at.place.stored}{at.stored}.", at.within, at.place.axes)
    with b.aside(opened, b.depth if at.place.axes else b.depth_of(body)):
        out = b.sequence(at, Value("", UNIT) if opened else x, inside)
        if not out.name:
            b.reporter.fail(codes.BLOCK_PLACE, f"the side stream `{at.name}` is of nothing", at.node.span)
        b.streams[at.name] = SideStream(out, b.positions, at.node.span)
    return x


def _opened(body: tuple[nodes.Block | nodes.Let, ...], openers: Collection[str]) -> bool:
    """Whether an input enters at the start: in the first block, or in a branch of it."""
    first = next((item for item in body if isinstance(item, nodes.Block)), None)
    if first is None:
        return False
    branches = (item for item in first.body or () if isinstance(item, nodes.Block) and item.kind == "branch")
    return first.kind in openers or any(_opened(branch.body or (), openers) for branch in branches)


SPECS = (BlockSpec("let", (), _let, "let", body=True, opens="inside"),)
