"""A run in parts is the run at once; what goes wrong is listed, tried again and makes the exit code 1."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from bench import fuzz, harness
from bench.fuzz import START, State
from tests.fuzzing import Case, Fate


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rounds of four cases, each a case in name only; results in a folder of their own."""
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(fuzz, "ROUND", {"derived": 2, "mutated": 1, "composed": 1})
    monkeypatch.setattr(fuzz, "CASES", 24)
    monkeypatch.setattr(fuzz, "case", lambda kind, seed: Case(f"{kind} {seed}"))
    monkeypatch.setattr(fuzz, "fate", lambda case: Fate("read", (case.text.split()[0],)))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["fuzz", *words])
    try:
        fuzz.main()
    except SystemExit as end:
        return int(str(end.code))
    return 0


def kept(folder: Path) -> State:
    return State.model_validate_json((folder / "fuzz.json").read_text("utf-8"))


def test_parts_are_the_whole(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(fuzz, "fate", lambda case: seen.append(case.text) or Fate("read"))
    assert run(monkeypatch, "--cases", "8", "--processes", "1") == 0
    assert "8 of 24 files" in (small / "fuzz.md").read_text("utf-8")
    assert run(monkeypatch, "--cases", "3", "--processes", "1") == 0
    assert [part.rounds for part in kept(small).parts] == [2, 1]
    assert run(monkeypatch, "--processes", "1") == 0
    assert "24 of 24 files" in (small / "fuzz.md").read_text("utf-8")
    assert len(seen) == len(set(seen)) == 24
    assert {text for text in seen if "derived" in text} == {f"derived {START + i}" for i in range(12)}


def test_several_processes_count_alike(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--processes", "2") == 0
    assert kept(small).cases == 24
    assert kept(small).tallies["derived"].codes == {"derived": 12}


def test_what_goes_wrong_is_listed_until_it_is_right(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = fuzz.fate

    def broken(case: Case) -> Fate:
        if case.text == f"composed {START + 1}":
            raise ZeroDivisionError("of a test")
        return sound(case)

    monkeypatch.setattr(fuzz, "fate", broken)
    assert run(monkeypatch, "--cases", "12", "--processes", "1") == 1
    line = f"composed {START + 1}"
    assert f"not built: 1.\n- {line}" in (small / "fuzz.md").read_text("utf-8")
    assert run(monkeypatch, "--cases", "0", "--processes", "1") == 1
    monkeypatch.setattr(fuzz, "fate", sound)
    assert run(monkeypatch, "--cases", "0", "--processes", "1") == 0
    assert f"tried again: 1.\n- {line}" in (small / "fuzz.md").read_text("utf-8")
    assert kept(small).cases == 12


def test_a_run_that_is_asked_to_stop_ends_its_round(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(case: Case) -> Fate:
        if case.text == f"mutated {START + 1}":
            os.kill(os.getpid(), signal.SIGTERM)
        return Fate("read")

    monkeypatch.setattr(fuzz, "fate", asked)
    assert run(monkeypatch, "--processes", "1") == 0
    assert kept(small).cases == 8
    assert "8 of 24 files" in (small / "fuzz.md").read_text("utf-8")


@pytest.mark.slow
def test_emitted_files_that_are_unclean_or_do_not_build_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    unclean = Fate("compiled", files=(("model.py", "import os\n"),))
    monkeypatch.setattr(fuzz, "fate", lambda case: unclean)
    assert "F401" in (fuzz.one("composed", START, fuzz.Tally()) or "")
    monkeypatch.setattr(fuzz, "LINTED", START + 2)
    assert "not built" in (fuzz.one("composed", START, fuzz.Tally()) or "")
    assert fuzz.one("composed", START + 1, fuzz.Tally()) is None
