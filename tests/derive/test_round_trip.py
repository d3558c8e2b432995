"""Derived, printed, read back, checked, and proved equal to the pack of the paper: as functions of every free size."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.deriving import Asked, derive_rule
from scalec.diagnostics import ScalecError
from scalec.gauging import equivalence
from scalec.operands import Operands
from scalec.pipeline import run_checks
from scalec.resolve.load import load_text

PACKS = "".join(f"use std.{p}\n" for p in ("mup", "completed_p", "supar", "lora", "muon_mup"))
# What a derivation leaves to a convention is kept as the packs have it; one epsilon of a paper is refuted by its pack.
TEXT = f"""{PACKS}
rule decay     {{ tensor * {{ wd ~ 1 }} }}
rule split     {{ tensor * {{ optimizer = adamw }}  tensor matrix {{ optimizer = muon }} }}
rule corrected extends completed_p {{ tensor norm.gain not in repeat {{ eps ~ 1/fan_out }} }}
rule adapter {{
  tensor *      {{ frozen = yes }}
  tensor lora   {{ frozen = no }}
  tensor lora.b {{ init = zero }}
  site lora {{ scale ~ 1/rank }}
}}
network attend {{ dims N, H  fixed D = 64, C = 10  input(D) linear(N) attention(heads = H) readout(C) }}
regime longer {{ N ~ s;  H ~ 1 }}
"""
# Network, optimizers, regime, what is kept, the pack.
CASES = [
    ("mlp", "sgd", "width", None, "mup"),
    ("mlp", "adam", "width", "decay", "mup"),
    ("mlp", "adamw", "width", None, "mup_table8"),
    ("gpt", "adamw", "head_dim", None, "mup"),
    ("gpt", "adamw", "head_dim + depth", None, "corrected"),
    ("sparse_gpt", "adamw", "head_dim + sparser", "decay", "supar"),
    ("mlp", "muon + adamw", "width", "split", "muon_mup"),
    ("attend", "sgd", "longer", None, "mup"),
    ("attend", "adamw", "longer", None, "mup"),
]


def said(network: str, team: str, text: str, pack: str, folder: Path) -> str:
    """What `equiv` says of a printed rule and a pack."""
    (folder / "case.scale").write_text(TEXT, encoding="utf-8")
    derived = load_text(text, "derived.scale", folder)
    theirs = load_text(TEXT + "use std.mup_table8\n", "case.scale", folder)
    return equivalence((derived, Operands("derived", network, team)), (theirs, Operands(pack, network, team)))


def printed(network: str, team: str, regime: str, keep: str | None) -> str:
    return derive_rule(load_text(TEXT, "case.scale"), Asked(Operands(keep, network, team), regime))


@pytest.mark.slow
@pytest.mark.parametrize(("network", "team", "regime", "keep", "pack"), CASES)
def test_what_is_derived_is_the_pack(
    network: str, team: str, regime: str, keep: str | None, pack: str, tmp_path: Path
) -> None:
    text = printed(network, team, regime, keep)
    assert f"derived and {pack} are the same rule" in said(network, team, text, pack, tmp_path)
    runs = list(run_checks(load_text(text, "derived.scale", tmp_path)))
    assert runs
    assert [d.message for run in runs for d in run.diagnostics] == []


ADAPTERS = [("width", "lora_mup", "lora_plus"), ("rank", "lora_mup", "mu_a"), ("wide_rank", "lora_plus", "lora_mup")]


@pytest.mark.slow
@pytest.mark.parametrize(("regime", "pack", "other"), ADAPTERS)
def test_in_its_regime_a_derived_rule_of_adapters_is_the_pack(
    regime: str, pack: str, other: str, tmp_path: Path
) -> None:
    """Of the packs' rules none is for width and rank apart: what A starts at hangs on which of them is larger."""
    text = printed("lora_gpt", "adamw", regime, "adapter")
    (tmp_path / "case.scale").write_text(TEXT, encoding="utf-8")
    ours = load_text(text, "derived.scale", tmp_path), Operands("derived", "lora_gpt", "adamw")
    theirs, another = ((load_text(TEXT, "case.scale"), Operands(name, "lora_gpt", "adamw")) for name in (pack, other))
    assert equivalence(ours, theirs, regime=regime) == (
        f"derived and {pack} are the same rule on lora_gpt for adamw under {regime}, in all orders\n"
    )
    with pytest.raises(ScalecError, match="different rules on lora_gpt"):
        equivalence(ours, another, regime=regime)
    runs = list(run_checks(load_text(text, "derived.scale", tmp_path)))
    assert [d.message for run in runs for d in run.diagnostics] == []


@pytest.mark.slow
def test_of_width_and_rank_apart_one_rule_is_all_three(tmp_path: Path) -> None:
    """Which of them is larger decides what A starts at: the smaller of two laws, each of which is a pack's."""
    text = printed("lora_gpt", "adamw", "width + rank", "adapter")
    assert "tensor lora.a { init.std *~ min(1, sqrt(fan_out)/sqrt(fan_in)) }" in text
    (tmp_path / "case.scale").write_text(TEXT, encoding="utf-8")
    ours = load_text(text, "derived.scale", tmp_path), Operands("derived", "lora_gpt", "adamw")
    for regime, pack, other in ADAPTERS:
        theirs, another = ((load_text(TEXT, "case.scale"), Operands(n, "lora_gpt", "adamw")) for n in (pack, other))
        assert "are the same rule" in equivalence(ours, theirs, regime=regime), regime
        with pytest.raises(ScalecError, match="different rules on lora_gpt"):
            equivalence(ours, another, regime=regime)
    runs = list(run_checks(load_text(text, "derived.scale", tmp_path)))
    assert [d.message for run in runs for d in run.diagnostics] == []


EXPERTS = [("sgd", None), ("adam", "decay")]


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "keep"), EXPERTS)
@pytest.mark.parametrize("regime", ["fixed_experts", "fine_grained", "proportional"])
def test_in_its_regime_a_derived_rule_of_experts_is_the_pack(regime: str, optimizer: str, keep: str | None) -> None:
    """Laws are of one regime there, as the paper's changes of structure are: orders are compared under it."""
    text = TEXT + "use std.mssp\n"
    goals = ("maximal_scale_stability", "maximal_update")
    asked = Asked(Operands(keep, "moe_mlp", optimizer), regime, goals)
    written = derive_rule(load_text(text, "case.scale"), asked).replace('use "./case.scale"\n', "")
    ours = load_text(text + written, "case.scale"), Operands("derived", "moe_mlp", optimizer)
    theirs, mup = (
        (load_text(text, "case.scale"), Operands(name, "moe_mlp", optimizer)) for name in ("mssp", "moe_mup")
    )
    assert equivalence(ours, theirs, regime=regime) == (
        f"derived and mssp are the same rule on moe_mlp for {optimizer} under {regime}, in all orders\n"
    )
    with pytest.raises(ScalecError, match="different rules on moe_mlp"):
        equivalence(ours, mup, regime=regime)


def test_another_pack_is_seen_to_differ(tmp_path: Path) -> None:
    text = printed("mlp", "adam", "width", None)
    with pytest.raises(ScalecError) as raised:
        said("mlp", "adam", text, "mup", tmp_path)
    [found] = raised.value.diagnostics
    assert "`wd` of `hidden`" in "\n".join((found.message, *found.notes))
