"""Muon under the spectral condition of arXiv:2310.17813, for a hidden layer from n_in to n_out coordinates.

The init is [recalled]. The learning rate is [derived]: the condition asks for an update of spectral norm
sqrt(n_out/n_in), and an orthogonal update has norm 1. Decay per step stays [derived]. Everything that is not
a hidden matrix is AdamW's, as in table 3 of arXiv:2203.03466.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

from tests.papers.columns import HALF, Entries, shape, widths


def std(n_in: float, n_out: float) -> float:
    """n_in^-1/2 * min(1, sqrt(n_out/n_in)), of ratios to the base"""
    return min(1, sqrt(n_out / n_in)) / sqrt(n_in)


def lr(n_in: float, n_out: float) -> float:
    """The step on an update of norm 1."""
    return sqrt(n_out / n_in)


def class_factor(n_in: float, n_out: float) -> float:
    """What torch.optim.Muon multiplies by itself, of sizes: `adjust_lr_fn="original"`, read in its source."""
    return sqrt(max(1, n_out / n_in))


# Powers of the width, where both sides of hidden matrices grow alike.
TABLE: dict[str, dict[str, Fraction | int]] = {
    "input": {"init.std": 0, "lr": 0, "eps": -1, "wd": 0, "scale": 0},
    "vector": {"lr": 0, "eps": -1, "wd": 0, "scale": 0},
    "output": {"init.std": -1, "lr": -1, "eps": 0, "wd": 1, "scale": 0},
    "hidden": {"init.std": -HALF, "lr": 0, "wd": 0, "scale": 0},
}


def entries(optimizers: str, column: str) -> Entries:
    assert optimizers == "muon + adamw"
    return widths(TABLE[shape(column)])
