"""Why a measured slope is not the predicted one. Input: an experiment, a row that disagrees. Output: a reason.

Every reason is a further measurement or a further prediction, never a list of known cases; where none
holds, the disagreement stays unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Literal

from scalec.program.ops import Output
from scalec.torch.compare import Row
from scalec.torch.experiment import Experiment
from scalec.torch.probes import flat

Kind = Literal["crossover", "approach", "blow-up", "rate", "scatter", "unexplained"]

RATES = (1 / 16, 64.0)  # factors on the learning rate at which a slope is asked for again
CLOSER = 2 / 3  # what may remain of the gap for another rate to count as the reason


@dataclass(frozen=True)
class Reason:
    """`crossover`: one term, several causes; each alone has its predicted slope. `approach`: the slope tends to the
    prediction as the size grows. `blow-up`: the logits have grown by then, the loss gradient is not modelled.
    `rate`: another learning rate has the predicted slope, or comes closer. `scatter`: seeds lie on both sides."""

    kind: Kind
    text: str


UNEXPLAINED = Reason("unexplained", "")


def explain(experiment: Experiment, row: Row) -> Reason:
    """The first reason that holds, the strictest first."""
    if row.predicted is None or row.fit is None:
        return Reason("unexplained", "absent on one side only")
    return next(_reasons(experiment, row, row.predicted), UNEXPLAINED)


def _reasons(experiment: Experiment, row: Row, predicted: Fraction) -> Iterator[Reason]:
    for reason in (_blow_up, _crossover, _approach, _rate, _scatter):
        found = reason(experiment, row, predicted)
        if found:
            yield found


def _crossover(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    """Each cause alone agrees, and one of them has the predicted order: another one is larger at these sizes."""
    orders = {
        cause: order for cause in experiment.causes if (order := experiment.predicted(cause)[row.term]) is not None
    }
    winner = next((cause for cause, order in orders.items() if order == predicted), None)
    if winner is None:
        return None
    alone = {cause: found for cause in experiment.causes if (found := _alone(experiment, row, cause))}
    if not all(found.agrees for found in alone.values()):
        return None
    values = {cause: _smallest(experiment, row, cause) for cause in alone}
    rival = max(values, key=lambda cause: values[cause])
    ratio = values[rival] / values[winner]
    against = (
        f"`{rival}` (order {orders[rival]}) is {ratio:.1f} times as large at the smallest size"
        if rival != winner
        else "several causes add up"
    )
    fit = alone[winner].fit
    assert fit is not None
    return Reason(
        "crossover",
        f"each of {len(alone)} causes alone agrees; `{winner}` alone has slope {fit.slope:.2f}; {against}",
    )


def _alone(experiment: Experiment, row: Row, cause: str) -> Row | None:
    """The same term where only `cause` is trained; None where it is absent then."""
    return next((r for r in experiment.rows(cause) if r.term == row.term), None)


def _smallest(experiment: Experiment, row: Row, cause: str) -> float:
    return median(seed[0] for seed in experiment.measured(cause)[row.term])


def _approach(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    """The gap is smallest between the two largest sizes: a tenth, or a third of what it is between the two smallest."""
    assert row.fit is not None
    gaps = [abs(local - float(predicted)) for local in row.fit.local]
    if len(gaps) < 2 or gaps[-1] > max(gaps[0] / 3, 0.1) or gaps[-1] > min(gaps):
        return None
    slopes = ", ".join(f"{local:.2f}" for local in row.fit.local)
    return Reason("approach", f"slopes between neighbouring sizes: {slopes}")


def _blow_up(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    orders = experiment.predicted()
    outputs = {op.out for op in flat(experiment.plan.program.operations) if isinstance(op, Output)}
    grown = [term.step for term, order in orders.items() if term.subject in outputs and order is not None and order > 0]
    if not grown or min(grown) > row.term.step or row.term.step <= 1:
        return None
    return Reason("blow-up", f"the logits are predicted to grow from step {min(grown)} on")


def _rate(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    assert row.fit is not None
    gap = abs(row.fit.slope - float(predicted))
    for rate in RATES:
        other = next((r for r in experiment.rows(rate=rate) if r.term == row.term), None)
        if other and other.fit and abs(other.fit.slope - float(predicted)) <= gap * CLOSER:
            return Reason("rate", f"at {rate:g} times the rate the slope is {other.fit.slope:.2f}")
    return None


def _scatter(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    assert row.fit is not None
    low, high = min(row.fit.seeds), max(row.fit.seeds)
    if low <= float(predicted) <= high:
        return Reason("scatter", f"slopes of the seeds: {low:.2f} to {high:.2f}")
    return None
