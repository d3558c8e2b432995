"""Sparse weights and adapters of convolutions and of experts in emitted models, against sums written out."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scalec.emit.document import shape_at
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.emit.test_moe import assert_near, gradients, run
from tests.emit.test_texts import assert_lints
from tests.reference.moe import mixture

pytestmark = pytest.mark.torch
TEXT = """
use std.mup
use std.moe

network small {
  dims  N, M, K, Ne, rho = 1/2, r = 4
  fixed C = 3, S = 6
  image(channels = C, side = S)
  conv(N, 3, stride = 2)
  moe(experts = M, active = K, width = Ne, act = swiglu)
  pool
  readout(10)
  sparse(density = rho, on = [conv, expert.down, expert.gate])
  lora(rank = r, on = [conv, expert.up, expert.down])
}
rule mine extends mup {
  base N = 16, M = 4, K = 2, Ne = 16
}
rule loud extends mine {
  tensor conv        { scale = 7/4 }
  tensor expert.gate { scale = 3/2 }
  tensor expert.up   { scale = 5/4 }
  tensor expert.down { scale = 3/4 }
  tensor lora.a      { scale = 2/3 }
  tensor lora.b      { scale = 4/3 }
  site lora          { scale = 5/2 }
}
"""
ADAPTER = {"mine": 1.0, "loud": 2 / 3 * 4 / 3 * 5 / 2}
SCALES = {"mine": (1.0, 1.0, 1.0, 1.0), "loud": (7 / 4, 3 / 2, 5 / 4, 3 / 4)}
SIZES = {"N": 16, "M": 4, "K": 2, "Ne": 16}


@pytest.fixture(scope="module", params=["mine", "loud"])
def emitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Emitted]:
    made = plan_of("small", SIZES, rule=request.param, optimizer="adam", text=TEXT)
    return request.param, import_files(made, tmp_path_factory.mktemp("small"))


def build(e: Emitted, seed: int = 3, **sizes: float) -> Any:
    """In float64, its weights all of one size so that each is seen."""
    model = e.model.build_model(e.model.Config(**sizes), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("way", ["segments", "where", "dense"])
def test_each_expert_has_its_mask_and_its_adapter(emitted: tuple[str, Emitted], way: str) -> None:
    rule, e = emitted
    moe, x = build(e).moe, drawn(24, 16).requires_grad_()
    _, gate, up, down = SCALES[rule]
    theirs = mixture(
        x,
        moe.router.weight,
        up * moe.up + ADAPTER[rule] * moe.up_lora_b @ moe.up_lora_a,
        down * moe.down * moe.down_mask + ADAPTER[rule] * moe.down_lora_b @ moe.down_lora_a,
        active=2,
        kind="sigmoid",
        act=F.silu,
        gate=gate * moe.gate * moe.gate_mask,
    )
    mine = run(moe, way, x)
    assert_near([mine, *gradients(moe, mine, x)], [theirs, *gradients(moe, theirs, x)], 1e-12)


def test_a_convolution_has_its_mask_and_its_adapter(emitted: tuple[str, Emitted]) -> None:
    rule, e = emitted
    model, image = build(e), drawn(2, 3, 6, 6)
    kernel = SCALES[rule][0] * model.conv.weight * model.conv.weight_mask
    added = torch.einsum("or,ricd->oicd", model.conv_lora_b.weight, model.conv_lora_a.weight)
    expected = F.conv2d(image, kernel + ADAPTER[rule] * added, stride=2, padding=1).flatten(2).mT
    seen: list[Tensor] = []
    model.moe.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(image)
    assert_near(seen, [expected], 1e-12)


def test_masks_are_one_draw_for_all_runs_and_have_their_share(emitted: tuple[str, Emitted]) -> None:
    _, e = emitted
    one, other, fewer = (dict(m.named_buffers()) for m in (build(e), build(e, 4), build(e, rho=1 / 4)))
    assert set(one) == {"conv.weight_mask", "moe.gate_mask", "moe.down_mask"}
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["moe.gate_mask"], one["moe.down_mask"])
    assert [round(float(m.double().mean()) * 10) for m in one.values()] == [5, 5, 5]
    assert all(abs(float(m.double().mean()) - 1 / 4) < 0.05 for m in fewer.values())


def test_what_is_outside_a_mask_takes_no_part(emitted: tuple[str, Emitted]) -> None:
    model, image = build(emitted[1]), drawn(2, 3, 6, 6)
    before = model(image)
    with torch.no_grad():
        model.conv.weight[~model.conv.weight_mask] += 1
        model.moe.down[~model.moe.down_mask] += 1
    assert torch.equal(model(image), before)


@torch.no_grad()
def test_it_compiles_in_one_graph(emitted: tuple[str, Emitted], monkeypatch: pytest.MonkeyPatch) -> None:
    _, e = emitted
    monkeypatch.setitem(sys.modules, "model", e.model)  # the compiler looks it up by name
    model, image = build(e), drawn(2, 3, 6, 6)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(image), model(image))


def test_parameters_are_those_of_the_plan_and_the_text_is_clean(emitted: tuple[str, Emitted]) -> None:
    _, e = emitted
    planned = {t.tensor.storage.name: tuple(shape_at(t.tensor, e.plan.sizes[0])) for t in e.plan.tensors}
    assert {name: tuple(p.shape) for name, p in build(e).named_parameters()} == planned
    assert_lints(e.folder)
