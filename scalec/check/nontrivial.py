"""In the limit training moves the output at order 1; more than that is instability, and found there."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.check.evidence import Claim, Evidence, order
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for name, kind in evidence.kinds.items():
        if kind == "output":
            top = evidence.largest(evidence.change(evidence.limit, name))
            yield Claim(name, "", "change", evidence.limit.index, order(top), bound="at least", component=top)


GOAL = Goal("nontrivial", codes.NONTRIVIAL, _claims, "limit")
