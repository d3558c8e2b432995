"""Where a command meets the terminal and the file system: what it finds is printed, what it makes is written.

Everything is imported when it is needed, so that `--help` costs next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from scalec.diagnostics import Diagnostic


class Report(StrEnum):
    """How findings are written."""

    text = "text"
    concise = "concise"
    json = "json"
    github = "github"
    sarif = "sarif"


def write(path: Path, text: str) -> None:
    """Write a file, and the folders to it. Raises ScalecError where that cannot be."""
    from scalec.catalogue import UNWRITABLE
    from scalec.diagnostics import Reporter

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        file = next((f"`{p}` is no folder" for p in path.parents if p.exists() and not p.is_dir()), "")
        Reporter().fail(UNWRITABLE, f"cannot write `{path}`: {file or (error.strerror or str(error)).lower()}")


def rule_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those in the folders. Raises ScalecError for a folder without any."""
    from scalec.catalogue import FILE_NOT_FOUND
    from scalec.diagnostics import Reporter

    for path in paths:
        found = sorted(path.rglob("*.scale")) if path.is_dir() else [path]
        if not found:
            Reporter().fail(FILE_NOT_FOUND, f"there is no rule file in `{path}`: none has a name that ends in `.scale`")
        yield from found


@contextmanager
def findings(form: Report) -> Iterator[None]:
    """Findings of a pass end the command with exit code 1."""
    from scalec.diagnostics import ScalecError

    try:
        yield
    except ScalecError as error:
        print_all(error.diagnostics, form, sys.stderr if form is not Report.json else sys.stdout)
        raise typer.Exit(1) from None


def print_all(diagnostics: Iterable[Diagnostic], form: Report, stream: TextIO) -> None:
    from scalec import render

    text = render.FORMATS[form.value](diagnostics)
    if form is Report.text and stream.isatty():
        print_coloured(text, stream)
    else:
        stream.write(text)


def print_coloured(text: str, stream: TextIO) -> None:
    from rich.console import Console

    from scalec import render

    Console(file=stream, highlight=False, soft_wrap=True).print(render.styled(text), end="")
