"""What is measured and predicted alike: terms of training, each a number at a size. Data only."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "init",
    "effective",
    "propagating",
    "delta",
    "gates",
    "gradient",
    "change",
    "backward init",
    "backward effective",
    "backward propagating",
]


class Term(NamedTuple):
    """One number of a training run.

    `subject`: the operation whose output it is part of (`block.mlp.up`, `readout`), the same with the sum over
    copies that it goes to (`moe.down at moe.out`: with the weights in that sum as they are at that step), the value
    that moves (`block.in`, `block.attention.dots`, `moe.out`, `logits.out`), or for a gradient the tensor.
    `kind`: `W_0 x_0`, `(W_t - W_0) x_t`, `W_0 (x_t - x_0)` for an operation with a weight; `init` and `delta` for
    a value; `gates`, what the change of its weights alone makes of a sum over copies; `gradient`, the gradient
    entry, and `change`, how far it is from that of step 0. `backward init` and the like are the same three terms of
    what a map between copies and their sum sends back, `W_0^T g_0`: to each copy that is met, or, to a vector that
    all copies read, the sum of theirs. Step `t` is after `t` updates.
    """

    subject: str
    kind: Kind
    step: int

    def __str__(self) -> str:
        return f"{self.subject} {self.kind}, step {self.step}"


def at_sum(out: str, total: str) -> str:
    """What the terms of a map's output are called in the sum over its copies."""
    return f"{out} at {total}"
