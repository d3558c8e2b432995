"""Broken rule files bring diagnostics, never another exception: texts of examples, mutated word by word."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec.diagnostics import ScalecError
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, diagnose_text, plan
from scalec.resolve.load import load_text
from tests.sources import ROOT

FILES = [ROOT / "examples" / "gpt.scale", *sorted((ROOT / "rules" / "std").glob("*.scale"))]
WORD = re.compile(r"#[^\n]*|\"[^\"\n]*\"|[\w.]+|\s+|.")
TOKENS = [[w for w in WORD.findall(path.read_text("utf-8")) if not w.startswith("#")] for path in FILES]
SPICE = (
    "0", "-1", "1/2", "(", "layer", "yes", "nonsense", "^", "-", "*", "+", "9999999999", "base.N", "run.lr", "log",
    "min", "where", "under", "moe", "tied", "=", "~", "*=", "*~", "1 -", ",", ";", "in", "except",
)  # fmt: skip


def kind(word: str) -> tuple[bool, bool]:
    """Words of one kind parse in one place: names, numbers, signs."""
    return word[0].isalpha(), word[0].isdigit()


@st.composite
def mutated(draw: st.DrawFn, files: list[list[str]] = TOKENS) -> str:
    """An example with a few words deleted, doubled, or replaced by others; often by one that parses there."""
    words = list(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(words) - 1).filter(lambda i: not words[i].isspace()))
        other = draw(st.sampled_from((*SPICE, *words)))
        match draw(st.sampled_from(("delete", "double", "replace", "insert", "alike", "alike", "alike"))):
            case "delete":
                words[place] = " "
            case "double":
                words.insert(place, words[place] + " ")
            case "replace":
                words[place] = f" {other} "
            case "alike":
                words[place] = draw(st.sampled_from([w for w in words if kind(w) == kind(words[place])]))
            case "insert":
                words.insert(place, f" {other} ")
    return "".join(words)


def assert_diagnosed(call: Callable[[], object]) -> None:
    """The call ends, or says what is wrong in a diagnostic."""
    try:
        call()
    except ScalecError as error:
        found = error.diagnostics
    else:
        return
    assert found
    assert all(d.message and "\n" not in d.message for d in found)


@settings(max_examples=60)
@given(mutated())
def test_a_mutated_file_is_diagnosed(text: str) -> None:
    for d in diagnose_text(text):
        assert d.span is None or 0 <= d.span.start <= d.span.end <= len(d.span.source.text)


@pytest.mark.slow
@settings(max_examples=60)
@given(mutated(TOKENS[:1]), st.sampled_from(("gpt_mup", "gpt_sp")), st.sampled_from(("N=128", "N=96", "H=3", "V=7")))
def test_a_mutated_file_is_planned_or_diagnosed(text: str, rule: str, at: str) -> None:
    operands = Operands(rule, "small_gpt", "adamw")
    assert_diagnosed(lambda: plan(load_text(text), operands, PlanRequest((at,))))


def test_another_exception_is_noticed() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    try:
        assert_diagnosed(broken)
    except ZeroDivisionError:
        return
    raise AssertionError("an exception that is no diagnostic went unnoticed")
