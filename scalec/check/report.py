"""`Report`: verdicts, terms, gradients, findings. Data only; everything is exact.

Input: `check`. Output: frozen data for tables, diagnostics and JSON. Invariant: the factors of a chain
multiply to the order it explains; `where` names the directions of growth in which a row holds, "" for
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, reduce
from operator import mul
from typing import Literal, TypeVar

from scalec.diagnostics import Diagnostic
from scalec.symbolic.order import ONE, Order, Regime

Verdict = Literal["pass", "fail", "undetermined"]
GRADIENT = "gradient"


@dataclass(frozen=True)
class Rule:
    """One step of a derivation: the transfer rule in words, the tensor or value it was applied at, its factor."""

    text: str
    at: str
    factor: Order


Chain = tuple[Rule, ...]


def product(chain: Chain) -> Order:
    return reduce(mul, (rule.factor for rule in chain), ONE)


@dataclass(frozen=True)
class Term:
    """A row of the table: a term of an observable, through one tensor (`tensor`) or as a whole ("").

    `order` and `exponent` (in the scales of the regime) are None where the term is absent.
    """

    observable: str
    tensor: str
    term: str
    step: int
    order: Order | None
    exponent: Order | None
    cause: str = ""
    chain: Chain = ()
    where: str = ""


@dataclass(frozen=True)
class Gradient:
    """Order of a stored parameter's gradient entry; `eps` and `decay` per step, None where it has none.

    Or, where `tensor` is a loss beside the network's, what it adds to the entry of the scores that it balances.
    """

    tensor: str
    step: int
    order: Order | None
    exponent: Order | None
    eps: Order | None = None
    decay: Order | None = None
    where: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim that does not hold. `step`: that of `order`; `since`: the first at which it fails anywhere."""

    goal: str
    subject: str
    tensor: str
    term: str
    step: int
    since: int
    order: Order | None
    exponent: Order | None
    cause: str
    chain: Chain
    where: str
    diagnostic: Diagnostic


@dataclass(frozen=True)
class Report:
    """What is known of a rule on a network in a regime.

    `limits`: per part of the cone the step that is the limit, None where there is none. `alone`: the
    terms that each of some tensors causes, all others frozen. `norms`: the norm of the whole gradient.
    """

    network: str
    regime: Regime
    verdicts: Mapping[str, Verdict]
    terms: tuple[Term, ...]
    gradients: tuple[Gradient, ...]
    findings: tuple[Finding, ...]
    limits: Mapping[str, int | None]
    norms: tuple[Gradient, ...] = ()
    alone: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return self.verdict_on(self.verdicts)

    def verdict_on(self, goals: Iterable[str]) -> Verdict:
        """The worst of the verdicts on these."""
        found = {self.verdicts[goal] for goal in goals}
        return "fail" if "fail" in found else "undetermined" if "undetermined" in found else "pass"

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Findings and notes; what several desiderata find wrong is said once, by the first."""
        said = {(d.message, d.span): d for d in reversed((*(f.diagnostic for f in self.findings), *self.notes))}
        return tuple(reversed(said.values()))

    def called(self, name: str, place: str = "") -> tuple[Term | Gradient, ...]:
        """The rows at the limit that `TENSOR.TERM`, `OBSERVABLE.TERM` or `TENSOR.gradient` means; `*` is anything.

        A tensor's term is that at its own output, unless `place` names another observable that it reaches.
        """
        subject, _, term = name.rpartition(".")
        if term == GRADIENT:
            return _latest(g for g in self.gradients if fnmatchcase(g.tensor, subject))
        rows = [t for t in self.terms if t.term == term]
        if place:
            return _latest(t for t in rows if t.observable == place and fnmatchcase(t.tensor, subject))
        own = _latest(t for t in rows if self._owner(t) and fnmatchcase(self._owner(t), subject))
        return own or _latest(t for t in rows if fnmatchcase(t.observable, subject))

    def names(self, place: str = "") -> tuple[str, ...]:
        """Every name that `called` knows, without wildcards."""
        if place:
            there = (t for t in self.terms if t.observable == place and t.tensor)
            return tuple(dict.fromkeys(f"{t.tensor}.{t.term}" for t in there))
        terms = (f"{s}.{t.term}" for t in self.terms for s in (self._owner(t), t.observable) if s)
        return tuple(dict.fromkeys((*terms, *(f"{g.tensor}.{GRADIENT}" for g in self.gradients))))

    def _owner(self, row: Term) -> str:
        """What a row belongs to: a weight at its own output, an observable as a whole; "" for the others."""
        if row.tensor:
            return row.tensor if row.observable == self.outputs[row.tensor] else ""
        makes = row.observable in self.outputs.values() and row.term not in ("change", "total")
        return "" if makes else row.observable

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Each weight's own output: its rows there come before those at the observables it reaches."""
        found: dict[str, str] = {}
        for row in self.terms:
            if row.tensor:
                found.setdefault(row.tensor, row.observable)
        return found

    def term(self, subject: str, term: str, step: int | None = None) -> tuple[Term, ...]:
        """Rows of a tensor's own output or of an observable; at the limit unless a step is named."""
        rows = tuple(r for r in self.terms if r.term == term and subject in (r.observable, r.tensor))
        return _latest(rows) if step is None else tuple(row for row in rows if row.step == step)


Row = TypeVar("Row", Term, Gradient)


def _latest(rows: Iterable[Row]) -> tuple[Row, ...]:
    """For every part of the cone the rows of the last step that has any."""
    found = tuple(rows)
    last = {row.where: row.step for row in sorted(found, key=lambda row: row.step)}
    return tuple(row for row in found if row.step == last[row.where])
