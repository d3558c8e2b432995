"""The feed-forward block, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import activation, call, chance, matrix
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.blocks.mlp import GATES
from scalec.program.program import Region


def _mlp(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    word = str(region.option("act"))
    gate = matrix(m, region, "gate", "gate", Expr("x")) if word in GATES else None
    hidden = matrix(m, region, "up", "up", Expr("x"))
    active = activation(GATES.get(word, word), gate or hidden)
    product = Expr(f"{active.text} * {hidden.factor}") if gate else active
    scale = m.site_factor(region, "act", "act_scale")
    scaled = m.short(Expr(scale + product.factor) if scale else product)
    p = chance(region, "dropout")
    if p:
        scaled = Expr(f"{m.attribute('dropout', f'nn.Dropout({p})')}({scaled.text})")
    return call(w, region, m.define("MLP", matrix(m, region, "down", "down", scaled)), x)


EMITTERS: dict[str, Emitter] = {
    "mlp": _mlp,
}
