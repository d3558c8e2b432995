"""Experts kept evenly met, by a loss or by biases, and a router in float32: emitted layers against plain loops."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.emit.compiling import Emitted, files_of, import_files, plan_of
from tests.emit.test_moe import assert_near, layer, rows
from tests.reference.moe import Router, balancing_loss

pytestmark = pytest.mark.torch

TEXT = """
use std.moe
network experts {{
  dims  N, M, K = M, Ne
  fixed D = 6, C = 4
  input(D)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, {options})
  readout(C) as out
}}
rule mine extends moe_mup {{
  base N = 16, M = 2, K = 2, Ne = 8
  tensor readout {{ init = normal }}
  {clause}
}}
"""
SIZES = {"N": 32, "M": 4, "K": 2, "Ne": 16}
CLAUSE = "site moe.balance { scale = 1/8 }"
KINDS: tuple[Router, ...] = ("sigmoid", "sigmoid, normalised", "softmax", "softmax_selected")


def emitted(folder: Path, options: str, clause: str = CLAUSE) -> Emitted:
    text = TEXT.format(options=options, clause=clause)
    return import_files(plan_of("experts", SIZES, optimizer="adam", text=text), folder)


# ---- a loss ----------------------------------------------------------------------------------
@pytest.mark.parametrize("of", ["scores", "gates"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_balancing_loss_is_that_of_plain_loops(tmp_path: Path, kind: Router, of: str) -> None:
    e = emitted(tmp_path, f"router = {kind}, balance = loss, balance_of = {of}")
    moe, x = layer(e), rows().requires_grad_()
    moe(x)
    mine = e.model.balance_loss(moe)
    scores = x @ moe.router.weight.T
    theirs = balancing_loss(scores, active=2, kind=kind, of_all=of == "scores", combine=1 / 2) / 8
    wanted = [x, moe.router.weight]
    pairs = [[loss, *torch.autograd.grad(loss, wanted)] for loss in (mine, theirs)]
    assert_near(*pairs, 1e-12)


def test_the_balancing_loss_is_asked_for_once_and_in_training_alone(tmp_path: Path) -> None:
    e = emitted(tmp_path, "balance = loss")
    moe = layer(e)
    moe(rows())
    assert e.model.balance_loss(moe) > 0
    assert moe.balance is None
    moe.eval()(rows())
    assert moe.balance is None


def test_a_step_of_the_emitted_script_has_it(tmp_path: Path) -> None:
    texts = {
        word: files_of(emitted(tmp_path / word, f"balance = {word}", CLAUSE if word != "no" else "").plan)["train.py"]
        for word in ("no", "loss", "bias")
    }
    assert "(loss + balance_loss(model)).backward()" in texts["loss"]
    assert "        optimizer.step()\n        rebalance(model)\n" in texts["bias"]
    assert "balance" not in texts["no"]


# ---- biases ----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [*KINDS, "linear"])
def test_biases_choose_and_do_not_weigh(tmp_path: Path, kind: Router) -> None:
    moe, x = layer(emitted(tmp_path, f"router = {kind}, balance = bias")), rows()
    before, _ = moe.route(x)
    moe.balance_steps += torch.tensor([0, 0, 800, 800])
    gates, chosen = moe.route(x)
    assert (chosen.sort(-1).values == torch.tensor([2, 3])).all()
    scores = (x @ moe.router.weight.T).gather(-1, chosen)
    if kind == "linear":
        assert_near([gates], [scores / 2], 1e-12)
    if kind == "sigmoid":
        assert_near([gates], [scores.sigmoid() / 2], 1e-12)
    assert not torch.equal(gates, before)


def test_a_step_goes_against_the_load(tmp_path: Path) -> None:
    e = emitted(tmp_path, "balance = bias")
    moe, x = layer(e), rows()
    _, chosen = moe.route(x)
    load = torch.bincount(chosen.flatten(), minlength=4)
    assert torch.equal(moe.load, load)
    moe.route(x)
    e.model.rebalance(moe)
    assert moe.balance_steps.tolist() == [int((load.float().mean() - n).sign()) for n in load.float()]
    assert moe.load.sum() == 0
    moe.eval().route(x)
    assert moe.load.sum() == 0


def test_training_evens_the_load(tmp_path: Path) -> None:
    """By the emitted script's own steps: a router that prefers two experts for all rows is made to use the others."""
    e = emitted(tmp_path, "balance = bias", "site moe.balance { scale = 1/100 }")
    model = e.model.build_model(e.model.Config(), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    optimizer = e.optim.build_optimizer(model, lr=1e-4)
    x = 3 + torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.arange(64) % 4
    hidden = model.w_in(x).detach()
    with torch.no_grad():
        model.moe.router.weight[:2] += 2 * hidden.mean(0) / hidden.mean(0).square().sum()
    worst = []
    for _ in range(120):
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        worst.append(model.moe.load.max().item() / 32)
        e.model.rebalance(model)
        optimizer.zero_grad()
    assert worst[0] > 1.6
    assert min(worst[-10:]) < 1.2


def test_the_script_moves_the_biases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    e = emitted(tmp_path, "balance = bias")
    torch.save({"x": torch.randn(100, 6), "y": torch.arange(100) % 4}, tmp_path / "data.pt")
    args = ["train.py", "--data", str(tmp_path / "data.pt"), "--steps", "5", "--out", str(tmp_path / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", args)
        e.train.main()
    state = torch.load(tmp_path / "out" / "checkpoint.pt")["model"]
    assert state["moe.balance_steps"].abs().sum() > 0


def test_biases_survive_casts_and_start_at_zero(tmp_path: Path) -> None:
    e = emitted(tmp_path, "balance = bias")
    model = e.model.build_model(e.model.Config(), dtype=torch.bfloat16)
    assert model.moe.balance_steps.tolist() == [0, 0, 0, 0]
    model.moe.balance_steps += 1001
    assert model.to(torch.float16).moe.balance_steps.tolist() == [1001] * 4
    e.model.init_weights(model, e.model.Config())
    assert model.moe.balance_steps.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("balance", ["loss", "bias"])
def test_balance_in_one_graph(tmp_path: Path, balance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    e = emitted(tmp_path, f"balance = {balance}")
    monkeypatch.setitem(sys.modules, "model", e.model)  # the compiler looks it up by name
    moe, x = layer(e), rows().requires_grad_()
    compiled, left = torch.compile(moe, backend="aot_eager", fullgraph=True), []
    for forward in (moe, compiled, compiled):
        forward(x)
        if balance == "loss":
            left.append(list(torch.autograd.grad(e.model.balance_loss(moe), [x, moe.router.weight])))
        else:
            left.append([moe.load.clone()])
            e.model.rebalance(moe)
            moe.balance_steps.zero_()
    assert left[0][0].abs().sum() > 0
    assert_near(left[1] + left[2], left[0] + left[0], 1e-12)


# ---- float32 ---------------------------------------------------------------------------------
def assert_exact(e: Emitted, weights: torch.dtype, x: torch.dtype, autocast: bool) -> None:
    """Linear gates are the scores: as if in float64, up to float32's rounding."""
    moe = layer(e).to(weights)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        gates, chosen = moe.route(rows().to(x))
    scores = rows().to(x).double() @ moe.router.weight.double().T / 2
    assert gates.dtype == torch.float32
    assert_near([gates.double()], [scores.gather(-1, chosen)], 1e-5)


CASTS = [
    (torch.bfloat16, torch.bfloat16, False),
    (torch.float32, torch.float32, True),
    (torch.float32, torch.bfloat16, True),
]


@pytest.mark.parametrize(("weights", "x", "autocast"), CASTS)
def test_the_router_is_in_float32(tmp_path: Path, weights: torch.dtype, x: torch.dtype, autocast: bool) -> None:
    assert_exact(emitted(tmp_path, "router = linear, router_fp32", ""), weights, x, autocast)


@pytest.mark.parametrize(("weights", "x", "autocast"), CASTS)
def test_a_router_that_is_not_is_noticed(tmp_path: Path, weights: torch.dtype, x: torch.dtype, autocast: bool) -> None:
    with pytest.raises(AssertionError):
        assert_exact(emitted(tmp_path, "router = linear", ""), weights, x, autocast)


def assert_one_choice(e: Emitted) -> None:
    """The experts of a row are the same whatever type the model has and wherever in the batch the row stands."""
    x = rows(512).bfloat16()
    expected = layer(e).bfloat16().double().route(x.double())[1]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    for weights, given, autocast in [*CASTS, (torch.float32, torch.float32, False)]:
        moe = layer(e).bfloat16().to(weights)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            assert torch.equal(moe.route(x.to(given))[1], expected)
            assert torch.equal(moe.route(x[order].to(given))[1], expected[order])
            assert torch.equal(moe.route(x[:7].to(given))[1], expected[:7])


@pytest.mark.parametrize("options", ["router = linear", "normalised", "router = softmax", "router = softmax_selected"])
def test_a_router_in_float32_chooses_alike_in_every_type_and_order(tmp_path: Path, options: str) -> None:
    assert_one_choice(emitted(tmp_path, f"{options}, router_fp32", ""))


def test_a_choice_that_hangs_on_the_type_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        assert_one_choice(emitted(tmp_path, "router = linear", ""))


@pytest.mark.parametrize("options", ["router_fp32", "normalised, shared = 1, act = swiglu", "router = softmax"])
@pytest.mark.parametrize("way", ["grouped", "segments", "where", "dense"])
def test_every_way_under_autocast(tmp_path: Path, options: str, way: str) -> None:
    moe, x = layer(emitted(tmp_path, options, "")).float(), rows().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert moe.path(x) == "grouped"
        assert moe.path(x.double()) == "segments"
        moe.path = lambda _: way
        mine = moe(x)
    moe.path = lambda _: "where"
    theirs = moe(x)
    found = [
        [out, *torch.autograd.grad(out.float().square().sum(), [x, moe.up, moe.router.weight])]
        for out in (mine, theirs)
    ]
    assert_close_in_bulk(found[0], found[1])


def assert_close_in_bulk(mine: list[Tensor], theirs: list[Tensor]) -> None:
    """A row whose scores nearly tie may go elsewhere in bfloat16: the mean deviation is judged."""
    for a, b in zip(mine, theirs, strict=True):
        assert (a.float() - b).abs().mean() <= 5e-2 * b.abs().mean()


def test_options_of_the_layer_alone_leave_the_plan_as_it_is(tmp_path: Path) -> None:
    plain, wide = (emitted(tmp_path / o, f"normalised{o and ', ' + o}", "").plan for o in ("", "router_fp32"))
    values: list[Any] = [[(t.tensor.path, t.numbers) for t in plan.tensors] for plan in (plain, wide)]
    assert values[0] == values[1]
