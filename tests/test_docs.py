"""What the documentation quotes is what the command prints.

A fence whose text begins with `$ scalec` is run, line by line, in a folder with the rule files of the same
document: fences whose first line is `# NAME.scale`. A line `...` stands for any number of lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scalec.cli import app
from tests.literate import Fence, cases
from tests.sources import ROOT
from tests.test_commands import name_of

DOCUMENTS = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "$ scalec" in path.read_text()
]


def quoted(markdown: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Each command of a document with the output that is quoted; its rule files are in the folder."""
    fences = [fence for case in cases(markdown) for fence in case.fences]
    for fence in fences:
        if re.match(r"# \w+\.scale\n", fence.text):
            (folder / name_of(Fence("scale", fence.text, 0))).write_text(fence.text, encoding="utf-8")
    for fence in fences:
        if fence.text.startswith("$ scalec "):
            for part in fence.text[2:].split("\n$ "):
                command, _, output = part.partition("\n")
                yield command, output


def pattern(output: str) -> str:
    """Quoted output as a regular expression; blanks at the end of lines do not count."""
    lines = [re.escape(line.rstrip()) for line in output.rstrip().splitlines()]
    return "\n".join(r"(.*\n)*?.*" if line == r"\.\.\." else line for line in lines)


def assert_quoted(markdown: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs every command; how many there were."""
    monkeypatch.chdir(folder)
    found = list(quoted(markdown, folder))
    for command, output in found:
        said = CliRunner().invoke(app, shlex.split(command)[1:]).stdout
        text = "\n".join(line.rstrip() for line in said.rstrip().splitlines())
        assert re.fullmatch(pattern(output), text), f"$ {command}\n{text}"
    return len(found)


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_quotes_what_is_printed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert assert_quoted(path.read_text("utf-8"), tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "output", ["SC401 matches-everything (error)\n...", "SC401 matches-nothing (error)", "..\n", ""]
)
def test_a_wrong_quote_is_seen(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match=r"\$ scalec explain"):
        assert_quoted(f"# A\n\n```\n$ scalec explain SC401\n{output}\n```\n", tmp_path, monkeypatch)


def test_an_ellipsis_stands_for_any_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# A\n\n```\n$ scalec explain SC401\nSC401 matches-nothing (error)\n...\n```\n"
    assert assert_quoted(text, tmp_path, monkeypatch) == 1
