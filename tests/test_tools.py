"""Literate cases of the command line itself: `$ scalec ...` in a console fence, in a folder with the case's file.

Behind a command stand the diagnostics that it prints, and no others; where one is an error the exit code is
1, else 0. `--check` and `--diff` are 1 too where something would change. `printf TEXT |` gives it its stdin.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scalec.cli import app
from tests.literate import ASSERTION, Case, Fence, cases

CASES = [
    pytest.param(case, id=f"{path.stem}: {case.name}")
    for path in sorted((Path(__file__).parent / "cases" / "tools").glob("*.md"))
    for case in cases(path.read_text("utf-8"))
]
PRINTED = re.compile(r"^(error|warning|note)\[(SC\d+)\]: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    output: str
    code: int

    @property
    def diagnostics(self) -> list[tuple[str, str, str]]:
        return PRINTED.findall(self.output)


def run(line: str) -> Said:
    """The command of one line, in the current folder."""
    words = shlex.split(line.partition(" # ")[0])
    stdin = b""
    if words[:1] == ["printf"]:
        stdin = words[1].encode().decode("unicode_escape").encode("latin-1")
        words = words[3:]
    assert words[0] == "scalec"
    result = CliRunner().invoke(app, words[1:], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.output, result.exit_code)


def assert_line(line: str) -> None:
    """The command says what stands behind it."""
    said, asserted = run(line), ASSERTION.findall(line)
    assert len(said.diagnostics) == len(asserted), f"{line}\n{said.output}"
    for (severity, code, message), (*kind, part) in zip(said.diagnostics, asserted, strict=True):
        assert [severity, code] == kind, f"{line}\n{said.output}"
        assert part in message, f"{line}\n{said.output}"
    changes = "--diff" in line and "+++" in said.output
    wrong = any(severity == "error" for severity, *_ in asserted)
    assert said.code == int(wrong or changes), f"{line}\n{said.output}"


def assert_case(case: Case) -> None:
    """The commands of a case, one after the other, beside its file."""
    for fence in case.fences:
        if fence.language == "scale":
            Path("case.scale").write_text(fence.text, encoding="utf-8")
        if fence.language == "console":
            lines = [line.removeprefix("$ ") for line in fence.text.splitlines() if line.startswith("$ ")]
            assert lines, "a fence without a command"
            for line in lines:
                assert_line(line)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_case(case)


@pytest.mark.parametrize(
    "line",
    [
        "scalec explain SC999",
        'scalec explain SC201 # error: [SC207] ""',
        'scalec explain SC999 # error: [SC206] "there is"',
        'scalec explain SC999 # error: [SC207] "there are"',
        'scalec explain SC999 # warning: [SC207] "there is"',
    ],
)
def test_a_line_that_is_not_met_fails(line: str) -> None:
    assert_line('scalec explain SC999 # error: [SC207] "there is no diagnostic"')
    with pytest.raises(AssertionError):
        assert_line(line)


def test_a_fence_without_commands_fails() -> None:
    with pytest.raises(AssertionError, match="without a command"):
        assert_case(Case("a case", (Fence("console", "nothing\n", 1),)))
