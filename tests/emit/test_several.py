"""Emitted code with several optimizers: one object that steps, saves and loads as one; and the batched step."""

from __future__ import annotations

import copy
import functools
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional

from scalec.plan.select import parameter_pattern
from tests.emit.compiling import Emitted, files_of, import_files, plan_of
from tests.emit.test_texts import assert_lints, write
from tests.emit.texts import GPT

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")]

HEAD = """
use std.muon_mup

rule mine extends muon_mup {
  base N = 16, L = 2, F = 32
  run { warmup = 4;  schedule = cosine;  final_lr = 2^-12 }
  tensor embedding.position { frozen = yes }
}
optimizer plain extends muon { class torch.optim.Muon(adjust_lr_fn = original) }
rule by_class extends sp for plain, adamw {
  base N = 16, L = 2
  tensor *      { optimizer = adamw }
  tensor matrix { optimizer = plain;  lr ~ sqrt(fan_out/fan_in) }
}
rule alone extends sp for muon { base N = 16  tensor * { lr ~ 1 } }
"""
NET = """
network wide { dims N  fixed D = 6, C = 4  input(D) linear(N) act(relu) linear(2*N) act(relu) linear(N) readout(C) }
"""


def emitted_of(folder: Path, rule: str = "mine", network: str = "tiny_gpt", optimizer: str | None = None) -> Emitted:
    return import_files(plan_of(network, {"N": 32}, rule=rule, optimizer=optimizer, text=HEAD + GPT + NET), folder)


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return emitted_of(tmp_path_factory.mktemp("several"))


def build(e: Emitted, dtype: torch.dtype = torch.float32) -> nn.Module:
    model = e.model.build_model(e.model.Config(), dtype=dtype, generator=torch.Generator().manual_seed(0))
    assert isinstance(model, nn.Module)
    return model


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        tokens = torch.randint(256, (4, 13), generator=generator)
        loss = functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_each_parameter_has_its_owner_with_the_plans_numbers(emitted: Emitted) -> None:
    model = build(emitted)
    optimizer = emitted.optim.build_optimizer(model)
    assert [type(part).__name__ for part in optimizer.parts] == ["AdamW", "BatchedMuon"]
    plan, sizes = emitted.plan, emitted.plan.sizes[0]
    rows = {parameter_pattern(t.tensor): t for t in plan.tensors}
    by_name = {id(p): name for name, p in model.named_parameters()}
    seen = []
    for part, owner in zip(optimizer.parts, plan.optimizers, strict=True):
        for group in part.param_groups:
            for p in group["params"]:
                row = rows[emitted.model.pattern(by_name[id(p)])]
                assert row.optimizer == owner
                assert group["lr"] == plan.value(row.numbers["lr"], sizes)
                assert group["weight_decay"] == plan.value(row.numbers["wd"], sizes)
                seen.append(by_name[id(p)])
    assert sorted(seen) == sorted(set(by_name.values()) - {"position.weight"})
    assert optimizer.parts[0].defaults["fused"] is True


def test_the_files_lint(emitted: Emitted, tmp_path: Path) -> None:
    write(tmp_path, files_of(emitted.plan))
    assert_lints(tmp_path)


def test_another_rate_moves_all_rates_alike(emitted: Emitted) -> None:
    model = build(emitted)
    usual, doubled = (
        [group["lr"] for group in emitted.optim.build_optimizer(model, lr=lr).param_groups] for lr in (None, 2e-3)
    )
    assert doubled == pytest.approx([2 * rate for rate in usual])


def test_a_schedule_moves_all_parts(emitted: Emitted) -> None:
    optimizer = emitted.optim.build_optimizer(build(emitted))
    peak = [group["rule_lr"] for group in optimizer.param_groups]
    schedule = emitted.optim.build_schedule(optimizer, steps=8)
    for _ in range(8):
        factors = [g["lr"] / p for g, p in zip(optimizer.param_groups, peak, strict=True)]
        assert factors == pytest.approx([factors[0]] * len(peak))
        assert [g["lr"] for part in optimizer.parts for g in part.param_groups] == [
            g["lr"] for g in optimizer.param_groups
        ]
        emitted.optim.check_ratios(optimizer)
        optimizer.step()
        schedule.step()
    assert factors[0] < 1 / 2


