"""Tables of the three papers on depth, typed by hand, in ratios of width (first) and depth (second).

- arXiv:2310.02244, table 1 and Eq. 1: factor a/sqrt(L) on each branch, learning rate eta (SGD) and
  eta/sqrt(L) (Adam) [read in the paper]; epsilon times 1/sqrt(L) in blocks [derived]. Width is muP's.
- arXiv:2505.01618, table 1 [read in an image of the paper's table]; attention at 1/d_head [the authors' code].
- arXiv:2512.22382, table 1, its column for width and depth [read in an image of the paper's table].

Papers print init *variances*; standard deviations stand here.
"""

from __future__ import annotations

from fractions import Fraction

from tests.papers.columns import HALF, Entries, power, shape
from tests.papers.mup_table3 import ADAM_EPS, MUP, in_width

DEPTH_MUP_BRANCH = -HALF
DEPTH_MUP_LR = {"sgd": Fraction(0), "adam": -HALF, "adamw": -HALF}
DEPTH_MUP_EPS = -HALF


def depth_mup(optimizer: str, column: str) -> Entries:
    """Width by table 3 of arXiv:2203.03466, depth by table 1 of arXiv:2310.02244."""
    known = "input" if shape(column) == "vector" else shape(column)
    lr = in_width(MUP[known]["sgd_lr" if optimizer == "sgd" else "adam_lr"], known)
    within = column.startswith("block")
    found = {"lr": power(lr, DEPTH_MUP_LR[optimizer] if within else 0), "scale": power()}
    if shape(column) != "vector":
        found["init.std"] = power(in_width(MUP[known]["init_variance"], known) / 2)
    if optimizer != "sgd":
        found["eps"] = power(ADAM_EPS[known], DEPTH_MUP_EPS if within else 0)
    return found


def completep(alpha: Fraction) -> dict[str, Entries]:
    """Table 1 of arXiv:2505.01618, column alpha. Epsilon is printed for residual blocks, decay for hidden."""
    return {
        "input": {"init.std": power(), "lr": power(), "eps": power(), "scale": power()},
        "block gain": {"lr": power(0, alpha - 1), "eps": power(-1, -alpha)},
        "block": {
            "init.std": power(-HALF),
            "lr": power(-1, alpha - 1),
            "wd": power(1),
            "eps": power(-1, -alpha),
            "scale": power(),
        },
        "gain": {"lr": power(), "eps": power()},
        "output": {"init.std": power(), "lr": power(), "eps": power(), "scale": power(-1)},
    }


def completed_p(alpha: Fraction) -> dict[str, Entries]:
    """Table 1 of arXiv:2512.22382, width and depth."""
    return {
        "input": {"init.std": power(), "lr": power(), "eps": power(-1), "wd": power(), "scale": power()},
        "block gain": {"lr": power(0, alpha - 1), "eps": power(-1, -alpha), "wd": power()},
        "block": {
            "init.std": power(-HALF),
            "lr": power(-1, alpha - 1),
            "eps": power(-1, -alpha),
            "wd": power(1),
            "scale": power(),
        },
        "qk gain": {"lr": power(0, alpha - 1), "eps": power(0, -alpha), "wd": power()},
        "gain": {"lr": power(), "eps": power(), "wd": power()},
        "output": {"init.std": power(-1), "lr": power(-1), "eps": power(), "wd": power(1), "scale": power()},
    }
