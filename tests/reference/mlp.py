"""An MLP in plain PyTorch and its muP and SP tables, typed by hand. Input: sizes. Output: module, table.

An oracle like `tests/reference/gpt.py`: a dense input map, `L` square relu layers, a readout, no biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch.nn.functional as F
from torch import Tensor, nn

from tests.reference.rows import OptimizerName, Row


@dataclass(frozen=True)
class MlpSizes:
    """Width `N`, square layers `L`, input coordinates `D`, outputs `V`."""

    N: int
    L: int
    D: int
    V: int


class ReferenceMlp(nn.Module):
    """`(batch, D)` to `(batch, V)`."""

    def __init__(self, sizes: MlpSizes) -> None:
        super().__init__()
        self.input = nn.Linear(sizes.D, sizes.N, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(sizes.N, sizes.N, bias=False) for _ in range(sizes.L))
        self.readout = nn.Linear(sizes.N, sizes.V, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.input(x))
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.readout(x)


def sp_mlp(sizes: MlpSizes) -> tuple[ReferenceMlp, dict[str, Row]]:
    """One learning rate, epsilon and decay for all; std `1/sqrt(fan_in)`."""
    table = {"input.weight": Row(1 / sqrt(sizes.D)), "readout.weight": Row(1 / sqrt(sizes.N))}
    table |= {f"hidden.{i}.weight": Row(1 / sqrt(sizes.N)) for i in range(sizes.L)}
    return ReferenceMlp(sizes), table


def mup_mlp(sizes: MlpSizes, base: MlpSizes, optimizer: OptimizerName) -> tuple[ReferenceMlp, dict[str, Row]]:
    """muP, table 3 of arXiv:2203.03466, with the epsilon of arXiv:2308.01814, Lemma 2.8.11.

    `D` and `V` must be those of `base`: the table is about width alone.
    """
    n = sizes.N / base.N
    readout_std = 1 / sqrt(base.N) / n
    match optimizer:
        case "sgd":
            first = Row(std=1 / sqrt(sizes.D), lr=n, wd=1 / n)
            hidden = Row(std=1 / sqrt(sizes.N), lr=1.0)
            last = Row(std=readout_std, lr=1 / n, wd=n)
        case "adam":
            first = Row(std=1 / sqrt(sizes.D), lr=1.0, eps=1 / n)
            hidden = Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n)
            last = Row(std=readout_std, lr=1 / n, eps=1.0)
        case "adamw":
            first = Row(std=1 / sqrt(sizes.D), lr=1.0, eps=1 / n, wd=1.0)
            hidden = Row(std=1 / sqrt(sizes.N), lr=1 / n, eps=1 / n, wd=n)
            last = Row(std=readout_std, lr=1 / n, eps=1.0, wd=n)
    table = {"input.weight": first, "readout.weight": last}
    table |= {f"hidden.{i}.weight": hidden for i in range(sizes.L)}
    return ReferenceMlp(sizes), table
