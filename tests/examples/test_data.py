"""The demo's text is there, whole, the same every time, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import data


def test_the_text_is_long_and_the_same_every_time(tmp_path: Path) -> None:
    first, second = data.corpus(tmp_path / "a"), data.corpus(tmp_path / "b")
    assert first.size > 4_000_000
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.slow
def test_without_the_package_it_is_python_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    found = data.corpus(tmp_path)
    assert "not installed" in found.name
    assert b"import" in found.path.read_bytes()


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = data.corpus(tmp_path).path
    path.write_bytes(b"kept")
    assert data.corpus(tmp_path).size == 4


def test_tests_and_installed_packages_are_no_library(tmp_path: Path) -> None:
    names = ("b.py", "a/c.py", "a/test/d.py", "site-packages/e.py", "a.txt")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert data.python_sources(tmp_path) == [tmp_path / "a/c.py", tmp_path / "b.py"]


def test_texts_are_joined_in_the_order_given(tmp_path: Path) -> None:
    texts = [tmp_path / "b", tmp_path / "a"]
    for text in texts:
        text.write_text(text.name)
    data.join(texts, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "b\na"
    assert not (tmp_path / "out.unfinished").exists()
