"""How the tests run: without torch under `--fast`, without silent skips under CI, on a GPU where one is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# One thread each: tests run side by side, and torch's threads wait for one another when cores are taken.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "inductor"))
os.environ["XDG_CACHE_HOME"] = str(Path(__file__).parents[1] / ".cache")  # the user's own is not the tests' to write

import pytest
from hypothesis import settings

settings.register_profile("scalec", deadline=None, derandomize=True)
settings.load_profile("scalec")

IMPORTS_TORCH = re.compile(r"^(import|from) (torch|tests\.reference|bench\.truth)\b", re.MULTILINE)
SLOW_MARKS = ("torch", "slow", "gpu")

_unexpected_skips = set[str]()
_told_by_workers = set[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what is marked slow or needs torch")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Under `--fast` a file that imports torch at its top is not even opened."""
    if not config.getoption("--fast") or collection_path.suffix != ".py":
        return None
    return bool(IMPORTS_TORCH.search(collection_path.read_text("utf-8"))) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fast"):
        slow = [item for item in items if any(item.get_closest_marker(mark) for mark in SLOW_MARKS)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and "gpu" not in report.keywords:
        _unexpected_skips.add(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _unexpected_skips.add(report.nodeid)


def _wrong(config: pytest.Config) -> set[str]:
    """What makes a run that passed fail all the same: a skip under CI, torch imported under `--fast`."""
    found = set[str]()
    if os.environ.get("CI") == "true":
        found |= {f"skipped, which CI does not allow: {test}" for test in _unexpected_skips}
    if config.getoption("--fast") and "torch" in sys.modules:
        found.add("a test of the fast set imported torch")
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker saw what the process that gathers the reports did not."""
    _told_by_workers.update(getattr(node, "workeroutput", {}).get("wrong", ()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """A run that did not do what it says fails."""
    wrong = sorted(_wrong(session.config) | _told_by_workers)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["wrong"] = wrong
    elif wrong:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("", *wrong, sep="\n")
    return (yield)
