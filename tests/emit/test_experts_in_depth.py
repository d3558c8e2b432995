"""Standard networks with dense layers and layers of experts, at a small size: planned, compiled, trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.emit.compiling import import_files, plan_of

pytestmark = pytest.mark.torch

TEXT = """
use std.deepseek
rule mine extends {rule} for adamw {{
  base N = 64, L = 2, M = 4, K = 2, Ne = 16
  run {{ lr = 2^-6 }}
}}
"""
SMALL = {"N": 128, "L": 2, "M": 4, "K": 2, "Ne": 32}
LAYERS = {"deepseek": ["mlp", "mlp", "mlp", "moe", "moe"], "moe_gpt_every_2": ["mlp", "moe", "mlp", "moe"]}


@pytest.mark.parametrize(("network", "rule"), [("deepseek", "deepseek_mssp"), ("moe_gpt_every_2", "mssp")])
def test_it_learns_a_batch_by_heart(tmp_path: Path, network: str, rule: str) -> None:
    sizes = SMALL | {"L": 4 if network == "moe_gpt_every_2" else 2}
    emitted = import_files(plan_of(network, sizes, text=TEXT.format(rule=rule)), tmp_path)
    torch.manual_seed(0)
    model = emitted.model.build_model(emitted.model.Config())
    optimizer = emitted.optim.build_optimizer(model)
    tokens, losses = torch.randint(256, (2, 33)), []
    for _ in range(6):
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(torch.tensor(256.0).log().item())  # a readout that starts at zero
    assert losses[-1] < losses[0] - 1
    order = [name.split(".")[-1] for name, _ in model.named_modules() if name.endswith((".mlp", ".moe"))]
    assert order == LAYERS[network]
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still
