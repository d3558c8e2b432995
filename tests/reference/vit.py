"""A vision transformer in plain PyTorch and its muP table, typed by hand. Input: sizes. Output: module, table.

An oracle like `tests/reference/gpt.py`: patches by a strided convolution, learned positions, pre-norm blocks,
the mean over positions, a readout; LayerNorm with a gain, no biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from torch import Tensor, nn

from tests.reference.gpt import Block, GptSizes
from tests.reference.rows import Row


@dataclass(frozen=True)
class VitSizes:
    """Width `N`, blocks `L`, heads `H`, MLP width `F`; images of `side`, `channels`, cut into `patch` x `patch`."""

    N: int
    L: int
    H: int
    F: int
    side: int = 28
    patch: int = 4
    channels: int = 1
    classes: int = 10


class VitBlock(Block):
    """The GPT's block, looking both ways."""

    def __init__(self, sizes: VitSizes, logit_factor: float) -> None:
        super().__init__(GptSizes(sizes.N, sizes.L, sizes.H, sizes.F), logit_factor)
        self.factor, self.heads = logit_factor, sizes.H

    def forward(self, x: Tensor) -> Tensor:
        a, y = self.attention, self.norm1(x)
        q, k, v = (w(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for w in (a.q, a.k, a.v))
        weights = (self.factor * q @ k.mT).softmax(dim=-1)
        x = x + a.o((weights @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class ReferenceVit(nn.Module):
    """Images `(batch, channels, side, side)` to `(batch, classes)`."""

    def __init__(self, sizes: VitSizes, logit_factor: float) -> None:
        super().__init__()
        self.patch = nn.Conv2d(sizes.channels, sizes.N, sizes.patch, stride=sizes.patch, bias=False)
        self.position = nn.Embedding((sizes.side // sizes.patch) ** 2, sizes.N)
        self.blocks = nn.ModuleList(VitBlock(sizes, logit_factor) for _ in range(sizes.L))
        self.norm = nn.LayerNorm(sizes.N, bias=False)
        self.readout = nn.Linear(sizes.N, sizes.classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2) + self.position.weight
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x).mean(dim=1))


def mup_vit(sizes: VitSizes, base: VitSizes) -> tuple[ReferenceVit, dict[str, Row]]:
    """muP for AdamW, table 3 of arXiv:2203.03466, with the epsilon of arXiv:2308.01814, Lemma 2.8.11."""
    n, f = sizes.N / base.N, sizes.F / base.F
    pixels = sizes.channels * sizes.patch**2
    table = {
        "patch.weight": Row(std=1 / sqrt(pixels), lr=1.0, eps=1 / n, wd=1.0),
        "position.weight": Row(std=1.0, lr=1.0, eps=1 / n, wd=1.0),
        "norm.weight": Row(std=None, lr=1.0, eps=1 / n, wd=1.0),
        "readout.weight": Row(std=1 / sqrt(base.N) / n, lr=1 / n, eps=1.0, wd=n),
    }
    square = Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n)
    for layer in range(sizes.L):
        block = f"blocks.{layer}"
        table |= {f"{block}.norm{i}.weight": table["norm.weight"] for i in (1, 2)}
        table |= {f"{block}.attention.{part}.weight": square for part in "qkvo"}
        table[f"{block}.mlp.up.weight"] = Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / f, wd=n)
        table[f"{block}.mlp.down.weight"] = Row(std=1 / sqrt(sizes.F), lr=1 / f, eps=1 / n, wd=f)
    head_dim, base_head_dim = sizes.N / sizes.H, base.N / base.H
    return ReferenceVit(sizes, sqrt(base_head_dim) / head_dim), table
