"""Images, in PyTorch: a stream of one is [B, T, N] with its rows one after the other, as any other stream."""

from __future__ import annotations

from collections.abc import Iterator

from scalec.emit.blocks.ends import entering
from scalec.emit.blocks.layers import matrix
from scalec.emit.blocks.modifiers import adapted, kept_in
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region
from scalec.symbolic.formula import UNIT


def _image(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return Expr(f"{entering(w, region, x).text}.flatten(2).transpose(1, 2)")


def _patch(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Squares of pixels as rows, and a linear map."""
    size = w.attribute(f"{region.name}_size", w.size(region, "size"))
    pixels = w.own(Expr(f"F.unfold({entering(w, region, x).text}, {size}, stride={size})"))
    return matrix(w, region, "weight", region.name, Expr(f"{pixels}.transpose(1, 2)"))


def _conv(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """A convolution between two changes of layout."""
    side = w.attribute(f"{region.name}_side", w.size(region, "side"))
    image, stream = w.fresh("image"), w.named(x)
    w.statements(f"{image} = {stream}.transpose(1, 2).unflatten(2, ({side}, -1))")
    return adapted(w, region, "weight", region.name, Expr(image), _convolved)


def _convolved(w: ModuleWriter, region: Region, local: str, name: str, image: Expr) -> Expr:
    """A kernel on an image: a vector for each position."""
    kernel = kept_in(w, region, local, name, "Conv2d", list(_conv_arguments(w, region, local)))
    factor = w.tensor_factor(region, local, f"{name}_scale")
    return Expr(f"{kernel}({factor}{image.text}).flatten(2).transpose(1, 2)")


def _conv_arguments(w: ModuleWriter, region: Region, local: str) -> Iterator[str]:
    """Torch's: edges are padded such that only the stride changes the number of positions."""
    yield from (w.size(region, "input"), w.whole(w.tensor(region, local).shape[0]), w.size(region, "size"))
    for option in ("stride", "groups"):
        if region.option(option) != UNIT:
            yield f"{option}={w.size(region, option)}"
    size = w.size(region, "size")
    if size != "1":
        yield f"padding={int(size) // 2 if size.isdigit() else f'whole({size} - 1, 2)'}"
    yield "bias=False"


def _pool(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return Expr(f"{x.factor}.mean(dim=1)")


EMITTERS: dict[str, Emitter] = {
    "image": _image,
    "patch": _patch,
    "conv": _conv,
    "pool": _pool,
}
