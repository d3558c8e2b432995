"""The standard packs. Input: the name that `use` knows one by (`std.mup`). Output: its path, its tree.

Once all of them are read their trees are kept for the next run, since reading takes longer than most commands. They are
kept together with what they were made from, and made anew where any of it is another.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import cast

from scalec import source, syntax
from scalec.resources import data_folder, kept_file
from scalec.syntax import nodes
from scalec.syntax.parser import made_of, parse, read_source

SUFFIX = ".scale"


def standard_files() -> dict[str, Path]:
    """The standard packs by the name `use` knows them by."""
    return _standard_files(data_folder("rules"))


@cache
def _standard_files(folder: Path) -> dict[str, Path]:
    """Looked up once: these do not change under a running program."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path for path in sorted(folder.rglob(f"*{SUFFIX}"))
    }


def shown(key: str) -> str:
    """What messages call a standard pack: `std/mup.scale`."""
    return f"{key.replace('.', '/')}{SUFFIX}"


def tree(key: str) -> nodes.File:
    """What a standard pack says, read once. Raises ScalecError."""
    kept = _kept_trees(data_folder("rules"))
    return kept[key] if kept else _read(standard_files()[key], shown(key))


@cache
def _read(path: Path, name: str) -> nodes.File:
    return parse(read_source(path, name))


def keep_trees() -> None:
    """Keep all trees for the next run, if they are not kept yet and if they can be."""
    file, folder = kept_file("packs"), data_folder("rules")
    if file is None or _kept_trees(folder):
        return
    trees = pickle.dumps({key: tree(key) for key in standard_files()})
    written = file.with_suffix(f".{os.getpid()}")  # whoever reads meanwhile sees the old file or the new one
    with suppress(OSError):
        try:
            written.write_bytes(_made_from(folder) + hashlib.sha256(trees).digest() + trees)
            written.replace(file)
        finally:
            written.unlink(missing_ok=True)


@cache
def _kept_trees(folder: Path) -> Mapping[str, nodes.File]:
    """Those kept of the same texts in this folder, as they were written; empty where there are none."""
    file = kept_file("packs")
    try:
        made_from = _made_from(folder)
        whole = file.read_bytes() if file else b""
    except OSError:
        return {}
    start, trees = whole[: 2 * len(made_from)], whole[2 * len(made_from) :]
    if start != made_from + hashlib.sha256(trees).digest():
        return {}
    return cast("Mapping[str, nodes.File]", pickle.loads(trees))


@cache
def _made_from(folder: Path) -> bytes:
    """A digest of the packs' texts and of what reads them, as they are before any is read."""
    digest = hashlib.sha256(made_of().encode())
    for name, path in sorted(_parts(folder)):
        digest.update(f"{name} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.digest()


def _parts(folder: Path) -> Iterator[tuple[str, Path]]:
    yield from _standard_files(folder).items()
    reader = Path(syntax.__file__).parent.glob("*.py")
    yield from ((path.name, path) for path in (*reader, Path(source.__file__)))
