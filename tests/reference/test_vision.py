"""Emitted `vit` and `dit` against the hand-written ones on Fashion-MNIST: the same parameters after ten steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.images import fashion
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.reference.dit import DitSizes, mup_dit
from tests.reference.rows import Row, Run, reference_optimizer
from tests.reference.test_emitted import assert_close
from tests.reference.vit import VitSizes, mup_vit

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS = 10
VIT_RUN = Run(lr=0.01, eps=1e-4, wd=0.1, betas=(0.9, 0.95))
DIT_RUN = Run(lr=0.01, eps=1e-4, betas=(0.9, 0.95))
SAID = "lr = 0.01;  eps = 1e-4;  beta2 = 0.95"
Loss = Callable[[nn.Module, torch.Generator], Tensor]

# Patterns: a parameter of the reference -> the emitted one, where the names differ.
VIT_NAMES = {r"norm1\.": "norm."}
DIT_NAMES = {
    r"^time1\.": "c.linear.", r"^time2\.": "c.linear2.", r"^label\.": "c.label.", r"^adaln\.": "modulate.",
    r"\.adaln1\.": ".modulate.", r"\.adaln2\.": ".modulate2.", r"(\d)\.([qkvo])\.": r"\1.attention.\2.",
    r"(\d)\.(up|down)\.": r"\1.mlp.\2.",
}  # fmt: skip


def test_ten_steps_of_vit_agree(tmp_path: Path) -> None:
    emitted, model, table = vit(tmp_path)
    assert_close(*train_both(emitted, model, table, VIT_NAMES, VIT_RUN, of_classes))


def test_ten_steps_of_dit_agree(tmp_path: Path) -> None:
    emitted, model, table = dit(tmp_path)
    assert_close(*train_both(emitted, model, table, DIT_NAMES, DIT_RUN, of_noise))


@pytest.mark.parametrize("wrong", ["blocks.0.adaln1.gate.weight", "label.weight"])
def test_a_wrong_factor_does_not_agree(wrong: str, tmp_path: Path) -> None:
    emitted, model, table = dit(tmp_path)
    table[wrong] = Row(**asdict(table[wrong]) | {"lr": table[wrong].lr * 1.001})
    with pytest.raises(AssertionError):
        assert_close(*train_both(emitted, model, table, DIT_NAMES, DIT_RUN, of_noise))


@pytest.mark.parametrize(("build", "names"), [("vit", VIT_NAMES), ("dit", DIT_NAMES)])
def test_initial_spreads_are_the_tables(build: str, names: Mapping[str, str], tmp_path: Path) -> None:
    emitted, _, table = vit(tmp_path) if build == "vit" else dit(tmp_path)
    model = emitted.model.build_model(emitted.model.Config(), "meta")
    rows = emitted.model.claim(emitted.model.initial(model.config), model)
    spreads = {n: row["std"] for (n, _), (_, row) in zip(model.named_parameters(), rows, strict=True)}
    expected = {renamed(name, names): row.std or 0.0 for name, row in table.items()}
    assert spreads == pytest.approx(expected, rel=1e-14)


def vit(folder: Path) -> tuple[Emitted, nn.Module, dict[str, Row]]:
    emitted = import_files(plan_of("vit", {"N": 96, "H": 2, "F": 320}, text=VIT), folder)
    return emitted, *mup_vit(VitSizes(96, 2, 2, 320), VitSizes(32, 2, 4, 64))


def dit(folder: Path) -> tuple[Emitted, nn.Module, dict[str, Row]]:
    emitted = import_files(plan_of("small_dit", {"N": 96}, text=DIT), folder)
    sizes = {"side": 28, "patch": 7, "channels": 1, "classes": 10}
    return emitted, *mup_dit(DitSizes(96, 2, 4, **sizes), DitSizes(48, 2, 2, **sizes))


VIT = f"""
use std.mup
use std.vision
rule mine extends mup {{ base N = 32, L = 2, H = 4, F = 64  run {{ {SAID};  wd = 0.1 }} }}
"""

DIT = f"""
use std.dit_mup
rule mine extends dit_mup {{ base N = 48, L = 2  run {{ {SAID} }} }}
network small_dit {{
  dims  N, L, H = N/24, F = 4*N
  fixed S = 28, P = 7, C = 1, Classes = 10
  patch(channels = C, size = P, side = S, width = N)
  position(sincos)
  let c = {{
    sum {{ branch {{ timestep(256) linear(N) act(silu) linear(N) }} branch {{ label(Classes, width = N) }} }}
    act(silu)
  }}
  repeat L {{
    residual {{ norm(layer, gain = no) modulate(by = c, gate = yes) attention(heads = H) }}
    residual {{ norm(layer, gain = no) modulate(by = c, gate = yes) mlp(width = F, act = gelu) }}
  }}
  norm(layer, gain = no)
  modulate(by = c)
  readout(P^2*C)
}}
"""

Parameters = dict[str, Tensor]


def train_both(
    emitted: Emitted, model: nn.Module, table: Mapping[str, Row], names: Mapping[str, str], run: Run, loss: Loss
) -> tuple[Parameters, Parameters]:
    """Parameters of the reference and of the emitted model after training, under the reference's names."""
    torch.manual_seed(0)
    theirs = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    model = model.double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(theirs.get_parameter(renamed(name, names)).view_as(parameter))
    train(theirs, emitted.optim.build_optimizer(theirs), loss)
    train(model, reference_optimizer(model, table, "adamw", run), loss)
    mine = dict(model.named_parameters())
    assert len(mine) == len(list(theirs.parameters()))
    return mine, {n: theirs.get_parameter(renamed(n, names)).view_as(p) for n, p in mine.items()}


def renamed(name: str, names: Mapping[str, str]) -> str:
    for pattern, replacement in names.items():
        name = re.sub(pattern, replacement, name)
    return name


def train(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(model, generator).backward()
        optimizer.step()


def of_classes(model: nn.Module, generator: torch.Generator) -> Tensor:
    images, labels = drawn(generator)
    return F.cross_entropy(model(images), labels)


def of_noise(model: nn.Module, generator: torch.Generator) -> Tensor:
    """The noise in an image, patch by patch."""
    images, labels = drawn(generator)
    noise = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    times = torch.rand(len(images), generator=generator, dtype=torch.float64)
    share = times[:, None, None, None]
    predicted = model((1 - share) * images + share * noise, 1000 * times, labels)
    return F.mse_loss(predicted, F.unfold(noise, 7, stride=7).transpose(1, 2))


def drawn(generator: torch.Generator, count: int = 6) -> tuple[Tensor, Tensor]:
    images, labels = fashion("test")
    rows = torch.randint(len(labels), (count,), generator=generator)
    return images[rows].double(), labels[rows]
