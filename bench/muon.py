"""The emitted Muon step, matrices of one shape in one batch, against `torch.optim.Muon` on the same 12 matrices.

Claim: on 12 matrices of width 256 the emitted step is at least 1.3 times faster: the interval of the ratio reaches
1/1.3 or below. Both make the same step within what bfloat16 leaves of it. A transformer of that width, whose 12
matrices have three shapes, is measured beside it: larger matrices leave less to gain.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType

import torch
from torch import nn

from bench.harness import compare, comparison_rows, write_results
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.resolve.load import load_text
from scalec.torch.emitted import Emitted, load_emitted

FASTER = 1.3
LIMIT = round(1 / FASTER, 3)
REPEATS = 3  # steps in one measurement
TEXT = """
use std.muon_mup
use std.mup

network square { dims N  fixed C = 256  input(N) repeat 12 { linear(N) act(relu) } readout(C) }
rule mine extends muon_mup { base N = 256, L = 2 }
rule hidden extends sp for muon { base N = 256  tensor * { lr ~ 1 }  tensor readout { frozen = yes } }
"""
CASES = {"square": ("hidden", "muon", "12 of 256 x 256"), "gpt": ("mine", None, "8 of 256 x 256, 4 of 1024 x 256")}


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    found, agreement = [], []
    for network, (rule, optimizer, shapes) in CASES.items():
        emitted = emitted_of(network, rule, optimizer)
        mine, theirs = (muon_of(emitted, native) for native in (False, True))
        agreement.append(f"- {shapes}: {difference(mine, theirs):.2g}")
        found.append(compare(f"{shapes}: emitted / torch.optim.Muon", *_steps(mine, theirs), repeats=REPEATS))
    claim, beside = found
    copies = (muon_of(emitted, native=True) for _ in range(2))
    control = compare("torch.optim.Muon / itself", *_steps(*copies), repeats=REPEATS)
    body = [
        f"Weights in float32; {torch.get_num_threads()} threads, {REPEATS} steps a measurement.",
        "",
        *comparison_rows([claim], LIMIT),
        "",
        "Beside it, and what the instrument says of two equal things:",
        "",
        *(f"- {c.name}: {c.median:.3f}, {c.interval[0]:.3f} to {c.interval[1]:.3f}" for c in (beside, control)),
        "",
        "Largest difference of an entry after one step, over the largest step:",
        "",
        *agreement,
    ]
    write_results("muon", "The emitted Muon step against torch.optim.Muon", body, ["scalec", "torch"])


def emitted_of(network: str, rule: str, optimizer: str | None) -> Emitted:
    sizes = PlanRequest(("N=256" if network == "square" else "N=256,L=2",))
    return load_emitted(plan(load_text(TEXT, "muon.scale"), Operands(rule, network, optimizer), sizes))


def muon_of(emitted: Emitted, native: bool) -> torch.optim.Optimizer:
    """The emitted optimizer of the hidden matrices, or torch's with the same groups, with a gradient for each."""
    files: ModuleType = emitted.model
    model: nn.Module = files.build_model(files.Config(), generator=torch.Generator().manual_seed(0))
    optimizer = emitted.optim.build_optimizer(model)
    part = optimizer.parts[-1] if hasattr(optimizer, "parts") else optimizer
    generator = torch.Generator().manual_seed(1)
    for group in part.param_groups:
        for p in group["params"]:
            p.grad = torch.randn(p.shape, generator=generator)
    if not native:
        return part
    keys = ("params", "lr", "weight_decay", "momentum")
    return torch.optim.Muon([{key: group[key] for key in keys} for group in part.param_groups])


def difference(mine: torch.optim.Optimizer, theirs: torch.optim.Optimizer) -> float:
    """After one step of each: the largest difference of an entry, over the largest change of one."""
    before = [p.detach().clone() for p in _parameters(mine)]
    mine.step()
    theirs.step()
    pairs = list(zip(_parameters(mine), _parameters(theirs), before, strict=True))
    apart = max((p - q).abs().max().item() for p, q, _ in pairs)
    return apart / max((q - start).abs().max().item() for _, q, start in pairs)


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _steps(*optimizers: torch.optim.Optimizer) -> list[Callable[[], object]]:
    return [optimizer.step for optimizer in optimizers]


if __name__ == "__main__":
    main()
