"""Syntax mistakes by example: one table is both the messages and their tests.

Input: the place where the parser stopped. Output: a diagnostic. Invariant: the first row that fits
speaks, and every example of a row makes that row speak (tests/syntax/test_mistakes.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scalec.catalogue import SYNTAX
from scalec.diagnostics import Diagnostic
from scalec.source import Span

SYMBOLS = ("==", "**", "//", "/*", ":=", "+=", "-=", "/=", "->", "<-", "=>", "&&", "||")
WORD = re.compile(r'"[^"\n]*"?|\w[\w.]*|\S')


@dataclass(frozen=True)
class Place:
    """Where the parser stopped.

    `span` is what stands there (empty at the end of the text), `before` the last tokens read,
    nearest last, `expected` what could have stood there, `open` the brackets not yet closed.
    """

    span: Span
    before: tuple[Span, ...]
    expected: frozenset[str]
    open: tuple[Span, ...]


def found_at(rest: Span) -> Span:
    """The word or symbol at the start of `rest`; empty at the end of the text."""
    match = WORD.match(rest.text)
    return Span(rest.source, rest.start, rest.start + (match.end() if match else 0))


def explain(place: Place) -> Diagnostic:
    notes = (str(sorted(place.expected)),)
    return Diagnostic(SYNTAX, f"unexpected `{place.span.text}`", place.span, notes=notes)
