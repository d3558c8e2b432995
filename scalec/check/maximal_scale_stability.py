"""In the limit every atomic term is of order 1 or absent; in gradients summed over copies all terms tie."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.calculus.forward import TERMS
from scalec.calculus.structure import Weighted
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal
from scalec.symbolic.dominance import Magnitude


def _claims(evidence: Evidence) -> Iterator[Claim]:
    before: dict[tuple[str, str], Magnitude] = {}
    for found in evidence.reached(evidence.limit):
        claim, term = evidence.claim(evidence.limit, found, bound="exactly"), (found.op.out, found.term)
        # What a sum of sums inherits is said of the first.
        if claim.order and not (term in before and claim.order.ties(before[term])):
            before[term] = claim.order
            yield claim
    yield from _backward(evidence)


def _backward(evidence: Evidence) -> Iterator[Claim]:
    """Each term of a gradient inside a sum over copies, against the largest of them."""
    step = evidence.limit
    for op in evidence.weighted:
        if not _inside(evidence, op):
            continue
        tops = {term: evidence.largest(step.backward.sent(op, term)) for term in TERMS}
        best = evidence.cell.largest(top.order for top in tops.values() if top)
        for term, top in tops.items():
            if top and best:
                yield Claim(
                    op.out, op.tensor, f"backward {term}", step.index, top.order / best, bound="exactly", component=top,
                    shown=top.order, notes=(f"the largest term of this gradient is of order `{best}`",),
                )  # fmt: skip


def _inside(evidence: Evidence, op: Weighted) -> bool:
    """Whether there are copies of this weight, each with a gradient of its own."""
    return bool(evidence.structure.within[op.out] or evidence.structure.stored[op.tensor])


GOAL = Goal("maximal_scale_stability", codes.MAXIMAL_SCALE_STABILITY, _claims, "limit")
