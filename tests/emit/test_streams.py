"""Emitted side streams and images: what `forward` takes, what it computes, and what `train.py` reads."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from scalec.diagnostics import ScalecError
from scalec.emit.document import shape_at
from tests.emit.compiling import Emitted, files_of, import_files, plan_of
from tests.emit.test_texts import assert_lints

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")]

HEAD = "use std.mup\nrule mine extends mup { base N = 8 }\n"


def emitted(folder: Path, body: str, fixed: str = "V = 32, T = 6") -> Emitted:
    """A network of width 16 with these blocks and its files, imported."""
    text = f"{HEAD}network net {{ dims N, L = 2\nfixed {fixed}\n{body} }}"
    return import_files(plan_of("net", {"N": 16}, text=text), folder)


def built(e: Emitted) -> torch.nn.Module:
    """In float64, with random weights everywhere."""
    model = e.model.build_model(e.model.Config(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


def tokens(count: int = 6, classes: int = 32) -> torch.Tensor:
    return torch.randint(classes, (3, count), generator=torch.Generator().manual_seed(1))


STEERED = """
  embed(V, N)
  let c = { label(5, N) act(silu) }
  repeat L { residual { norm(layer) modulate(by = c, gate = yes) mlp(width = 32, act = relu) } }
  modulate(by = c)
  readout(V)
"""


def test_a_side_stream_steers_every_copy(tmp_path: Path) -> None:
    model = built(emitted(tmp_path, STEERED))
    x, label = tokens(), torch.tensor([4, 0, 2])
    c = F.silu(model.c.label.weight[label])[:, None]
    h = model.embed.weight[x]
    for block in model.blocks:
        m = block.modulate
        y = F.layer_norm(h, (16,)) * block.norm.weight
        y = y + y * (c @ m.scale.weight.T) + c @ m.shift.weight.T
        y = F.relu(y @ block.mlp.up.weight.T) @ block.mlp.down.weight.T
        h = h + y * (c @ m.gate.weight.T)
    h = h + h * (c @ model.modulate.scale.weight.T) + c @ model.modulate.shift.weight.T
    torch.testing.assert_close(model(x, label), h @ model.readout.weight.T)


def test_attention_to_another_sequence(tmp_path: Path) -> None:
    body = "let source = { embed(V, N) norm(layer) }\nembed(V, N)\nattention(heads = 2, context = source)\nreadout(V)"
    e = emitted(tmp_path, body)
    model = built(e)
    x, other = tokens(4), tokens(6)
    assert list(inspect.signature(model.forward).parameters) == ["tokens", "embed"]
    seen = F.layer_norm(model.source.embed.weight[other], (16,)) * model.source.norm.weight
    a = model.attention
    q, k, v = (y @ w.weight.T for y, w in ((model.embed.weight[x], a.q), (seen, a.k), (seen, a.v)))
    heads = [(0.25 * q[..., h] @ k[..., h].mT).softmax(-1) @ v[..., h] for h in (slice(8), slice(8, 16))]
    expected = torch.cat(heads, -1) @ a.o.weight.T @ model.readout.weight.T
    torch.testing.assert_close(model(x, other), expected)


def test_a_side_stream_of_the_stream_itself(tmp_path: Path) -> None:
    body = "embed(V, N)\nlet here = { linear(N) act(tanh) }\nmodulate(by = here)\nreadout(V)"
    model = built(emitted(tmp_path, body))
    h = model.embed.weight[tokens()]
    c = torch.tanh(h @ model.here.linear.weight.T)
    h = h + h * (c @ model.modulate.scale.weight.T) + c @ model.modulate.shift.weight.T
    torch.testing.assert_close(model(tokens()), h @ model.readout.weight.T)


CONVOLUTIONAL = """
  image(channels = C, side = S)
  conv(N, 3, stride = 2)
  act(relu)
  residual { conv(N, P, groups = 2) }
  pool
  readout(4)
