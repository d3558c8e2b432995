"""From failures to findings in the house style. Input: analyses of all cells. Output: findings with diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

from scalec import catalogue as codes
from scalec.calculus.forward import UnsupportedError
from scalec.calculus.scaling import Scaling
from scalec.check.evidence import Claim
from scalec.check.goal import Goal
from scalec.check.judge import Analysis, Failure
from scalec.check.report import Finding
from scalec.check.table import chain_of, where
from scalec.diagnostics import Code, Diagnostic
from scalec.program.program import Program
from scalec.symbolic.dominance import Cell

LEVERS = {
    "init": "init.std",
    "propagating": "init.std",
    "effective": "lr",
    "epsilon": "eps",
    "decay": "wd",
    "balance": "scale",
}
KEEPS = {"epsilon": "keeps it at the gradient entry", "balance": "keeps it level with the loss at the router"}


def findings(analyses: Iterable[Analysis]) -> Iterator[Finding]:
    """One finding for each claim that fails, whatever cells it fails in."""
    groups: dict[tuple[object, ...], tuple[Scaling, list[Failure]]] = {}
    for analysis in analyses:
        for failure in analysis.failures:
            claim = failure.claim
            key = (failure.goal.name, claim.subject, claim.tensor, claim.term, failure.above, _code(failure))
            groups.setdefault(key, (analysis.scaling, []))[1].append(failure)
    for scaling, group in groups.values():
        yield _finding(group, scaling)


def _finding(group: list[Failure], scaling: Scaling) -> Finding:
    first, claim = group[0], group[0].claim
    pieces: dict[str, list[Cell]] = {}
    for failure in group:
        pieces.setdefault(_text(failure.claim), []).append(failure.region)
    place = where(failure.region for failure in group)
    magnitude = claim.shown or claim.order
    cause = claim.component.cause if claim.component else ""
    tensor = scaling.tensors.get(claim.tensor) or scaling.tensors.get(cause)
    return Finding(
        first.goal.name,
        claim.subject,
        claim.tensor,
        claim.term,
        claim.step,
        min(f.since for f in group),
        None if magnitude is None else magnitude.order,
        None if magnitude is None else magnitude.exponent,
        cause,
        chain_of(claim.component),
        place,
        Diagnostic(
            _code(first),
            _message(first, _text(claim) if len(pieces) == 1 else "", place),
            tensor.spans.get(LEVERS.get(claim.term, "")) if tensor else None,
            notes=(*_pieces(pieces), *_notes(first, cause)),
            helps=tuple(_helps(claim)) if len(pieces) == 1 else (),
        ),
    )


def _text(claim: Claim) -> str:
    magnitude = claim.shown or claim.order
    return "" if magnitude is None else f"`{magnitude.order}`"


def _pieces(pieces: dict[str, list[Cell]]) -> Iterator[str]:
    """Where the order is not the same in every direction: which where."""
    if len(pieces) > 1:
        for text, cells in pieces.items():
            yield f"as {text} where {where(cells)}"


def _code(failure: Failure) -> Code:
    """The goal's own, or the milder one for what has passed by the limit."""
    early = failure.goal.early
    return early if early is not None and failure.passed else failure.goal.code


def _message(failure: Failure, order: str, place: str) -> str:
    claim = failure.claim
    name = f"`{claim.tensor}`'s {claim.term} term" if claim.tensor else f"`{claim.subject}`"
    if claim.term in ("epsilon", "decay"):
        name = f"`{claim.tensor}`'s {claim.term}"
    elif claim.term == "balance":
        name = f"the part of `{claim.subject}` in the router's gradient"
    elif claim.term == "change":
        name = f"the change of {name}"
    at = f" at `{claim.subject}`" if claim.tensor not in ("", claim.subject) else ""
    if claim.order is None:
        text = f"{name}{at} is absent"
    elif claim.term == "epsilon":
        text = f"{name}{order and f', of order {order},'} exceeds its gradient entry"
    else:
        text = f"{name}{at} {'grows' if failure.above else 'falls'}{order and f' as {order}'}"
    return f"{text} where {place}" if place else text