def test_a_checkpoint_goes_on_as_if_nothing_had_been(emitted: Emitted) -> None:
    model, again = build(emitted), build(emitted)
    optimizer, loaded = (emitted.optim.build_optimizer(m) for m in (model, again))
    train(model, optimizer)
    again.load_state_dict(model.state_dict())
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for mine, theirs in zip(
        train(model, optimizer, seed=2).values(), train(again, loaded, seed=2).values(), strict=True
    ):
        assert torch.equal(mine, theirs)
    assert len(loaded.state) == len(optimizer.state) > 0


def test_a_closure_is_called_once(emitted: Emitted) -> None:
    optimizer = emitted.optim.build_optimizer(build(emitted))
    calls = []
    assert optimizer.step(lambda: calls.append(torch.is_grad_enabled()) or 2.5) == 2.5
    assert calls == [True]


@pytest.mark.slow
def test_compiled_parts_are_the_same(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(emitted.optim.torch, "compile", functools.partial(torch.compile, backend=counter))
    monkeypatch.setitem(sys.modules, "optim", emitted.optim)  # as where a script imports it
    weights = []
    for compile in (False, True):
        model = build(emitted)
        optimizer = emitted.optim.build_optimizer(model, compile=compile)
        emitted.optim.build_schedule(optimizer, steps=8)
        weights.append(train(model, optimizer))
    assert counter.frame_count >= 2
    for mine, compiled in zip(*(w.values() for w in weights), strict=True):
        torch.testing.assert_close(compiled, mine, rtol=0.02, atol=1e-4)  # bfloat16


# ---- the batched step ------------------------------------------------------------------------
def muon_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> torch.optim.Muon:
    """torch's own, on the same matrices with the same values."""
    keys = ("params", "lr", "weight_decay", "momentum")
    groups = [{key: group[key] for key in keys} for group in optimizer.param_groups]
    return torch.optim.Muon(groups, adjust_lr_fn="original")


def test_the_batched_step_is_the_classs(tmp_path: Path) -> None:
    """Within what bfloat16 leaves of it; wide, tall and square matrices, on which the class's factor differs."""
    e = emitted_of(tmp_path, "alone", "wide", "muon")
    model, theirs = (
        e.model.build_model(e.model.Config(), generator=torch.Generator().manual_seed(0)) for _ in range(2)
    )
    mine, reference = e.optim.build_optimizer(model), muon_of(theirs, e.optim.build_optimizer(theirs))
    assert type(mine).__name__ == "BatchedMuon"
    before = [p.detach().clone() for p in model.parameters()]
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        for p, q in zip(model.parameters(), theirs.parameters(), strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        mine.step()
        reference.step()
    for p, q, start in zip(model.parameters(), theirs.parameters(), before, strict=True):
        assert (p - q).abs().max() < 0.02 * (q - start).abs().max()
        assert mine.state[p].keys() == reference.state[q].keys()


def test_one_of_the_same_shape_does_not_see_the_others(emitted: Emitted) -> None:
    """A batch of matrices is updated as each would be by itself."""
    model, alone = build(emitted), build(emitted)
    both, single = (emitted.optim.build_optimizer(m) for m in (model, alone))
    name = "blocks.0.attention.q.weight"
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)
    alone.get_parameter(name).grad = model.get_parameter(name).grad.clone()
    both.step()
    single.step()
    torch.testing.assert_close(model.get_parameter(name), alone.get_parameter(name), rtol=1e-3, atol=1e-5)


def test_a_class_that_says_no_batch_is_used_as_it_is(tmp_path: Path) -> None:
    e = emitted_of(tmp_path, "by_class")
    model = build(e)
    optimizer = e.optim.build_optimizer(model)
    assert [type(part) for part in optimizer.parts] == [torch.optim.AdamW, torch.optim.Muon]
    assert optimizer.parts[1].defaults["adjust_lr_fn"] == "original"
    train(model, optimizer)
