"""Single layers, in PyTorch."""

from __future__ import annotations

from fractions import Fraction

from scalec.emit.blocks.modifiers import adapted
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region

RMS_EPS = ["eps=1e-5"]  # as LayerNorm's; torch's own default depends on the dtype
ACTIVATIONS = {
    "identity": "{}",
    "relu": "F.relu({})",
    "gelu": "F.gelu({})",
    "silu": "F.silu({})",
    "square_relu": "F.relu({}).square()",
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
}
NORMS = {"layer": "nn.LayerNorm", "rms": "nn.RMSNorm"}


def linear(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return matrix(w, region, "weight", region.name, x)


def matrix(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """A dense weight on its input, with what the network's modifiers make of it."""
    return adapted(w, region, local, name, x)


def _act(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return activation(str(region.option("function")), x)


def activation(function: str, x: Expr) -> Expr:
    """A function on a value; the identity leaves it as it stands."""
    written = ACTIVATIONS[function]
    return x if written == "{}" else Expr(written.format(x.text))


def _norm(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    kind, name = str(region.option("kind")), region.name
    gain, bias = region.option("gain"), region.option("bias")
    options = RMS_EPS if kind == "rms" else []
    if not gain:
        options = [*options, "elementwise_affine=False"]
    elif kind == "layer" and not bias:
        options = ["bias=False"]
    norm = w.attribute(name, f"{NORMS[kind]}({', '.join([w.size(region, 'width'), *options])})")
    factor = w.tensor_factor(region, "gain", f"{name}_scale") if gain else ""
    shift = w.tensor_factor(region, "bias", f"{name}_bias_scale") if bias else ""
    if not bias or not (factor or shift):
        return Expr(f"{factor}{norm}({x.text})")
    parts = (x.text, f"{norm}.normalized_shape", f"{factor}{norm}.weight", f"{shift}{norm}.bias", f"{norm}.eps")
    return Expr(f"F.layer_norm({', '.join(parts)})")


def _dropout(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    module = w.attribute(region.name, f"nn.Dropout({chance(region, 'p')})")
    return Expr(f"{module}({x.text})")


def chance(region: Region, option: str) -> str | None:
    """Text of an option in [0, 1), None where it is not given."""
    value = dict(region.options).get(option)
    assert value is None or isinstance(value, Fraction)
    return None if value is None else repr(float(value))


def call(w: ModuleWriter, region: Region, name: str, x: Expr, *beside: str) -> Expr:
    """The block's module on its input; `beside`: the side streams that it reads."""
    return Expr(w.attribute(region.name, w.built(name)) + f"({', '.join([x.text, *map(w.read, beside)])})")


EMITTERS: dict[str, Emitter] = {
    "linear": linear,
    "act": _act,
    "norm": _norm,
    "dropout": _dropout,
}
