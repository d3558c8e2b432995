"""Frozen tensors: no optimizer in the plan, no gradient and no step in emitted code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from scalec.emit.table import FORMATS
from scalec.emit.why import why
from scalec.plan.model import Plan
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.emit.texts import EVERYTHING

FROZEN = """
rule part extends mine {
  tensor *            { frozen = yes }
  tensor mlp, readout { frozen = no }
  tensor mlp.down     { frozen = yes;  lr = 3 }
}
"""
TRAINED = {"block.mlp.up", "readout"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of("tiny_gpt", {"N": 16}, rule="part", text=EVERYTHING + FROZEN)


@pytest.fixture(scope="module")
def emitted(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return import_files(plan, tmp_path_factory.mktemp("frozen"))


def test_a_frozen_tensor_has_what_it_starts_with_alone(plan: Plan) -> None:
    assert {t.tensor.path for t in plan.tensors if t.optimizer} == TRAINED
    for path, t in plan.tensor.items():
        assert set(t.numbers) >= {"init.std", "init.mean", "scale"}
        assert ("lr" in t.numbers) == (path in TRAINED)
        assert (t.decay_per_step is None) == (path not in TRAINED)


def test_documents_and_tables_say_it(plan: Plan) -> None:
    tensors = json.loads(FORMATS["json"](plan))["tensors"]
    assert {t["name"] for t in tensors if t["optimizer"]} == TRAINED
    assert {t["name"] for t in tensors if t["lr"] is None} == {t["name"] for t in tensors} - TRAINED
    assert "frozen" in FORMATS["text"](plan)
    assert "over part: tensor mlp, readout { frozen = no }" in why(plan, "block.mlp.down.frozen")


def test_emitted_code_leaves_it_alone(emitted: Emitted) -> None:
    model = emitted.model.build_model(emitted.model.Config())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"readout.weight", "blocks.0.mlp.up.weight", "blocks.1.mlp.up.weight"}
    optimizer = emitted.optim.build_optimizer(model)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(torch.randint(256, (2, 12))).logsumexp(-1).mean().backward()
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == trained


def test_on_the_meta_device_too(emitted: Emitted) -> None:
    model = emitted.model.build_model(emitted.model.Config(), "meta")
    assert any(not p.requires_grad for p in model.parameters())


def test_nothing_is_said_of_it_where_nothing_is_frozen(tmp_path: Path) -> None:
    e = import_files(plan_of("tiny_gpt", {"N": 16}), tmp_path)
    assert not hasattr(e.model, "FROZEN")
    assert all(p.requires_grad for p in e.model.build_model(e.model.Config()).parameters())
