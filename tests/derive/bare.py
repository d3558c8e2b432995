"""An installation without rule packs: sizes, regimes, networks and optimizers alone, under other names.

`bare` is a fixture for `pytest`; `derived` the plan of a rule that was derived there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from scalec.derive.given import problem_of
from scalec.derive.problem import Lever
from scalec.derive.reach import Reached, reach
from scalec.deriving import Asked, derive_rule
from scalec.diagnostics import Reporter
from scalec.operands import Chooser, Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from scalec.source import Source
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_ref, parse_regime
from tests.sources import ROOT

KEPT = ("dims", "regimes", "networks", "optimizers")

# Old name -> new one, wherever it stands as a word of its own; no block, role or family is called so.
NAMES = {
    "N": "Breite", "L": "Tiefe", "H": "Koepfe", "F": "Innen", "D": "Ein", "C": "Aus", "V": "Woerter", "T": "Lang",
    "M": "Experten", "K": "Aktive", "Ne": "Schmal",
    "gpt": "schwan", "moe_mlp": "specht", "mlp": "taube", "resmlp": "ente",
    "adamw": "eins", "adam": "zwei", "muonlike": "drei",
    "as input": "as erste", "as hidden": "as mitte", "as hidden2": "as mitte2",
    "width": "wachsen", "depth": "stapeln",
}  # fmt: skip
PATHS = {"input": "erste", "hidden": "mitte", "hidden2": "mitte2"}
MORE = """
use std.optimizers
use std.networks
use std.regimes

optimizer muonlike { update spectral  class torch.optim.Muon  uses lr = 0.02, wd = 0  decay torch }
network resmlp {
  dims  N, L
  fixed D = 64, C = 10
  input(D)
  linear(N) as input
  repeat L {
    residual { linear(N) as hidden act(relu) }
  }
  readout(C)
}
network moe_mlp {
  dims  N, M, K = M, Ne
  fixed D = 64, C = 10
  input(D)
  linear(N) as w_in
  act(gelu)
  moe(experts = M, active = K, width = Ne, router = sigmoid, act = gelu)
  readout(C) as out
}
regime fixed_experts { N ~ s;  Ne ~ s;  M ~ 1;  K ~ 1 }
regime fine_grained  { N ~ s;  Ne ~ 1;  M ~ s;  K ~ s }
regime proportional  { N ~ s;  Ne ~ s;  M ~ s;  K ~ s }
"""


def renamed(text: str) -> str:
    """The text with other names: whole words, the longest first. What is a block or an option too is one as a regime
    or a network only.
    """
    for old in sorted(NAMES, key=len, reverse=True):
        if old in ("width", "depth", "mlp"):
            text = re.sub(rf"\b(regime|network) {old}\b", rf"\1 {NAMES[old]}", text)
        else:
            text = re.sub(rf"(?<![.\w]){old}\b", NAMES[old], text)
    return text


def path_of(tensor: str) -> str:
    """The path of a tensor after its blocks were renamed."""
    return ".".join(PATHS.get(part, part) for part in tensor.split("."))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of packs, with nothing in it that says how anything scales."""
    folder = tmp_path / "rules"
    (folder / "std").mkdir(parents=True)
    for name in KEPT:
        text = (ROOT / "rules" / "std" / f"{name}.scale").read_text("utf-8")
        (folder / "std" / f"{name}.scale").write_text(renamed(text), encoding="utf-8")
    monkeypatch.setattr("scalec.resolve.standard.data_folder", lambda name: folder)
    return folder


def derived_text(
    network: str, optimizer: str, regime: str, *, goals: tuple[str, ...] | None = None, keep: str = "", more: str = ""
) -> str:
    """What `derive` prints, everything called by its new name. `keep` is the body of a rule to keep."""
    owner = NAMES.get(optimizer, optimizer)
    rule = f"rule given for {owner.replace(' + ', ', ')} {{ {keep} }}" if keep else ""
    workspace = load_text(renamed(MORE) + more + rule, "more.scale")
    words = " + ".join(NAMES.get(r, r) for r in regime.split(" + "))
    asked = Asked(Operands("given" if keep else None, NAMES.get(network, network), owner), words)
    return derive_rule(workspace, asked if goals is None else Asked(asked.operands, words, goals))


def reached(
    network: str, optimizer: str, regime: str, goals: tuple[str, ...], *, keep: str = "", more: str = ""
) -> Reached:
    """What is found in an installation without packs. `keep` is the body of a rule to keep."""
    owner = NAMES.get(optimizer, optimizer)
    rule = f"rule given for {owner} {{ {keep} }}"
    workspace, reporter = load_text(renamed(MORE) + more + rule, "more.scale"), Reporter()
    network_ref, rule_ref = (parse_ref(Source("name", name)) for name in (NAMES.get(network, network), "given"))
    subject = Chooser(workspace, reporter).subject(rule_ref, network_ref, (owner,))
    growth = resolve_regime(workspace, parse_regime(Source("regime", regime)), reporter)
    assert growth is not None
    return reach(problem_of(subject.program, subject.rule, subject.optimizers, growth), goals)


def exponents(found: Reached) -> Mapping[Lever, Fraction]:
    """The exponent of every lever in the one scale of a regime."""
    growth = found.problem.regime
    return {lever: growth.exponent(order).exponent("s") for lever, order in found.solution.orders.items()}


def solved(network: str, optimizer: str, regime: str) -> Mapping[Lever, Fraction]:
    return exponents(reached(network, optimizer, regime, ("stable_training", "nontrivial", "maximal_update")))


def planned(text: str, network: str, base: str, folder: Path, more: str = "") -> Plan:
    """The plan of a derived rule, from its text alone and the file that it uses."""
    (folder / "more.scale").write_text(renamed(MORE) + more, encoding="utf-8")
    workspace = load_text(text, "derived.scale", folder)
    return plan(workspace, Operands("derived", NAMES.get(network, network)), PlanRequest((), base))
