"""Weight decay per step is of order 1 in every size. Reported, not proved: see calculus.md on decay."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for tensor, weight in evidence.training.world.weights.items():
        if weight.decay is not None:
            yield Claim(tensor, tensor, "decay", 0, weight.decay, bound="exactly")


GOAL = Goal("steady_decay", codes.STEADY_DECAY, _claims, "start")
