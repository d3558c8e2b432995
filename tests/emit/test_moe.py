"""The emitted layer of experts: every way against one token after the other, and the ways against each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tests.emit.compiling import Emitted, files_of, import_files, plan_of
from tests.emit.test_texts import assert_lints, write
from tests.planning import said
from tests.reference.moe import Router, feed_forward, mixture

pytestmark = pytest.mark.torch

TEXT = """
use std.moe
network experts {{
  dims  N, M, K = M, Ne
  fixed D = 6, C = 4
  input(D)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, router = {kind}, act = gelu)
  readout(C) as out
}}
rule mine extends moe_mup {{ base N = 16, M = 2, K = 2, Ne = 8  tensor readout {{ init = normal }} }}
rule loud extends mine {{
  tensor router      {{ scale = 3/2 }}
  tensor expert.up   {{ scale = 5/4 }}
  tensor expert.down {{ scale = 3/4;  init.shared = expert }}
  site router.logits {{ scale = 1/2 }}
}}
"""
GATED = """
use std.moe
network experts {
  dims  N, M, K = M, Ne
  fixed D = 6, C = 4
  input(D)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, shared = 2, act = swiglu)
  readout(C) as out
}
rule mine extends moe_mup { base N = 16, M = 2, K = 2, Ne = 8  tensor readout { init = normal } }
rule loud extends mine {
  tensor router      { scale = 3/2 }
  tensor expert.gate { scale = 7/4 }
  tensor expert.up   { scale = 5/4 }
  tensor expert.down { scale = 3/4 }
  site moe.shared    { scale = 2/3 }
  site mlp.act       { scale = 4/3 }
  tensor mlp.gate    { scale = 1/3 }
}
"""
KINDS: tuple[Router, ...] = ("sigmoid", "sigmoid, normalised", "softmax", "softmax_selected", "linear")
CASES = [*((kind, "mine") for kind in KINDS), ("sigmoid", "loud")]
SPARSE = ("grouped", "segments", "where")
SIZES = {"N": 32, "M": 4, "K": 2, "Ne": 16}


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Emitted]:
    folder = tmp_path_factory.mktemp("moe")
    return {(kind, rule): emitted(folder / kind / rule, kind, rule) for kind, rule in CASES}


def emitted(folder: Path, kind: str = "sigmoid", rule: str = "mine", **sizes: int) -> Emitted:
    made = plan_of("experts", SIZES | sizes, rule=rule, optimizer="adam", text=TEXT.format(kind=kind))
    return import_files(made, folder)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Emitted]:
    folder = tmp_path_factory.mktemp("gated")
    return {
        rule: import_files(plan_of("experts", SIZES, rule=rule, optimizer="adam", text=GATED), folder / rule)
        for rule in ("mine", "loud")
    }


def layer(e: Emitted, **sizes: int) -> Any:
    """The layer in float64, its weights all of one size so that every expert and every gate is seen."""
    model = e.model.build_model(e.model.Config(**sizes), dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.moe.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model.moe


def rows(count: int = 24, width: int = 32) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def run(moe: Any, way: str, x: Tensor) -> Tensor:
    return getattr(moe, way)(x, *moe.route(x))  # type: ignore[no-any-return]


def gradients(moe: Any, out: Tensor, x: Tensor) -> list[Tensor]:
    wanted = [x, *moe.parameters()]
    return list(torch.autograd.grad((out * out.detach().sin()).sum(), wanted, materialize_grads=True))


def assert_near(mine: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for a, b in zip(mine, theirs, strict=True):
        assert (a - b).abs().max() <= tolerance * b.abs().max()


def test_the_comparison_can_fail() -> None:
    with pytest.raises(AssertionError):
        assert_near([torch.ones(2)], [torch.tensor([1.0, 1.1])], 1e-2)


@pytest.mark.parametrize("text", [TEXT.format(kind="sigmoid"), GATED])
def test_emitted_experts_lint(text: str, tmp_path: Path) -> None:
    write(tmp_path, files_of(plan_of("experts", SIZES, optimizer="adam", text=text)))
    assert_lints(tmp_path)


@pytest.mark.parametrize(("kind", "rule"), CASES)
@pytest.mark.parametrize("way", ["segments", "where"])
def test_the_loops_are_one_token_after_the_other(layers: Any, way: str, kind: Router, rule: str) -> None:
    moe, x = layer(layers[kind, rule]), rows().requires_grad_()
    mine, theirs = run(moe, way, x), naive(moe, kind, rule, x)
    assert_near([mine, *gradients(moe, mine, x)], [theirs, *gradients(moe, theirs, x)], 1e-12)


def naive(moe: Any, kind: Router, rule: str, x: Tensor) -> Tensor:
    """The factors of rule `loud`, and muP's `1/experts` at twice the base, as numbers."""
    router, up, down = (1.5 * 0.5, 1.25, 0.75) if rule == "loud" else (1, 1, 1)
    weights = (router * moe.router.weight, up * moe.up, down * moe.down)
    return mixture(x, *weights, active=moe.active, kind=kind, act=F.gelu, combine=1 / 2)


