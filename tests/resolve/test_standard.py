"""The trees of the standard packs are kept between runs, and are what reading the packs gives."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalec.resolve import load, standard
from scalec.resources import data_folder
from scalec.syntax import nodes

CACHES = (
    standard._standard_files, standard._read, standard._kept_trees, standard._made_from,
    load._standard_names, load.load_standard,
)  # fmt: skip
Trees = dict[str, nodes.File]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where trees are kept. Other tests know nothing of these."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "scalec" / "packs"
    for known in CACHES:
        known.cache_clear()


def trees() -> Trees:
    """All of them, in a process that has read none yet."""
    for known in CACHES:
        known.cache_clear()
    return {key: unit.tree for key, unit in load.load_standard().units.items() if key in standard.standard_files()}


@pytest.mark.slow
def test_they_are_read_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trees()
    assert set(first) == set(standard.standard_files())
    monkeypatch.setattr(standard, "parse", None)
    again = trees()
    assert again == first
    assert [*spans(again["std.mup"])] == [*spans(first["std.mup"])]
    assert kept(cache) == ["packs"]


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", ["empty", "half of it", "another letter", "another text"])
def test_a_spoiled_file_is_made_again(cache: Path, spoiled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, whole = trees(), cache.read_bytes()
    middle = len(whole) // 2
    other = bytes([whole[middle] ^ 1])
    cache.write_bytes(
        {
            "empty": b"",
            "half of it": whole[:middle],
            "another letter": whole[:middle] + other + whole[middle + 1 :],
            "another text": b"nothing of the kind" * 10,
        }[spoiled]
    )
    with monkeypatch.context() as unable:
        unable.setattr("pickle.loads", None)  # what is not whole is not looked at
        assert trees() == first
    assert cache.read_bytes() == whole


@pytest.mark.slow
def test_another_text_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trees()
    rules = shutil.copytree(data_folder("rules"), tmp_path / "rules")
    with (rules / "std" / "mup.scale").open("a", encoding="utf-8") as pack:
        pack.write("\nrule added extends mup { }\n")
    monkeypatch.setattr(standard, "data_folder", lambda name: rules)
    after = trees()
    assert [key for key in before if before[key] != after[key]] == ["std.mup"]
    assert ("rule", "added") in load.load_standard().units["std.mup"].own


@pytest.mark.slow
def test_where_they_cannot_be_kept_they_are_read(cache: Path) -> None:
    first = trees()
    cache.unlink()
    cache.mkdir()
    assert trees() == first
    assert kept(cache) == ["packs"]  # and nothing half done


@pytest.mark.slow
def test_a_text_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = shutil.copytree(data_folder("rules"), tmp_path / "rules")
    monkeypatch.setattr(standard, "data_folder", lambda name: rules)
    pack, dump = rules / "std" / "mup.scale", pickle.dumps
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pickle.dumps", lambda what: (pack.write_text("rule other { }\n"), dump(what))[1])
        trees()
    trees()
    assert ("rule", "other") in load.load_standard().units["std.mup"].own


def kept(cache: Path) -> list[str]:
    """What lies there, the grammar's tables apart."""
    return [path.name for path in cache.parent.iterdir() if not path.name.startswith("grammar")]


def spans(tree: nodes.File) -> Iterator[tuple[str, int, str]]:
    for declaration in tree.declarations:
        yield declaration.span.source.name, declaration.span.line, declaration.span.text
