"""What a network's modifiers make of a dense weight, in PyTorch."""

from __future__ import annotations

from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region
from scalec.symbolic.formula import UNIT


def dense(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """A weight and its bias on their input. A forward multiplier goes on the input: at a readout the smaller side."""
    tensor = w.tensor(region, local)
    sparse = tensor.density != UNIT
    bias = "bias" if local == "weight" else f"{local}.bias"
    biased = bias in dict(region.tensors)
    made = w.library.define("SparseLinear", SPARSE_LINEAR) if sparse else "nn.Linear"
    sides = [w.whole(side) for side in reversed(tensor.shape)]
    density = [w.number(tensor.density)] if sparse else []
    module = w.attribute(name, f"{made}({', '.join([*sides, *density, *([] if biased else ['bias=False'])])})")
    factor = w.tensor_factor(region, local, f"{name}_scale")
    scaled = f"{factor}{x.factor if factor else x.text}"
    shift = w.tensor_factor(region, bias, f"{name}_bias_scale") if biased else ""
    if not shift:
        return Expr(f"{module}({scaled})")
    weight = f"{module}.kept()" if sparse else f"{module}.weight"
    return Expr(f"F.linear({scaled}, {weight}, {shift}{module}.bias)")


def adapted(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """`W x`, and where the weight has an adapter, `W x + scale * B A x`."""
    lora = "lora" if local == "weight" else f"{local}.lora"
    if lora not in dict(region.sites):
        return dense(w, region, local, name, x)
    x = x if x.text.isidentifier() else Expr(w.named(x))
    out = dense(w, region, local, name, x)
    inner = dense(w, region, f"{lora}.a", f"{name}_lora_a", x)
    with w.inside():
        change = w.own(dense(w, region, f"{lora}.b", f"{name}_lora_b", inner))
    scale = w.site_factor(region, lora, f"{name}_lora_scale")
    return Expr(f"{out.text} + {scale}{change}", loose=True)


SPARSE_LINEAR = '''
class {name}(nn.Linear):
    """A linear map whose weights outside `mask` are 0, before and after training.

    `density` is the chance of a weight to be inside.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        density: float,
        bias: bool = True,
    ) -> None:
        super().__init__(fan_in, fan_out, bias)
        self.density = density
        mask = torch.ones(fan_out, fan_in, dtype=torch.bool)
        self.register_buffer("mask", mask)

    def draw_mask(self, generator: torch.Generator) -> None:
        chances = torch.rand(self.mask.shape, generator=generator, device="cpu")
        self.mask.copy_(chances < self.density)

    def kept(self) -> Tensor:
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kept(), self.bias)'''.strip()
