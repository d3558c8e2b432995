"""Attention, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import call, matrix
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region


def _attention(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    m.attribute("head_dim", m.size(region, "head_dim"))
    context = dict(region.options).get("context")
    seen = Expr(m.read(context)) if isinstance(context, str) else Expr("x")
    for local, source in (("q", Expr("x")), ("k", seen), ("v", seen)):
        m.statements(f"{local}_BHTD = self.split({matrix(m, region, local, local, source).text})")
    output = m.site_factor(region, "output", "output_scale")
    result = matrix(m, region, "o", "o", Expr(f"{output}y_BTN"))
    scale = m.site_value(region, "logits", "scale")
    causal = ["is_causal=True"] if region.option("causal") else []
    m.statements(
        "y_BHTD = F.scaled_dot_product_attention(",
        *(f"    {argument}," for argument in ("q_BHTD", "k_BHTD", "v_BHTD", *causal, f"scale={scale}")),
        ")",
        "y_BTN = y_BHTD.transpose(1, 2).flatten(2)",
    )
    m.methods += SPLIT
    return call(w, region, m.define("Attention", result), x, *m.beside)


SPLIT = '''
    def split(self, x: Tensor) -> Tensor:
        """[B, T, N] to [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)'''.splitlines()


EMITTERS: dict[str, Emitter] = {
    "attention": _attention,
}
