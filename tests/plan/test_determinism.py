"""A plan, its program and what is wrong with a file are the same, to the last byte, under every hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "gpt.scale"
MISTAKES = """
use std.mup
rule mine extends mup {
  tensor router, embeding { lr ~ 1 }
  tensor matrix { lr ~ 1 + N;  eps = 1/fan;  wdd = 1 }
  site logit { scale ~ 1 }
}
network net { dims N, Q  input(8) linear(M) redout(2) }
"""


SCRIPT = """
import sys
from pathlib import Path

import pytest
import scalec
from scalec.emit.table import FORMATS
from scalec.pipeline import diagnose_text
from scalec.program.text import dump
from scalec.render import as_json

plan = scalec.make_plan(scalec.load(sys.argv[1]), rule="gpt_mup", at=["N=128", "N=256,H=4"])
print(*(FORMATS[name](plan) for name in sorted(FORMATS)), sep="\\n")
print(as_json(diagnose_text(sys.argv[2])), dump(plan.program), sep="\\n")
"""


def output(seed: str) -> str:
    """All tables of a plan, its program, and the diagnostics of a broken file, under one hash seed."""
    command = [sys.executable, "-c", SCRIPT, str(EXAMPLE), MISTAKES]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_nothing_depends_on_hashing() -> None:
    first, second = output("1"), output("2")
    assert first == second
    assert first.count("block.attention.q") >= 4
    assert {code for code in ("SC201", "SC208") if code in first} == {"SC201", "SC208"}
