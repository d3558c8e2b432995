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

from scalec.calculus.structure import Structure
from scalec.program.ops import Output
from scalec.torch.compare import Row
from scalec.torch.experiment import Experiment
from scalec.torch.probes import flat
from scalec.torch.terms import Term

Kind = Literal[
    "crossover",
    "together",
    "initial",
    "earlier",
    "small change",
    "approach",
    "blow-up",
    "rate",
    "scatter",
    "unexplained",
]

RATES = (1 / 16, 64.0)  # factors on the learning rate at which a slope is asked for again
PROPORTION = 1.5  # a term of t steps may be this much more than t times that of one step
UNHEARD = 1 / 10  # a cause below this part of a term does not show in its slope
CLOSER = 2 / 3  # what may remain of the gap for another rate to count as the reason


@dataclass(frozen=True)
class Reason:
    """Why a slope is not the predicted one.

    `crossover`: of several causes, each understood alone (or beside what starts at zero, without which it does
    nothing), one of a lower order is still the larger. `together`: each cause is understood alone, and the predicted
    order takes updates of several tensors at once: of second order in the rate, and small. `initial`: a gradient whose
    initial part, of another order, is still larger than its change. `earlier`: the slope is the one predicted for an
    earlier step, and later updates, of a larger order, have not added more than the first did. `small change`: a
    stream is predicted to change by more than it was, so that norms divide by the change; at this rate it has not.
    `approach`: the slope tends to the prediction as the size grows, here or at sizes beyond. `blow-up`: the logits
    have grown by then, the loss gradient is not modelled. `rate`: another learning rate has the predicted slope, or
    comes closer.
    `scatter`: seeds lie on both sides.
    """

    kind: Kind
    text: str


UNEXPLAINED = Reason("unexplained", "")


def explain(experiment: Experiment, row: Row) -> Reason:
    """The first reason that holds, the strictest first."""
    if row.predicted is None or row.fit is None:
        return Reason("unexplained", "absent on one side only")
    return next(_reasons(experiment, row, row.predicted), UNEXPLAINED)


def _reasons(experiment: Experiment, row: Row, predicted: Fraction) -> Iterator[Reason]:
    for reason in (_causes, _parts, _initial, _earlier, _approach, _further, _small_change, _blow_up, _rate, _scatter):
        found = reason(experiment, row, predicted)
        if found:
            yield found


def explain_alone(experiment: Experiment, row: Row, *only: str) -> Reason:
    """The same for a run that trains these tensors, without further causes or rates."""
    if row.predicted is None or row.fit is None:
        return Reason("unexplained", "absent on one side only")
    return (
        _initial(experiment, row, row.predicted, *only)
        or _earlier(experiment, row, row.predicted, *only)
        or _approach(experiment, row, row.predicted)
        or _further(experiment, row, row.predicted, *only)
        or _small_change(experiment, row, row.predicted, *only)
        or _scatter(experiment, row, row.predicted)
        or UNEXPLAINED
    )


