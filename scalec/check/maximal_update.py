"""In the limit every trained weight's update reaches an observable at order 1, and nothing propagates above it."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.calculus.observables import Carrier
from scalec.calculus.structure import Weighted
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for op in evidence.trained:
        yield _best(evidence, op)
    for found in evidence.reached(evidence.limit):
        if found.term == "propagating":
            yield evidence.claim(evidence.limit, found)


def _best(evidence: Evidence, op: Weighted) -> Claim:
    """The update where it is of order 1, among the observables it reaches first and the sum over copies.

    Where it is of order 1 nowhere, its largest order is what fails.
    """
    step, cell = evidence.limit, evidence.cell
    carrier = Carrier(step.forward)
    places = (*carrier.acts(op).items(), *carrier.summed(op).items())
    claims = [Claim(name, op.tensor, "effective", step.index, top.order, bound="exactly", component=top)
              for name, vector in places if (top := evidence.largest(vector))]  # fmt: skip
    if not claims:
        return Claim(op.out, op.tensor, "effective", step.index, None, bound="exactly")
    right = [claim for claim in claims if claim.order and claim.order.ties(cell.one)]
    best = cell.largest(claim.order for claim in claims if claim.order)
    return right[0] if right else next(claim for claim in claims if claim.order is best)


GOAL = Goal("maximal_update", codes.MAXIMAL_UPDATE, _claims, "limit")
