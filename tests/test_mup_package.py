"""`mup_table8` against the package `mup` 1.0.0 of the paper's authors, whose form of the rule it is.

For every tensor of an MLP and of a GPT, at width ratios 2, 4 and 8: how learning rate, decay and initial
spread move with width, and the factor in front of the readout. What differs is in `DEVIATIONS`, with
the reason, and a test says that it differs by just that power. With nothing of it in play both train the
same model for thirty steps.

Not compared: the spread at the base itself. The package takes torch's default, uniform with 1/sqrt(3 fan_in),
and corrects how it moves; here it is an anchor, normal with 1/sqrt(fan_in) unless a rule says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import sqrt
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalec.plan.model import Plan
from tests.emit.compiling import import_files, plan_of
from tests.planning import value
from tests.reference.gpt import GptSizes, sp_gpt
from tests.reference.mlp import MlpSizes, sp_mlp

mup = pytest.importorskip("mup", reason="requirements-peers.txt is not installed")
pytestmark = pytest.mark.torch

BASE = 32
RATIOS = (2, 4, 8)
RUN = {
    "sgd": {"lr": 0.1, "weight_decay": 0.01},
    "adam": {"lr": 0.01, "weight_decay": 0.01},
    "adamw": {"lr": 0.01, "weight_decay": 0.1},
}
PACKAGE = {"sgd": "MuSGD", "adam": "MuAdam", "adamw": "MuAdamW"}
NETWORKS = ("mlp", "gpt")

# A parameter of the reference model -> the tensor of the plan.
PATHS = {
    "mlp": {"input.weight": "input", "hidden.0.weight": "hidden", "hidden.1.weight": "hidden2",
            "readout.weight": "readout"},
    "gpt": {
        "embedding.weight": "embed", "position.weight": "position", "norm.weight": "norm.gain",
        "readout.weight": "readout", "blocks.0.norm1.weight": "block.norm.gain",
        "blocks.0.norm2.weight": "block.norm2.gain",
        **{f"blocks.0.attention.{t}.weight": f"block.attention.{t}" for t in "qkvo"},
        "blocks.0.mlp.up.weight": "block.mlp.up", "blocks.0.mlp.down.weight": "block.mlp.down",
    },
}  # fmt: skip
INPUTS = ("input", "embed", "position", "norm.gain", "block.norm.gain", "block.norm2.gain")
HIDDEN = ("hidden", "hidden2", *(f"block.attention.{t}" for t in "qkvo"), "block.mlp.up", "block.mlp.down")

# (optimizer, attribute): for some tensors the package's value over ours, as a power of the width ratio, and why.
EPS = "the package leaves epsilon alone; by Lemma 2.8.11 of arXiv:2308.01814 it follows gradient entries, 1/width"
DEVIATIONS: dict[tuple[str, str], tuple[dict[str, int], str]] = {
    ("adam", "eps"): (dict.fromkeys((*INPUTS, *HIDDEN, "readout"), 1), EPS),
    ("adamw", "eps"): (dict.fromkeys((*INPUTS, *HIDDEN, "readout"), 1), EPS),
    ("adam", "weight_decay"): (
        {**dict.fromkeys(HIDDEN, 1), "readout": 2},
        "the package treats decay in the gradient as if it were AdamW's; the paper (appendix B.3) calls it "
        "incompatible with muP, and we leave it as it is in the form of table 3 and move it with the gauge",
    ),
}
NAMES = {"lr": "lr", "weight_decay": "wd", "eps": "eps"}
CASES = [
    (network, optimizer, name)
    for network in NETWORKS
    for optimizer in PACKAGE
    for name in NAMES
    if (optimizer, name) != ("sgd", "eps")
]


@pytest.mark.parametrize(("network", "optimizer", "name"), CASES)
def test_what_the_optimizer_gets(network: str, optimizer: str, name: str) -> None:
    """Value over the value at the base, ours and theirs, at each ratio."""
    powers = DEVIATIONS.get((optimizer, name), ({}, ""))[0]
    made = plan(network, optimizer)
    base = groups(network, optimizer, 1)
    for at, ratio in enumerate(RATIOS, start=1):
        theirs = groups(network, optimizer, ratio)
        for parameter, tensor in PATHS[network].items():
            moved = value(made, f"{tensor}.{NAMES[name]}", at) / value(made, f"{tensor}.{NAMES[name]}", 0)
            expected = moved * Fraction(ratio) ** powers.get(tensor, 0)
            assert theirs[parameter][name] / base[parameter][name] == pytest.approx(expected, rel=1e-12), tensor


@pytest.mark.parametrize("network", NETWORKS)
def test_initial_spreads_move_alike(network: str) -> None:
    """Theirs, drawn by torch and corrected by `set_base_shapes`, is a sample: within five standard errors."""
    made = plan(network, "adamw")
    drawn = {ratio: dict(package_model(network, ratio).named_parameters()) for ratio in (1, *RATIOS)}
    for parameter, tensor in PATHS[network].items():
        if tensor.endswith("gain"):
            continue
        base = spread(drawn[1][parameter])
        for at, ratio in enumerate(RATIOS, start=1):
            moved = value(made, f"{tensor}.init.std", at) / value(made, f"{tensor}.init.std", 0)
            error = standard_error(drawn[1][parameter], drawn[ratio][parameter])
            assert spread(drawn[ratio][parameter]) / base == pytest.approx(moved, rel=5 * error), tensor


def test_five_standard_errors_are_less_than_a_power() -> None:
    """The readout of the MLP, the smallest tensor of all, is not mistaken for one at 1/sqrt(width)."""
    base, wide = (package_model("mlp", ratio).get_parameter("readout.weight") for ratio in (1, 2))
    assert 5 * standard_error(base, wide) < 1 - sqrt(1 / 2)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_factor_in_front_of_the_readout(network: str) -> None:
    made = plan(network, "adamw")
    for at, ratio in enumerate((1, *RATIOS)):
        readout = package_model(network, ratio).readout
        x = torch.ones(readout.in_features, dtype=torch.float64)
        factor = (readout(x) / F.linear(x, readout.weight)).detach()
        torch.testing.assert_close(factor, torch.full_like(factor, value(made, "readout.scale", at)))


# Without what deviates: epsilon as the package has it, and no decay where it is in the gradient.
SAME = {
    "sgd": "run { lr = 0.1;  momentum = 0.9 }",
    "adamw": "tensor * { eps ~ 1 }  run { lr = 0.01;  eps = 1e-6;  wd = 0.1 }",
}
OPTIONS = {
    "sgd": {"lr": 0.1, "momentum": 0.9},
    "adamw": {"lr": 0.01, "eps": 1e-6, "weight_decay": 0.1},
}
RENAMED = {
    "embedding.weight": "embed.weight", "blocks.0.norm1.weight": "blocks.0.norm.weight",
    "hidden.0.weight": "hidden.weight", "hidden.1.weight": "hidden2.weight",
}  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_both_train_the_same_model(network: str, optimizer: str, tmp_path: Path) -> None:
    ours, theirs = train_both(network, optimizer, SAME[optimizer], tmp_path)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    assert ours[-1] < ours[0]


def test_with_our_epsilon_they_differ(tmp_path: Path) -> None:
    """A deviation is seen where epsilon is as large as gradients."""
    ours, theirs = train_both("gpt", "adamw", "run { lr = 0.01;  eps = 1e-6;  wd = 0.1 }", tmp_path)
    assert (ours - theirs).abs().max() > 1e-6


def train_both(network: str, optimizer: str, said: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Losses of thirty steps at ratio 4, of the emitted model and of the package's, from the same weights."""
    text = f"use std.mup_table8\nrule mine extends mup_table8 {{ base {BASES[network]}  {said} }}\n"
    emitted = import_files(plan_of(network, sizes(network, 4), optimizer=optimizer, text=text), folder)
    ours = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    theirs = package_model(network, 4)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            ours.get_parameter(RENAMED.get(name, name)).copy_(parameter)
    options = OPTIONS[optimizer]
    return train(ours, emitted.optim.build_optimizer(ours)), train(
        theirs, package_optimizer(theirs, optimizer, options)
    )


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(30):
        if hasattr(model, "position"):
            x = torch.randint(256, (4, 12), generator=generator)
            y = (x + 1) % 256
        else:
            x = torch.randn(8, 64, generator=generator, dtype=torch.float64)
            y = x[:, :10].argmax(-1)
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def sizes(network: str, ratio: int) -> dict[str, int]:
    """Heads of 16 coordinates: their number grows."""
    return {"N": BASE * ratio, **({"H": 2 * ratio} if network == "gpt" else {})}


