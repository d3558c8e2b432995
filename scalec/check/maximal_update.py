"""In the limit every trained weight's update reaches an observable at order 1, and nothing propagates above it."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.calculus.components import Vector
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
    step, cell, claims = evidence.limit, evidence.cell, list[Claim]()
    for name, vector in _shown(step.carrier, op):
        if top := evidence.largest(vector):
            claims.append(Claim(name, op.tensor, "effective", step.index, top.order, bound="exactly", component=top))
            if top.order.ties(cell.one):
                return claims[-1]
    if not claims:
        return Claim(op.out, op.tensor, "effective", step.index, None, bound="exactly")
    best = cell.largest(claim.order for claim in claims if claim.order)
    return next(claim for claim in claims if claim.order is best)


def _shown(carrier: Carrier, op: Weighted) -> Iterator[tuple[str, Vector]]:
    yield from carrier.acts(op).items()
    yield from carrier.summed(op).items()


GOAL = Goal("maximal_update", codes.MAXIMAL_UPDATE, _claims, "limit")
