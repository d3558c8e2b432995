"""Diagnostics -> text.

Input: diagnostics, in the order to show them. Output: plain text without colour, or JSON. Invariant:
the first line of each stands alone; a caret stands under the first character it is about, however wide
the characters before it; no control character of a rule file reaches a terminal. Colour is laid over
the plain text at the very edge (`styled`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from scalec.diagnostics import Diagnostic
from scalec.source import Source, Span

if TYPE_CHECKING:
    from rich.text import Text

SCHEMA = "scalec.diagnostics/1"
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
TAB = 4
EXCERPT = 120  # characters of a line that are shown; a longer one is cut around the caret


def as_text(diagnostics: Iterable[Diagnostic]) -> str:
    """A paragraph each: the message, its place, the lines with carets, notes and helps."""
    return "\n".join("".join(f"{line}\n" for line in _paragraph(d)) for d in diagnostics)


def as_concise(diagnostics: Iterable[Diagnostic]) -> str:
    """`file:line:column: error[SC201] message`, a line each."""
    places = ((f"{_place(d.span)}: " if d.span else "", d) for d in diagnostics)
    return "".join(f"{place}{_head(d)} {_shown(d.message)}\n" for place, d in places)


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A versioned object; lines and columns count from 1, and an end column is exclusive."""
    return json.dumps({"schema": SCHEMA, "diagnostics": [_entry(d) for d in diagnostics]}, indent=2) + "\n"


def as_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands, a line each, which a pull request shows beside the text."""
    return "".join(f"::{_github_word(d)} {_github_place(d)}title={d.code.id}::{_github_text(d)}\n" for d in diagnostics)


def _github_word(d: Diagnostic) -> str:
    return "notice" if d.severity == "note" else d.severity


def _github_place(d: Diagnostic) -> str:
    return f"file={_github_escape(d.span.source.name)},line={d.span.line},col={d.span.column}," if d.span else ""


def _github_text(d: Diagnostic) -> str:
    return _github_escape(". ".join((d.message, *d.notes, *d.helps)))


def _github_escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def as_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """SARIF 2.1.0: one run, the rules that occur, a result each."""
    found = list(diagnostics)
    codes = {d.code.id: d.code for d in found}
    rules = [
        {"id": c.id, "name": c.name, "fullDescription": {"text": c.doc}}
        for c in sorted(codes.values(), key=lambda c: c.id)
    ]
    driver = {"name": "scalec", "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_sarif_result(d) for d in found]}
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_result(d: Diagnostic) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": d.code.id,
        "level": d.severity,
        "message": {"text": ". ".join((d.message, *d.notes, *d.helps))},
    }
    if d.span is not None:
        region = {"startLine": d.span.line, "startColumn": d.span.column}
        place = {"artifactLocation": {"uri": d.span.source.name}, "region": region}
        result["locations"] = [{"physicalLocation": place}]
    return result


def styled(plain: str) -> Text:
    """The output of `as_text` in colours, for a terminal."""
    from rich.text import Text

    text = Text(plain)
    text.highlight_regex(r"(?m)^error\[\w+\]", "bold red")
    text.highlight_regex(r"(?m)^warning\[\w+\]", "bold yellow")
    text.highlight_regex(r"(?m)^note\[\w+\]", "bold cyan")
    text.highlight_regex(r"(?m)^ *\d* \|| +(-->|:::|= (note|help):)", "blue")
    return text


# ---- text ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Mark:
    span: Span
    sign: str
    label: str


def _head(d: Diagnostic) -> str:
    return f"{d.severity}[{d.code.id}]"


def _place(span: Span) -> str:
    return f"{_shown(span.source.name)}:{span.line}:{span.column}"


def _paragraph(d: Diagnostic) -> Iterator[str]:
    yield f"{_head(d)}: {_shown(d.message)}"
    marks = [_Mark(span, "-", label) for span, label in d.labels]
    if d.span is not None:
        marks.insert(0, _Mark(d.span, "^", d.label))
    margin = max((len(str(mark.span.line)) for mark in marks), default=0)
    for i, source in enumerate(dict.fromkeys(mark.span.source for mark in marks)):
        here = [mark for mark in marks if mark.span.source == source]
        yield f"{' ' * margin}{':::' if i else '-->'} {_place(here[0].span)}"
        yield f"{' ' * margin} |"
        yield from _excerpt(source, here, margin)
    for word, texts in (("note", d.notes), ("help", d.helps)):
        for text in texts:
            yield f"{' ' * margin} = {word}: {_shown(text)}"


def _excerpt(source: Source, marks: list[_Mark], margin: int) -> Iterator[str]:
    """The lines that the marks are on, each with its marks below; `...` for lines left out."""
    above = None
    for number, on_line in groupby(sorted(marks, key=_line_of), key=_line_of):
        if above is not None and number > above + 1:
            yield "..."
        above = number
        some = list(on_line)
        line = source.line_text(number)
        first = max(0, min(mark.span.column for mark in some) - EXCERPT // 2) if len(line) > EXCERPT else 0
        yield f"{number:>{margin}} | {_cells(line[first : first + EXCERPT])}".rstrip()
        for mark in some:
            yield f"{' ' * margin} | {_underline(mark, line, first)}".rstrip()


def _line_of(mark: _Mark) -> int:
    return mark.span.line


def _underline(mark: _Mark, line: str, first: int) -> str:
    start = mark.span.column - 1
    end = min(start + mark.span.end - mark.span.start, len(line), first + EXCERPT)
    before = _width(_cells(line[first:start]))
    width = _width(_cells(line[first:end])) - before
    return f"{' ' * before}{mark.sign * max(width, 1)} {_shown(mark.label)}"


# ---- characters ------------------------------------------------------------------------------
def _shown(text: str) -> str:
    """Control characters, which could move the cursor or colour the terminal, become `\ufffd`."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else c for c in text)


def _cells(text: str) -> str:
    """A source line as it is shown: a tab is as many blanks as lead to its next stop."""
    first, *others = text.split("\t")
    shown = _shown(first)
    for other in others:
        shown += " " * (TAB - _width(shown) % TAB) + _shown(other)
    return shown


def _width(shown: str) -> int:
    """Columns of a terminal: two for a wide character, none for one that combines."""
    return len(shown) if shown.isascii() else sum(_width_of(char) for char in shown)


def _width_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


# ---- JSON ------------------------------------------------------------------------------------
def _entry(d: Diagnostic) -> dict[str, object]:
    return {
        "code": d.code.id,
        "name": d.code.name,
        "severity": d.severity,
        "message": d.message,
        **_position(d.span),
        "label": d.label,
        "labels": [{"text": text, **_position(span)} for span, text in d.labels],
        "notes": list(d.notes),
        "helps": list(d.helps),
    }


def _position(span: Span | None) -> dict[str, object]:
    if span is None:
        return dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    end_line, end_column = span.source.line_column(span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
    }


FORMATS: dict[str, Callable[[Iterable[Diagnostic]], str]] = {
    "text": as_text, "concise": as_concise, "json": as_json, "github": as_github, "sarif": as_sarif,
}  # fmt: skip
