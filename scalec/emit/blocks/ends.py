"""Where a network begins and ends, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import linear
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region


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
    out = linear(w, region, x)
    return Expr(w.site_factor(region, "logits", "logits_scale") + out.text)


EMITTERS: dict[str, Emitter] = {
    "input": _input,
    "embed": _embed,
    "position": _position,
    "readout": _readout,
}
