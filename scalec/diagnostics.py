"""Diagnostics are data, rendered at the edge (`render`).

A message states the problem first, in lower case, with code in backticks and no full stop; its
first line must stand alone. Notes give facts; only helps propose a change. Every code is in
`catalogue.CODES`; passes make diagnostics through `Reporter` and never print.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, NoReturn

from scalec.source import Span

Severity = Literal["error", "warning", "note"]
MANY = 100  # mistakes told in one run: beyond it nobody reads on
LONG = 64  # characters of a name, and
CROWD = 200  # known names, beyond which near ones are not looked for: that takes long


@dataclass(frozen=True)
class Code:
    """One kind of mistake: `SC201`, a name that reads well after "allow", what `explain` prints."""

    id: str
    name: str
    severity: Severity
    doc: str


@dataclass(frozen=True)
class Diagnostic:
    """One finding. `labels` are secondary places with a word on each."""

    code: Code
    message: str
    span: Span | None = None
    label: str = ""
    labels: tuple[tuple[Span, str], ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        return self.code.severity


class ScalecError(Exception):
    """Raised at the border of a pass that cannot go on. Carries every diagnostic found so far."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        super().__init__()
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        return "; ".join(f"[{d.code.id}] {d.message}" for d in self.diagnostics)


@dataclass
class Reporter:
    """Collects diagnostics, so that one run reports all independent mistakes."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(
        self,
        code: Code,
        message: str,
        span: Span | None = None,
        *,
        label: str = "",
        labels: Iterable[tuple[Span, str]] = (),
        notes: Iterable[str] = (),
        helps: Iterable[str] = (),
    ) -> None:
        if self.full or any((d.code, d.message, d.span) == (code, message, span) for d in self.diagnostics):
            return  # enough is said, or it is one mistake, seen from another tensor
        self.diagnostics.append(Diagnostic(code, message, span, label, tuple(labels), tuple(notes), tuple(helps)))

    def fail(self, code: Code, message: str, span: Span | None = None, **more: object) -> NoReturn:
        """Report and stop this pass."""
        self.report(code, message, span, **more)  # type: ignore[arg-type]
        raise ScalecError(self.diagnostics)

    @property
    def full(self) -> bool:
        """Whether more findings would be too many: they are left out once there is an error."""
        return len(self.diagnostics) >= MANY and any(d.severity == "error" for d in self.diagnostics)

    def take(self, found: Iterable[Diagnostic]) -> None:
        """Take over what another reporter collected."""
        for d in found:
            if not self.full and d not in self.diagnostics:
                self.diagnostics.append(d)

    def stop_on_errors(self) -> None:
        """End a pass whose input has errors; warnings and notes go on."""
        if any(d.severity == "error" for d in self.diagnostics):
            raise ScalecError(self.diagnostics)

    @property
    def ordered(self) -> tuple[Diagnostic, ...]:
        """By file and position, so that output is deterministic."""
        return tuple(sorted(self.diagnostics, key=_position))


def _position(d: Diagnostic) -> tuple[str, int, str, str]:
    if d.span is None:
        return ("", 0, d.code.id, d.message)
    return (d.span.source.name, d.span.start, d.code.id, d.message)


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """A help line with the nearest known names, four at most; empty when none is near."""
    names = set(known)
    if len(name) > LONG or len(names) > CROWD:
        return ()
    short = sorted(n for n in names if len(n) <= LONG)
    same = [n for n in short if n.lower() == name.lower()]  # of one letter nothing else is near
    near = list(dict.fromkeys((*same, *get_close_matches(name, short, n=4, cutoff=0.6))))[:4]
    return (f"did you mean {' or '.join(f'`{n}`' for n in near)}?",) if near else ()
