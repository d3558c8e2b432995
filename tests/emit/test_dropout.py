"""Dropout: in training it zeroes at random, in evaluation it does nothing, and no order moves with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.operands import Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text
from tests.emit.compiling import Emitted, import_files, plan_of
from tests.emit.texts import HEAD
from tests.program.test_lower import mistakes

NETWORK = """
network NAME {{
  dims  N, L, H = N/8
  fixed V = 32, T = 12
  embed(vocabulary = V, width = N)
  position(T)
  {embedded}
  repeat L {{
    residual {{ norm(layer) attention(heads = H, causal{weights}) {added} }}
    residual {{ norm(layer) mlp(width = 2*N{active}) {added} }}
  }}
  norm(layer)
  readout(V)
}}
"""
PLAIN = NETWORK.format(embedded="", weights="", active="", added="").replace("NAME", "plain")
NOISY = NETWORK.format(
    embedded="dropout(1/10)", weights=", dropout = 1/5", active=", dropout = 0.3", added="dropout(0.4)"
).replace("NAME", "noisy")
TEXT = HEAD + PLAIN + NOISY


def test_no_order_moves_with_dropout() -> None:
    workspace = load_text(TEXT, "test.scale")
    noisy, plain = (check_rule(workspace, Operands("mine", n, "adamw"), "width", ()) for n in ("noisy", "plain"))
    assert noisy.verdicts == plain.verdicts
    assert [(r.observable, r.tensor, r.term, r.order) for r in noisy.terms] == [
        (r.observable, r.tensor, r.term, r.order) for r in plain.terms
    ]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("dropout(1)", "SC307 `p` is 1, not a number of [0, 1)"),
        ("dropout(-1/2)", "SC307 `p` is -1/2, not a number of [0, 1)"),
        ("dropout(N)", "SC301 `N` is no number"),
        ("dropout()", "SC101"),
        ("mlp(width = F, dropout = 3)", "SC307 `dropout` is 3, not a number of [0, 1)"),
    ],
)
def test_a_chance_is_a_number_below_one(block: str, message: str) -> None:
    found = mistakes(f"embed(V, N) {block} readout(V)")
    assert [m for m in found if m.startswith(message)], found


@pytest.mark.torch
def test_dropout_acts_in_training_alone(tmp_path: Path) -> None:
    import torch

    noisy, plain = (import_files(plan_of(n, {"N": 16}, text=TEXT), tmp_path / n) for n in ("noisy", "plain"))
    models = [build(e) for e in (noisy, plain)]
    tokens = torch.randint(32, (3, 7), generator=torch.Generator().manual_seed(1))
    loud, quiet = (m.train()(tokens) for m in models)
    assert not torch.equal(loud, quiet)
    assert not torch.equal(loud, models[0](tokens))
    assert torch.equal(*(m.eval()(tokens) for m in models))


@pytest.mark.torch
def test_every_place_of_dropout_is_written(tmp_path: Path) -> None:
    text = (import_files(plan_of("noisy", {"N": 16}, text=TEXT), tmp_path).folder / "model.py").read_text()
    for code in (
        "self.dropout = nn.Dropout(0.1)",
        "self.dropout = 0.2",
        "dropout_p=self.dropout if self.training else 0.0,",
        "self.dropout = nn.Dropout(0.3)",
        "self.dropout2 = nn.Dropout(0.4)",
    ):
        assert code in text, code


def build(emitted: Emitted):
    import torch

    return emitted.model.build_model(emitted.model.Config(), generator=torch.Generator().manual_seed(0))
