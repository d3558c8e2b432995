"""Where the data of scalec lies: the grammar and the standard packs.

Input: the name of a folder. Output: its path, in the installed package or in a checkout.
Invariant: the installed data wins, so a wheel never reads a checkout that happens to lie around it.
"""

from __future__ import annotations

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
