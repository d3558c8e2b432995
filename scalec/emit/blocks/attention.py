"""Attention, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import RMS_EPS, call, chance, matrix
from scalec.emit.blocks.rotary import rotary
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter, statement
from scalec.program.program import Region


def _attention(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return _latent(w, region, x) if "kv_rank" in dict(region.options) else _direct(w, region, x)


def _direct(w: ModuleWriter, region: Region, x: Expr) -> Expr:
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
    m.methods += SPLIT.format(to="(-1, self.head_dim)").splitlines()
    return call(w, region, m.define("Attention", _mixed(m, region)), x, *m.beside)


def _latent(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Queries, keys and values of compressed vectors; the coordinates that positions turn are put beside them."""
    m = w.child()
    m.attribute("heads", m.size(region, "heads"))
    queries, latent = _compressed(m, region, "q"), _compressed(m, region, "kv")
    for local, source in (("q", queries), ("k", latent), ("v", latent)):
        m.statements(*statement(f"{local}_BHTD = self.split({matrix(m, region, local, local, source).text})", 8))
    if "rope_dim" in dict(region.options):
        turn = m.attribute("rotary", rotary(m, region))
        q, k = (
            matrix(m, region, f"{local}_rope", f"{local}_rope", s).text
            for local, s in (("q", queries), ("k", Expr("x")))
        )
        m.statements(*statement(f"q_rope_BHTR = {turn}(self.split({q}))", 8))
        m.statements(*statement(f"k_rope_BTR = {k}", 8))
        m.statements(
            f"k_rope_BHTR = {turn}(k_rope_BTR.unsqueeze(1)).expand_as(q_rope_BHTR)",
            *(f"{local}_BHTD = torch.cat([{local}_BHTD, {local}_rope_BHTR], dim=-1)" for local in "qk"),
        )
    m.methods += SPLIT.format(to="(self.heads, -1)").splitlines()
    return call(w, region, m.define("LatentAttention", _mixed(m, region)), x)


def _compressed(m: ModuleWriter, region: Region, local: str) -> Expr:
    """The stream in a few coordinates, normalised, where a rank is given."""
    if f"{local}_rank" not in dict(region.options):
        return Expr("x")
    small, name = matrix(m, region, f"{local}_down", f"{local}_down", Expr("x")), f"{local}_BTR"
    m.statements(*statement(f"{name} = {_norm(m, region, local)}({small.text})", 8))
    return Expr(name)


def _mixed(m: ModuleWriter, region: Region) -> Expr:
    """Values weighed by how well keys fit queries, put together again."""
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
    output = m.site_factor(region, "output", "output_scale")
    return matrix(m, region, "o", "o", Expr(f"{output}y_BTN"))


def _norm(m: ModuleWriter, region: Region, local: str) -> str:
    """The norm of queries or keys, over the coordinates of a head, or of what they are compressed to."""
    name, (width,) = f"{local}_norm", m.tensor(region, f"{local}_norm.gain").shape
    norm = m.attribute(name, f"nn.RMSNorm({', '.join([m.whole(width), *RMS_EPS])})")
    return m.tensor_factor(region, f"{name}.gain", f"{name}_scale") + norm


SPLIT = '''
    def split(self, x: Tensor) -> Tensor:
        """[B, T, N] to [B, H, T, D]."""
        return x.unflatten(-1, {to}).transpose(1, 2)'''


EMITTERS: dict[str, Emitter] = {
    "attention": _attention,
}
