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
            whole = evidence.whole(start, name, exact=True)
            if whole.order is None or not evidence.cell.one <= whole.order:
                yield whole


GOAL = Goal("stable_init", codes.STABLE_INIT, _claims)
