"""Parametrizations as exponents: multiplier n^-a, std n^-b, learning rate n^-c, Adam's epsilon n^-d.

Columns in order: first layer, hidden layers, readout.
"""

from __future__ import annotations

from fractions import Fraction

from tests.papers.columns import HALF, Entries, shape, widths

Three = tuple[Fraction | int, Fraction | int, Fraction | int]
COLUMN = {"input": 0, "vector": 0, "hidden": 1, "output": 2}

# arXiv:2308.01814, Def. 2.4.1: the kernel limit, for Adam. [read in the paper]
# For SGD a gradient exponent is taken off the learning rate's (Eq. 2.6) after a shift. [read, by reduction]
NTP: dict[str, Three] = {
    "a": (0, HALF, HALF),
    "b": (0, 0, 0),
    "c adam": (HALF, 1, HALF),
    "c sgd": (0, 0, 0),
    "d": (HALF, 1, HALF),
}

# arXiv:2407.05872: a and b second-hand (two public implementations that agree), c for full alignment
# derived and equal to one of them; g, the exponents of gradient entries, derived. The paper's own table 1
# was not read.
NTK: dict[str, Three] = {
    "a": (0, HALF, HALF),
    "b": (0, 0, 0),
    "c adam": (0, HALF, HALF),
    "c sgd": (-HALF, -HALF, 0),
    "d": (HALF, 1, HALF),
}
MFP: dict[str, Three] = {
    "a": (0, HALF, 1),
    "b": (0, 0, 0),
    "c adam": (0, HALF, 0),
    "c sgd": (-1, -1, -1),
    "d": (1, Fraction(3, 2), 1),
}

# One hidden layer, SGD, as the mean-field literature has it. [recalled]
MEAN_FIELD_ONE_LAYER = {"a": (0, 1), "b": (0, 0), "c": (-1, -1)}

TABLES = {"ntk": NTP, "ntk_full_alignment": NTK, "mfp": MFP}


def entries(rule: str, optimizer: str, column: str) -> Entries:
    """Laws of a column; nothing is said of decay."""
    table, at = TABLES[rule], COLUMN[shape(column)]
    found = {"scale": -table["a"][at], "lr": -table["c sgd" if optimizer == "sgd" else "c adam"][at]}
    if shape(column) != "vector":
        found["init.std"] = -table["b"][at]
    if optimizer != "sgd":
        found["eps"] = -table["d"][at]
    return widths(found)
