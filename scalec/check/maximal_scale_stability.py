"""In the limit every atomic term is of order 1 or absent; in gradients summed over copies all terms tie."""

from __future__ import annotations

from collections.abc import Iterator

from scalec import catalogue as codes
from scalec.calculus.forward import TERMS
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal


def _claims(evidence: Evidence) -> Iterator[Claim]:
    for found in evidence.reached(evidence.limit):
        if found.vector:
            yield evidence.claim(evidence.limit, found, bound="exactly")
    yield from _backward(evidence)


def _backward(evidence: Evidence) -> Iterator[Claim]:
    """Each term of a gradient inside a repeated block, against the largest of them."""
    step = evidence.limit
    for op in evidence.weighted:
        terms = step.backward.terms.get(op.out)
        if terms is None or not evidence.structure.within[op.out]:
            continue
        tops = {term: evidence.largest(terms.named(term)) for term in TERMS}
        best = evidence.cell.largest(top.order for top in tops.values() if top)
        for term, top in tops.items():
            if top and best:
                yield Claim(
                    op.out, op.tensor, f"backward {term}", step.index, top.order / best, bound="exactly", component=top,
                    shown=top.order, notes=(f"the largest term of this gradient is of order `{best}`",),
                )  # fmt: skip


GOAL = Goal("maximal_scale_stability", codes.MAXIMAL_SCALE_STABILITY, _claims, "limit")
