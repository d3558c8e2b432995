"""Emitted latent attention against its equations (arXiv:2405.04434, section 2.1), a head and a position at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.emit.compiling import import_files, plan_of

pytestmark = pytest.mark.torch

N, H, D, R, KV, T, V = 24, 3, 6, 4, 5, 7, 11
NETWORK = """
use std.mup
network net {
  dims  N, L, H, Rq, Rkv
  fixed V = 11, T = 7
  embed(vocabulary = V, width = N, context = T)
  repeat L { residual { attention(heads = H, head_dim = 6, QUERIES kv_rank = Rkv, rope_dim = 4, causal) } }
  readout(V)
}
rule mine extends mup { base N = 24, L = 1, H = 3 QBASE, Rkv = 5  run { lr = 2^-8 } }
"""


def rms(x: Tensor, gain: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain


def turned(x: Tensor, position: int) -> Tensor:
    """Coordinate `j` and `j + R/2` are a complex number, turned by `position * 10000^(-2j/R)`."""
    speeds = 10000.0 ** (-torch.arange(R // 2, dtype=torch.float64) * 2 / R)
    number = torch.complex(x[: R // 2], x[R // 2 :]) * torch.exp(1j * position * speeds)
    return torch.cat([number.real, number.imag])


def attention(h: Tensor, w: dict[str, Tensor]) -> Tensor:
    """One sequence `[T, N]`. Scores over `D + R` coordinates, at the base divided by their root."""
    c_q = rms(h @ w["q_down.weight"].T, w["q_norm.weight"]) if "q_down.weight" in w else h
    c_kv = rms(h @ w["kv_down.weight"].T, w["kv_norm.weight"])
    rows = []
    for t in range(len(h)):
        heads = []
        for i in range(H):
            content, place = slice(i * D, (i + 1) * D), slice(i * R, (i + 1) * R)
            q = torch.cat([w["q.weight"][content] @ c_q[t], turned(w["q_rope.weight"][place] @ c_q[t], t)])
            keys = [
                torch.cat([w["k.weight"][content] @ c_kv[s], turned(w["k_rope.weight"] @ h[s], s)])
                for s in range(t + 1)
            ]
            scores = torch.stack([q @ k for k in keys]) / (D + R) ** 0.5
            values = torch.stack([w["v.weight"][content] @ c_kv[s] for s in range(t + 1)])
            heads.append(scores.softmax(0) @ values)
        rows.append(w["o.weight"] @ torch.cat(heads))
    return torch.stack(rows)


@pytest.mark.parametrize("compressed", [True, False])
def test_forward_and_gradients_are_those_of_the_equations(compressed: bool, tmp_path: Path) -> None:
    text = NETWORK.replace("QUERIES", "q_rank = Rq," if compressed else "").replace(
        "QBASE", ", Rq = 8" if compressed else ""
    )
    text = text if compressed else text.replace(", Rq, Rkv", ", Rkv")
    at = {"N": N, "L": 1, "H": H, "Rkv": KV} | ({"Rq": 8} if compressed else {})
    model = import_files(plan_of("net", at, text=text), tmp_path).model
    net: nn.Module = model.build_model(model.Config(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    tokens = torch.randint(V, (2, T), generator=generator)
    state = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    inside = {name.partition("attention.")[2]: p for name, p in state.items() if ".attention." in name}
    stream = state["embed.weight"][tokens]
    expected = (stream + torch.stack([attention(h, inside) for h in stream])) @ state["readout.weight"].T
    found = net(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    weights = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.grad, state[name].grad, rtol=1e-9, atol=1e-9)
