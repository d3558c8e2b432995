"""The emitted layer of experts, forward and backward, against two that people write first.

Claims: at 32 experts and more at least 3 times as fast as one product over all experts with a mask; nowhere slower
than a loop over experts with boolean masks; the work of the active experts alone, 1.1 times at most; what is kept for
the backward pass does not grow with the number of experts, 1.1 times at most from 8 to 128.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.harness import compare, comparison_rows, write_results
from tests.emit.compiling import import_files, plan_of

TOKENS, WIDTH, HIDDEN = 1024, 256, 1024
EXPERTS, ACTIVE = (8, 32, 128), (2, 8)
TEXT = """
use std.moe
network layer {
  dims  N, M, K, Ne
  fixed C = 4
  input(N)
  moe(experts = M, active = K, width = Ne, router = softmax_selected)
  readout(C)
}
rule mine extends moe_mup { base N = 256, M = 8, K = 2, Ne = 1024 }
"""
Layer = Callable[[Tensor], Tensor]


def masked(moe: Any) -> Layer:
    """Every expert on every token; the gates of those that are not chosen are zero."""

    def forward(x: Tensor) -> Tensor:
        gates, chosen = moe.route(x)
        dense = gates.new_zeros(len(x), moe.experts).scatter(1, chosen, gates)
        hidden = F.gelu(torch.einsum("tn,mhn->tmh", x, moe.up))
        return torch.einsum("tm,tmh,mnh->tn", dense, hidden, moe.down)

    return forward


def looped(moe: Any) -> Layer:
    """One expert after the other, on the tokens where a boolean mask says so; each has weights of its own."""

    def forward(x: Tensor) -> Tensor:
        gates, chosen = moe.route(x)
        out = torch.zeros_like(x)
        for i, (up, down) in enumerate(zip(moe.up.unbind(), moe.down.unbind(), strict=True)):
            hit = chosen == i
            rows = hit.any(1)
            if rows.any():
                weight = (gates * hit).sum(1)[rows].unsqueeze(-1)
                out[rows] += weight * F.linear(F.gelu(F.linear(x[rows], up)), down)
        return out

    return forward


def segments(moe: Any) -> Layer:
    """The emitted loop, whose products the counter knows; the grouped product does the same ones."""
    return lambda x: moe.segments(x, *moe.route(x))  # type: ignore[no-any-return]


def layer(model_file: Any, experts: int, active: int, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    config = model_file.Config(N=WIDTH, M=experts, K=active, Ne=HIDDEN)
    return model_file.build_model(config, "cpu", dtype=dtype).moe  # type: ignore[no-any-return]


def step(forward: Layer, moe: nn.Module, x: Tensor) -> Callable[[], object]:
    return lambda: torch.autograd.grad(forward(x).sum(), [x, *moe.parameters()])


def operations(forward: Layer, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        forward(x).sum().backward()
    return counter.get_total_flops()


def kept(moe: nn.Module, x: Tensor) -> int:
    """Bytes saved for the backward pass, each storage once, weights apart."""
    weights = {p.untyped_storage().data_ptr() for p in moe.parameters()}
    seen: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = moe(x)
    assert out.requires_grad
    return sum(size for place, size in seen.items() if place not in weights)


def timed(model_file: Any) -> Iterator[str]:
    for dtype in (torch.float32, torch.bfloat16):
        fast, slow = [], []
        for experts in EXPERTS:
            for active in ACTIVE:
                moe, x = layer(model_file, experts, active, dtype), rows(dtype)
                if active == experts:
                    continue
                name = f"top {active} of {experts}"
                mine = step(moe, moe, x)
                if experts >= 32:
                    fast.append(compare(f"{name}, emitted / masked product", mine, step(masked(moe), moe, x), pairs=15))
                slow.append(compare(f"{name}, emitted / boolean loop", mine, step(looped(moe), moe, x), pairs=15))
        yield from (f"## {str(dtype).removeprefix('torch.')}", "", *comparison_rows(fast, 1 / 3), "")
        yield from (*comparison_rows(slow, 1.0), "")


def counted(model_file: Any) -> Iterator[str]:
    yield from ("## Work and memory, float32", "", "| | operations / (K/M of all) | kept, MB |", "|---|---|---|")
    for experts in EXPERTS:
        moe: Any = layer(model_file, experts, 2, torch.float32)
        x = rows(torch.float32)
        share = operations(segments(moe), x) / operations(masked(moe), x) * experts / 2
        yield f"| top 2 of {experts} | {share:.3f} | {kept(moe, x) / 1e6:.2f} |"


def rows(dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(TOKENS, WIDTH, generator=generator).to(dtype).requires_grad_()


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    sizes = {"N": WIDTH, "M": 8, "K": 2, "Ne": HIDDEN}
    with TemporaryDirectory() as folder:
        model_file = import_files(plan_of("layer", sizes, optimizer="adam", text=TEXT), Path(folder)).model
    body = [
        f"{TOKENS} tokens, width {WIDTH}, experts {HIDDEN} wide; forward and backward, "
        f"{torch.get_num_threads()} threads.",
        "",
        *timed(model_file),
        *counted(model_file),
    ]
    write_results("moe_layer", "The emitted layer of experts", body, ["scalec", "torch"])


if __name__ == "__main__":
    main()
