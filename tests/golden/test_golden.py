"""Goldens stay small, and a text that differs from its golden is noticed."""

from __future__ import annotations

import pytest

from tests.golden import FOLDER, golden

LARGEST_TOGETHER = 64 * 1024


def test_goldens_stay_small() -> None:
    assert 0 < sum(p.stat().st_size for p in FOLDER.iterdir() if p.suffix != ".py" and p.is_file()) < LARGEST_TOGETHER


def test_a_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match="differs"):
        golden("program_mlp.txt", "something else")
