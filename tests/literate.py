"""Literate cases: Markdown whose fenced rule files say, line by line, which diagnostics they bring.

Input: Markdown. Output: `Case`s, one per heading that holds fences. Invariant: a diagnostic that no
comment asserts fails its case, and so does an assertion that no diagnostic meets.

A file is a fence called `scale`. A comment `# error: [SC201] "part of the message"` (or `warning:`,
`note:`) asserts a diagnostic on its line; several follow one another. Other fences are kept in
`Case.fences` for those who run them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scalec.diagnostics import Diagnostic

HEADING = re.compile(r"(#+)\s+(.*)")
FENCE = re.compile(r"(`{3,})(\w*)\s*$")
ASSERTION = re.compile(r'#\s*(error|warning|note): \[(SC\d+)\](?: "([^"]*)")?')

Diagnose = Callable[[str], Iterable[Diagnostic]]


@dataclass(frozen=True)
class Fence:
    language: str
    text: str
    line: int  # of its first line of text in the Markdown, counted from 1


@dataclass(frozen=True)
class Case:
    name: str
    fences: tuple[Fence, ...]


def cases(markdown: str) -> tuple[Case, ...]:
    """A case per heading with fences, named by its headings from the outermost in."""
    found: dict[tuple[str, ...], list[Fence]] = {}
    headings: tuple[str, ...] = ()
    lines = iter(enumerate(markdown.splitlines(), start=1))
    for number, line in lines:
        if heading := HEADING.fullmatch(line):
            depth = len(heading[1])
            headings = (*headings[: depth - 1], heading[2])
        elif fence := FENCE.fullmatch(line):
            text = "".join(f"{inner}\n" for inner in _until(fence[1], lines))
            found.setdefault(headings, []).append(Fence(fence[2], text, number + 1))
    return tuple(Case(" / ".join(names), tuple(fences)) for names, fences in found.items())


def _until(ticks: str, lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line.rstrip() == ticks:
            return
        yield line
    raise AssertionError("a fence is never closed")


def assert_case(case: Case, diagnose: Diagnose) -> None:
    """Every diagnostic of every rule file of the case is asserted, and every assertion is met."""
    wrong = [text for fence in case.fences if fence.language == "scale" for text in _wrong(fence, diagnose)]
    assert not wrong, "\n".join(wrong)


def _wrong(fence: Fence, diagnose: Diagnose) -> Iterator[str]:
    unmet = [
        (row, assertion[1], assertion[2], assertion[3] or "")
        for row, line in enumerate(fence.text.splitlines(), start=1)
        for assertion in ASSERTION.finditer(line)
    ]
    for d in diagnose(fence.text):
        row = d.span.line if d.span else 0
        met = next((a for a in unmet if a[:3] == (row, d.severity, d.code.id) and a[3] in d.message), None)
        if met:
            unmet.remove(met)
        else:
            yield f"line {fence.line + row - 1}: not asserted: {d.severity}: [{d.code.id}] {d.message}"
    for row, severity, code, text in unmet:
        yield f"line {fence.line + row - 1}: not met: {severity}: [{code}] {text}"
