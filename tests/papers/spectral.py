"""The spectral parametrization of arXiv:2310.17813, for a layer from n_in to n_out coordinates.

Init std and SGD's learning rate are [recalled]; Adam's learning rate is [derived]: the matrix of signs of
a rank-one gradient has spectral norm sqrt(n_in * n_out). An embedding row or a gain has n_in = 1, by the
remark on one-hot inputs [derived]. Epsilon is the order of the gradient entry, and AdamW's decay per step
stays [derived].
"""

from __future__ import annotations

from fractions import Fraction

from tests.papers.columns import HALF, Entries, shape, widths

# (n_in, n_out) as powers of the width.
SHAPES = {"input": (0, 1), "vector": (0, 1), "hidden": (1, 1), "output": (1, 0)}


def std(n_in: int, n_out: int) -> Fraction:
    """n_in^-1/2 * min(1, sqrt(n_out/n_in))"""
    return -HALF * n_in + min(Fraction(0), HALF * (n_out - n_in))


def sgd_lr(n_in: int, n_out: int) -> Fraction:
    """n_out/n_in"""
    return Fraction(n_out - n_in)


def adam_lr(n_in: int, n_out: int) -> Fraction:
    """sqrt(n_out/n_in), the norm an update should have, over sqrt(n_in * n_out), that of its signs"""
    return HALF * (n_out - n_in) - HALF * (n_in + n_out)


def entries(optimizer: str, column: str) -> Entries:
    n_in, n_out = SHAPES[shape(column)]
    found: dict[str, Fraction | int] = {"scale": 0}
    found["lr"] = sgd_lr(n_in, n_out) if optimizer == "sgd" else adam_lr(n_in, n_out)
    if shape(column) != "vector":
        found["init.std"] = std(n_in, n_out)
    if optimizer != "sgd":
        found["eps"] = -n_out
    if optimizer == "adamw":
        found["wd"] = -found["lr"]
    return widths(found)
