"""The feed-forward block, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import activation, call, chance, matrix
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.blocks.mlp import GATES
from scalec.program.program import Region


def _mlp(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return call(w, region, feed_forward(w, region), x)


def feed_forward(w: ModuleWriter, region: Region, part: str = "") -> str:
    """The class of a feed-forward, of the part of a larger block that `part` names (`shared.`)."""
    m = w.child()
    word = str(region.option("act"))
    gate = matrix(m, region, f"{part}gate", "gate", Expr("x")) if word in GATES else None
    hidden = matrix(m, region, f"{part}up", "up", Expr("x"))
    product = bent(word, hidden, gate)
    scale = m.site_factor(region, f"{part}act", "act_scale")
    scaled = m.short(Expr(scale + product.factor) if scale else product)
    p = chance(region, "dropout")
    if p:
        scaled = Expr(f"{m.attribute('dropout', f'nn.Dropout({p})')}({scaled.text})")
    return m.define("MLP", matrix(m, region, f"{part}down", "down", scaled))


def bent(word: str, hidden: Expr, gate: Expr | None) -> Expr:
    """`f(hidden)`, or `f(gate) * hidden`."""
    active = activation(GATES.get(word, word), gate or hidden)
    return Expr(f"{active.text} * {hidden.factor}") if gate else active


EMITTERS: dict[str, Emitter] = {
    "mlp": _mlp,
}