def _notes(failure: Failure, cause: str) -> Iterator[str]:
    claim = failure.claim
    yield from claim.notes
    if cause and cause != claim.tensor:
        yield f"caused by the update of `{cause}`"
    telling = [link for link in claim.component.chain if "coherent" in link.rule] if claim.component else []
    if failure.above and telling:
        yield f"at `{telling[-1].at}`: {telling[-1].rule}"
    if failure.since and failure.goal.judged == "every step":
        yield f"since step {failure.since}"


def _helps(claim: Claim) -> Iterator[str]:
    lever = LEVERS.get(claim.term.removeprefix("backward "))
    if lever and claim.order is not None and not claim.term.startswith("backward"):
        bound = KEEPS.get(claim.term, "keeps it at order 1")
        yield f"`{lever}` of `{claim.tensor or claim.subject}` times `{claim.order.order**-1}` {bound}"


# ---- no rule ---------------------------------------------------------------------------------
OPEN = (codes.NO_TRANSFER, codes.UNPROVED)  # for these a verdict is undetermined


def unsupported(error: UnsupportedError, goals: Iterable[Goal], program: Program) -> Iterator[Finding]:
    """Why nothing is known: for every goal, at every place."""
    others = ", ".join(f"`{place}`" for place in error.places[1:])
    notes = (f"so are {others}",) if others else ()
    diagnostic = Diagnostic(codes.NO_TRANSFER, str(error), notes=notes, helps=error.helps)
    for goal, place in product(goals, error.places):
        tensor = place if place in program.tensor else ""
        yield Finding(goal.name, place, tensor, "total", 0, 0, None, None, "", (), "", diagnostic)


# ---- no limit --------------------------------------------------------------------------------
def unjudged(analyses: Iterable[Analysis]) -> Iterator[Finding]:
    """Why, for every goal that could not be judged: there is no limit, or nothing is proved of it."""
    cells = [a for a in analyses if a.unjudged]
    yield from _missing([a for a in cells if a.training.unproved], _unproved)
    yield from _missing([a for a in cells if not a.training.unproved], _unsettled)


def _missing(cells: list[Analysis], why: Callable[[Analysis, str], tuple[str, Diagnostic]]) -> Iterator[Finding]:
    if not cells:
        return
    place, (name, top) = where(a.cell for a in cells), cells[0].growing
    cause, diagnostic = why(cells[0], f" where {place}" if place else "")
    step = cells[0].training.limit.index
    for goal in cells[0].unjudged:
        yield Finding(goal.name, name, "", "total", step, step, None, None, cause, chain_of(top), place, diagnostic)


def _unproved(analysis: Analysis, place: str) -> tuple[str, Diagnostic]:
    name, _ = analysis.growing
    reason = "its stream outgrows what enters it before training, and early copies amplify gradients and changes"
    return "", Diagnostic(
        codes.UNPROVED,
        f"what training does through `{name}` is not proved{place}",
        notes=(f"{reason} by a power that depends on constants",),
        helps=("let the branches add up to what enters, by their factor or their `init.std`",),
    )


def _unsettled(analysis: Analysis, place: str) -> tuple[str, Diagnostic]:
    step, (name, top) = analysis.training.limit, analysis.growing
    backward = bool(step.drifting) and not step.forward.drifting
    cause = top.cause if top and not backward else ""
    tensor = analysis.scaling.tensors.get(cause)
    subject = f"the gradient of `{name}`" if backward else f"`{name}`"
    drift = step.drifting.get(name)
    what = f"{drift} from copy to copy of its block" if drift else f"still changes after {step.index} steps"
    notes = (f"caused by the update of `{cause}`",) if cause else ()
    span = tensor.spans.get("lr") if tensor else None
    return cause, Diagnostic(codes.UNSETTLED, f"{subject} {what}{place}", span, notes=notes)
