"""Images as streams: a position for each patch, row by row; convolutions, and the mean over positions."""

from __future__ import annotations

from scalec import catalogue as codes
from scalec.program import ops
from scalec.program.blocks.layers import BIAS, matrix
from scalec.program.building import Block, Builder
from scalec.program.specs import BlockSpec, Option
from scalec.program.streaming import Positions, Value
from scalec.symbolic.formula import UNIT, Formula, as_number, divide, mul
from scalec.symbolic.text import plain


def _image(b: Builder, at: Block, x: Value) -> Value:
    """An image enters, a position for each of its pixels."""
    channels, side = at.size("channels"), at.size("side")
    b.positions = _grid(at, side)
    return Value(b.emit(ops.Input(at.path, channels, one_hot=False)), channels)


def _patch(b: Builder, at: Block, x: Value) -> Value:
    """An image enters, cut into squares; one linear map on the pixels of each."""
    side, size, width = at.size("side"), at.size("size"), at.size("width")
    _fixed(b, at, side, size)
    b.positions = _grid(at, divide(side, size))
    kernel = at.relative["kernel"] = mul(size, size)
    pixels = mul(at.size("channels"), kernel)
    entered = b.emit(ops.Input(f"{at.path}.pixels", pixels, one_hot=False))
    at.options["pixels"] = pixels
    return matrix(b, at, Value(entered, pixels), width, "patch", "weight")


def _conv(b: Builder, at: Block, x: Value) -> Value:
    """A linear map on the neighbours of each position, edges padded with zeros."""
    channels, size, stride, groups = (at.size(name) for name in ("channels", "size", "stride", "groups"))
    if b.positions is None or b.positions.side is None:
        b.reporter.fail(
            codes.BLOCK_PLACE,
            "`conv` reads an image",
            at.node.span,
            helps=["a stream of one begins with `image(channels = C, side = S)` or `patch(...)`"],
        )
    _fixed(b, at, size, stride, groups)
    _odd(b, at, size)
    at.options |= {"input": x.width, "side": b.positions.side}
    if stride != UNIT:
        b.positions = _grid(at, divide(b.positions.side, stride))
    kernel = at.relative["kernel"] = mul(size, size)
    fan_in = divide(mul(x.width, kernel), groups)
    seen = b.emit(ops.Gather(f"{at.path}.seen", x.name, divide(kernel, groups)))
    if groups != UNIT and b.modifier("lora", "conv"):
        b.reporter.fail(
            codes.OPTION,
            "a `conv` of several groups takes no `lora`",
            at.node.span,
            notes=["the adapter of one weight would join what the groups keep apart"],
        )
    sides = (divide(x.width, groups), size, size)
    return matrix(b, at, Value(seen, fan_in), channels, "conv", "weight", sides=sides)


def _pool(b: Builder, at: Block, x: Value) -> Value:
    """The mean over positions."""
    if b.positions is None:
        b.reporter.fail(codes.BLOCK_PLACE, "the stream that `pool` reads has one vector already", at.node.span)
    b.positions = None
    return Value(b.emit(ops.Gather(at.path, x.name, UNIT)), x.width)


def _grid(at: Block, side: Formula) -> Positions:
    return Positions(at.path, mul(side, side), side)


def _odd(b: Builder, at: Block, size: Formula) -> None:
    known = as_number(size)
    if known is not None and known % 2 == 0:
        b.reporter.report(codes.OPTION, f"a kernel has a middle: its side is odd, not {known}", at.node.span)


def _fixed(b: Builder, at: Block, *sizes: Formula) -> None:
    """Sums over a window are sums over a number of terms that stays."""
    for size in sizes:
        if b.grows(size):
            b.reporter.report(
                codes.OPTION,
                f"`{plain(size)}` of `{at.spec.kind}` may grow",
                at.node.span,
                notes=["sides of images and of kernels, strides and groups are fixed"],
                helps=["list it under `fixed` in the network"],
            )


SPECS = (
    BlockSpec("image", (Option("channels", "size"), Option("side", "size")), _image, "image", opens="yes"),
    BlockSpec(
        "patch",
        (*(Option(name, "size") for name in ("channels", "size", "side", "width")), BIAS),
        _patch,
        "patch",
        opens="yes",
    ),
    BlockSpec(
        "conv",
        (
            Option("channels", "size", 0),
            Option("size", "size", 1),
            Option("stride", "size", default=UNIT),
            Option("groups", "size", default=UNIT),
        ),
        _conv,
        "conv",
    ),
    BlockSpec("pool", (), _pool, "pool"),
)
