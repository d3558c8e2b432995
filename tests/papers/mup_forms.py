"""Tables 8 and 9 of arXiv:2203.03466, typed by hand from the paper. [read in the paper]

As `mup_table3`: exponents of the fans, init *variances*; a multiplier beside them. The gauge is that of
Lemma J.1: multiplier times theta, std over theta, learning rate over theta (Adam) or its square (SGD).
That epsilon goes with theta, and decay with theta (AdamW) or its square (decay in the gradient), is
not in the paper. [derived, and checked on a small MLP]
"""

from __future__ import annotations

from fractions import Fraction

from tests.papers.columns import HALF, Entries, shape, widths
from tests.papers.mup_table3 import ADAM_EPS, MUP, ONE, Cell, in_width

FORMS: dict[str, dict[str, dict[str, Cell]]] = {
    "mup_table8": {
        "input": {
            "init_variance": {"fan_in": Fraction(-1)},
            "multiplier": ONE,
            "sgd_lr": {"fan_out": Fraction(1)},
            "adam_lr": ONE,
        },
        "output": {
            "init_variance": ONE,
            "multiplier": {"fan_in": Fraction(-1)},
            "sgd_lr": {"fan_in": Fraction(1)},
            "adam_lr": ONE,
        },
        "hidden": {
            "init_variance": {"fan_in": Fraction(-1)},
            "multiplier": ONE,
            "sgd_lr": ONE,
            "adam_lr": {"fan_in": Fraction(-1)},
        },
    },
    "mup_table9": {
        "input": {
            "init_variance": {"fan_out": Fraction(-1)},
            "multiplier": {"fan_out": HALF},
            "sgd_lr": ONE,
            "adam_lr": {"fan_out": -HALF},
        },
        "output": {
            "init_variance": {"fan_in": Fraction(-1)},
            "multiplier": {"fan_in": -HALF},
            "sgd_lr": ONE,
            "adam_lr": {"fan_in": -HALF},
        },
        "hidden": {
            "init_variance": {"fan_in": Fraction(-1)},
            "multiplier": ONE,
            "sgd_lr": ONE,
            "adam_lr": {"fan_in": Fraction(-1)},
        },
    },
}


def theta(form: str, column: str) -> Fraction:
    """The gauge that makes the form of table 3, in powers of the width: table 3 has no multipliers."""
    return in_width(FORMS[form][column]["multiplier"], column)


def decay_of_table3(optimizer: str, column: str) -> Fraction:
    """`lr*wd` stays, for SGD as for AdamW: what appendix B.3 calls "width-independent" is said of table 9, where SGD's
    rates are all 1. Decay in Adam's gradient, which the paper calls incompatible, is left where it is. [derived]
    """
    rate = {"sgd": "sgd_lr", "adamw": "adam_lr"}.get(optimizer)
    return -in_width(MUP[column][rate], column) if rate else Fraction(0)


def entries(form: str, optimizer: str, column: str) -> Entries:
    """What the form says of a column. Gains, which start at 1 and have no draw to rescale, keep table 3's."""
    vector = shape(column) == "vector"
    known = "input" if vector else shape(column)
    cells = MUP[known] | {"multiplier": ONE} if vector else FORMS[form][known]
    moved = Fraction(0) if vector else theta(form, known)
    decay = decay_of_table3(optimizer, known) + (moved if optimizer == "adamw" else 2 * moved)
    found = {
        "scale": in_width(cells["multiplier"], known),
        "lr": in_width(cells["sgd_lr" if optimizer == "sgd" else "adam_lr"], known),
        "wd": decay,
    }
    if not vector:
        found["init.std"] = in_width(cells["init_variance"], known) / 2
    if optimizer != "sgd":
        found["eps"] = ADAM_EPS[known] + moved
    return widths(found)
