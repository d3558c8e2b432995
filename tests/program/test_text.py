"""The text of a program, by small goldens."""

from __future__ import annotations

import pytest

from scalec.program.text import dump
from tests.golden import golden
from tests.planning import program_of

UNUSUAL = """
network net {
  dims N, L, H = 2
  fixed V = 16, T = 8
  embed(V, N)
  position(T)
  repeat L {
    norm(layer, gain = no)
    residual { sum { branch { attention(heads = H, causal) } branch { mlp(width = 2*N, act = tanh) } } }
  }
  readout(V)
}
"""


@pytest.mark.parametrize(("name", "text", "network"), [("mlp", "", "mlp"), ("unusual", UNUSUAL, "net")])
def test_the_text_of_a_program(name: str, text: str, network: str) -> None:
    golden(f"program_{name}.txt", dump(program_of(text, network)))
