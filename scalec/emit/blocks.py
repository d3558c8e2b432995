"""How each block of the language is written in PyTorch. One entry a block; compositions recurse.

An emitter gets the module being written, the block's region and the expression of its input, and
gives the expression of its output; what it needs besides it leaves in the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scalec.emit.modules import LONG, Expr, ModuleWriter
from scalec.emit.names import camel
from scalec.program.program import Region

Emitter = Callable[[ModuleWriter, Region, Expr], Expr]

ACTIVATIONS = {
    "identity": "{}",
    "relu": "F.relu({})",
    "gelu": "F.gelu({})",
    "silu": "F.silu({})",
    "square_relu": "F.relu({}).square()",
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
}
NORMS = {"layer": ("nn.LayerNorm", "bias=False", "elementwise_affine=False")}


def emit_sequence(w: ModuleWriter, regions: Iterable[Region], x: Expr) -> Expr:
    """One block after the other: a statement each on the stream, nested calls inside a residual."""
    for region in regions:
        if not w.depth and region.kind != "act" and x.text != w.argument:
            x = Expr(w.own(x))
        x = w.short(EMITTERS[region.kind](w, region, x))
    return x


# ---- ends of the network ---------------------------------------------------------------------
def _input(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return x


def _embed(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return Expr(f"{_rows(w, region)}({x.text})")


def _position(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """A row for each position, added to the stream."""
    stream = w.named(x)
    return Expr(f"{stream} + {_rows(w, region)}.weight[: {stream}.size(1)]", loose=True)


def _rows(w: ModuleWriter, region: Region) -> str:
    rows, width = map(w.whole, w.tensor(region, "weight").shape)
    table = w.attribute(region.name, f"nn.Embedding({rows}, {width})")
    return w.tensor_factor(region, "weight", f"{region.name}_scale") + table


def _readout(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    out = _linear(w, region, x)
    return Expr(w.site_factor(region, "logits", "logits_scale") + out.text)


# ---- layers ----------------------------------------------------------------------------------
def _linear(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return _matrix(w, region, "weight", region.name, x)


def _matrix(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """A weight on its input. A forward multiplier goes on the input: at a readout the smaller side."""
    fan_out, fan_in = map(w.whole, w.tensor(region, local).shape)
    module = w.attribute(name, f"nn.Linear({fan_in}, {fan_out}, bias=False)")
    factor = w.tensor_factor(region, local, f"{name}_scale")
    return Expr(f"{module}({factor}{x.factor if factor else x.text})")


def _act(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return _activation(region, "function", x)


def _activation(region: Region, option: str, x: Expr) -> Expr:
    return Expr(ACTIVATIONS[str(region.option(option))].format(x.text))


def _norm(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    module, with_gain, without = NORMS[str(region.option("kind"))]
    gain = region.option("gain")
    norm = w.attribute(region.name, f"{module}({w.size(region, 'width')}, {with_gain if gain else without})")
    factor = w.tensor_factor(region, "gain", f"{region.name}_scale") if gain else ""
    return Expr(f"{factor}{norm}({x.text})")


def _mlp(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    hidden = _activation(region, "act", _matrix(m, region, "up", "up", Expr("x")))
    active = m.site_factor(region, "act", "act_scale") + hidden.text
    return _call(w, region, m.define("MLP", _matrix(m, region, "down", "down", Expr(active))), x)


def _attention(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    m.attribute("head_dim", m.size(region, "head_dim"))
    for local in "qkv":
        m.statements(f"{local}_BHTD = self.split({_matrix(m, region, local, local, Expr('x')).text})")
    output = m.site_factor(region, "output", "output_scale")
    result = _matrix(m, region, "o", "o", Expr(f"{output}y_BTN"))
    scale = m.site_value(region, "logits", "scale")
    causal = ["is_causal=True"] if region.option("causal") else []
    m.statements(
        "y_BHTD = F.scaled_dot_product_attention(",
        *(f"    {argument}," for argument in ("q_BHTD", "k_BHTD", "v_BHTD", *causal, f"scale={scale}")),
        ")",
        "y_BTN = y_BHTD.transpose(1, 2).flatten(2)",
    )
    m.methods += SPLIT
    return _call(w, region, m.define("Attention", result), x)


SPLIT = '''
    def split(self, x: Tensor) -> Tensor:
        """[B, T, N] to [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)'''.splitlines()


def _call(w: ModuleWriter, region: Region, name: str, x: Expr) -> Expr:
    return Expr(w.attribute(region.name, f"{name}(config)") + f"({x.text})")


# ---- composition -----------------------------------------------------------------------------
def _residual(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """`skip * x + scale * f(x)`."""
    stream = w.named(x)
    with w.inside():
        inner = emit_sequence(w, region.children, Expr(stream))
    name = dict(region.sites)["scale"].rpartition("residual.")[2].replace(".", "_")
    skip = w.site_factor(region, "scale", f"{name}_skip", "skip")
    scale = w.site_factor(region, "scale", f"{name}_residual")
    if len(f"{skip}{stream} + {scale}{inner.text}") > LONG:
        with w.inside():
            inner = Expr(w.own(inner))
    return Expr(f"{skip}{stream} + {scale}{inner.factor if scale else inner.text}", loose=True)


def _sum(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Each branch on the same input."""
    stream = Expr(w.named(x))
    with w.inside():
        terms = [EMITTERS[branch.kind](w, branch, stream).text for branch in region.children]
    return Expr(" + ".join(terms), loose=len(terms) > 1)


def _branch(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return emit_sequence(w, region.children, x)


def _repeat(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """A class for the block, a `ModuleList` of its copies, a loop over them."""
    m = w.child()
    out = emit_sequence(m, region.children, Expr("x"))
    name = camel(region.path.rpartition(".")[2])
    block = m.define(name if name.startswith("Block") else f"{name}Block", out)
    w.attribute(region.name, f"nn.ModuleList({block}(config) for _ in range({w.size(region, 'count')}))")
    stream = w.own(x)
    w.statements(f"for block in self.{region.name}:", f"    {stream} = block({stream})")
    return Expr(stream)


EMITTERS: dict[str, Emitter] = {
    "input": _input,
    "embed": _embed,
    "position": _position,
    "norm": _norm,
    "attention": _attention,
    "mlp": _mlp,
    "linear": _linear,
    "act": _act,
    "readout": _readout,
    "residual": _residual,
    "sum": _sum,
    "branch": _branch,
    "repeat": _repeat,
}
