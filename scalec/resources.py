"""Where the data of scalec lies: the grammar and the standard packs, and what is kept between runs.

Input: the name of a folder or a file. Output: its path, in the installed package or in a checkout; in the user's cache.
Invariant: the installed data wins, so a wheel never reads a checkout that happens to lie around it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).parent


def data_folder(name: Literal["grammars", "rules"], package: Path = PACKAGE) -> Path:
    """`_data/NAME` of the package, else `NAME` beside the package (a checkout).

    Raises FileNotFoundError, naming both, when neither is there: a broken installation, which is
    no mistake of the user's rule file and hence no diagnostic.
    """
    installed = package / "_data" / name
    checkout = package.parent / name
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"scalec's `{name}` folder is neither at {installed} nor at {checkout}")


def kept_file(name: str) -> Path | None:
    """A file in `$XDG_CACHE_HOME/scalec`, else in `~/.cache/scalec`; None where that folder cannot be made."""
    said = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = (said if said.is_absolute() else Path.home() / ".cache") / "scalec"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, a file in the way, a file system that is only read
        return None
    return folder / name
