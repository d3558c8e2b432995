"""The tables of a report: terms and gradient entries. Input: the evidence of a cell. Output: rows, and rows merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from scalec.calculus.components import Component, Vector, initial
from scalec.calculus.forward import TERMS
from scalec.calculus.training import Step
from scalec.check.evidence import Evidence
from scalec.check.report import Chain, Gradient, Rule, Term
from scalec.symbolic.dominance import Cell, Magnitude, directions, merged
from scalec.symbolic.order import Order

Row = TypeVar("Row", Term, Gradient)


@dataclass(frozen=True)
class Rows:
    """The rows of one cell. They are made while the cell may still be split, since they choose largest terms."""

    terms: tuple[Term, ...]
    gradients: tuple[Gradient, ...]
    norms: tuple[Gradient, ...]


def rows(evidence: Evidence) -> Rows:
    """Every atomic term at its weight's output at every step, observables as a whole, and what reaches them.

    Raises `UndecidedError`.
    """
    return Rows(tuple(_terms(evidence)), (*_gradients(evidence), *_balances(evidence)), tuple(_norms(evidence)))


def merge(cells: Iterable[tuple[Cell, tuple[Row, ...]]]) -> tuple[Row, ...]:
    """Rows that say the same of several cells are one row."""
    groups: dict[tuple[object, ...], tuple[Row, list[Cell]]] = {}
    for cell, found in cells:
        for row in found:
            key = (_subject(row), row.step, row.order)
            groups.setdefault(key, (row, []))[1].append(cell)
    told = cache(where)  # many rows hold in the same cells
    placed = ((row, told(tuple(alike))) for row, alike in groups.values())
    return tuple(replace(row, where=place) if place else row for row, place in placed)


def chain_of(component: Component | None) -> Chain:
    if component is None:
        return ()
    return tuple(Rule(link.rule, link.at, link.factor.order) for link in component.chain)


def where(cells: Iterable[Cell]) -> str:
    """The directions of several cells in words, "" for all."""
    texts = [directions(cell) for cell in merged(cells)]
    return "" if "" in texts else " or ".join(texts)


def _subject(row: Term | Gradient) -> tuple[str, ...]:
    return (row.observable, row.tensor, row.term) if isinstance(row, Term) else (row.tensor,)


def _terms(evidence: Evidence) -> Iterator[Term]:
    start = evidence.training.steps[0]
    for step in evidence.passes:
        for op in evidence.weighted:
            for term in TERMS[:1] if step is start else TERMS[1:]:
                yield _term(evidence, step, op.out, op.tensor, term, step.forward.terms[op.out].named(term))
        for name in evidence.structure.balances:
            yield _term(evidence, step, name, "", "total", evidence.value(step, name))
        for name in evidence.kinds:
            if step is start:
                yield _term(evidence, step, name, "", "init", initial(evidence.value(step, name)))
            else:
                yield _term(evidence, step, name, "", "change", evidence.change(step, name))
            yield _term(evidence, step, name, "", "total", evidence.value(step, name))
    for step, wanted in ((start, TERMS[:1]), (evidence.limit, TERMS[1:])):
        for found in evidence.reached(step) if step in evidence.passes else ():
            if found.observable != found.op.out and found.term in wanted:
                yield _term(evidence, step, found.observable, found.op.tensor, found.term, found.vector)


def _term(evidence: Evidence, step: Step, observable: str, tensor: str, term: str, vector: Vector) -> Term:
    top: Component | None = evidence.largest(vector)
    if top is None:
        return Term(observable, tensor, term, step.index, None, None)
    return Term(observable, tensor, term, step.index, top.order.order, top.order.exponent, top.cause, chain_of(top))


def _gradients(evidence: Evidence) -> Iterator[Gradient]:
    for step in evidence.steps:
        for tensor, weight in evidence.training.world.weights.items():
            entry = step.gradient[tensor]
            exponent = entry.exponent if entry else None
            yield Gradient(tensor, step.index, _order(entry), exponent, _order(weight.eps), _order(weight.decay))


def _balances(evidence: Evidence) -> Iterator[Gradient]:
    """What a loss beside the network's adds to the gradient of the scores that it balances."""
    for step in evidence.steps:
        for loss, entries in step.balances.items():
            entry = evidence.cell.largest(e for e in entries.values() if e is not None)
            yield Gradient(loss, step.index, _order(entry), entry.exponent if entry else None)


def _norms(evidence: Evidence) -> Iterator[Gradient]:
    for step in evidence.steps:
        norm = evidence.norm(step)
        yield Gradient("", step.index, _order(norm), norm.exponent if norm else None)


def _order(magnitude: Magnitude | None) -> Order | None:
    return None if magnitude is None else magnitude.order
