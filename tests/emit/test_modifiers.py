"""Sparse weights, adapters and factors of single layers in emitted models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.emit.compiling import Emitted, import_files, plan_of
from tests.emit.texts import MODIFIED

pytestmark = pytest.mark.torch
SPARSE = ("attention.k", "map", "mlp.up", "mlp.down")


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return import_files(plan_of("modified", {"N": 32, "L": 3}, rule="loud_modified"), tmp_path_factory.mktemp("e"))


def build(emitted: Emitted, seed: int = 0, **sizes: float) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return emitted.model.build_model(emitted.model.Config(**sizes), dtype=torch.float64, generator=generator)


def masks(model: Any) -> dict[str, Tensor]:
    return {name.removesuffix(".weight_mask"): mask for name, mask in model.named_buffers()}


def tokens() -> Tensor:
    return torch.randint(32, (3, 7), generator=torch.Generator().manual_seed(1))


def test_a_mask_for_each_sparse_weight(emitted: Emitted) -> None:
    found = masks(build(emitted, N=64))
    assert {name for name in found if not name.endswith(SPARSE)} == set()
    assert len(found) == 3 + 3 * 2 + 2 * 2
    assert all(abs(m.double().mean() - 0.5) < 0.05 for m in found.values())
    shares = masks(build(emitted, N=64, rho=0.25))
    assert all(abs(m.double().mean() - 0.25) < 0.05 for m in shares.values())


def test_masks_are_one_draw_for_all_runs(emitted: Emitted) -> None:
    """The same whatever the weights are drawn with, another in each layer."""
    one, other = (masks(build(emitted, seed)) for seed in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["blocks.0.attention.k"], one["blocks.1.attention.k"])


def test_weights_outside_the_mask_take_no_part(emitted: Emitted) -> None:
    model = build(emitted)
    before = model(tokens())
    before.square().sum().backward()
    for name, mask in masks(model).items():
        weight = model.get_parameter(f"{name}.weight")
        assert weight.grad[mask].abs().min() > 0
        assert torch.all(weight.grad[~mask] == 0)
        with torch.no_grad():
            weight[~mask] += 1
    assert torch.equal(model(tokens()), before)


def test_masks_travel_with_the_state(emitted: Emitted) -> None:
    one, other = build(emitted, rho=0.25), build(emitted, 1)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(tokens()), other(tokens()))


def test_an_adapter_adds_its_product(emitted: Emitted) -> None:
    """At the readout, whose input is known: `W x + 3/2 * (3/4 B)(3/4 A) x`, and the site `logits` on it all."""
    model = build(emitted)
    seen: list[Tensor] = []
    model.readout.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    logits = model(tokens())
    w, a, b = (model.get_parameter(f"readout{part}.weight") for part in ("", "_lora_a", "_lora_b"))
    assert a.shape == (2, 32)
    expected = 0.5 * (seen[0] @ w.T + 1.5 * 0.75 * 0.75 * seen[0] @ a.T @ b.T)
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)


def test_each_layer_has_its_factors(emitted: Emitted) -> None:
    """Counted along the stream: three blocks of two, then two more; around a repeat counts what is before it."""
    model = build(emitted)
    attention = [block.attention_residual for block in model.blocks]
    inner = [copy.linear_residual for block in model.blocks for copy in block.inner]
    tail = [block.mlp_residual for block in model.tail]
    assert attention == [1 / (layer + 2) for layer in (0, 2, 4)]
    assert inner == [1 / (layer + 2) for layer in range(6)]
    assert tail == [1 / (layer + 2) for layer in (6, 7)]
    assert [block.mlp_skip for block in model.tail] == pytest.approx([8**0.5 / (8 + layer) for layer in (6, 7)])


def test_the_plan_shows_the_first_and_the_last_layer(emitted: Emitted) -> None:
    plan = emitted.plan
    ends = {path: plan.values(plan.site[path].numbers["scale"], plan.sizes[0]) for path in plan.site if "resid" in path}
    assert ends == {
        "block.residual.attention": (1 / 2, 1 / 6),
        "block.inner.residual.linear": (1 / 2, 1 / 7),
        "tail.residual.mlp": (1 / 8, 1 / 9),
    }


def test_a_dense_network_knows_no_masks(tmp_path: Path) -> None:
    text = "use std.mup\nrule mine extends mup { base N = 16, L = 2 }\n" + MODIFIED.replace("sparse(", "# ").replace(
        ", rho = 1/2", ""
    )
    dense = import_files(plan_of("modified", {"N": 32, "L": 3}, text=text), tmp_path)
    assert "ask" not in (tmp_path / "model.py").read_text()
    assert masks(build(dense)) == {}
