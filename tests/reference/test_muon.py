"""Muon for hidden matrices and AdamW for the rest: emitted code against torch's two classes, typed by hand.

Newton and Schulz' iteration runs in bfloat16 in both. There twenty steps agree within what that leaves; with the
iteration in float64, as far as the rest of the comparison.
"""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from tests.emit.compiling import Emitted, import_files, plan_of
from tests.reference.gpt import mup_gpt
from tests.reference.rows import Row
from tests.reference.test_emitted import AT, BASE, GPT_BASE, GPT_WIDE, RENAMED, assert_close, batch

pytestmark = [pytest.mark.torch, pytest.mark.slow]
STEPS = 20
MUON_LR, MUON_WD, MOMENTUM = 0.02, 0.1, 0.9
ADAM_LR, ADAM_EPS, ADAM_WD, BETAS = 0.01, 1e-4, 0.1, (0.9, 0.95)
TEXT = f"""
use std.muon_mup
rule mine extends muon_mup {{
  {BASE["gpt"]}
  run for muon  {{ lr = 0.02;  wd = 0.1;  momentum = 0.9 }}
  run for adamw {{ lr = 0.01;  eps = 1e-4;  wd = 0.1;  beta2 = 0.95 }}
}}
"""


def muon_row(n_in: str, n_out: str) -> tuple[float, float]:
    """Rate and decay of torch.optim.Muon: a step of spectral norm `lr * sqrt(ratio)`, over the class's own factor
    sqrt(max(1, rows/columns)); decay per step is that of the base."""
    ratio = getattr(GPT_WIDE, n_out) / getattr(GPT_BASE, n_out) * getattr(GPT_BASE, n_in) / getattr(GPT_WIDE, n_in)
    lr = MUON_LR * sqrt(ratio) / sqrt(max(1.0, getattr(GPT_WIDE, n_out) / getattr(GPT_WIDE, n_in)))
    return lr, MUON_LR * MUON_WD / lr


SQUARE, UP, DOWN = muon_row("N", "N"), muon_row("N", "F"), muon_row("F", "N")
MATRICES = {"attention.q": SQUARE, "attention.k": SQUARE, "attention.v": SQUARE, "attention.o": SQUARE,
            "mlp.up": UP, "mlp.down": DOWN}  # fmt: skip


def optimizers(model: nn.Module, table: dict[str, Row]) -> list[torch.optim.Optimizer]:
    muon, adam = [], []
    for name, parameter in model.named_parameters():
        found = next((values for matrix, values in MATRICES.items() if f".{matrix}." in name), None)
        if found:
            muon.append({"params": [parameter], "lr": found[0], "weight_decay": found[1]})
        else:
            row = table[name]
            group = {"lr": ADAM_LR * row.lr, "eps": ADAM_EPS * row.eps, "weight_decay": ADAM_WD * row.wd}
            adam.append({"params": [parameter], **group})
    return [torch.optim.Muon(muon, momentum=MOMENTUM), torch.optim.AdamW(adam, betas=BETAS, foreach=False)]


def train(model: nn.Module, steppers: list[torch.optim.Optimizer]) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        x, y = batch(model, generator)
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(x).flatten(0, -2), y.flatten()).backward()
        for stepper in steppers:
            stepper.step()


def trained(emitted: Emitted) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Parameters of the reference and of the emitted model after training, and those they began with."""
    torch.manual_seed(0)
    theirs = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    model, table = mup_gpt(GPT_WIDE, GPT_BASE, "adamw")
    model = model.double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(theirs.get_parameter(RENAMED.get(name, name)))
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(theirs, [emitted.optim.build_optimizer(theirs)])
    train(model, optimizers(model, table))
    mine = dict(model.named_parameters())
    return mine, {name: theirs.get_parameter(RENAMED.get(name, name)) for name in mine}, start


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    plan = plan_of("gpt", AT["gpt"], optimizer="muon+adamw", text=TEXT)
    return import_files(plan, tmp_path_factory.mktemp("muon"))


def test_twenty_steps_agree(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.double)
    mine, theirs, _ = trained(emitted)
    assert_close(mine, theirs)


def test_twenty_steps_agree_within_bfloat16(emitted: Emitted) -> None:
    mine, theirs, start = trained(emitted)
    for name, parameter in mine.items():
        moved = (parameter - start[name]).norm()
        assert (parameter - theirs[name]).norm() < 0.05 * moved, name


def test_a_wrong_factor_does_not_agree(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class's own factor, applied twice."""
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.double)
    monkeypatch.setitem(MATRICES, "mlp.up", (UP[0] * sqrt(GPT_WIDE.F / GPT_WIDE.N), UP[1]))
    mine, theirs, _ = trained(emitted)
    with pytest.raises(AssertionError):
        assert_close(mine, theirs)
