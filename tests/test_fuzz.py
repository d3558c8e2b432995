"""Ten thousand rule files at random: each is refused in a diagnostic, or read, planned and compiled whole.

What each must keep to is in `fuzzing.fate`; a million are tried by `bench/fuzz.py`. A failing example is
had again by `fate(case(kind, seed))`.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec import pipeline
from scalec.diagnostics import Code, Diagnostic
from scalec.source import Source, Span
from tests import fuzzing
from tests.fuzzing import KINDS, Case, assert_said, bounded, built_on_meta, case, fate
from tests.sources import ROOT

pytestmark = pytest.mark.slow

SHARES = {"derived": (1700, 4), "mutated": (750, 4), "composed": (100, 2)}  # cases in a test, and tests
PARTS = [pytest.param(kind, part, id=f"{kind}-{part}") for kind, (_, parts) in SHARES.items() for part in range(parts)]


@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_any_file_comes_to_a_good_end(kind: str, part: int) -> None:
    """Hypothesis chooses the seeds, the same in every run; each part has its own."""

    @settings(max_examples=SHARES[kind][0], database=None)
    @given(st.integers(0, 2**60))
    def comes_to_a_good_end(seed: int) -> None:
        with bounded():
            fate(case(kind, seed * len(PARTS) + part))

    comes_to_a_good_end()


def test_ten_thousand_in_all() -> None:
    assert sum(count * parts for count, parts in SHARES.values()) == 10_000
    assert SHARES.keys() == KINDS.keys()


def test_the_cases_are_worth_trying() -> None:
    """Each kind reaches what it is for, so that a change of the language does not empty the fuzzer unseen."""
    reached = {kind: Counter(fate(case(kind, seed)).reached for seed in range(60)) for kind in KINDS}
    assert reached["derived"]["read"] >= 4
    assert reached["mutated"]["refused"] >= 15
    assert reached["mutated"]["read"] + reached["mutated"]["planned"] + reached["mutated"]["compiled"] >= 3
    assert reached["composed"]["compiled"] >= 5


def test_the_grammar_is_covered() -> None:
    """Derivations use every keyword of the language."""
    texts = " ".join(case("derived", seed).text for seed in range(1500))
    _, keywords, _ = fuzzing._grammar()
    assert [word for word in keywords.values() if word not in texts] == []


def test_a_seed_is_a_case_for_good() -> None:
    for kind in KINDS:
        assert case(kind, 7) == case(kind, 7)
        assert case(kind, 7) != case(kind, 8)


# ---- what compiles -------------------------------------------------------------------------------
def compiled(count: int) -> list[dict[str, str]]:
    """Emitted files of the first cases that compile."""
    fates = (fate(case("composed", seed)) for seed in range(10_000))
    found = (dict(f.files) for f in fates if f.reached == "compiled")
    return [next(found) for _ in range(count)]


def test_what_compiles_is_clean(tmp_path: Path) -> None:
    for i, files in enumerate(compiled(12)):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    assert_clean(tmp_path)


def assert_clean(folder: Path) -> None:
    """The emitted files keep to the project's own rules of style."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.torch
def test_what_compiles_is_built_on_the_meta_device() -> None:
    for files in compiled(12):
        assert built_on_meta(files["model.py"]) > 0


# ---- the fuzzer can fail -------------------------------------------------------------------------
def test_a_crash_and_a_hang_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    def hang(*_: object) -> None:
        while True:
            pass

    for broken, error in ((crash, ZeroDivisionError), (hang, TimeoutError)):
        monkeypatch.setattr(fuzzing, "examine", broken)
        with pytest.raises(error), bounded(0.2):
            fate(Case("dim N"))


def test_a_layout_that_changes_what_is_said_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "to_text", lambda tree: "dim other")
    with pytest.raises(AssertionError, match="something else"):
        fate(Case("dim N"))


def test_code_that_is_no_python_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    good = next(c for c in (case("composed", seed) for seed in range(1000)) if fate(c).reached == "compiled")
    whole = pipeline.emit_files
    monkeypatch.setattr(fuzzing, "emit_files", lambda *a: [_broken(f) for f in whole(*a)])
    with pytest.raises(SyntaxError):
        fate(good)


def _broken(file: pipeline.EmittedFile) -> pipeline.EmittedFile:
    return pipeline.EmittedFile(file.name, f"{file.text}\ndef (")


CODE = Code("SC999", "made-up", "error", "Only a test makes this.")


@pytest.mark.parametrize(
    "found",
    [
        Diagnostic(CODE, ""),
        Diagnostic(CODE, "two\nlines"),
        Diagnostic(CODE, "outside", Span(Source("x", "abc"), 2, 5)),
        Diagnostic(CODE, "backwards", Span(Source("x", "abc"), 2, 1)),
    ],
)
def test_a_finding_that_is_not_whole_is_noticed(found: Diagnostic) -> None:
    with pytest.raises(AssertionError):
        assert_said((found,))


def test_an_unclean_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import os\n")
    with pytest.raises(AssertionError, match="F401"):
        assert_clean(tmp_path)