@pytest.mark.parametrize("rule", ["mine", "loud"])
@pytest.mark.parametrize("active", [2, 4])
@pytest.mark.parametrize("way", ["segments", "where", "dense"])
def test_gated_experts_and_shared_ones(gated: Any, way: str, active: int, rule: str) -> None:
    if way == "dense" and active < 4:
        return
    moe, x = layer(gated[rule], K=active), rows().requires_grad_()
    moe.path = lambda _: way
    mine, theirs = moe(x), naive_gated(moe, rule, x)
    assert_near([mine, *gradients(moe, mine, x)], [theirs, *gradients(moe, theirs, x)], 1e-12)


def naive_gated(moe: Any, rule: str, x: Tensor) -> Tensor:
    router, gate, up, down = (1.5, 1.75, 1.25, 0.75) if rule == "loud" else (1, 1, 1, 1)
    inner, bend, outer = (1 / 3, 4 / 3, 2 / 3) if rule == "loud" else (1, 1, 1)
    weights = (router * moe.router.weight, up * moe.up, down * moe.down)
    routed = mixture(x, *weights, active=moe.active, kind="sigmoid", act=F.silu, combine=1 / 2, gate=gate * moe.gate)
    own = (moe.shared.up.weight, bend * moe.shared.down.weight, F.silu, inner * moe.shared.gate.weight)
    return routed + outer * torch.stack([feed_forward(row, *own) for row in x])


