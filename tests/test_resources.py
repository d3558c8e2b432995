"""The data of scalec is found in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.resources import data_folder, kept_file
from scalec.source import Source
from scalec.syntax import parser


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


def test_what_is_kept_lies_in_the_user_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kept_file("tables") == tmp_path / "cache" / "scalec" / "tables"
    for said in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", said)
        assert kept_file("tables") == tmp_path / "home" / ".cache" / "scalec" / "tables"


def test_where_nothing_can_be_kept_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept_file("tables") is None


def test_the_grammar_s_tables_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = parsed()
    (kept,) = (tmp_path / "scalec").iterdir()
    whole = kept.read_bytes()
    for found in (whole, b"", whole[: len(whole) // 2], b"not a table\n"):
        kept.write_bytes(found)
        assert parsed() == first
        with monkeypatch.context() as unable:
            unable.setattr("lark.lark.load_grammar", None)  # without which none are made
            assert parsed() == first


def test_without_a_file_the_grammar_s_tables_are_made_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = parsed()
    (kept,) = (tmp_path / "scalec").iterdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    assert parsed() == first


def parsed() -> object:
    """The tree of a text, read by a process that has read none yet."""
    for known in (parser._lark, parser._table, parser._ends):
        known.cache_clear()
    return parser.parse(Source("some.scale", "rule mine for sgd { tensor * { lr ~ 1/fan_in } }\n"))
