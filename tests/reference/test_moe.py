"""Emitted experts under muP against a network and a table typed by hand: the same parameters after some steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.emit.compiling import Emitted, import_files, plan_of
from tests.reference.moe import mixture
from tests.reference.rows import OptimizerName, Row, Run, reference_optimizer
from tests.reference.test_emitted import assert_close

pytestmark = pytest.mark.torch

TEXT = """
use std.moe
network experts {
  dims  N, M, K, Ne
  fixed D = 6, C = 4
  input(D)
  linear(N) as w_in
  act(gelu)
  moe(experts = M, active = K, width = Ne)
  readout(C) as out
}
rule mine extends moe_mup {
  base N = 16, M = 2, K = 2, Ne = 8
  tensor readout { init = normal }
  RUN
}
"""
# Every size moves by a ratio of its own: a factor of the wrong one cannot hide.
N, M, K, E = 2, 3, 1, 4
SIZES = {"N": 16 * N, "M": 2 * M, "K": 2, "Ne": 8 * E}
STEPS = 6
RUNS = {"sgd": Run(lr=0.05, momentum=0.9), "adam": Run(lr=0.01, eps=1e-4)}
SAID = {"sgd": "run { lr = 0.05;  momentum = 0.9 }", "adam": "run { lr = 0.01;  eps = 1e-4 }"}

TABLES = {
    "sgd": {
        "w_in.weight": Row(None, lr=N),
        "moe.router.weight": Row(None, lr=M / N),
        "moe.up": Row(None, lr=M * E / N),
        "moe.down": Row(None, lr=M * N / E),
        "out.weight": Row(None, lr=1 / N),
    },
    "adam": {
        "w_in.weight": Row(None, lr=1, eps=1 / N),
        "moe.router.weight": Row(None, lr=1 / N, eps=1 / M),
        "moe.up": Row(None, lr=1 / N, eps=1 / (E * M)),
        "moe.down": Row(None, lr=1 / E, eps=1 / (N * M)),
        "out.weight": Row(None, lr=1 / N, eps=1),
    },
}


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(SIZES["N"], SIZES["M"], bias=False)
        self.up = nn.Parameter(torch.empty(SIZES["M"], SIZES["Ne"], SIZES["N"]))
        self.down = nn.Parameter(torch.empty(SIZES["M"], SIZES["N"], SIZES["Ne"]))

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.router.weight, self.up, self.down)
        return mixture(x, *weights, active=SIZES["K"], kind="sigmoid", act=F.gelu, combine=1 / M)


class Reference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w_in = nn.Linear(6, SIZES["N"], bias=False)
        self.moe = Experts()
        self.out = nn.Linear(SIZES["N"], 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.moe(F.gelu(self.w_in(x))))  # type: ignore[no-any-return]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_some_steps_agree(optimizer: OptimizerName, tmp_path: Path) -> None:
    emitted = compiled(optimizer, tmp_path)
    assert_close(*trained(emitted, optimizer, TABLES[optimizer]))


def test_a_wrong_factor_does_not_agree(tmp_path: Path) -> None:
    wrong = TABLES["adam"] | {"moe.down": Row(None, lr=1.001 / E, eps=1 / (N * M))}
    with pytest.raises(AssertionError):
        assert_close(*trained(compiled("adam", tmp_path), "adam", wrong))


def compiled(optimizer: OptimizerName, folder: Path) -> Emitted:
    return import_files(
        plan_of("experts", SIZES, optimizer=optimizer, text=TEXT.replace("RUN", SAID[optimizer])), folder
    )


def trained(
    emitted: Emitted, optimizer: OptimizerName, table: dict[str, Row]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters of the reference and of the emitted model, from the same start."""
    torch.manual_seed(0)
    theirs = emitted.model.build_model(emitted.model.Config(), dtype=torch.float64)
    mine = Reference().double()
    mine.load_state_dict(theirs.state_dict())
    steps = ((mine, reference_optimizer(mine, table, optimizer, RUNS[optimizer])),
             (theirs, emitted.optim.build_optimizer(theirs)))  # fmt: skip
    for model, step in steps:
        generator = torch.Generator().manual_seed(1)
        for _ in range(STEPS):
            x = torch.randn(8, 6, generator=generator, dtype=torch.float64)
            y = torch.randint(4, (8,), generator=generator)
            step.zero_grad()
            F.cross_entropy(model(x), y).backward()
            step.step()
    return dict(mine.named_parameters()), dict(theirs.named_parameters())
