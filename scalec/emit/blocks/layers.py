"""Single layers, in PyTorch."""

from __future__ import annotations

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
    """A weight on its input. A forward multiplier goes on the input: at a readout the smaller side."""
    fan_out, fan_in = map(w.whole, w.tensor(region, local).shape)
    bias = "bias" if local == "weight" else f"{local}.bias"
    biased = bias in dict(region.tensors)
    module = w.attribute(name, f"nn.Linear({fan_in}, {fan_out}{'' if biased else ', bias=False'})")
    factor = w.tensor_factor(region, local, f"{name}_scale")
    scaled = f"{factor}{x.factor if factor else x.text}"
    shift = w.tensor_factor(region, bias, f"{name}_bias_scale") if biased else ""
    if not shift:
        return Expr(f"{module}({scaled})")
    return Expr(f"F.linear({scaled}, {module}.weight, {shift}{module}.bias)")


def _act(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return activation(str(region.option("function")), x)


def activation(function: str, x: Expr) -> Expr:
    return Expr(ACTIVATIONS[function].format(x.text))


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


def call(w: ModuleWriter, region: Region, name: str, x: Expr, *beside: str) -> Expr:
    """The block's module on its input; `beside`: the side streams that it reads."""
    return Expr(w.attribute(region.name, f"{name}(config)") + f"({', '.join([x.text, *map(w.read, beside)])})")


EMITTERS: dict[str, Emitter] = {
    "linear": linear,
    "act": _act,
    "norm": _norm,
}
