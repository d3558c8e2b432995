"""Behaviour of the emitted optimizer: the plan's numbers, few groups, one graph, a schedule that keeps ratios."""

from __future__ import annotations

import functools
import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional

from tests.emit.compiling import Emitted, cached_plan, import_files, plan_of
from tests.emit.texts import EVERYTHING

# torch's own, on the first compile of a process
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")]
OPTIMIZERS = ("sgd", "adam", "adamw")
ATTRIBUTES = {"lr": "lr", "eps": "eps", "weight_decay": "wd", "momentum": "momentum"}


@pytest.fixture(scope="module", params=OPTIMIZERS)
def emitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return import_files(cached_plan("tiny_gpt", 32, "mine", request.param), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def adamw(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return import_files(cached_plan("tiny_gpt", 32, "loud"), tmp_path_factory.mktemp("loud"))


def build(e: Emitted, dtype: torch.dtype = torch.float32, seed: int = 0) -> nn.Module:
    model = e.model.build_model(e.model.Config(), dtype=dtype, generator=torch.Generator().manual_seed(seed))
    assert isinstance(model, nn.Module)
    return model


def train(model: nn.Module, optimizer: torch.optim.Optimizer, schedule: object, steps: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    for _ in range(steps):
        tokens = torch.randint(256, (4, 9), generator=generator)
        logits = model(tokens[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        schedule.step()  # type: ignore[attr-defined]
        optimizer.zero_grad()
    return [p.detach().clone() for p in model.parameters()]


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


SLOW = """
optimizer slow {
  update entrywise
  class torch.optim.Adafactor(d = 2)
  uses lr = 1/100, wd = 0
  decay torch
}
rule slow extends sp for slow { base L = 2  tensor * { lr ~ 1  wd ~ 1 } }
"""


# ---- numbers ---------------------------------------------------------------------------------
def test_every_parameter_gets_the_plan_s_numbers(emitted: Emitted) -> None:
    plan, sizes = emitted.plan, emitted.plan.sizes[0]
    model = build(emitted)
    names = {id(p): emitted.model.pattern(n) for n, p in model.named_parameters()}
    planned = {t.tensor.storage.name.replace("{block}", "*"): t.numbers for t in plan.tensors}
    claimed = []
    for group in emitted.optim.build_optimizer(model).param_groups:
        for p in group["params"]:
            numbers = {n: plan.value(q, sizes) for n, q in planned[names[id(p)]].items()}
            claimed.append(id(p))
            for keyword, attribute in ATTRIBUTES.items():
                if attribute in numbers:
                    assert group[keyword] == numbers[attribute], (names[id(p)], keyword)
            if "beta1" in numbers:
                assert group["betas"] == (numbers["beta1"], numbers["beta2"])
    assert sorted(claimed) == sorted(names)


def test_fewest_groups(emitted: Emitted) -> None:
    groups = emitted.optim.build_optimizer(build(emitted)).param_groups
    values = [tuple((k, v) for k, v in g.items() if k != "params") for g in groups]
    assert len(values) == len(set(values))
    at_base = emitted.model.build_model(emitted.model.Config(N=16))
    assert len(emitted.optim.build_optimizer(at_base).param_groups) == 1


def test_fused_where_the_class_can(emitted: Emitted) -> None:
    optimizer = emitted.optim.build_optimizer(build(emitted))
    (owner,) = emitted.plan.optimizers.values()
    assert f"torch.optim.{type(optimizer).__name__}" == owner.path
    assert optimizer.defaults["fused"] is True


def test_a_class_that_cannot_be_fused_and_has_arguments(tmp_path: Path) -> None:
    e = import_files(plan_of("tiny_mlp", {"N": 32}, rule="slow", optimizer="slow", text=EVERYTHING + SLOW), tmp_path)
    optimizer = e.optim.build_optimizer(e.model.build_model(e.model.Config()))
    assert isinstance(optimizer, torch.optim.Adafactor)
    assert optimizer.defaults["d"] == 2


def test_another_rate_moves_all_rates_alike(emitted: Emitted) -> None:
    model = build(emitted)
    usual, doubled = (rates(emitted.optim.build_optimizer(model, lr=lr)) for lr in (None, 2**-7))
    assert doubled == [2 * rate for rate in usual]


# ---- the compiled step -----------------------------------------------------------------------
def test_a_compiled_step_is_the_fused_one_in_one_graph(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64 throughout: a compiled step keeps its step count in the default dtype."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(emitted.optim.torch, "compile", functools.partial(torch.compile, backend=counter))
    monkeypatch.setattr(torch._logging._internal.log, "disabled", True)
    torch.set_default_dtype(torch.float64)
    try:
        weights = []
        for compile in (False, True):
            model = build(emitted, torch.float64)
            optimizer = emitted.optim.build_optimizer(model, compile=compile)
            schedule = emitted.optim.build_schedule(optimizer, steps=8)
            weights.append(train(model, optimizer, schedule, steps=6))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(isinstance(group["lr"], Tensor) for group in optimizer.param_groups)
    assert counter.frame_count == 1
    for fused, compiled in zip(*weights, strict=True):
        torch.testing.assert_close(compiled, fused, rtol=1e-10, atol=1e-12)


# ---- the schedule ----------------------------------------------------------------------------
@pytest.mark.parametrize("compile", [False, True])
def test_the_schedule_keeps_ratios(adamw: Emitted, compile: bool) -> None:
    optimizer = adamw.optim.build_optimizer(build(adamw), compile=compile)
    peak = rates(optimizer)
    schedule = adamw.optim.build_schedule(optimizer, steps=20)
    assert len(set(peak)) > 2
    factors = []
    for _ in range(20):
        now = rates(optimizer)
        factors.append(now[0] / peak[0])
        assert all(math.isclose(a / b, factors[-1], rel_tol=1e-12) for a, b in zip(now, peak, strict=True))
        adamw.optim.check_ratios(optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the schedule moves without the optimizer here
            schedule.step()
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert math.isclose(rates(optimizer)[0], peak[0] / 16)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("schedule = constant", [1, 1, 1, 1, 1]),
        ("schedule = linear", [1, 0.75, 0.5, 0.25, 0]),
        ("schedule = linear;  final_lr = 2^-9", [1, 0.875, 0.75, 0.625, 0.5]),
        ("warmup = 2", [0.5, 1, 1, 1, 1]),
        ("schedule = linear;  warmup = 2", [0.5, 1, 1, 0.5, 0]),
        ("clip = 1", [1, 1, 1, 1, 1]),
    ],
)
def test_schedules(run: str, expected: list[float], tmp_path: Path) -> None:
    text = EVERYTHING + f"rule short extends mup {{ base N = 16, L = 2  run {{ lr = 2^-8;  {run} }} }}"
    e = import_files(plan_of("tiny_mlp", {"N": 16}, rule="short", text=text), tmp_path)
    optimizer = e.optim.build_optimizer(e.model.build_model(e.model.Config()))
    schedule = e.optim.build_schedule(optimizer, steps=4)
    found = []
    for _ in range(5):
        found.append(rates(optimizer)[0] * 2**8)
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(expected)


def test_a_scheduler_that_sets_rates_one_by_one_is_noticed(adamw: Emitted) -> None:
    optimizer = adamw.optim.build_optimizer(build(adamw))
    adamw.optim.check_ratios(optimizer)
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=10)
    with pytest.warns(UserWarning, match="lost the rule's ratios"):
        adamw.optim.check_ratios(optimizer)


def test_a_reloaded_optimizer_is_not_scaled_again(adamw: Emitted) -> None:
    model = build(adamw)
    optimizer = adamw.optim.build_optimizer(model)
    again = adamw.optim.build_optimizer(model)
    again.load_state_dict(optimizer.state_dict())
    assert rates(again) == rates(optimizer)
