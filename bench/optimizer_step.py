"""The emitted optimizer's step at 10 million parameters against one fused AdamW over the same tensors.

Claim: per-tensor learning rates, epsilons and decays, in the fewest groups, cost at most 5 %: the interval
of the ratio reaches 1.05 or below.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

from bench.emitted_gpt import import_emitted
from bench.harness import compare, comparison_rows, write_results
from tests.reference.gpt import GptSizes

LIMIT = 1.05
SIZES = GptSizes(N=256, L=12, H=4, F=1024, V=256, T=128)
REPEATS = 10  # steps in one measurement


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    model_file, optim_file = import_emitted(SIZES)
    models = [model_file.build_model(model_file.Config(), "cpu") for _ in range(3)]
    for model in models:
        _give_gradients(model)
    emitted = optim_file.build_optimizer(models[0])
    plain, copy = (torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True) for model in models[1:])
    claim = compare("emitted / one fused AdamW", *_steps(emitted, plain), repeats=REPEATS)
    control = compare("one fused AdamW / itself", *_steps(copy, plain), repeats=REPEATS)
    parameters = list(models[0].parameters())
    count = sum(p.numel() for p in parameters)
    body = [
        f"{count / 1e6:.1f} M parameters in {len(parameters)} tensors, {len(emitted.param_groups)} groups against 1; "
        f"float32, {torch.get_num_threads()} threads, {REPEATS} steps a measurement.",
        "",
        *comparison_rows([claim], LIMIT),
        "",
        "Control, what the instrument says of two equal things:",
        "",
        *comparison_rows([control], LIMIT),
    ]
    write_results("optimizer_step", "An emitted optimizer step against one fused AdamW", body, ["scalec", "torch"])


def _give_gradients(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def _steps(*optimizers: torch.optim.Optimizer) -> list[Callable[[], object]]:
    return [optimizer.step for optimizer in optimizers]


if __name__ == "__main__":
    main()
