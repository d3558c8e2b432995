"""The emitted forward pass is the Program's: known networks and networks drawn at random, every factor loud."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalec.plan.model import Plan
from tests.emit.compiling import cached_plan, import_files, plan_of
from tests.emit.interpreter import Interpreter
from tests.emit.texts import CASES

pytestmark = pytest.mark.torch

LOUD_ANYWHERE = """
rule any_loud extends sp {
  base L = 2
  tensor *             { scale = 3/4 }
  site attention.logits { scale = 1/3 }
  site residual         { scale = 2/3;  skip = 7/8 }
  site attention.output { scale = 5/4 }
  site mlp.act          { scale = 5/7 }
  site logits           { scale = 1/2 }
}
"""
TAIL = "residual { attention(heads = N/8) mlp(width = N, act = tanh) }"  # so that every clause has a place
LEAVES = (
    "norm(layer)",
    "norm(layer, gain = no)",
    "linear(N)",
    "act(tanh)",
    "linear(2*N) act(silu) linear(N)",
    "attention(heads = N/4, causal)",
    "attention(heads = N/8)",
    "mlp(width = 2*N, act = sigmoid)",
    "mlp(width = 3*N, act = gelu)",
)


def sequences(blocks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(blocks, min_size=1, max_size=3).map(" ".join)


BLOCKS: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        sequences(inner).map("residual {{ {} }}".format),
        sequences(inner).map("repeat 2 {{ {} }}".format),
        st.lists(sequences(inner), min_size=1, max_size=3).map(
            lambda branches: "sum { " + " ".join(f"branch {{ {b} }}" for b in branches) + " }"
        ),
    ),
    max_leaves=6,
)


def assert_emits_its_operations(plan: Plan) -> None:
    """In float64, from random weights of one size."""
    with tempfile.TemporaryDirectory() as folder:
        e = import_files(plan, Path(folder))
    model = e.model.build_model(e.model.Config(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
        tokens = torch.randint(32, (2, 5), generator=generator)
        x = torch.randn(2, 6, generator=generator).double() if plan.program.regions[0].kind == "input" else tokens
        expected = Interpreter(plan, dict(model.named_parameters()), x).run()
        torch.testing.assert_close(model(x), expected, rtol=1e-9, atol=1e-9)


# Masks of sparse weights and what depends on the layer are held against tests/reference/modified.py.
@pytest.mark.parametrize(("network", "rule"), [case for case in CASES if case[0] != "modified"])
def test_known_networks(network: str, rule: str) -> None:
    assert_emits_its_operations(cached_plan(network, 32, rule))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(sequences(BLOCKS))
def test_networks_drawn_at_random(body: str) -> None:
    network = f"network drawn {{ dims N, L  fixed V = 32  embed(vocabulary = V, width = N) {body} {TAIL} readout(V) }}"
    text = f"use std.dims use std.sp use std.optimizers {network} {LOUD_ANYWHERE}"
    plan = plan_of("drawn", {"N": 16, "L": 2}, rule="any_loud", optimizer="adam", text=text)
    assert_emits_its_operations(plan)


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interpreter, "_scale", lambda self, path, use=0: 0.9)
    with pytest.raises(AssertionError):
        assert_emits_its_operations(cached_plan("tiny_gpt", 32, "loud"))
