"""What a diagnostic looks like: the caret under its character, the first line alone, valid JSON."""

from __future__ import annotations

import json

import pytest

from scalec.diagnostics import Code, Diagnostic
from scalec.render import as_concise, as_json, as_text, styled
from scalec.source import Source, Span

ERROR = Code("SC999", "made-up", "error", "Only a test makes this.")
WARNING = Code("SC998", "half-made-up", "warning", "Only a test makes this.")


def span_of(word: str, text: str, name: str = "my.scale") -> Span:
    start = text.index(word)
    return Span(Source(name, text), start, start + len(word))


def caret_columns(rendered: str) -> tuple[int, str]:
    """Where the first caret stands, and the line above it."""
    lines = rendered.splitlines()
    row = next(i for i, line in enumerate(lines) if "^" in line)
    return lines[row].index("^"), lines[row - 1]


def assert_caret_under(word: str, rendered: str, columns_lost: int = 0) -> None:
    column, line = caret_columns(rendered)
    assert line[column - columns_lost :].startswith(word), rendered


def test_a_whole_diagnostic() -> None:
    text = "rule r {\n  tensor readout { scale ~ 1 }\n}\nrule s extends r { }\n"
    source = Source("my.scale", text)
    where, other = text.index("scale ~"), text.index("rule s")
    found = Diagnostic(
        ERROR,
        "`scale` grows",
        Span(source, where, where + 9),
        label="here",
        labels=((Span(source, other, other + 4), "seen from here"),),
        notes=("a fact",),
        helps=("a change",),
    )
    assert as_text([found]) == (
        "error[SC999]: `scale` grows\n"
        " --> my.scale:2:20\n"
        "  |\n"
        "2 |   tensor readout { scale ~ 1 }\n"
        "  |                    ^^^^^^^^^ here\n"
        "...\n"
        "4 | rule s extends r { }\n"
        "  | ---- seen from here\n"
        "  = note: a fact\n"
        "  = help: a change\n"
    )


@pytest.mark.parametrize("before", ["", "ab ", "\t", "a\tb\t", "    \t"])
def test_the_caret_is_under_its_word_after_blanks_and_tabs(before: str) -> None:
    assert_caret_under("word", as_text([Diagnostic(ERROR, "m", span_of("word", f"{before}word here"))]))


def test_the_caret_counts_a_wide_character_twice_and_a_combining_one_not() -> None:
    wide = as_text([Diagnostic(ERROR, "m", span_of("word", "数字 word"))])
    assert_caret_under("word", wide, columns_lost=2)
    combined = as_text([Diagnostic(ERROR, "m", span_of("word", "e\u0301 word"))])
    assert_caret_under("word", combined, columns_lost=-1)


def test_the_caret_assertion_can_fail() -> None:
    with pytest.raises(AssertionError):
        assert_caret_under("other", as_text([Diagnostic(ERROR, "m", span_of("word", "a word"))]))


def test_an_empty_span_has_one_caret_and_a_long_one_stops_at_its_line() -> None:
    source = Source("my.scale", "rule r {\n}\n")
    assert as_text([Diagnostic(ERROR, "m", Span(source, 8, 8))]).splitlines()[-1] == "  |         ^"
    assert as_text([Diagnostic(ERROR, "m", Span(source, 5, 11))]).splitlines()[-1] == "  |      ^^^"


def test_a_long_line_is_cut_around_the_caret() -> None:
    rendered = as_text([Diagnostic(ERROR, "m", span_of("word", "x" * 5000 + " word " + "y" * 5000))])
    assert_caret_under("word", rendered)
    assert max(map(len, rendered.splitlines())) < 200


def test_control_characters_never_reach_the_terminal() -> None:
    text = "\x1b[31m word \x07"
    found = Diagnostic(ERROR, "saw \x1b[2J", span_of("word", text, "a\x1b.scale"), labels=())
    for rendered in (as_text([found]), as_concise([found])):
        assert not any(c < " " and c != "\n" for c in rendered)


def test_a_label_in_another_file() -> None:
    labels = ((span_of("there", "there", "other.scale"), "declared here"),)
    rendered = as_text([Diagnostic(ERROR, "m", span_of("here", "here"), labels=labels)])
    assert "\n ::: other.scale:1:1\n" in rendered
    assert rendered.endswith("1 | there\n  | ----- declared here\n")


def test_a_diagnostic_without_a_place() -> None:
    found = Diagnostic(WARNING, "nothing grows", helps=("name a regime",))
    assert as_text([found]) == "warning[SC998]: nothing grows\n = help: name a regime\n"
    assert as_concise([found]) == "warning[SC998] nothing grows\n"


def test_concise() -> None:
    found = Diagnostic(ERROR, "unknown name", span_of("mup", "use std.mup"))
    assert as_concise([found, found]) == "my.scale:1:9: error[SC999] unknown name\n" * 2


def test_json() -> None:
    text = "rule r {\n}\n"
    span = Span(Source("my.scale", text), 5, 10)
    data = json.loads(
        as_json([Diagnostic(ERROR, "m", span, labels=((span, "here"),), notes=("n",)), Diagnostic(WARNING, "w")])
    )
    assert data["schema"] == "scalec.diagnostics/1"
    first, second = data["diagnostics"]
    position = {"file": "my.scale", "line": 1, "column": 6, "end_line": 2, "end_column": 2}
    assert first == {
        "code": "SC999", "name": "made-up", "severity": "error", "message": "m", **position, "label": "",
        "labels": [{"text": "here", **position}], "notes": ["n"], "helps": [],
    }  # fmt: skip
    assert second["file"] is None
    assert second["line"] is None


def test_colours_change_no_character() -> None:
    plain = as_text([Diagnostic(ERROR, "m", span_of("mup", "use std.mup"), helps=("h",))])
    text = styled(plain)
    assert text.plain == plain
    assert text.spans
