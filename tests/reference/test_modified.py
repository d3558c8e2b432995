"""Emitted GPTs with masks, adapters and per-layer factors against the hand-written ones, trained on real text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from examples.data import corpus
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.reference.gpt import GptSizes
from tests.reference.modified import lora_gpt, sparse_gpt, umup_gpt

pytestmark = pytest.mark.torch

STEPS, LR, EPS, WD = 6, 0.01, 1e-6, 0.1
RUN = "lr = 0.01;  eps = 1e-6;  wd = 0.1"
WIDE = GptSizes(N=48, L=3, H=3, F=96, V=256, T=128)
Rate = Callable[[str], tuple[float, float, float]]  # lr, eps and torch's decay of a parameter
Forward = Callable[[Mapping[str, Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """`text` has rule `mine`; `rate` and `forward` are the reference's, the latter for the emitted buffers."""

    network: str
    text: str
    at: Mapping[str, float]
    rate: Rate
    forward: Callable[[Mapping[str, Tensor]], Forward]


def supar_rate(name: str) -> tuple[float, float, float]:
    """arXiv:2405.15743: hidden weights at 1/(width ratio * density ratio); decay is one number for all."""
    n, rho = 48 / 32, 0.25 / 0.5
    if name == "readout.weight":
        return 1 / n, 1, 1
    if "norm" in name or name.startswith(("embed", "position")):
        return 1, 1 / n, 1
    fan_out = 96 / 64 if ".up." in name else n
    fan_in = 96 / 64 if ".down." in name else n
    return 1 / (fan_in * rho), 1 / fan_out, 1


def lora_rate(name: str) -> tuple[float, float, float]:
    """arXiv:2402.12354: A at 1/width, B at 1; the rest rests."""
    n, r = 48 / 32, 8 / 4
    if name.endswith("lora_a.weight"):
        return 1 / n, 1 / r, n
    if name.endswith("lora_b.weight"):
        return 1, 1 / (n * r), 1
    return 0, 1, 0


def umup_rate(name: str) -> tuple[float, float, float]:
    """arXiv:2407.17465, table 2; decay per step is one number for all."""
    depth = 1 / sqrt(3) if name.startswith("blocks") else 1
    lr = {"embed.weight": 1 / sqrt(48), "position.weight": 1 / sqrt(48), "readout.weight": 1}.get(name)
    if lr is None:
        lr = 1 / sqrt(96 if ".down." in name else 48)
    return lr * depth, 1, 1 / (LR * lr * depth)


FACTOR = sqrt(32 / 2) / 16  # muP: 1/sqrt(head_dim) at the base, whose head_dim is 16 as here
CASES = {
    "supar": Case(
        "sparse_gpt",
        f"use std.supar\nrule mine extends supar {{ base N = 32, L = 2, H = 2, F = 64, rho = 1/2  run {{ {RUN} }} }}",
        {"N": 48, "L": 3, "H": 3, "F": 96, "rho": 0.25},
        supar_rate,
        lambda masks: lambda w, tokens: sparse_gpt(w, masks, tokens, WIDE, FACTOR),
    ),
    "lora_plus": Case(
        "lora_gpt",
        f"use std.lora\nrule mine extends lora_plus {{ base N = 32, L = 2, H = 2, F = 64, r = 4  run {{ {RUN} }}"
        " site lora { scale *= 2 } }",
        {"N": 48, "L": 3, "H": 3, "F": 96, "r": 8},
        lora_rate,
        lambda _: lambda w, tokens: lora_gpt(w, tokens, WIDE, FACTOR, 2 / (8 / 4)),
    ),
    "umup": Case(
        "umup_gpt",
        f"use std.umup\nrule mine extends umup(alpha_res = 3/4, ratio = 1/2) {{ run {{ {RUN} }} }}",
        {"N": 48, "L": 3, "H": 3, "F": 96},
        umup_rate,
        lambda _: lambda w, tokens: umup_gpt(w, tokens, WIDE, 0.75, 0.5),
    ),
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    bytes_ = corpus(tmp_path_factory.mktemp("text")).path.read_bytes()[:100_000]
    return torch.tensor(list(bytes_))


@pytest.mark.parametrize("name", CASES)
def test_some_steps_on_text_agree(name: str, text: Tensor, tmp_path: Path) -> None:
    case = CASES[name]
    mine, theirs = trained(case, text, tmp_path)
    moved = [n for n, (before, after) in theirs.items() if not torch.equal(before, after)]
    assert sorted(moved) == sorted(n for n in theirs if case.rate(n)[0])
    assert_close(mine, {n: after for n, (_, after) in theirs.items()})


def test_a_wrong_factor_is_seen(text: Tensor, tmp_path: Path) -> None:
    case = CASES["umup"]
    wrong = Case(case.network, case.text, case.at, case.rate, lambda _: lambda w, t: umup_gpt(w, t, WIDE, 0.75, 0.51))
    mine, theirs = trained(wrong, text, tmp_path)
    with pytest.raises(AssertionError):
        assert_close(mine, {n: after for n, (_, after) in theirs.items()})


def trained(case: Case, text: Tensor, folder: Path) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """The reference's parameters after training, and the emitted ones before and after."""
    emitted = import_files(plan_of(case.network, case.at, text=case.text), folder)
    model = built(emitted)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    mine = {name: p.clone().requires_grad_(case.rate(name)[0] > 0) for name, p in start.items()}
    forward = case.forward(dict(model.named_buffers()))
    groups = [
        {"params": [mine[name]], "lr": LR * lr, "eps": EPS * eps, "weight_decay": WD * wd}
        for name in mine
        for lr, eps, wd in [case.rate(name)]
        if lr
    ]
    train(lambda x: forward(mine, x), torch.optim.AdamW(groups, foreach=False), text)
    train(model, emitted.optim.build_optimizer(model), text)
    theirs = {name: (start[name], p.detach()) for name, p in model.named_parameters()}
    return {name: p.detach() for name, p in mine.items()}, theirs


def built(emitted: Emitted):
    generator = torch.Generator().manual_seed(0)
    model = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64, generator=generator)
    with torch.no_grad():  # what starts at zero, too, has to be seen in what follows
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def train(forward: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, text: Tensor) -> None:
    order = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        starts = torch.randint(len(text) - 25, (4,), generator=order)
        windows = text[starts[:, None] + torch.arange(25)]
        loss = F.cross_entropy(forward(windows[:, :-1]).flatten(0, -2), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def assert_close(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Every parameter within 1e-10 of the other, relative to its largest entry."""
    assert list(mine) == list(theirs)
    far = {n: (mine[n] - theirs[n]).abs().max() / mine[n].abs().max() for n in mine}
    assert {n: float(d) for n, d in far.items() if not d <= 1e-10} == {}
