"""The table of mistakes is its own test: each example must bring about its row."""

from __future__ import annotations

import re

import pytest

from scalec.diagnostics import Diagnostic, ScalecError
from scalec.source import Source
from scalec.syntax import mistakes
from scalec.syntax.parser import parse

EXAMPLES = [(row.message, text) for row in mistakes.MISTAKES for text in row.examples]


def mistakes_in(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ScalecError) as raised:
        parse(Source("<test>", text))
    return raised.value.diagnostics


def pattern(message: str) -> str:
    """The message of a row as a regular expression: a place holder stands for anything."""
    text = re.escape(message.replace("{{", "\0")).replace("\0", re.escape("{"))
    return re.sub(r"\\\{\w+\\\}", ".+", text)


@pytest.mark.parametrize(("message", "text"), EXAMPLES)
def test_each_example_brings_about_its_row_and_no_other(message: str, text: str) -> None:
    (found,) = mistakes_in(text)
    assert re.fullmatch(pattern(message), found.message), found.message
    assert found.span is not None
    assert 0 <= found.span.start <= found.span.end <= len(text)


@pytest.mark.parametrize(("message", "text"), EXAMPLES)
def test_no_place_holder_is_left_empty_or_unfilled(message: str, text: str) -> None:
    for found in mistakes_in(text):
        said = " ".join([found.message, *found.helps])
        assert "``" not in said
        assert not re.search(r"\{\w+\}", said)


def test_rows_differ() -> None:
    messages = [row.message for row in mistakes.MISTAKES]
    assert len(set(messages)) == len(messages)


def test_the_end_of_the_text_is_its_real_end() -> None:
    (found,) = mistakes_in("rule r {  # why\n\n")
    assert found.span is not None
    assert (found.span.line, found.span.column, found.span.text) == (1, 9, "")
    assert [span.text for span, _ in found.labels] == ["{"]


def test_what_no_row_knows_says_what_was_expected() -> None:
    (found,) = mistakes_in("network n { lora(on = [1]) }")
    assert found.message == "expected a name, found `1`"
    (found,) = mistakes_in("rule")
    assert found.message == "expected a name, but the text ends here"