def test_shared_experts_are_as_wide_as_all_of_them_together(gated: Any) -> None:
    moe = layer(gated["mine"])
    assert moe.shared.gate.weight.shape == moe.shared.up.weight.shape == (2 * 16, 32)
    shapes = {t.path: t.role for t in gated["mine"].plan.program.tensors}
    assert shapes["moe.gate"] == "expert.gate"
    assert [shapes[f"moe.shared.{local}"] for local in ("gate", "up", "down")] == ["mlp.gate", "mlp.up", "mlp.down"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_experts_at_once(layers: Any, kind: Router) -> None:
    moe, x = layer(layers[kind, "mine"], K=4), rows().requires_grad_()
    assert moe.path(x) == "dense"
    mine, theirs = moe(x), naive(moe, kind, "mine", x)
    assert_near([mine, *gradients(moe, mine, x)], [theirs, *gradients(moe, theirs, x)], 1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("act", ["gelu", "swiglu"])
def test_one_product_for_all_experts(layers: Any, gated: Any, act: str, dtype: torch.dtype, tolerance: float) -> None:
    made = gated["mine"] if act == "swiglu" else layers["sigmoid", "mine"]
    moe, x = layer(made).to(dtype), rows().to(dtype).requires_grad_()
    assert moe.path(x) == "grouped"
    grouped, where = run(moe, "grouped", x), run(moe, "where", x)
    assert_near([grouped, *gradients(moe, grouped, x)], [where, *gradients(moe, where, x)], tolerance)


@pytest.mark.parametrize("way", SPARSE)
def test_a_gradient_that_is_one_number_expanded(layers: Any, way: str) -> None:
    moe, x = layer(layers["sigmoid", "mine"]).float(), rows().float().requires_grad_()
    mine, theirs = (torch.autograd.grad(run(moe, w, x).sum(), [x, *moe.parameters()]) for w in (way, "where"))
    assert_near(list(mine), list(theirs), 1e-5)


def test_the_way_is_chosen_by_type_and_compiler(layers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model", layers["sigmoid", "mine"].model)  # the compiler looks it up by name
    moe = layer(layers["sigmoid", "mine"])
    assert moe.path(rows()) == "segments"
    assert moe.path(rows().float()) == "grouped"
    seen = []

    def asked(x: Tensor) -> Tensor:
        seen.append(moe.path(x))
        return x

    for x in (rows(), rows().float(), rows().bfloat16()):
        torch.compile(asked, backend="eager", fullgraph=True)(x)
    assert seen == ["where", "where", "grouped"]


def test_an_expert_that_nobody_asks_has_no_gradient(layers: Any) -> None:
    moe, x = layer(layers["sigmoid", "mine"]), rows()
    with torch.no_grad():
        moe.router.weight.zero_()
    for way in ("segments", "where"):
        (up,) = torch.autograd.grad(run(moe, way, x).square().sum(), [moe.up])
        _, chosen = moe.route(x)
        asked = set(chosen.flatten().tolist())
        assert {i for i in range(4) if up[i].abs().sum() > 0} == asked
        assert len(asked) < 4


@pytest.mark.parametrize("way", ["segments", "where"])
def test_no_expert_runs_on_what_it_is_not_chosen_for(layers: Any, way: str) -> None:
    """Multiplications: those of the active experts and of the router, no others."""
    moe, x = layer(layers["sigmoid", "mine"], M=8, K=2), rows(64)
    with FlopCounterMode(display=False) as counter:
        run(moe, way, x)
    assert counter.get_total_flops() == 2 * 64 * (2 * 2 * 32 * 16 + 8 * 32)


def test_nothing_is_dropped_where_all_want_the_same_expert(layers: Any) -> None:
    moe, x = layer(layers["sigmoid", "mine"], M=8, K=1), rows(64).abs()
    with torch.no_grad():
        moe.router.weight.zero_()[3] = 1
    assert (moe.route(x)[1] == 3).all()
    alone = torch.sigmoid(x.sum(-1, keepdim=True)) / 4 * moe.expert(x, moe.up[3], moe.down[3])
    for way in ("segments", "where"):
        assert_near([run(moe, way, x)], [alone], 1e-12)


def test_the_manifest_says_how_experts_lie(layers: Any) -> None:
    manifest = json.loads(files_of(layers["sigmoid", "mine"].plan)["manifest.json"])
    assert manifest["layouts"]["moe.up"] == ["expert", "out", "in"]
    assert manifest["layouts"]["moe.router.weight"] == ["out", "in"]
    shapes = {t["name"]: t["shape"] for t in manifest["plan"]["tensors"]}
    assert shapes["moe.up"] == [4, 16, 32]


def test_one_draw_for_all_experts(layers: Any) -> None:
    e = layers["sigmoid", "loud"]
    model = e.model.build_model(e.model.Config())
    assert all(torch.equal(model.moe.down[0], one) for one in model.moe.down)
    assert not torch.equal(model.moe.up[0], model.moe.up[1])
    std = e.plan.value(e.plan.tensor["moe.down"].numbers["init.std"], e.plan.sizes[0])
    assert model.moe.down.std().item() == pytest.approx(std, rel=0.2)


def test_more_active_than_there_are(tmp_path: Path, layers: Any) -> None:
    assert said(lambda: emitted(tmp_path, M=2, K=3)) == [
        "SC305 `K` = 3 of `moe.experts` cannot be active: there are `M` = 2"
    ]
    with pytest.raises(ValueError, match="3 of 2 experts"):
        layers["sigmoid", "mine"].model.build_model(layers["sigmoid", "mine"].model.Config(M=2, K=3))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_graph(layers: Any, dtype: torch.dtype) -> None:
    """Compiled whole and exported, with the same numbers."""
    moe, x = layer(layers["sigmoid", "mine"]).to(dtype), rows().to(dtype)
    expected, tolerance = run(moe, "where", x), 1e-5 if dtype == torch.float32 else 2e-2
    compiled = torch.compile(moe, backend="aot_eager", fullgraph=True)(x)
    exported = torch.export.export(moe, (x,), strict=False).module()(x)
    assert_near([compiled, exported], [expected, expected], tolerance)
