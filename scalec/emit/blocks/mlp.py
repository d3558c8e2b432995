"""The feed-forward block, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import activation, call, matrix
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region


def _mlp(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    hidden = activation(region, "act", matrix(m, region, "up", "up", Expr("x")))
    active = m.site_factor(region, "act", "act_scale") + hidden.text
    return call(w, region, m.define("MLP", matrix(m, region, "down", "down", Expr(active))), x)


EMITTERS: dict[str, Emitter] = {
    "mlp": _mlp,
}
