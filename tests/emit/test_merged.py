"""An adapter wherever one can stand: a model trains and runs as it does with `W + scale * B A` for each weight W."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.emit.compiling import Emitted, import_files, plan_of
from tests.emit.test_texts import assert_lints
from tests.emit.texts import HEAD, LATENT, LLAMA

pytestmark = pytest.mark.torch

GUIDED = """
network guided {
  dims N
  fixed C = 3, S = 8
  patch(channels = C, size = 2, side = S, width = N, bias)
  let c = { label(5, N) linear(N) }
  residual { norm(layer) modulate(by = c, gate = yes) attention(heads = 2, bias) }
  residual { norm(layer) modulate(by = c) mlp(width = 2*N, act = gelu, bias) }
  conv(N, 3)
  act(relu)
  moe(experts = 3, active = 2, width = N)
  readout(4, bias)
  lora(rank = 3, on = [patch, linear, modulation, attention, mlp, conv, expert, readout])
}
"""
EVERYWHERE = {
    "tiny_llama": LLAMA.replace("  readout(", "  lora(rank = 2, on = [attention, mlp, readout])\n  readout("),
    "tiny_latent": LATENT.replace("readout(V)", "readout(V)  lora(rank = 2, on = [attention])"),
    "guided": GUIDED,
}
RULE = """
rule seen extends mine {
  tensor attention.o, mlp.up { scale = 3/4 }
  tensor lora                { init = normal;  init.std = 1/4;  scale = 3/2 }
  site attention.output      { scale = 2/3 }
  site lora                  { scale = 1/2 }
}
"""


def built(folder: Path, network: str) -> tuple[Emitted, Any]:
    text = f"{HEAD}{RULE}{EVERYWHERE[network]}"
    sizes = {"N": 16} if network == "guided" else {"N": 16, "L": 2}
    e = import_files(plan_of(network, sizes, rule="seen", text=text), folder)
    return e, e.model.build_model(e.model.Config(), dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def merge(e: Emitted, model: Any) -> None:
    """Put every adapter into the weight that it stands beside, in the units of that weight."""
    parameters = dict(model.named_parameters())
    for name in [n for n in parameters if "_lora_a" in n]:
        weight, a, b = (parameters[name.replace("_lora_a", part)] for part in ("", "_lora_a", "_lora_b"))
        own = 3 / 4 if any(word in name for word in (".o_", ".up_")) and "moe" not in name else 1
        added = torch.einsum("...or,...ri->...oi", b, a) if a.dim() == b.dim() else torch.einsum("or,ricd->oicd", b, a)
        with torch.no_grad():
            weight += (1 / 2) * (3 / 2) ** 2 / own * added
            b.zero_()


def inputs(network: str) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    if network == "guided":
        return torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64), torch.tensor([4, 0])
    return (torch.randint(16, (2, 8), generator=generator),)


@pytest.mark.parametrize("network", EVERYWHERE)
def test_adapters_are_what_they_add_to_the_weights(network: str, tmp_path: Path) -> None:
    e, model = built(tmp_path, network)
    before = model(*inputs(network))
    merge(e, model)
    torch.testing.assert_close(model(*inputs(network)), before, rtol=1e-9, atol=1e-9)
    for name, parameter in model.named_parameters():
        if "_lora_b" in name:
            torch.nn.init.ones_(parameter)
    assert not torch.allclose(model(*inputs(network)), before)
    assert_lints(tmp_path)
