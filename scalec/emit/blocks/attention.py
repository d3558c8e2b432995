"""Attention, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import RMS_EPS, call, chance, matrix
from scalec.emit.blocks.rotary import rotary
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter, statement
from scalec.program.program import Region


def _attention(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    m.attribute("head_dim", m.size(region, "head_dim"))
    context = dict(region.options).get("context")
    seen = Expr(m.read(context)) if isinstance(context, str) else Expr("x")
    for local, source in (("q", Expr("x")), ("k", seen), ("v", seen)):
        split = f"{local}_BHTD = self.split({matrix(m, region, local, local, source).text})"
        m.statements(*statement(split, 8))
    if region.option("qk_norm"):
        m.statements(*(f"{local}_BHTD = {_norm(m, region, local)}({local}_BHTD)" for local in "qk"))
    if region.option("rope"):
        turn = m.attribute("rotary", rotary(m, region))
        m.statements(*(f"{local}_BHTD = {turn}({local}_BHTD)" for local in "qk"))
    output = m.site_factor(region, "output", "output_scale")
    result = matrix(m, region, "o", "o", Expr(f"{output}y_BTN"))
    p = chance(region, "dropout")
    options = [f"dropout_p={m.attribute('dropout', p)} if self.training else 0.0"] if p else []
    options += ["is_causal=True"] if region.option("causal") else []
    options += [f"scale={m.site_value(region, 'logits', 'scale')}"]
    options += ["enable_gqa=True"] if "group" in dict(region.options) else []
    m.statements(
        "y_BHTD = F.scaled_dot_product_attention(",
        *(f"    {argument}," for argument in ("q_BHTD", "k_BHTD", "v_BHTD", *options)),
        ")",
        "y_BTN = y_BHTD.transpose(1, 2).flatten(2)",
    )
    m.methods += SPLIT
    return call(w, region, m.define("Attention", result), x, *m.beside)


def _norm(m: ModuleWriter, region: Region, local: str) -> str:
    """The norm of queries or keys, over the coordinates of a head."""
    name, (width,) = f"{local}_norm", m.tensor(region, f"{local}_norm.gain").shape
    norm = m.attribute(name, f"nn.RMSNorm({', '.join([m.whole(width), *RMS_EPS])})")
    return m.tensor_factor(region, f"{name}.gain", f"{name}_scale") + norm


SPLIT = '''
    def split(self, x: Tensor) -> Tensor:
        """[B, T, N] to [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)'''.splitlines()


EMITTERS: dict[str, Emitter] = {
    "attention": _attention,
}
