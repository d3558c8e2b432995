"""Reports as JSON documents, `scalec.check/1` and `scalec.checks/1`. Input: reports. Output: pydantic models, schemas.

Orders are exponents as exact fractions: `{"N": "1/2"}` for `N^(1/2)`, `{}` for order 1, null for absent.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scalec.check.report import Chain, Finding, Gradient, Report, Term, Verdict
from scalec.symbolic.order import Order

Exponents = dict[str, str]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleModel(_Model):
    """One step of a derivation; the factors of a chain multiply to the order."""

    rule: str
    at: str
    factor: Exponents


class TermModel(_Model):
    """An atomic term of `observable`: through `tensor`, or of all of it where that is empty."""

    observable: str
    tensor: str
    term: str
    cause: str
    step: int
    order: Exponents | None
    exponent: Exponents | None
    absent: bool
    where: str = Field(description="the directions of growth in which this holds; empty: all")
    chain: tuple[RuleModel, ...]


class GradientModel(_Model):
    tensor: str
    step: int
    order: Exponents | None
    exponent: Exponents | None
    absent: bool
    eps: Exponents | None
    decay: Exponents | None
    where: str


class FindingModel(_Model):
    goal: str
    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    observable: str
    tensor: str
    term: str
    cause: str
    step: int
    since: int
    order: Exponents | None
    exponent: Exponents | None
    where: str
    file: str | None
    line: int | None
    notes: tuple[str, ...]
    helps: tuple[str, ...]
    chain: tuple[RuleModel, ...]


class CheckDocument(_Model):
    schema_: Literal["scalec.check/1"] = Field(default="scalec.check/1", alias="schema")
    network: str
    regime: str
    growth: dict[str, Exponents]
    verdict: Verdict
    verdicts: dict[str, Verdict]
    limits: dict[str, int | None]
    terms: tuple[TermModel, ...]
    gradients: tuple[GradientModel, ...]
    norms: tuple[GradientModel, ...] = Field(description="the norm of the gradient of all parameters together")
    findings: tuple[FindingModel, ...]


class PositionModel(_Model):
    """A place in a file; lines and columns count from 1, an end column is exclusive."""

    file: str | None
    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None


class LabelModel(PositionModel):
    text: str


class DiagnosticModel(PositionModel):
    """What `--format json` of every command says of a mistake."""

    code: str
    name: str
    severity: Literal["error", "warning", "note"]
    message: str
    label: str
    labels: tuple[LabelModel, ...]
    notes: tuple[str, ...]
    helps: tuple[str, ...]


class RunModel(_Model):
    """One `check` block under one optimizer and one regime; no `report` where it could not run."""

    check: str
    place: str
    optimizer: str
    regime: str
    holds: bool
    diagnostics: tuple[DiagnosticModel, ...]
    report: CheckDocument | None


class ChecksDocument(_Model):
    """What checking files says: mistakes in them, and every `check` block with its report."""

    schema_: Literal["scalec.checks/1"] = Field(default="scalec.checks/1", alias="schema")
    diagnostics: tuple[DiagnosticModel, ...]
    checks: tuple[RunModel, ...]


def check_document(report: Report) -> CheckDocument:
    return CheckDocument(
        network=report.network,
        regime=report.regime.name,
        growth={name: order.as_dict() for name, order in report.regime.growth},
        verdict=report.verdict,
        verdicts=dict(report.verdicts),
        limits=dict(report.limits),
        terms=tuple(map(_term, report.terms)),
        gradients=tuple(map(_gradient, report.gradients)),
        norms=tuple(map(_gradient, report.norms)),
        findings=tuple(map(_finding, report.findings)),
    )


def as_json(report: Report) -> str:
    return check_document(report).model_dump_json(indent=2, by_alias=True) + "\n"


def json_schema(document: type[BaseModel] = CheckDocument) -> dict[str, Any]:
    """The published JSON Schema of a document."""
    return document.model_json_schema(by_alias=True, mode="serialization")


def _exponents(order: Order | None) -> Exponents | None:
    return None if order is None else order.as_dict()


def _chain(chain: Chain) -> tuple[RuleModel, ...]:
    return tuple(RuleModel(rule=r.text, at=r.at, factor=r.factor.as_dict()) for r in chain)


def _term(row: Term) -> TermModel:
    return TermModel(
        observable=row.observable, tensor=row.tensor, term=row.term, cause=row.cause, step=row.step,
        order=_exponents(row.order), exponent=_exponents(row.exponent), absent=row.order is None,
        where=row.where, chain=_chain(row.chain),
    )  # fmt: skip


def _gradient(row: Gradient) -> GradientModel:
    return GradientModel(
        tensor=row.tensor, step=row.step, order=_exponents(row.order), exponent=_exponents(row.exponent),
        absent=row.order is None, eps=_exponents(row.eps), decay=_exponents(row.decay), where=row.where,
    )  # fmt: skip


def _finding(found: Finding) -> FindingModel:
    diagnostic, span = found.diagnostic, found.diagnostic.span
    return FindingModel(
        goal=found.goal, code=diagnostic.code.id, severity=diagnostic.severity, message=diagnostic.message,
        observable=found.subject, tensor=found.tensor, term=found.term, cause=found.cause, step=found.step,
        since=found.since, order=_exponents(found.order), exponent=_exponents(found.exponent), where=found.where,
        file=span.source.name if span else None, line=span.line if span else None,
        notes=diagnostic.notes, helps=diagnostic.helps, chain=_chain(found.chain),
    )  # fmt: skip
