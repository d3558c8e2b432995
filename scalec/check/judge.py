"""Judging claims on one cell of directions. Input: a cell. Output: what fails, and exactly where in the cell.

A claim compares an order with 1. Where the order's exponent has both signs in the cell, the part in
which the claim fails is cut out exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scalec.calculus.components import Component
from scalec.calculus.scaling import Scaling
from scalec.calculus.training import Training
from scalec.check import balance, clip
from scalec.check.evidence import Claim, Evidence
from scalec.check.goal import Goal
from scalec.check.table import Rows, rows
from scalec.symbolic.dominance import Cell


@dataclass(frozen=True)
class Failure:
    """A claim of `goal` that fails in `region`; `above`: the order is too large there.

    `since`: the first step at which it fails. `passed`: it no longer fails at the last step.
    """

    goal: Goal
    claim: Claim
    region: Cell
    above: bool
    since: int
    passed: bool = False


@dataclass(frozen=True)
class Analysis:
    """One cell: its evidence, the failures of every goal asked for, its rows of the tables.

    `unjudged`: goals that need a limit where there is none; `growing`: an observable that still changes then.
    """

    evidence: Evidence
    failures: tuple[Failure, ...]
    rows: Rows
    unjudged: tuple[Goal, ...]
    growing: tuple[str, Component | None]

    @property
    def training(self) -> Training:
        return self.evidence.training

    @property
    def scaling(self) -> Scaling:
        return self.training.world.scaling

    @property
    def cell(self) -> Cell:
        return self.evidence.cell


def analyse(training: Training, goals: Iterable[Goal]) -> Analysis:
    """Judge a training. Raises `UndecidedError`, `UnresolvedError`, `UnsupportedError`."""
    evidence = Evidence(training)
    unjudged = tuple(goal for goal in goals if not _judgeable(goal, evidence))
    failing = (goal for goal in goals if goal not in unjudged or goal.judged == "every step")
    failures = tuple(f for goal in (*failing, *_warnings(evidence)) for f in judge(goal, evidence))
    return Analysis(evidence, failures, rows(evidence), unjudged, evidence.growing())


def _warnings(evidence: Evidence) -> Iterator[Goal]:
    """What is looked at whatever is asked for, where there is a limit."""
    if evidence.training.settled:
        yield from (clip.WARNING, balance.WARNING)


def _judgeable(goal: Goal, evidence: Evidence) -> bool:
    """A stream that grows from copy to copy has no order: only failures that came before it are certain."""
    last = evidence.limit
    return (
        evidence.training.settled
        or (goal.judged == "every step" and not (last.drifting or evidence.training.unproved))
        or (goal.judged == "start" and not (last.forward.drifting and last.index == 0))
    )


def judge(goal: Goal, evidence: Evidence) -> Iterator[Failure]:
    """The failures of a goal: for each subject and term the first one, since what follows builds on it."""
    found: dict[tuple[object, ...], Failure] = {}
    for claim in goal.claims(evidence):
        for region, above in _failing(claim, evidence.cell):
            key = (claim.subject, claim.tensor, claim.term, above, region.rays)
            first = found[key].claim if key in found else claim
            found[key] = Failure(goal, first, region, above, first.step, claim.step < evidence.limit.index)
    yield from found.values()


def _failing(claim: Claim, cell: Cell) -> Iterator[tuple[Cell, bool]]:
    if claim.order is None:
        if claim.bound != "at most":
            yield cell, False
        return
    if claim.order.ties(cell.one):
        return
    grows, falls = cell.split(claim.order.exponent)
    if grows is not None and claim.bound != "at least":
        yield grows, True
    if falls is not None and claim.bound != "at most":
        yield falls, False
