"""The grammar: no conflict, one builder entry per rule, small enough to read and to build quickly."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lark import Lark
from lark.exceptions import GrammarError, LexError

from scalec.resources import data_folder
from scalec.syntax.build import Builder
from scalec.syntax.parser import STARTS, Everywhere

GRAMMAR = (data_folder("grammars") / "scalec.lark").read_text("utf-8")


def strict_parser(grammar: str, **options: Any) -> Lark:
    """Without `strict`, lark settles shift/reduce conflicts silently."""
    return Lark(grammar, parser="lalr", strict=True, **options)


@pytest.mark.slow
def test_the_grammar_has_no_conflict() -> None:
    strict_parser(GRAMMAR, start=STARTS, postlex=Everywhere())


def test_a_conflict_would_be_seen() -> None:
    with pytest.raises(GrammarError, match="Shift/Reduce"):
        strict_parser('start: start "+" start | "a"')
    with pytest.raises(LexError, match="Collision"):
        strict_parser("start: A B | B A\nA: /a+/\nB: /[ab]+/")


def test_every_rule_has_its_entry_and_every_entry_its_rule() -> None:
    rules = set(re.findall(r"(?m)^!?([a-z]\w*):", GRAMMAR))
    aliases = set(re.findall(r"-> (\w+)", GRAMMAR))
    entries = {name for name in vars(Builder) if not name.startswith("__")}
    assert entries == rules | aliases


def test_the_grammar_is_read_at_a_sitting() -> None:
    assert len(GRAMMAR.splitlines()) <= 160
