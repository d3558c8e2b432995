"""The literate cases of the calculus: every `check` block of every fence is run, and holds unless its line says not.

A comment `# error: [SC504] "..."` asserts a finding on its line, as in the other cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from scalec.diagnostics import Diagnostic, ScalecError
from scalec.pipeline import examine, run_checks
from scalec.resolve.load import load_standard, load_text
from scalec.source import Source
from scalec.syntax import nodes
from scalec.syntax.parser import parse
from tests.literate import Case, Fence, assert_case, cases

FOLDER = Path(__file__).parents[1] / "cases" / "calculus"
FILES = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md"))}
CASES = [pytest.param(case, id=f"{stem}: {case.name}") for stem, text in FILES.items() for case in cases(text)]


def findings(text: str) -> Iterable[Diagnostic]:
    """Everything wrong with a file, and with what its `check` blocks expect; each said once."""
    try:
        workspace = load_text(text, "<case>")
        found = [*examine(workspace), *(d for run in run_checks(workspace) for d in run.diagnostics)]
    except ScalecError as error:
        found = list(error.diagnostics)
    return dict.fromkeys(found)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    assert any("check " in fence.text for fence in case.fences), "a case without a check"
    assert_case(case, findings)


# The embedding of the one is frozen; the rule of the other is refuted as published.
WITHOUT = {"lora_gpt", "umup_gpt"}


def test_each_standard_network_has_a_case_that_sizes_do_not_see() -> None:
    units = load_standard().units.values()
    networks = {d.name for unit in units for d in unit.own.values() if isinstance(d, nodes.NetworkDecl)}
    checks = (c for fence in fences("two_sided") for c in parse(Source("<case>", fence)).declarations)
    assert networks - {c.network.path for c in checks if isinstance(c, nodes.CheckDecl)} == WITHOUT


def fences(stem: str) -> Iterator[str]:
    return (fence.text for case in cases(FILES[stem]) for fence in case.fences)


@pytest.mark.parametrize(
    "claim",
    [
        "expect readout.init ~ N",
        "expect maximal_update fails",
        "expect readout.initt ~ 1",
        "expect readout.init ~ N^(-1/2) # error: [SC516]",
    ],
)
def test_a_case_that_is_not_met_fails(claim: str) -> None:
    text = f"use std.mup\ncheck mup on mlp for adam under width {{\n{claim}\n}}\n"
    with pytest.raises(AssertionError, match=r"not (asserted|met)"):
        assert_case(Case("a case", (Fence("scale", text, 1),)), findings)


def lonely_fences(markdown: str) -> Iterator[int]:
    """Lines of fences that come straight after a heading or another fence: nothing says what they show."""
    said, inside = False, False
    for number, line in enumerate(markdown.splitlines(), start=1):
        if line.startswith("```"):
            if not inside and not said:
                yield number
            said, inside = False, not inside
        elif line.startswith("#") and not inside:
            said = False
        elif line.strip():
            said = True


@pytest.mark.parametrize("stem", FILES)
def test_prose_comes_before_code(stem: str) -> None:
    assert list(lonely_fences(FILES[stem])) == []


def test_a_lonely_fence_is_seen() -> None:
    assert list(lonely_fences("# A\n\n```scale\n```\n")) == [3]
    assert list(lonely_fences("# A\n\nwords\n\n```scale\nx\n```\n\n```scale\n```\n")) == [9]
