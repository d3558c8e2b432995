"""What a rule says about one parameter, and plain torch.optim built from it. Typed by hand, for oracles.

Nothing here knows the compiler: a table is a dict from a parameter's name to a `Row`, and the
optimizers are torch's own with one group for each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import nn

OptimizerName = Literal["sgd", "adam", "adamw"]


@dataclass(frozen=True)
class Row:
    """`std` of the initial entries (None: a gain, all ones); the others are factors on the run's values."""

    std: float | None
    lr: float = 1.0
    eps: float = 1.0
    wd: float = 1.0


@dataclass(frozen=True)
class Run:
    """The values that a person tunes: learning rate, Adam's epsilon, weight decay (torch's `lr * wd`)."""

    lr: float
    eps: float = 1e-8
    wd: float = 0.0
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)


def initialise(model: nn.Module, table: Mapping[str, Row], seed: int = 0) -> None:
    """Draw every parameter of `model` as `table` says. The names on both sides must be the same."""
    parameters = dict(model.named_parameters())
    if parameters.keys() != table.keys():
        raise KeyError(f"the table and the model differ: {sorted(parameters.keys() ^ table.keys())}")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in parameters.items():
            std = table[name].std
            parameter.fill_(1.0) if std is None else parameter.normal_(0.0, std, generator=generator)


def reference_optimizer(
    model: nn.Module, table: Mapping[str, Row], name: OptimizerName, run: Run
) -> torch.optim.Optimizer:
    """torch's optimizer with `run` times the factors of `table`, one group for each parameter."""
    groups = [_group(parameter, table[key], name, run) for key, parameter in model.named_parameters()]
    match name:
        case "sgd":
            return torch.optim.SGD(groups, lr=run.lr, momentum=run.momentum, foreach=False)
        case "adam":
            return torch.optim.Adam(groups, lr=run.lr, betas=run.betas, foreach=False)
        case "adamw":
            return torch.optim.AdamW(groups, lr=run.lr, betas=run.betas, foreach=False)
        case _:
            assert_never(name)


def _group(parameter: nn.Parameter, row: Row, name: OptimizerName, run: Run) -> dict[str, object]:
    group: dict[str, object] = {
        "params": [parameter],
        "lr": run.lr * row.lr,
        "weight_decay": run.wd * row.wd,
    }
    return group if name == "sgd" else group | {"eps": run.eps * row.eps}
