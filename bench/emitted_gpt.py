"""A training step of the emitted GPT against a hand-written GPT of the same shape, eager and compiled.

Claim: the emitted model with its multipliers and its optimizer with per-tensor values cost nothing; the
interval of the ratio reaches 1.02 or below. The hand-written model is `tests/reference/gpt.py` with one
fused AdamW over all parameters; both are compiled block by block. As a control it is measured against a
second copy of itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import scalec
from bench.harness import Comparison, compare, comparison_rows, write_results
from tests.reference.gpt import GptSizes, sp_gpt

LIMIT = 1.02
SIZES = GptSizes(N=256, L=4, H=4, F=1024, V=256, T=128)
BATCH = 8
WARM_UP = 3
RULE = """
use std.mup
rule wide extends mup for adamw { base N = 64, L = 4 }
"""


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    rows = [row for compiled in (False, True) for row in measure(compiled)]
    claims = comparison_rows([c for c in rows if "itself" not in c.name], LIMIT)
    control = comparison_rows([c for c in rows if "itself" in c.name], LIMIT)
    body = [
        f"Forward, backward and optimizer step; {SIZES}, batch {BATCH}, float32, {torch.get_num_threads()} threads.",
        "",
        *claims,
        "",
        "Control, what the instrument says of two equal things:",
        "",
        *control,
    ]
    write_results("emitted_gpt", "A step of the emitted GPT against a hand-written one", body, ["scalec", "torch"])


def measure(compiled: bool) -> list[Comparison]:
    """The emitted step against the hand-written one, and that against a copy of itself."""
    how = "compiled" if compiled else "eager"
    emitted, written, copy = emitted_step(compiled), written_step(compiled), written_step(compiled)
    for step in (emitted, written, copy):
        for _ in range(WARM_UP):
            step()
    return [
        compare(f"emitted / hand-written, {how}", emitted, written),
        compare(f"hand-written / itself, {how}", copy, written),
    ]


def emitted_step(compiled: bool) -> Callable[[], None]:
    model_file, optim_file = import_emitted(SIZES)
    model = model_file.build_model(model_file.Config(), "cpu", compile=compiled)
    return training_step(model, optim_file.build_optimizer(model))


def written_step(compiled: bool) -> Callable[[], None]:
    model, _ = sp_gpt(SIZES)
    if compiled:
        for block in model.blocks:
            block.compile()
    return training_step(model, torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True))


def training_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    x, y = _batch()

    def step() -> None:
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def import_emitted(sizes: GptSizes) -> tuple[object, object]:
    """`model.py` and `optim.py` of the standard GPT under muP at these sizes, from the files as written."""
    at = {"N": sizes.N, "L": sizes.L, "H": sizes.H, "F": sizes.F}
    folder = Path(_FOLDER.name)
    (folder / "wide.scale").write_text(RULE, encoding="utf-8")
    scalec.compile_to(folder, scalec.load(folder / "wide.scale"), rule="wide", network="gpt", at=at)
    sys.path.insert(0, str(folder))
    return import_module("model"), import_module("optim")


def _batch() -> tuple[Tensor, Tensor]:
    tokens = torch.randint(SIZES.V, (BATCH, SIZES.T + 1), generator=torch.Generator().manual_seed(0))
    return tokens[:, :-1], tokens[:, 1:]


_FOLDER = TemporaryDirectory()

if __name__ == "__main__":
    main()
