"""Rotary positions, in PyTorch: one class, its tables made from base and context.

The tables are no state: whatever moves, casts or empties the module makes them anew, so that they are
right after `to_empty` and exact in every dtype.
"""

from __future__ import annotations

from scalec.emit.modules import ModuleWriter
from scalec.program.program import Region


def rotary(m: ModuleWriter, region: Region) -> str:
    """The text that constructs the module of a region with `rope`."""
    turn = TURNS[str(region.option("rope_layout"))]
    name = m.library.define("Rotary", ROTARY.replace("TURN", turn))
    return f"{name}({m.size(region, 'rope_pairs')}, {m.size(region, 'rope_context')}, {m.size(region, 'rope_base')})"


TURNS = {
    "halves": """\
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)""",
    "pairs": """\
        a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)""",
}

ROTARY = '''class {name}(nn.Module):
    """Turns pairs of coordinates of a head by angles that grow with the position."""

    def __init__(self, pairs: int, context: int, base: float) -> None:
        super().__init__()
        self.base = base
        self.register_buffer("cos", torch.empty(context, pairs), persistent=False)
        self.register_buffer("sin", torch.empty(context, pairs), persistent=False)
        self.fill()

    @torch.no_grad()
    def fill(self) -> None:
        """The tables [T, D/2], rounded once from float64."""
        if self.cos.is_meta:
            return
        context, pairs = self.cos.shape
        kind = {"dtype": torch.float64, "device": "cpu"}
        speeds = self.base ** -(torch.arange(pairs, **kind) / pairs)
        angles = torch.outer(torch.arange(context, **kind), speeds)
        self.cos.copy_(angles.cos())
        self.sin.copy_(angles.sin())

    def _apply(self, fn, recurse: bool = True) -> nn.Module:
        """After `to_empty` or a cast the tables are made anew: they are no state."""
        super()._apply(fn, recurse)
        self.fill()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, T, D], turned."""
        cos, sin = self.cos[: x.size(-2)], self.sin[: x.size(-2)]
TURN'''
