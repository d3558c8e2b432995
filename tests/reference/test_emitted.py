"""Emitted models and optimizers against the hand-written ones: the same parameters after twenty steps.

The initial weights are copied from the emitted model, so what is compared is the forward pass with its
multipliers and each tensor's learning rate, epsilon and decay; in float64, so that agreement means it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.emit.compiling import Emitted, import_files, plan_of
from tests.reference.gpt import GptSizes, mup_gpt, sp_gpt
from tests.reference.mlp import MlpSizes, mup_mlp, sp_mlp
from tests.reference.rows import OptimizerName, Row, Run, reference_optimizer

pytestmark = pytest.mark.torch

STEPS = 20
TOLERANCE = 1e-10
OPTIMIZERS: tuple[OptimizerName, ...] = ("sgd", "adam", "adamw")
RUNS = {
    "sgd": Run(lr=0.1, wd=0.01, momentum=0.9),
    "adam": Run(lr=0.01, eps=1e-4, wd=0.01, betas=(0.9, 0.95)),
    "adamw": Run(lr=0.01, eps=1e-4, wd=0.1, betas=(0.9, 0.95)),
}
SAID = {
    "sgd": "lr = 0.1;  wd = 0.01;  momentum = 0.9",
    "adam": "lr = 0.01;  eps = 1e-4;  wd = 0.01;  beta2 = 0.95",
    "adamw": "lr = 0.01;  eps = 1e-4;  wd = 0.1;  beta2 = 0.95",
}

# Widths, heads and MLP widths all move by ratios of their own: a factor of the wrong one cannot hide.
GPT_BASE = GptSizes(N=32, L=2, H=4, F=64, V=256, T=128)
GPT_WIDE = GptSizes(N=96, L=2, H=2, F=320, V=256, T=128)
MLP_BASE = MlpSizes(N=16, L=2, D=64, V=10)
MLP_WIDE = MlpSizes(N=80, L=2, D=64, V=10)
BASE = {"gpt": "base N = 32, L = 2, H = 4, F = 64", "mlp": "base N = 16"}
AT = {"gpt": {"N": 96, "H": 2, "F": 320}, "mlp": {"N": 80}}

# A parameter of the reference -> the emitted one, where the names differ.
RENAMED = {
    "embedding.weight": "embed.weight",
    **{f"blocks.{i}.norm1.weight": f"blocks.{i}.norm.weight" for i in range(GPT_BASE.L)},
    "hidden.0.weight": "hidden.weight",
    "hidden.1.weight": "hidden2.weight",
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", ["mup", "sp"])
@pytest.mark.parametrize("network", ["gpt", "mlp"])
def test_twenty_steps_agree(network: str, rule: str, optimizer: OptimizerName, tmp_path: Path) -> None:
    emitted = compiled(network, rule, optimizer, tmp_path)
    model, table = reference(network, rule, optimizer)
    theirs, mine = train_both(emitted, model, table, optimizer)
    assert_close(mine, theirs)


def test_a_wrong_factor_does_not_agree(tmp_path: Path) -> None:
    """One learning rate wrong by a thousandth, in one tensor, is seen."""
    emitted = compiled("gpt", "mup", "adamw", tmp_path)
    model, table = reference("gpt", "mup", "adamw")
    row = table["blocks.1.mlp.down.weight"]
    table["blocks.1.mlp.down.weight"] = Row(**asdict(row) | {"lr": row.lr * 1.001})
    theirs, mine = train_both(emitted, model, table, "adamw")
    with pytest.raises(AssertionError):
        assert_close(mine, theirs)


@pytest.mark.parametrize("rule", ["mup", "sp"])
@pytest.mark.parametrize("network", ["gpt", "mlp"])
def test_initial_spreads_are_the_tables(network: str, rule: str, tmp_path: Path) -> None:
    """Init stds of the emitted file, as numbers, against the hand-typed ones."""
    emitted = compiled(network, rule, "adamw", tmp_path)
    model = emitted.model.build_model(emitted.model.Config(), "meta")
    rows = emitted.model.claim(emitted.model.initial(model.config), model)
    names = [name for name, _ in model.named_parameters()]
    spreads = {name: row["std"] for name, (_, row) in zip(names, rows, strict=True)}
    _, table = reference(network, rule, "adamw")
    expected = {RENAMED.get(name, name): row.std or 0.0 for name, row in table.items()}
    assert spreads == pytest.approx(expected, rel=1e-14)


def compiled(network: str, rule: str, optimizer: OptimizerName, folder: Path) -> Emitted:
    text = f"use std.mup\nuse std.sp\nrule mine extends {rule} {{ {BASE[network]}  run {{ {SAID[optimizer]} }} }}\n"
    return import_files(plan_of(network, AT[network], optimizer=optimizer, text=text), folder)


def reference(network: str, rule: str, optimizer: OptimizerName) -> tuple[nn.Module, dict[str, Row]]:
    match network, rule:
        case "gpt", "mup":
            return mup_gpt(GPT_WIDE, GPT_BASE, optimizer)
        case "gpt", _:
            return sp_gpt(GPT_WIDE)
        case _, "mup":
            return mup_mlp(MLP_WIDE, MLP_BASE, optimizer)
        case _:
            return sp_mlp(MLP_WIDE)


Parameters = dict[str, Tensor]


def train_both(
    emitted: Emitted, model: nn.Module, table: Mapping[str, Row], optimizer: OptimizerName
) -> tuple[Parameters, Parameters]:
    """Parameters of the emitted and of the reference model after training, under the reference's names."""
    torch.manual_seed(0)
    theirs = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    model = model.double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(theirs.get_parameter(RENAMED.get(name, name)))
    train(theirs, emitted.optim.build_optimizer(theirs))
    train(model, reference_optimizer(model, table, optimizer, RUNS[optimizer]))
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(list(theirs.parameters()))
    return {n: theirs.get_parameter(RENAMED.get(n, n)) for n in names}, dict(model.named_parameters())


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        x, y = batch(model, generator)
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def batch(model: nn.Module, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Four sequences of twelve bytes and the bytes that follow, or eight points with classes."""
    if hasattr(model, "position"):
        tokens = torch.randint(256, (4, 13), generator=generator)
        return tokens[:, :-1], tokens[:, 1:]
    x = torch.randn(8, MLP_BASE.D, generator=generator, dtype=torch.float64)
    return x, torch.randint(MLP_BASE.V, (8,), generator=generator)


def assert_close(mine: Parameters, theirs: Parameters) -> None:
    """Every parameter within `TOLERANCE` of the other, relative to its largest entry."""
    far = {}
    for name, parameter in mine.items():
        difference = (parameter - theirs[name]).abs().max() / parameter.abs().max()
        if not difference <= TOLERANCE:
            far[name] = difference.item()
    assert far == {}
