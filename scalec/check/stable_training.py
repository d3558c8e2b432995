"""At every step every observable stays of order 1 at most."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for step in evidence.passes:
        yield from evidence.exceeding(step)


GOAL = Goal("stable_training", codes.STABLE_TRAINING, _claims, "every step")
