"""Before the first step every observable is of order 1 at most; preactivations and the stream exactly."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    start = evidence.training.steps[0]
    yield from evidence.exceeding(start)
    for name, kind in evidence.kinds.items():
        if kind in ("preactivation", "stream"):
            yield evidence.whole(start, name, "at least")


GOAL = Goal("stable_init", codes.STABLE_INIT, _claims, "start")
