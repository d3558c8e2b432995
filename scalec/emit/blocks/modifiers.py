"""What a network's modifiers make of a dense weight, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region
from scalec.symbolic.formula import UNIT

Applied = Callable[[ModuleWriter, Region, str, str, Expr], Expr]  # a weight, by its local name and its module's, on x


def dense(w: ModuleWriter, region: Region, local: str, name: str, x: Expr) -> Expr:
    """A weight and its bias on their input. A forward multiplier goes on the input: at a readout the smaller side."""
    tensor = w.tensor(region, local)
    bias = "bias" if local == "weight" else f"{local}.bias"
    biased = bias in dict(region.tensors)
    sides = [w.whole(side) for side in reversed(tensor.shape)]
    module = kept_in(w, region, local, name, "Linear", [*sides, *([] if biased else ["bias=False"])])
    factor = w.tensor_factor(region, local, f"{name}_scale")
    scaled = f"{factor}{x.factor if factor else x.text}"
    shift = w.tensor_factor(region, bias, f"{name}_bias_scale") if biased else ""
    if not shift:
        return Expr(f"{module}({scaled})")
    weight = f"{module}.weight" if tensor.density == UNIT else f"{module}.kept()"
    return Expr(f"F.linear({scaled}, {weight}, {shift}{module}.bias)")


def kept_in(w: ModuleWriter, region: Region, local: str, name: str, kind: str, arguments: list[str]) -> str:
    """The module of a weight: torch's, or where only a share of the entries is kept one that keeps it."""
    density = w.tensor(region, local).density
    if density == UNIT:
        return w.attribute(name, f"nn.{kind}({', '.join(arguments)})")
    made = w.library.define(f"Sparse{kind}", SPARSE.format(name="{name}", kind=kind, **KEPT[kind]))
    return w.attribute(name, f"{made}({', '.join([*arguments, f'density={w.number(density)}'])})")


def adapted(w: ModuleWriter, region: Region, local: str, name: str, x: Expr, applied: Applied = dense) -> Expr:
    """`W x`, and where the weight has an adapter, `W x + scale * B A x`. A is `applied` as W is."""
    lora = adapter_of(region, local)
    if lora is None:
        return applied(w, region, local, name, x)
    x = x if x.text.isidentifier() else Expr(w.named(x))
    out = applied(w, region, local, name, x)
    inner = applied(w, region, f"{lora}.a", f"{name}_lora_a", x)
    with w.inside():
        change = w.own(dense(w, region, f"{lora}.b", f"{name}_lora_b", inner))
    scale = w.site_factor(region, lora, f"{name}_lora_scale")
    return Expr(f"{out.text} + {scale}{change}", loose=True)


def adapter_of(region: Region, local: str) -> str | None:
    """The local name of the adapter beside a weight, None where there is none."""
    lora = "lora" if local == "weight" else f"{local}.lora"
    return lora if lora in dict(region.sites) else None


KEPT = {
    "Linear": {"what": "A linear map", "applied": "F.linear(x, self.kept(), self.bias)"},
    "Conv2d": {"what": "A convolution", "applied": "self._conv_forward(x, self.kept(), self.bias)"},
}

SPARSE = '''
class {name}(nn.{kind}):
    """{what} whose weights outside a mask are 0, before and after training.

    `density` is the chance of a weight to be inside.
    """

    def __init__(self, *sizes: int, density: float, **options: int) -> None:
        super().__init__(*sizes, **options)
        self.density = density
        mask = torch.ones_like(self.weight, dtype=torch.bool)
        self.register_buffer("weight_mask", mask)

    def draw_mask(self, generator: torch.Generator) -> None:
        draw(self.weight_mask, self.density, generator)

    def kept(self) -> Tensor:
        return self.weight * self.weight_mask

    def forward(self, x: Tensor) -> Tensor:
        return {applied}'''.strip()
