"""A diffusion transformer in plain PyTorch and its muP table, typed by hand. Input: sizes. Output: module, table.

An oracle: written from arXiv:2212.09748 (adaLN with gates) and arXiv:2505.15270's setting of muP, never from what
the compiler emits. No biases; the output is one vector per patch and no variance is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.reference.rows import Row

TIMES = 256  # coordinates that tell the time


@dataclass(frozen=True)
class DitSizes:
    """Width `N`, blocks `L`, heads `H`; images of `side`, `channels`, cut into `patch` x `patch`."""

    N: int
    L: int
    H: int
    side: int
    patch: int
    channels: int
    classes: int

    @property
    def rows(self) -> int:
        return self.side // self.patch


def waves(t: float, pairs: int) -> list[float]:
    """cos(t w) for every frequency w, then sin(t w); w goes from 1 down to almost 1/10000."""
    frequencies = [10000 ** (-i / pairs) for i in range(pairs)]
    return [cos(t * w) for w in frequencies] + [sin(t * w) for w in frequencies]


class Modulated(nn.Module):
    """`x (1 + scale) + shift` and a gate."""

    def __init__(self, width: int, gate: bool) -> None:
        super().__init__()
        self.shift = nn.Linear(width, width, bias=False)
        self.scale = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, width, bias=False) if gate else None

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return x + x * self.scale(c)[:, None, :] + self.shift(c)[:, None, :]


class DitBlock(nn.Module):
    def __init__(self, sizes: DitSizes, factor: float) -> None:
        super().__init__()
        n, self.heads, self.factor = sizes.N, sizes.H, factor
        self.adaln1, self.adaln2 = Modulated(n, gate=True), Modulated(n, gate=True)
        self.q, self.k, self.v, self.o = (nn.Linear(n, n, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(n, 4 * n, bias=False), nn.Linear(4 * n, n, bias=False)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        y = self.adaln1(standardised(x), c)
        q, k, v = (w(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for w in (self.q, self.k, self.v))
        mixed = (q @ k.mT * self.factor).softmax(dim=-1) @ v
        x = x + self.o(mixed.transpose(1, 2).flatten(2)) * self.adaln1.gate(c)[:, None, :]
        y = self.down(F.gelu(self.up(self.adaln2(standardised(x), c))))
        return x + y * self.adaln2.gate(c)[:, None, :]


def standardised(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


class ReferenceDit(nn.Module):
    """Images, times `(batch)`, classes `(batch)` to `(batch, patches, patch^2 channels)`."""

    def __init__(self, sizes: DitSizes, factor: float, readout_factor: float) -> None:
        super().__init__()
        n, self.sizes, self.readout_factor = sizes.N, sizes, readout_factor
        self.patch = nn.Conv2d(sizes.channels, n, sizes.patch, stride=sizes.patch, bias=False)
        self.time1, self.time2 = nn.Linear(TIMES, n, bias=False), nn.Linear(n, n, bias=False)
        self.label = nn.Embedding(sizes.classes, n)
        self.blocks = nn.ModuleList(DitBlock(sizes, factor) for _ in range(sizes.L))
        self.adaln = Modulated(n, gate=False)
        self.readout = nn.Linear(n, sizes.patch**2 * sizes.channels, bias=False)

    def places(self, like: Tensor) -> Tensor:
        every, pairs = range(self.sizes.rows), self.sizes.N // 4
        table = [waves(row, pairs) + waves(column, pairs) for row in every for column in every]
        return torch.tensor(table, dtype=like.dtype)

    def forward(self, images: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = x + self.places(x)
        t = torch.tensor([waves(float(time), TIMES // 2) for time in times], dtype=x.dtype)
        c = F.silu(self.time2(F.silu(self.time1(t))) + self.label(labels))
        for block in self.blocks:
            x = block(x, c)
        return self.readout_factor * self.readout(self.adaln(standardised(x), c))


def mup_dit(sizes: DitSizes, base: DitSizes) -> tuple[ReferenceDit, dict[str, Row]]:
    """The setting of arXiv:2505.15270: hidden rates over m, MuReadout at zero, Kaiming normal (variance 2/fan_in)."""
    m, pixels = sizes.N / base.N, sizes.channels * sizes.patch**2
    hidden = Row(std=sqrt(2 / sizes.N), lr=1 / m)
    table = {
        "patch.weight": Row(std=sqrt(2 / pixels)),
        "time1.weight": Row(std=sqrt(2 / TIMES)),
        "time2.weight": hidden,
        "label.weight": Row(std=1.0),
        "adaln.shift.weight": hidden,
        "adaln.scale.weight": hidden,
        "readout.weight": Row(std=0.0),
    }
    for layer in range(sizes.L):
        block = f"blocks.{layer}"
        table |= {f"{block}.adaln{i}.{part}.weight": hidden for i in (1, 2) for part in ("shift", "scale", "gate")}
        table |= {f"{block}.{part}.weight": hidden for part in ("q", "k", "v", "o", "up")}
        table[f"{block}.down.weight"] = Row(std=sqrt(2 / (4 * sizes.N)), lr=1 / m)
    return ReferenceDit(sizes, (sizes.N / sizes.H) ** -0.5, 1 / m), table
