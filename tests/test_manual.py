"""`docs/language.md` is the manual: its rule files are right, its words are all of the language's and the tool's.

The commands in it are run by `test_docs`, so that nothing in it can drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
import typer

from scalec.check.goals import GOALS
from scalec.cli import app
from scalec.pipeline import diagnose_text
from scalec.program.blocks import BLOCKS
from scalec.resolve import optimizers
from scalec.resolve import vocabulary as words
from scalec.symbolic.evaluate import FUNCTIONS
from scalec.syntax.mistakes import DECLARATIONS
from tests.literate import Case, assert_case, cases
from tests.sources import ROOT

MANUAL = (ROOT / "docs" / "language.md").read_text("utf-8")
CASES = cases(MANUAL)
SPAN = re.compile(r"`([^`\n]+)`")
WORD = re.compile(r"--?[a-z][a-z-]*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def spans(markdown: str) -> Iterator[str]:
    """Every piece of code; after `attention.q`, `.k` is `attention.k`."""
    before = ""
    for piece in SPAN.findall(re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)):
        if piece.startswith(".") and before:
            piece = f"{before.rpartition('.')[0]}{piece}"
        before = piece if re.fullmatch(r"[\w.]+", piece) else before
        yield piece
    yield from (fence.text for case in cases(markdown) for fence in case.fences)


def written(markdown: str) -> frozenset[str]:
    """The words that stand in code."""
    return frozenset(word for piece in spans(markdown) for word in WORD.findall(piece))


def of_the_tool() -> Iterator[str]:
    """Commands, and options by their names."""
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        yield name
        yield from (option for parameter in command.params for option in parameter.opts if option.startswith("-"))


VOCABULARY: dict[str, Iterable[str]] = {
    "declarations": DECLARATIONS,
    "blocks": BLOCKS,
    "options of blocks": [option.name for spec in BLOCKS.values() for option in spec.options],
    "words of options": [word for spec in BLOCKS.values() for option in spec.options for word in option.words],
    "shape classes": words.SHAPE_CLASSES,
    "roles": words.ROLES,
    "sites": words.SITES,
    "attributes": [name for table in words.ATTRIBUTES.values() for name in table],
    "words of attributes": [
        word for table in words.ATTRIBUTES.values() for choices in table.values() for word in choices
    ],
    "relative sizes": words.RELATIVE_SIZES,
    "functions": FUNCTIONS,
    "settings of optimizers": [*optimizers.NEEDED, "batched", "factor", "effect", *optimizers.ATTRIBUTES],
    "words of optimizers": [*optimizers.FAMILIES, *optimizers.DECAYS, *optimizers.SCHEMES],
    "desiderata": GOALS,
    "commands and options": list(of_the_tool()),
}


@pytest.mark.parametrize("kind", VOCABULARY)
def test_every_word_is_in_the_manual(kind: str) -> None:
    assert sorted(set(VOCABULARY[kind]) - written(MANUAL)) == []


def test_the_tool_has_commands_and_options() -> None:
    assert {"plan", "check", "--rule", "--out"} <= set(VOCABULARY["commands and options"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_file_of_the_manual_is_right(case: Case) -> None:
    assert_case(case, diagnose_text)


def test_every_fence_of_the_manual_is_run_or_says_that_it_is_no_rule_file() -> None:
    fences = [fence for case in CASES for fence in case.fences]
    assert len(fences) > 12
    assert [f.line for f in fences if f.language not in ("scale", "text") and not f.text.startswith("$ scalec ")] == []


def test_a_word_outside_of_code_does_not_count() -> None:
    assert written("a plan and `attention.q`, `.k`; `x` and `--at N`\n\n```\nrule r { }\n```\n") >= {
        "attention.q", "attention.k", "--at", "rule",
    }  # fmt: skip
    assert "plan" not in written("a plan and `a rule`")
