"""Where a network begins and ends, in PyTorch."""

from __future__ import annotations

from scalec.emit.blocks.layers import call, linear
from scalec.emit.blocks.sequence import Emitter
from scalec.emit.modules import Expr, ModuleWriter
from scalec.program.program import Region


def _input(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return entering(w, region, x)


def entering(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """The input that a block reads: the network's first, which is there already, or one with a name of its own."""
    argument = dict(region.options).get("argument")
    return x if argument is None else Expr(w.read(str(argument)))


def _embed(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    return rows_of(w, region, x)


def rows_of(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Rows of a table by their index."""
    return Expr(f"{_rows(w, region)}({entering(w, region, x).text})")


def _position(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """Learned rows or waves, one for each position, added to the stream."""
    if region.option("sincos"):
        return _sincos(w, region, x)
    stream = w.named(x)
    return Expr(f"{stream} + {_rows(w, region)}.weight[: {stream}.size(1)]", loose=True)


def _sincos(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    m = w.child()
    m.attribute("pairs", w.size(region, "pairs"))
    if "side" not in dict(region.options):
        m.statements(
            "places = torch.arange(x.size(1), dtype=x.dtype, device=x.device)",
            "table = waves(places, self.pairs)",
        )
    else:
        m.doc = "Half of the coordinates tell a position's row, the others its column."
        m.attribute("side", w.size(region, "side"))
        m.statements(
            "places = torch.arange(self.side, dtype=x.dtype, device=x.device)",
            "line = waves(places, self.pairs)",
            "rows = line.repeat_interleave(self.side, dim=0)",
            "table = torch.cat([rows, line.repeat(self.side, 1)], dim=-1)",
        )
    return call(w, region, m.define("Position", Expr("x + table", loose=True)), x)


def _rows(w: ModuleWriter, region: Region) -> str:
    rows, width = map(w.whole, w.tensor(region, "weight").shape)
    table = w.attribute(region.name, f"nn.Embedding({rows}, {width})")
    return w.tensor_factor(region, "weight", f"{region.name}_scale") + table


def _readout(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    out = _tied(w, region, x) if region.option("tied") else linear(w, region, x)
    scale = w.site_factor(region, "logits", "logits_scale")
    return Expr(scale + out.factor) if scale else out


def _tied(w: ModuleWriter, region: Region, x: Expr) -> Expr:
    """The embedding's own parameter, read again: it keeps one name and stays one tensor wherever the module goes."""
    factor = w.tensor_factor(region, "weight", f"{region.name}_scale", use=1)
    return Expr(f"F.linear({factor}{x.factor if factor else x.text}, self.{w.tensor(region, 'weight').storage.name})")


EMITTERS: dict[str, Emitter] = {
    "input": _input,
    "embed": _embed,
    "position": _position,
    "readout": _readout,
}
