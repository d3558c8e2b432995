"""In the limit no layer is lazy: inside a block, before summing over its copies, updates act at order 1."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence, order
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    step = evidence.limit
    for op in evidence.trained:
        if evidence.structure.within[op.out]:
            top = evidence.largest(evidence.term(step, op, "effective"))
            yield Claim(op.out, op.tensor, "effective", step.index, order(top), bound="exactly", component=top)


GOAL = Goal("complete_depth", codes.COMPLETE_DEPTH, _claims, "limit")