def _causes(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    """Each cause alone agrees, has its reason or is too small to show: then the term is a sum of them, or takes
    several of them at once. Where something starts at zero, a cause alone may do nothing: then each is trained
    beside what starts so."""
    reason, silent = _apart(experiment, row, predicted), experiment.silent
    return reason or (_apart(experiment, row, predicted, *silent) if silent else None)


def _apart(experiment: Experiment, row: Row, predicted: Fraction, *beside: str) -> Reason | None:
    trained = {cause: tuple(dict.fromkeys((cause, *beside))) for cause in experiment.causes}
    alone = {cause: found for cause, only in trained.items() if (found := _alone(experiment, row, *only))}
    understood = {c for c, r in alone.items() if r.agrees or explain_alone(experiment, r, *trained[c]) != UNEXPLAINED}
    whole = _size(experiment, row)
    unheard = {c for c in alone.keys() - understood if _size(experiment, row, *trained[c]) < UNHEARD * whole}
    orders = {c: r.predicted for c, r in alone.items() if r.predicted is not None and c in understood}
    if not orders or understood | unheard != alone.keys():
        return None
    best = max(orders, key=lambda cause: orders[cause])
    agreeing = sum(r.agrees for r in alone.values())
    how = f"beside {' and '.join(f'`{path}`' for path in beside)}" if beside else "alone"
    said = f"of {len(alone)} causes {how} {agreeing} agree"
    if orders[best] != predicted:
        return Reason("together", f"{said}; the largest order is {orders[best]}")
    values = {cause: _size(experiment, row, *trained[cause], at=0) for cause in orders}
    rival = max(values, key=lambda cause: values[cause])
    if orders[rival] == predicted and agreeing == len(alone):
        return Reason("crossover", f"{said}; they add up")
    if orders[rival] == predicted:
        ratio = sum(values[cause] for cause in orders if orders[cause] < predicted) / values[best]
        lower = f"those of lower orders are together up to {ratio:.1f} times `{best}` at the smallest size"
        return Reason("crossover", f"{said}; {lower}") if ratio > 1 else None
    ratio = values[rival] / values[best]
    larger = f"`{rival}` (order {orders[rival]}) is {ratio:.1f} times as large at the smallest size"
    return Reason("crossover", f"{said}; {larger}")


def _alone(experiment: Experiment, row: Row, *only: str) -> Row | None:
    """The same term where only these are trained; None where it is absent then."""
    return next((r for r in experiment.rows(*only) if r.term == row.term), None)


def _size(experiment: Experiment, row: Row, *only: str, at: int = -1) -> float:
    """Of the term, at the largest of the sizes unless told."""
    return median(seed[at] for seed in experiment.measured(*only)[row.term])


def _initial(experiment: Experiment, row: Row, predicted: Fraction, *only: str) -> Reason | None:
    """The slope is that of the gradient before training, and the change has not caught up at the largest size."""
    term = row.term
    before = experiment.predicted(*only).get(Term(term.subject, "gradient", 0))
    if term.kind != "gradient" or before is None or row.fit is None or not row.fit.near(before):
        return None
    measured = experiment.measured(*only)
    change = median(seed[-1] for seed in measured[Term(term.subject, "change", term.step)])
    share = change / median(seed[-1] for seed in measured[Term(term.subject, "gradient", 0)])
    if share > 1:
        return None
    return Reason("initial", f"the change is {share:.2g} of the initial gradient (order {before}) at the largest size")


def _earlier(experiment: Experiment, row: Row, predicted: Fraction, *only: str) -> Reason | None:
    """The slope is the prediction of an earlier step, and since then the term has at most grown in proportion."""
    orders, measured = experiment.predicted(*only), experiment.measured(*only)
    for step in range(1, row.term.step):
        before = row.term._replace(step=step)
        order = orders.get(before)
        if order is None or order >= predicted or row.fit is None or not row.fit.near(order):
            continue
        grown = median(seed[-1] for seed in measured[row.term]) / median(seed[-1] for seed in measured[before])
        if grown <= row.term.step / step * PROPORTION:
            return Reason("earlier", f"of order {order} at step {step}, and {grown:.1f} times that at the largest size")
    return None


def _parts(experiment: Experiment, row: Row, predicted: Fraction) -> Reason | None:
    """The change of a sum over copies, whose parts are as predicted: one of a lower order is still the larger."""
    parts = [r for r in experiment.rows() if _part_of(row.term, r.term)]
    orders = {r.term: r.predicted for r in parts if r.predicted is not None}
    if row.term.kind != "delta" or max(orders.values(), default=None) != predicted:
        return None
    if not all(r.agrees or explain(experiment, r).kind != "unexplained" for r in parts):
        return None
    values = {term: median(seed[0] for seed in experiment.measured()[term]) for term in orders}
    best, rival = max(orders, key=lambda term: orders[term]), max(values, key=lambda term: values[term])
    if orders[rival] == predicted:
        return None
    ratio = values[rival] / values[best]
    text = f"of its parts, {rival.kind} (order {orders[rival]}) is {ratio:.1f} times {best.kind} at the smallest size"
    return Reason("crossover", text)


def _part_of(whole: Term, part: Term) -> bool:
    return part.step == whole.step and (
        part.subject.endswith(f" at {whole.subject}") or (part.subject == whole.subject and part.kind == "gates")
    )


def _further(experiment: Experiment, row: Row, predicted: Fraction, *only: str) -> Reason | None:
    """At larger sizes the slope agrees, or half of the gap is gone."""
    if experiment.further is None or row.fit is None:
        return None
    sizes = experiment.further.sizes
    beyond = next((r.fit for r in experiment.further.rows(*only) if r.term == row.term), None)
    gap = abs(row.fit.slope - float(predicted))
    if beyond is None or not (beyond.near(predicted) or abs(beyond.slope - float(predicted)) <= gap / 2):
        return None
    return Reason("approach", f"over {experiment.size} = {sizes[0]:g} to {sizes[-1]:g} the slope is {beyond.slope:.2f}")


def _small_change(experiment: Experiment, row: Row, predicted: Fraction, *only: str) -> Reason | None:
    """A stream is predicted to change by a larger order than it had, and its change is still the smaller part."""
    orders, measured = experiment.predicted(*only), experiment.measured(*only)
    streams = Structure(experiment.plan.program).stream
    for term, order in ((t, o) for t, o in orders.items() if t.subject in streams and t in measured):
        before = Term(term.subject, "init", 0)
        initial = orders.get(before)
        if term.kind != "delta" or term.step != row.term.step or order is None or initial is None or order <= initial:
            continue
        share = median(seed[-1] for seed in measured[term]) / median(seed[-1] for seed in measured[before])
        if share < 1:
            text = f"the change of `{term.subject}` (order {order}) is {share:.2g} of it (order {initial})"
            return Reason("small change", f"{text} at the largest size")
    return None


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
