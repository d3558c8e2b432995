"""What is measured and predicted alike: terms of training, each a number at a size. Data only."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["init", "effective", "propagating", "delta", "gradient", "change"]


class Term(NamedTuple):
    """One number of a training run.

    `subject`: the operation whose output it is part of (`block.mlp.up`, `readout`), the value that moves
    (`block.in`, `block.attention.dots`, `logits.out`), or for a gradient the tensor. `kind`: `W_0 x_0`,
    `(W_t - W_0) x_t`, `W_0 (x_t - x_0)` for an operation with a weight; `init` and `delta` for a value;
    `gradient`, the gradient entry, and `change`, how far it is from that of step 0. Step `t` is after `t` updates.
    """

    subject: str
    kind: Kind
    step: int

    def __str__(self) -> str:
        return f"{self.subject} {self.kind}, step {self.step}"