BASES = {"mlp": f"N = {BASE}", "gpt": f"N = {BASE}, L = 1, H = 2"}


@cache
def plan(network: str, optimizer: str) -> Plan:
    text = f"use std.mup_table8\nrule mine extends mup_table8 {{ base {BASES[network]}  run {{ wd = 0.1 }} }}\n"
    return plan_of(network, *(sizes(network, ratio) for ratio in (1, *RATIOS)), optimizer=optimizer, text=text)


def bare(network: str, width: int) -> nn.Module:
    """The reference model with the package's readout, as torch initialises it."""
    if network == "mlp":
        model: nn.Module = sp_mlp(MlpSizes(N=width, L=2, D=64, V=10))[0]
    else:
        model = sp_gpt(GptSizes(N=width, L=1, H=width // 16, F=4 * width, V=256, T=128))[0]
    model.readout = mup.MuReadout(width, model.readout.out_features, bias=False)
    return model


def package_model(network: str, ratio: int) -> nn.Module:
    torch.manual_seed(ratio)
    model: nn.Module = mup.set_base_shapes(
        bare(network, BASE * ratio), bare(network, BASE), delta=bare(network, 2 * BASE)
    )
    return model.double()


def package_optimizer(model: nn.Module, optimizer: str, options: Mapping[str, float]) -> torch.optim.Optimizer:
    return getattr(mup, PACKAGE[optimizer])(model.parameters(), **options)


@cache
def groups(network: str, optimizer: str, ratio: int) -> dict[str, dict[str, float]]:
    """What the package's optimizer holds for each parameter."""
    model = package_model(network, ratio)
    found = package_optimizer(model, optimizer, RUN[optimizer]).param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: group for group in found for p in group["params"]}


def spread(parameter: Tensor) -> float:
    return parameter.detach().square().mean().sqrt().item()


def standard_error(*samples: Tensor) -> float:
    """Of a ratio of two spreads, relative; that of a normal draw, a uniform one has less."""
    return sqrt(sum(1 / (2 * sample.numel()) for sample in samples))
