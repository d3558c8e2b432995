"""The data of scalec is found in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.resources import data_folder


def folders(root: Path, *names: str) -> Path:
    for name in ("scalec", *names):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root / "scalec"


def test_in_a_checkout_the_folder_beside_the_package(tmp_path: Path) -> None:
    assert data_folder("rules", folders(tmp_path, "rules")) == tmp_path / "rules"


def test_installed_the_folder_in_the_package_and_not_one_beside_it(tmp_path: Path) -> None:
    package = folders(tmp_path, "scalec/_data/grammars", "grammars")
    assert data_folder("grammars", package) == package / "_data" / "grammars"


def test_where_neither_is_there_both_are_named(tmp_path: Path) -> None:
    package = folders(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        data_folder("rules", package)
    assert str(package / "_data" / "rules") in str(raised.value)
    assert str(tmp_path / "rules") in str(raised.value)


def test_this_package_finds_its_grammar() -> None:
    assert (data_folder("grammars") / "scalec.lark").is_file()
