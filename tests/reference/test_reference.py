"""The oracles themselves: they are what they say, before anything is compared with them."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
import torch.nn.functional as F

from tests.reference.gpt import Attention, GptSizes, mup_gpt, sp_gpt
from tests.reference.mlp import MlpSizes, mup_mlp, sp_mlp
from tests.reference.rows import OptimizerName, Row, Run, initialise, reference_optimizer

pytestmark = pytest.mark.torch

BASE = GptSizes(N=32, L=2, H=2, F=64, V=17, T=8)
WIDE = GptSizes(N=128, L=2, H=2, F=512, V=17, T=8)  # head_dim x4, N x4, F x8
OPTIMIZERS: tuple[OptimizerName, ...] = ("sgd", "adam", "adamw")


def test_attention_is_the_textbook_formula() -> None:
    torch.manual_seed(0)
    attention = Attention(BASE, logit_factor=0.3).double()
    x = torch.randn(3, 8, 32, dtype=torch.float64)
    q, k, v = (w(x).view(3, 8, 2, 16) for w in (attention.q, attention.k, attention.v))
    logits = 0.3 * torch.einsum("bthd,bshd->bhts", q, k)
    logits = logits.masked_fill(torch.ones(8, 8).triu(1).bool(), float("-inf"))
    mixed = torch.einsum("bhts,bshd->bthd", logits.softmax(-1), v).reshape(3, 8, 32)
    torch.testing.assert_close(attention(x), attention.o(mixed), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_at_the_base_mup_is_sp(optimizer: OptimizerName) -> None:
    mup, mup_table = mup_gpt(BASE, BASE, optimizer)
    sp, sp_table = sp_gpt(BASE)
    assert mup_table == sp_table
    assert mup.blocks[0].attention.logit_factor == sp.blocks[0].attention.logit_factor == 1 / sqrt(16)
    small = MlpSizes(N=8, L=2, D=5, V=3)
    assert mup_mlp(small, small, optimizer)[1] == sp_mlp(small)[1]


def test_attention_logits_move_as_one_over_head_dim() -> None:
    model, _ = mup_gpt(WIDE, BASE, "adam")
    assert model.blocks[0].attention.logit_factor == 1 / sqrt(16) / 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_parameter_has_a_row_and_its_std(optimizer: OptimizerName) -> None:
    model, table = mup_gpt(WIDE, BASE, optimizer)
    initialise(model, table)
    for name, parameter in model.named_parameters():
        assert_std(parameter, table[name].std)


def test_assert_std_notices_a_wrong_std() -> None:
    with pytest.raises(AssertionError):
        assert_std(torch.randn(64, 64), 1.2)


def test_initialise_refuses_a_table_with_a_name_missing() -> None:
    model, table = sp_mlp(MlpSizes(N=8, L=1, D=5, V=3))
    del table["input.weight"]
    with pytest.raises(KeyError, match=r"input\.weight"):
        initialise(model, table)


def test_groups_carry_run_times_factor() -> None:
    model, table = mup_gpt(WIDE, BASE, "adamw")
    optimizer = reference_optimizer(model, table, "adamw", Run(lr=0.5, eps=1e-3, wd=0.1))
    names = [name for name, _ in model.named_parameters()]
    group = dict(zip(names, optimizer.param_groups, strict=True))
    down = group["blocks.1.mlp.down.weight"]
    assert (down["lr"], down["eps"], down["weight_decay"]) == (0.5 / 8, 1e-3 / 4, 0.1 * 8)
    assert group["readout.weight"]["eps"] == 1e-3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_gpt_learns(optimizer: OptimizerName) -> None:
    torch.manual_seed(0)
    model, table = mup_gpt(BASE, BASE, optimizer)
    initialise(model, table)
    tokens = torch.arange(9).remainder(5).expand(4, 9)
    step = reference_optimizer(model, table, optimizer, Run(lr=0.1 if optimizer == "sgd" else 0.01))
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_gain_starts_at_one() -> None:
    model, table = sp_gpt(BASE)
    initialise(model, table)
    assert table["norm.weight"] == Row(std=None)
    assert torch.equal(model.norm.weight, torch.ones(32))


def assert_std(parameter: torch.Tensor, std: float | None) -> None:
    """The sample standard deviation is within five standard errors of `std` (None: all ones)."""
    if std is None:
        assert torch.equal(parameter, torch.ones_like(parameter))
        return
    error = 5 * std / sqrt(2 * parameter.numel())
    assert abs(parameter.detach().double().square().mean().sqrt().item() - std) < error
