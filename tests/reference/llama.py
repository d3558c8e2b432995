"""Llama's blocks written by hand, and what muP says of each of their parameters as numbers.

An oracle: plain PyTorch, no compiler. Rotary positions are complex numbers here, grouped heads are copied,
the gate and the norms are spelled out. Parameters are called as in emitted code.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from tests.reference.rows import OptimizerName, Row

EPS = 1e-5  # of every norm


@dataclass(frozen=True)
class LlamaSizes:
    """Width, depth, heads of queries and of keys, MLP width, vocabulary, context."""

    N: int
    L: int
    H: int
    Hkv: int
    F: int
    V: int
    T: int

    @property
    def head_dim(self) -> int:
        return self.N // self.H


@dataclass(frozen=True)
class Kind:
    """What is switched on. `pairs`: neighbours turn together, else coordinate i and i + D/2."""

    bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    pairs: bool = False
    rope_base: float = 10_000.0


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(dim=-1, keepdim=True) + EPS).sqrt() * self.weight


def turned(x: Tensor, kind: Kind) -> Tensor:
    """Multiply each pair, seen as a complex number, by `exp(i * position * base^(-2j/D))`."""
    positions, width = x.shape[-2], x.shape[-1]
    j = torch.arange(width // 2, dtype=torch.float64)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * kind.rope_base ** (-2 * j / width)
    if kind.pairs:
        numbers = torch.complex(x[..., 0::2], x[..., 1::2]) * torch.exp(1j * angle)
        return torch.view_as_real(numbers).reshape(x.shape)
    numbers = torch.complex(x[..., : width // 2], x[..., width // 2 :]) * torch.exp(1j * angle)
    return torch.cat([numbers.real, numbers.imag], dim=-1)


class Attention(nn.Module):
    def __init__(self, sizes: LlamaSizes, kind: Kind, logit_factor: float) -> None:
        super().__init__()
        d = sizes.head_dim
        self.sizes, self.kind, self.logit_factor = sizes, kind, logit_factor
        self.q = nn.Linear(sizes.N, sizes.H * d, bias=kind.bias)
        self.k = nn.Linear(sizes.N, sizes.Hkv * d, bias=kind.bias)
        self.v = nn.Linear(sizes.N, sizes.Hkv * d, bias=kind.bias)
        self.q_norm = RmsNorm(d) if kind.qk_norm else nn.Identity()
        self.k_norm = RmsNorm(d) if kind.qk_norm else nn.Identity()
        self.o = nn.Linear(sizes.H * d, sizes.N, bias=kind.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        d, copies = self.sizes.head_dim, self.sizes.H // self.sizes.Hkv
        q = self.q(x).view(batch, time, self.sizes.H, d).transpose(1, 2)
        k = self.k(x).view(batch, time, self.sizes.Hkv, d).transpose(1, 2)
        v = self.v(x).view(batch, time, self.sizes.Hkv, d).transpose(1, 2)
        q, k = turned(self.q_norm(q), self.kind), turned(self.k_norm(k), self.kind)
        k, v = k.repeat_interleave(copies, dim=1), v.repeat_interleave(copies, dim=1)
        logits = q @ k.transpose(-1, -2) * self.logit_factor
        ahead = torch.ones(time, time, dtype=torch.bool).triu(1)
        weights = logits.masked_fill(ahead, float("-inf")).softmax(dim=-1)
        return self.o((weights @ v).transpose(1, 2).reshape(batch, time, -1))


class Mlp(nn.Module):
    def __init__(self, sizes: LlamaSizes, kind: Kind) -> None:
        super().__init__()
        self.gate = nn.Linear(sizes.N, sizes.F, bias=kind.bias)
        self.up = nn.Linear(sizes.N, sizes.F, bias=kind.bias)
        self.down = nn.Linear(sizes.F, sizes.N, bias=kind.bias)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate(x)
        return self.down(gate * gate.sigmoid() * self.up(x))


class Block(nn.Module):
    def __init__(self, sizes: LlamaSizes, kind: Kind, logit_factor: float, branch: float) -> None:
        super().__init__()
        self.branch = branch
        self.norm = RmsNorm(sizes.N)
        self.attention = Attention(sizes, kind, logit_factor)
        self.norm2 = RmsNorm(sizes.N)
        self.mlp = Mlp(sizes, kind)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.branch * self.attention(self.norm(x))
        return x + self.branch * self.mlp(self.norm2(x))


class ReferenceLlama(nn.Module):
    """Bytes `(batch, time)` to logits `(batch, time, V)`."""

    def __init__(
        self, sizes: LlamaSizes, kind: Kind, logit_factor: float, branch: float = 1.0, readout_factor: float = 1.0
    ) -> None:
        super().__init__()
        self.kind, self.readout_factor = kind, readout_factor
        self.embed = nn.Embedding(sizes.V, sizes.N)
        self.blocks = nn.ModuleList(Block(sizes, kind, logit_factor, branch) for _ in range(sizes.L))
        self.norm = nn.LayerNorm(sizes.N, eps=EPS) if kind.bias else RmsNorm(sizes.N)
        if not kind.tied:
            self.readout = nn.Linear(sizes.N, sizes.V, bias=kind.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed.weight[tokens]
        for block in self.blocks:
            x = block(x)
        x = self.readout_factor * self.norm(x)
        return x @ self.embed.weight.T if self.kind.tied else self.readout(x)


def mup_llama(
    sizes: LlamaSizes, base: LlamaSizes, kind: Kind, optimizer: OptimizerName
) -> tuple[ReferenceLlama, dict[str, Row]]:
    """Table 3 of arXiv:2203.03466 with the epsilon of arXiv:2308.01814; tied, the factor of table 8.

    Where torch multiplies them, rate times decay stays. [derived]

    Ratios: `n` of the width, `f` of the MLP, `k` of all keys together, `d` of one head.
    """
    n, f, d = sizes.N / base.N, sizes.F / base.F, sizes.head_dim / base.head_dim
    k = (sizes.Hkv * sizes.head_dim) / (base.Hkv * base.head_dim)
    narrow, wide = 1 / sqrt(sizes.N), 1 / sqrt(sizes.F)
    match optimizer:
        case "sgd":
            block = {
                "norm.weight": Row(None, lr=n, wd=1 / n), "norm2.weight": Row(None, lr=n, wd=1 / n),
                "attention.q.weight": Row(narrow, lr=1.0), "attention.q.bias": Row(0.0, lr=n, wd=1 / n),
                "attention.k.weight": Row(narrow, lr=k / n, wd=n / k), "attention.k.bias": Row(0.0, lr=k, wd=1 / k),
                "attention.v.weight": Row(narrow, lr=k / n, wd=n / k), "attention.v.bias": Row(0.0, lr=k, wd=1 / k),
                "attention.o.weight": Row(narrow, lr=1.0), "attention.o.bias": Row(0.0, lr=n, wd=1 / n),
                "attention.q_norm.weight": Row(None, lr=d, wd=1 / d),
                "attention.k_norm.weight": Row(None, lr=d, wd=1 / d),
                "mlp.gate.weight": Row(narrow, lr=f / n, wd=n / f), "mlp.gate.bias": Row(0.0, lr=f, wd=1 / f),
                "mlp.up.weight": Row(narrow, lr=f / n, wd=n / f), "mlp.up.bias": Row(0.0, lr=f, wd=1 / f),
                "mlp.down.weight": Row(wide, lr=n / f, wd=f / n), "mlp.down.bias": Row(0.0, lr=n, wd=1 / n),
            }  # fmt: skip
            ends = {
                "embed.weight": Row(1.0, lr=n, wd=1 / n),
                "norm.weight": Row(None, lr=n, wd=1 / n), "norm.bias": Row(0.0, lr=n, wd=1 / n),
                "readout.weight": Row(1 / sqrt(base.N) / n, lr=1 / n, wd=n), "readout.bias": Row(0.0, lr=1.0),
            }  # fmt: skip
            tied = Row(1 / sqrt(base.N), lr=n, wd=1 / n)
        case "adam" | "adamw":
            m, g = (n, f) if optimizer == "adamw" else (1.0, 1.0)
            block = {
                "norm.weight": Row(None, eps=1 / n), "norm2.weight": Row(None, eps=1 / n),
                "attention.q.weight": Row(narrow, lr=1 / n, eps=1 / n, wd=m), "attention.q.bias": Row(0.0, eps=1 / n),
                "attention.k.weight": Row(narrow, lr=1 / n, eps=1 / k, wd=m), "attention.k.bias": Row(0.0, eps=1 / k),
                "attention.v.weight": Row(narrow, lr=1 / n, eps=1 / k, wd=m), "attention.v.bias": Row(0.0, eps=1 / k),
                "attention.o.weight": Row(narrow, lr=1 / n, eps=1 / n, wd=m), "attention.o.bias": Row(0.0, eps=1 / n),
                "attention.q_norm.weight": Row(None, eps=1 / d), "attention.k_norm.weight": Row(None, eps=1 / d),
                "mlp.gate.weight": Row(narrow, lr=1 / n, eps=1 / f, wd=m), "mlp.gate.bias": Row(0.0, eps=1 / f),
                "mlp.up.weight": Row(narrow, lr=1 / n, eps=1 / f, wd=m), "mlp.up.bias": Row(0.0, eps=1 / f),
                "mlp.down.weight": Row(wide, lr=1 / f, eps=1 / n, wd=g), "mlp.down.bias": Row(0.0, eps=1 / n),
            }  # fmt: skip
            ends = {
                "embed.weight": Row(1.0, eps=1 / n),
                "norm.weight": Row(None, eps=1 / n), "norm.bias": Row(0.0, eps=1 / n),
                "readout.weight": Row(1 / sqrt(base.N) / n, lr=1 / n, wd=m), "readout.bias": Row(0.0),
            }  # fmt: skip
            tied = Row(1 / sqrt(base.N), lr=1.0, eps=1 / n, wd=1.0 if optimizer == "adamw" else 1 / n**2)
    model = ReferenceLlama(
        sizes, kind, sqrt(base.head_dim) / sizes.head_dim, readout_factor=1 / n if kind.tied else 1.0
    )
    table = ends | {f"blocks.{i}.{name}": row for i in range(sizes.L) for name, row in block.items()}
    if kind.tied:
        table["embed.weight"] = tied
    return model, {name: table[name] for name, _ in model.named_parameters()}
