"""Epsilon is at most of the order of the gradient entry it is added to, at every step that has a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for step in evidence.steps:
        for tensor, weight in evidence.training.world.weights.items():
            entry = step.gradient[tensor]
            if weight.eps is None or weight.lr is None or entry is None:
                continue
            yield Claim(
                tensor, tensor, "epsilon", step.index, weight.eps / entry, bound="at most", shown=weight.eps,
                notes=(f"its gradient entry is of order `{entry}`",),
            )  # fmt: skip


GOAL = Goal("faithful", codes.FAITHFUL, _claims, "every step", early=codes.FAITHFUL_EARLY)
