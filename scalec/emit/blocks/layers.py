"""Single layers, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region

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


def linear(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return matrix(w, region, "weight", region.name, x)


def matrix(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """A weight on its input. A forward multiplier goes on the input: at a readout the smaller side."""
    fan_out, fan_in = map(w.whole, w.tensor(region, local).shape)
    module = w.attribute(name, f"nn.Linear({fan_in}, {fan_out}, bias=False)")
    factor = w.tensor_factor(region, local, f"{name}_scale")
    return Expr(f"{module}({factor}{x.factor if factor else x.text})")


def _act(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return activation(region, "function", x)


def activation(region: Region, option: str, x: Expr) -> Expr:
    return Expr(ACTIVATIONS[str(region.option(option))].format(x.text))


def _norm(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    module, with_gain, without = NORMS[str(region.option("kind"))]
    gain = region.option("gain")
    norm = w.attribute(region.name, f"{module}({w.size(region, 'width')}, {with_gain if gain else without})")
    factor = w.tensor_factor(region, "gain", f"{region.name}_scale") if gain else ""
    return Expr(f"{factor}{norm}({x.text})")


def call(w: ModuleWriter, region: Region, name: str, x: Expr, *beside: str) -> Expr:
    """The block's module on its input; `beside`: the side streams that it reads."""
    return Expr(w.attribute(region.name, f"{name}(config)") + f"({', '.join([x.text, *map(w.read, beside)])})")


EMITTERS: dict[str, Emitter] = {
    "linear": linear,
    "act": _act,
    "norm": _norm,
}
