"""Copies that are chosen by scores which all start equal. Input: a plan. Output: warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from scalec import catalogue as codes
from scalec.calculus.structure import Structure
from scalec.diagnostics import Diagnostic
from scalec.plan.model import Plan
from scalec.program.ops import Linear
from scalec.symbolic.formula import Formula, exact


def tied(plan: Plan) -> Iterator[Diagnostic]:
    """Scores that start at zero, where at some size of the plan fewer copies are met than there are."""
    structure = Structure(plan.program)
    for op in structure.operations:
        if not isinstance(op, Linear) or op.rows is None or plan.tensor[op.tensor].init.word != "zero":
            continue
        there = dict(structure.stored[op.tensor])[op.rows]
        for sizes in plan.shown:
            chosen, among = _number(structure.axes[op.rows], sizes), _number(there, sizes)
            if chosen < among:
                yield _warning(plan, op.tensor, f"{chosen} of {among}")
                break


def _number(size: Formula, sizes: Mapping[str, Fraction]) -> Fraction:
    number = exact(size, lambda s: sizes[s.name])
    assert number is not None
    return number


def _warning(plan: Plan, tensor: str, share: str) -> Diagnostic:
    said = plan.tensor[tensor].init.origins
    return Diagnostic(
        codes.TIED_CHOICE,
        f"`{tensor}` starts at zero while {share} are active: all scores tie",
        said[-1].span if said else None,
        notes=("whoever breaks ties by number sends every sample to the same ones",),
        helps=("a random init of it, or all active",),
    )