"""


def test_convolutions(tmp_path: Path) -> None:
    model = built(emitted(tmp_path, CONVOLUTIONAL, "S = 8, C = 3, P = 5"))
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    h = F.relu(F.conv2d(images, model.conv.weight, stride=2, padding=1))
    h = h + F.conv2d(h, model.conv2.weight, padding=2, groups=2)
    assert h.shape == (2, 16, 4, 4)
    torch.testing.assert_close(model(images), h.mean((2, 3)) @ model.readout.weight.T)


def test_waves_tell_positions_of_a_sequence_apart(tmp_path: Path) -> None:
    model = built(emitted(tmp_path, "embed(V, N)\nposition(sincos)\nreadout(V)"))
    waves = torch.tensor(
        [
            [f(t * 10000 ** (-i / 8)) for f in (torch.cos, torch.sin) for i in range(8)]
            for t in torch.arange(6.0).double()
        ]
    )
    torch.testing.assert_close(model(tokens()), (model.embed.weight[tokens()] + waves) @ model.readout.weight.T)


@pytest.mark.parametrize("name", ["x", "h2", "gate", "scale", "places", "q_BHTD", "forward", "self"])
def test_names_that_emitted_code_needs(name: str) -> None:
    body = f"embed(9, N)\nlet {name} = {{ label(5, N) }}\nmodulate(by = {name})\nreadout(9)"
    text = f"{HEAD}network net {{ dims N\n{body} }}"
    with pytest.raises(ScalecError) as raised:
        files_of(plan_of("net", {"N": 16}, text=text))
    assert [d.code.id for d in raised.value.diagnostics] == ["SC601"]


def test_it_compiles_and_exports_whole(tmp_path: Path) -> None:
    model = built(emitted(tmp_path, STEERED))
    inputs = tokens(), torch.tensor([4, 0, 2])
    expected = model(*inputs)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(*inputs), expected)
    torch.testing.assert_close(torch.export.export(model, inputs, strict=False).module()(*inputs), expected)


LOUD = """
rule mine extends mup {
  base N = 8
  tensor matrix, input, output { scale = 3/fan_in }
  site * { scale = 1/3 }
}
"""


ADAPTED = """
  lora(rank = 2, on = [modulation])
  sparse(density = 1/2, on = [patch])
  patch(channels = C, size = 4, side = S, width = N, bias)
  let c = { label(5, N) }
  residual { norm(layer) modulate(by = c, gate = yes, bias) mlp(width = N) }
  readout(4)
"""


@pytest.mark.parametrize("network", ["dit", "vit", "convolutional", "adapted"])
def test_parameters_are_those_of_the_plan_and_the_text_is_clean(network: str, tmp_path: Path) -> None:
    """Also where everything is scaled."""
    mine = {"convolutional": CONVOLUTIONAL, "adapted": ADAPTED}
    text = "".join(f"network {name} {{ dims N\nfixed S = 8, C = 3, P = 5\n{body} }}\n" for name, body in mine.items())
    sizes = {"N": 144} if network in mine else {"N": 144, "L": 1, "H": 2}
    made = plan_of(network, sizes, text=f"use std.mup\nuse std.vision\n{LOUD}{text}")
    e = import_files(made, tmp_path)
    model = e.model.build_model(e.model.Config(), "meta")
    planned = {
        t.tensor.storage.name.replace("{block}", "0"): tuple(shape_at(t.tensor, made.sizes[0])) for t in made.tensors
    }
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == planned
    assert_lints(tmp_path)


def test_nothing_is_sampled_from_a_network_that_is_told_more(tmp_path: Path) -> None:
    assert not hasattr(emitted(tmp_path, STEERED).model.Model, "generate")


# ---- train.py --------------------------------------------------------------------------------
def trained(e: Emitted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **stored: object) -> float:
    """The last loss of the emitted script on these tensors."""
    torch.save(stored, e.folder / "data.pt")
    monkeypatch.chdir(e.folder)
    words = "train.py --data data.pt --steps 40 --lr 0.05"
    monkeypatch.setattr(sys, "argv", words.split())
    e.train.main()
    return float(capsys.readouterr().out.split()[-1])


def test_classes_with_further_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every token is followed by the label, which alone tells it."""
    e = emitted(tmp_path, STEERED)
    label = torch.arange(200) % 5
    x = torch.randint(32, (200, 6), generator=torch.Generator().manual_seed(0))
    assert trained(e, monkeypatch, capsys, tokens=x, label=label, y=label[:, None].expand(200, 6)) < 0.5


def test_real_targets_with_further_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "input(6)\nlinear(N)\nlet c = { timestep(8) linear(N) }\nmodulate(by = c)\nreadout(1)"
    e = emitted(tmp_path, body)
    t = torch.linspace(0, 3, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    assert trained(e, monkeypatch, capsys, x=torch.ones(200, 6), timestep=t, y=t.sin()[:, None]) < 0.05
