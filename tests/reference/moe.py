"""A mixture of experts written one token after the other, in plain PyTorch: an oracle. Input: tensors. Output: theirs.

Typed from the papers, with no regard to speed: every token scores the experts, the `active` highest are asked one by
one, what they say is weighted by their gates and added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Router = Literal["sigmoid", "sigmoid, normalised", "softmax", "softmax_selected", "linear"]


def mixture(
    x: Tensor, router: Tensor, up: Tensor, down: Tensor, *, active: int, kind: Router, act: Callable[[Tensor], Tensor],
    combine: float = 1.0, gate: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`x` [tokens, N], `router` [M, N], `up` and `gate` [M, E, N], `down` [M, N, E] to [tokens, N]."""
    return torch.stack([_token(t, router, up, down, active, kind, act, combine, gate) for t in x])


def _token(
    x: Tensor, router: Tensor, up: Tensor, down: Tensor, active: int, kind: Router, act: Callable[[Tensor], Tensor],
    combine: float, gate: Tensor | None,
) -> Tensor:  # fmt: skip
    scores = router @ x
    chosen = sorted(range(len(scores)), key=lambda i: -scores[i].item())[:active]
    total = torch.zeros_like(x)
    for i in chosen:
        said = feed_forward(x, up[i], down[i], act, None if gate is None else gate[i])
        total = total + combine * _gate(scores, i, chosen, kind) * said
    return total


def feed_forward(
    x: Tensor, up: Tensor, down: Tensor, act: Callable[[Tensor], Tensor], gate: Tensor | None = None
) -> Tensor:
    """One token through one expert: `x` [N] to [N]."""
    return down @ (act(up @ x) if gate is None else act(gate @ x) * (up @ x))


def _gate(scores: Tensor, i: int, chosen: list[int], kind: Router) -> Tensor:
    match kind:
        case "sigmoid":
            return 1 / (1 + (-scores[i]).exp())
        case "sigmoid, normalised":
            return scores[i].sigmoid() / scores[chosen].sigmoid().sum()
        case "linear":
            return scores[i]
        case "softmax":
            return scores[i].exp() / scores.exp().sum()
        case "softmax_selected":
            return scores[i].exp() / scores[chosen].exp().sum()


def balancing_loss(scores: Tensor, *, active: int, kind: Router, of_all: bool, combine: float = 1.0) -> Tensor:
    """`scores` [tokens, M]: M times the sum over experts of the share of tokens they get and the mean of their gates.

    `of_all`: instead of their gates, what each has of the scores of all.
    """
    tokens, experts = scores.shape
    loads, means = [0.0] * experts, [scores.new_zeros(())] * experts
    for token in scores:
        everyone = list(range(experts))
        chosen = sorted(everyone, key=lambda i: -token[i].item())[:active]
        for i in everyone:
            loads[i] += (i in chosen) / tokens
            if of_all:
                positive = token.sigmoid() if kind.startswith("sigmoid") else token.exp()
                means[i] = means[i] + positive[i] / positive.sum() / tokens
            elif i in chosen:
                means[i] = means[i] + combine * _gate(token, i, chosen, kind) / tokens
    return experts * torch.stack([load * mean for load, mean in zip(loads, means, strict=True)]).sum()
