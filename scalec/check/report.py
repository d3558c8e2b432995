"""`Report`: verdicts, terms, gradients, findings. Data only; everything is exact.

Input: `check`. Output: frozen data for tables, diagnostics and JSON. Invariant: the factors of a chain
multiply to the order it explains; `where` names the directions of growth in which a row holds, "" for
all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import mul
from typing import Literal

from scalec.diagnostics import Diagnostic
from scalec.symbolic.order import ONE, Order, Regime

Verdict = Literal["pass", "fail", "undetermined"]


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
    """Order of a stored parameter's gradient entry; `eps` and `decay` per step, None where it has none."""

    tensor: str
    step: int
    order: Order | None
    exponent: Order | None
    eps: Order | None = None
    decay: Order | None = None
    where: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim that does not hold. `step`: the last step judged; `since`: the first at which it fails."""

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
        found = set(self.verdicts.values())
        return "fail" if "fail" in found else "undetermined" if "undetermined" in found else "pass"

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Findings and notes; what several desiderata find wrong is said once, by the first."""
        said = {(d.message, d.span): d for d in reversed((*(f.diagnostic for f in self.findings), *self.notes))}
        return tuple(reversed(said.values()))

    def term(self, subject: str, term: str, step: int | None = None) -> tuple[Term, ...]:
        """Rows of a tensor's own output or of an observable; at the limit unless a step is named."""
        rows = [r for r in self.terms if r.term == term and subject in (r.observable, r.tensor)]
        last = {row.where: row.step for row in sorted(rows, key=lambda row: row.step)}
        return tuple(row for row in rows if row.step == (last[row.where] if step is None else step))
