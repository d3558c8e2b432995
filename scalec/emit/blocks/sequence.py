"""Blocks one after the other. The table is filled where the package is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region

Emitter = Callable[[ModuleWriter, Region, Expr], Expr]
EMITTERS: dict[str, Emitter] = {}


def emit_sequence(w: ModuleWriter, regions: Iterable[Region], x: Expr) -> Expr:
    """One block after the other: a statement each on the stream, nested calls inside a residual."""
    for region in regions:
        if not w.depth and region.kind != "act" and x.text != w.argument:
            x = Expr(w.own(x))
        x = EMITTERS[region.kind](w, region, w.short(x))
    return w.short(x) if w.depth else x
