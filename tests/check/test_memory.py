"""What a check is made from goes with it, at once: a process that checks much does not fill up."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scalec.api import check_rule, derive_rule
from scalec.calculus.components import Component
from scalec.diagnostics import ScalecError
from scalec.resolve.load import Workspace, load_text

TEXT = """
use std.mup
rule no_power extends mup for adamw { tensor matrix { lr ~ log(1 + N) } }
"""


@pytest.fixture(name="workspace")
def _workspace() -> Workspace:
    return load_text(TEXT, "memory.scale")


@contextmanager
def _collector(*, on: bool) -> Iterator[None]:
    before = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        yield
    finally:
        (gc.enable if before else gc.disable)()


def test_nothing_but_the_report_stays(workspace: Workspace) -> None:
    gc.collect()
    with _collector(on=False):
        before = _components()
        report = check_rule(workspace, rule="mup", network="gpt", optimizer="adamw", regime="width + ffn")
        assert report.terms
        assert _components() == before


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("rule", ["mup", "no_power"])
def test_the_collector_is_left_as_it_was(workspace: Workspace, rule: str, on: bool) -> None:
    with _collector(on=on):
        try:
            check_rule(workspace, rule=rule, network="mlp", optimizer="adamw", regime="width")
        except ScalecError:
            assert rule == "no_power"
        else:
            assert rule == "mup"
        assert gc.isenabled() == on


@pytest.mark.parametrize("on", [True, False])
def test_a_derivation_leaves_it_as_it_was_too(workspace: Workspace, on: bool) -> None:
    with _collector(on=on):
        assert derive_rule(workspace, network="mlp", optimizer="adamw", regime="width")
        assert gc.isenabled() == on


def _components() -> int:
    return sum(type(found) is Component for found in gc.get_objects())  # what else is there may mind being asked more
