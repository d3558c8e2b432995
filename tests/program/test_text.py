"""The text of a program: small goldens, the same under every hash seed, with all that is read in it."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_the_text_does_not_depend_on_hashing() -> None:
    names = "from tests.planning import program_of; from scalec.program.text import dump"
    code = f"{names}; print(dump(program_of('', 'gpt')))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1
