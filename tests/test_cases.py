"""Every literate case under tests/cases, and proof that the runner can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.diagnostics import Code, Diagnostic
from scalec.pipeline import diagnose_text
from scalec.source import Source, Span
from tests.literate import Case, Fence, assert_case, cases

CASES = [
    pytest.param(case, id=f"{path.stem}: {case.name}")
    for path in sorted((Path(__file__).parent / "cases").glob("*.md"))
    for case in cases(path.read_text("utf-8"))
]
ERROR = Code("SC999", "made-up", "error", "Only a test makes this.")


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    assert_case(case, diagnose_text)


def case_of(text: str) -> Case:
    return Case("a case", (Fence("scale", text, 1),))


def one_error(text: str) -> list[Diagnostic]:
    """A diagnostic on the second line, whatever the text."""
    start = text.index("\n") + 1
    return [Diagnostic(ERROR, "something is wrong", Span(Source("<test>", text), start, start + 1))]


def test_headings_name_cases_and_fences_keep_their_place() -> None:
    markdown = "# A\n\ntext\n\n## B\n\n```scale\ndim N\n```\n\n```console\n$ scalec\n```\n\n## C\n\n```scale\n```\n"
    first, second = cases(markdown)
    assert first == Case("A / B", (Fence("scale", "dim N\n", 8), Fence("console", "$ scalec\n", 12)))
    assert second == Case("A / C", (Fence("scale", "", 18),))


@pytest.mark.parametrize(
    "comment",
    ["# error: [SC999]", '# error: [SC999] "is wrong"', 'x  # why # error: [SC999] "something"'],
)
def test_an_assertion_on_its_line_is_met(comment: str) -> None:
    assert_case(case_of(f"\n{comment}\n"), one_error)


@pytest.mark.parametrize(
    "text",
    [
        "\nno assertion\n",
        "# error: [SC999]\non the wrong line\n",
        "\n# warning: [SC999]\n",
        "\n# error: [SC998]\n",
        '\n# error: [SC999] "something else"\n',
        "\n# error: [SC999] # error: [SC999]\n",
    ],
)
def test_a_case_that_is_not_met_fails(text: str) -> None:
    with pytest.raises(AssertionError, match=r"not (asserted|met)"):
        assert_case(case_of(text), one_error)


def test_an_open_fence_is_a_mistake_of_the_markdown() -> None:
    with pytest.raises(AssertionError, match="never closed"):
        cases("# A\n```scale\ndim N\n")
