"""A byte GPT in plain PyTorch and its muP and SP tables, typed by hand. Input: sizes. Output: module, table.

An oracle: written from the papers, never from what the compiler emits. Pre-norm blocks, LayerNorm
with a gain and no bias, learned positions, no biases anywhere, a final norm, a readout of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch.nn.functional as F
from torch import Tensor, nn

from tests.reference.rows import OptimizerName, Row


@dataclass(frozen=True)
class GptSizes:
    """Residual width `N`, blocks `L`, heads `H`, MLP width `F`, vocabulary `V`, context `T`."""

    N: int
    L: int
    H: int
    F: int
    V: int = 256
    T: int = 64

    @property
    def head_dim(self) -> int:
        return self.N // self.H


class Attention(nn.Module):
    def __init__(self, sizes: GptSizes, logit_factor: float) -> None:
        super().__init__()
        self.heads = sizes.H
        self.logit_factor = logit_factor
        self.q = nn.Linear(sizes.N, sizes.N, bias=False)
        self.k = nn.Linear(sizes.N, sizes.N, bias=False)
        self.v = nn.Linear(sizes.N, sizes.N, bias=False)
        self.o = nn.Linear(sizes.N, sizes.N, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (w(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for w in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.logit_factor)
        return self.o(y.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, sizes: GptSizes) -> None:
        super().__init__()
        self.up = nn.Linear(sizes.N, sizes.F, bias=False)
        self.down = nn.Linear(sizes.F, sizes.N, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, sizes: GptSizes, logit_factor: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.N, bias=False)
        self.attention = Attention(sizes, logit_factor)
        self.norm2 = nn.LayerNorm(sizes.N, bias=False)
        self.mlp = Mlp(sizes)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ReferenceGpt(nn.Module):
    """Bytes `(batch, time)` to logits `(batch, time, V)`."""

    def __init__(self, sizes: GptSizes, logit_factor: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.V, sizes.N)
        self.position = nn.Embedding(sizes.T, sizes.N)
        self.blocks = nn.ModuleList(Block(sizes, logit_factor) for _ in range(sizes.L))
        self.norm = nn.LayerNorm(sizes.N, bias=False)
        self.readout = nn.Linear(sizes.N, sizes.V, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x))


def sp_gpt(sizes: GptSizes) -> tuple[ReferenceGpt, dict[str, Row]]:
    """One learning rate, epsilon and decay for all; std `1/sqrt(fan_in)`; logits over `sqrt(head_dim)`."""
    matrix = Row(std=1 / sqrt(sizes.N))
    block = dict.fromkeys(("attention.q", "attention.k", "attention.v", "attention.o", "mlp.up"), matrix)
    block |= {"norm1": Row(std=None), "norm2": Row(std=None), "mlp.down": Row(std=1 / sqrt(sizes.F))}
    ends = {"embedding": Row(1.0), "position": Row(1.0), "norm": Row(None), "readout": matrix}
    return ReferenceGpt(sizes, 1 / sqrt(sizes.head_dim)), _by_parameter(ends, block, sizes.L)


def mup_gpt(sizes: GptSizes, base: GptSizes, optimizer: OptimizerName) -> tuple[ReferenceGpt, dict[str, Row]]:
    """muP, table 3 of arXiv:2203.03466, with the epsilon of arXiv:2308.01814, Lemma 2.8.11.

    Equal to `sp_gpt` where `sizes` is `base`. SGD at unequal ratios: fan_out over fan_in,
    and its decay the other way, so that their product stays. [derived]
    """
    n, f = sizes.N / base.N, sizes.F / base.F
    anchor = 1 / sqrt(base.N)
    match optimizer:
        case "sgd":
            ends = {
                "embedding": Row(std=1.0, lr=n, wd=1 / n),
                "position": Row(std=1.0, lr=n, wd=1 / n),
                "norm": Row(std=None, lr=n, wd=1 / n),
                "readout": Row(std=anchor / n, lr=1 / n, wd=n),
            }
            block = {
                "norm1": Row(std=None, lr=n, wd=1 / n),
                "attention.q": Row(std=1 / sqrt(sizes.N), lr=1.0),
                "attention.k": Row(std=1 / sqrt(sizes.N), lr=1.0),
                "attention.v": Row(std=1 / sqrt(sizes.N), lr=1.0),
                "attention.o": Row(std=1 / sqrt(sizes.N), lr=1.0),
                "norm2": Row(std=None, lr=n, wd=1 / n),
                "mlp.up": Row(std=1 / sqrt(sizes.N), lr=f / n, wd=n / f),
                "mlp.down": Row(std=1 / sqrt(sizes.F), lr=n / f, wd=f / n),
            }
        case "adam":
            ends = {
                "embedding": Row(std=1.0, lr=1.0, eps=1 / n),
                "position": Row(std=1.0, lr=1.0, eps=1 / n),
                "norm": Row(std=None, lr=1.0, eps=1 / n),
                "readout": Row(std=anchor / n, lr=1 / n, eps=1.0),
            }
            block = {
                "norm1": Row(std=None, lr=1.0, eps=1 / n),
                "attention.q": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n),
                "attention.k": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n),
                "attention.v": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n),
                "attention.o": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n),
                "norm2": Row(std=None, lr=1.0, eps=1 / n),
                "mlp.up": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / f),
                "mlp.down": Row(std=1 / sqrt(sizes.F), lr=1 / f, eps=1 / n),
            }
        case "adamw":
            ends = {
                "embedding": Row(std=1.0, lr=1.0, eps=1 / n, wd=1.0),
                "position": Row(std=1.0, lr=1.0, eps=1 / n, wd=1.0),
                "norm": Row(std=None, lr=1.0, eps=1 / n, wd=1.0),
                "readout": Row(std=anchor / n, lr=1 / n, eps=1.0, wd=n),
            }
            block = {
                "norm1": Row(std=None, lr=1.0, eps=1 / n, wd=1.0),
                "attention.q": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n),
                "attention.k": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n),
                "attention.v": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n),
                "attention.o": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n),
                "norm2": Row(std=None, lr=1.0, eps=1 / n, wd=1.0),
                "mlp.up": Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / f, wd=n),
                "mlp.down": Row(std=1 / sqrt(sizes.F), lr=1 / f, eps=1 / n, wd=f),
            }
    logit_factor = sqrt(base.head_dim) / sizes.head_dim
    return ReferenceGpt(sizes, logit_factor), _by_parameter(ends, block, sizes.L)


def _by_parameter(ends: dict[str, Row], block: dict[str, Row], depth: int) -> dict[str, Row]:
    """The table under the module's own parameter names, every block with the same rows."""
    table = {f"{name}.weight": row for name, row in ends.items()}
    for layer in range(depth):
        table |= {f"blocks.{layer}.{name}.weight": row for name, row in block.items()}
    return table
