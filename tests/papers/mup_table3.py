"""Table 3 of arXiv:2203.03466 (muP beside SP) and Def. 2.5.1 of arXiv:2308.01814, typed by hand.

Exponents of the fans, one dict for each cell: `{"fan_in": -1}` is `1/fan_in`, `{}` is 1. The paper
prints init *variances*; halve an exponent for the standard deviation. Its three columns are
"input weights & all biases", "output weights", "hidden weights"; SP is what it prints in parentheses.
fan_in of a bias is 1 and its fan_out its length; a vocabulary counts as a constant.
"""

from __future__ import annotations

from fractions import Fraction

Cell = dict[str, Fraction]
ONE: Cell = {}


def _power(name: str, exponent: int) -> Cell:
    return {name: Fraction(exponent)}


MUP: dict[str, dict[str, Cell]] = {
    "input": {
        "init_variance": _power("fan_in", -1),
        "sgd_lr": _power("fan_out", 1),
        "adam_lr": ONE,
    },
    "output": {
        "init_variance": _power("fan_in", -2),
        "sgd_lr": _power("fan_in", -1),
        "adam_lr": _power("fan_in", -1),
    },
    "hidden": {
        "init_variance": _power("fan_in", -1),
        "sgd_lr": ONE,
        "adam_lr": _power("fan_in", -1),
    },
}

SP: dict[str, dict[str, Cell]] = {
    "input": {"init_variance": _power("fan_in", -1), "sgd_lr": ONE, "adam_lr": ONE},
    "output": {"init_variance": _power("fan_in", -1), "sgd_lr": ONE, "adam_lr": ONE},
    "hidden": {"init_variance": _power("fan_in", -1), "sgd_lr": ONE, "adam_lr": ONE},
}

# arXiv:2308.01814, Def. 2.5.1: multiplier n^-a, std n^-b, learning rate n^-c, gradient times n^d (so that
# Adam's epsilon, outside the square root, goes as n^-d). The output's (a, b, c, d) is in the form with a
# multiplier; Prop. 2.2.3 shifts it to (0, 1, 1, 0), which is the output column of table 3.
TP4B_MUP: dict[str, tuple[Fraction, Fraction, Fraction, Fraction]] = {
    "input": (Fraction(0), Fraction(0), Fraction(0), Fraction(1)),
    "hidden": (Fraction(0), Fraction(1, 2), Fraction(1), Fraction(1)),
    "output": (Fraction(1), Fraction(0), Fraction(0), Fraction(1)),
}

# Width exponent of epsilon beside table 3: -d where the multiplier is 1.
ADAM_EPS: dict[str, Fraction] = {"input": Fraction(-1), "hidden": Fraction(-1), "output": Fraction(0)}


def in_width(cell: Cell, column: str) -> Fraction:
    """The exponent of the width `n` where every growing fan is `n`: `N` in the order that `plan` prints."""
    growing = {"input": {"fan_out"}, "output": {"fan_in"}, "hidden": {"fan_in", "fan_out"}}[column]
    return sum((e for fan, e in cell.items() if fan in growing), start=Fraction(0))


def without_multiplier(
    a: Fraction, b: Fraction, c: Fraction, d: Fraction
) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Prop. 2.2.3 with theta = -a: the same training with multiplier 1."""
    return a - a, b + a, c + a, d - a
