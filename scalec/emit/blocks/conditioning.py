"""What a network is told beside its input, and modulation by it, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.ends import entering, rows_of
from scalec.emit.blocks.layers import matrix
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region


def _timestep(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return Expr(f"waves({entering(w, region, x).text}, {w.size(region, 'pairs')})")


def _modulate(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """A module that gives the modulated stream, and the gate if there is one."""
    m = w.child()
    beside = m.read(str(region.option("by")))
    if region.option("broadcast"):
        m.statements(f"{beside} = {beside}.unsqueeze(1)  # the same at every position")
    shift, scale = (matrix(m, region, part, part, Expr(beside)).text for part in ("shift", "scale"))
    m.statements(f"scale = {scale}")
    result = Expr(f"x * (1 + scale) + {shift}", loose=True)
    gated = bool(region.option("gate"))
    if gated:
        gate = matrix(m, region, "gate", "gate", Expr(beside)).text
        m.returns = "tuple[Tensor, Tensor]"
        result = Expr(f"{result.text}, {gate}")
    module = w.attribute(region.name, w.built(m.define("Modulate", result)))
    called = f"{module}({x.text}, {w.read(beside)})"
    if not gated:
        return Expr(called)
    h = w.fresh()
    w.statements(f"{h}, {w.gate()} = {called}")
    return Expr(h)


EMITTERS: dict[str, Emitter] = {
    "timestep": _timestep,
    "label": rows_of,
    "modulate": _modulate,
}
