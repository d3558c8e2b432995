"""Adapters and sparse weights: derived rules against the papers' tables, in order on every tensor.

No rule pack is installed, and networks, sizes and optimizers have other names than in the packs.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from scalec.check.goals import DEFAULT
from scalec.derive.reach import Reached
from tests.derive.bare import bare, derived_text, planned, reached
from tests.papers.modifiers import SUPAR, Powers, lora_mup, lora_plus
from tests.papers.test_modifiers import GPT
from tests.planning import order

__all__ = ["bare"]

MORE = """
dim dicht
dim rang
network duenn extends schwan { dims dicht  sparse(density = dicht, on = [attention, mlp]) }
network zusatz extends schwan { dims rang  lora(rank = rang, on = [attention.q, attention.v]) }
regime duenner { dicht ~ 1/s }
regime rang_waechst { rang ~ s }
regime beide { Breite ~ s;  rang ~ s }
"""
KEPT = """
tensor *      { frozen = yes }
tensor lora   { frozen = no }
tensor lora.b { init = zero }
site lora { scale ~ 1/rank }
"""
ADAPTERS = {f"block.attention.{t}.lora.{c}": c for t in "qv" for c in "ab"}


def exponent(found: Reached, path: str, attribute: str, dimension: str) -> Fraction:
    [power] = [o.exponent(dimension) for (p, a), o in found.solution.orders.items() if (p, a) == (path, attribute)]
    return power


def differences(
    found: Reached, columns: Mapping[str, str], table: Mapping[str, Powers], sizes: Mapping[str, str]
) -> dict[str, tuple[Fraction, Fraction]]:
    """What is found and what the paper says, where they differ. `sizes`: what the paper calls what grows."""
    known = {(path, attribute) for path, attribute in found.solution.orders if attribute in ("init.std", "lr", "eps")}
    return {
        f"{path}.{attribute} in {own}": (got, wanted)
        for path, column in columns.items()
        for attribute, powers in table[column].items()
        if (path, attribute) in known
        for paper, own in sizes.items()
        if (got := exponent(found, path, attribute, own)) != (wanted := Fraction(powers.get(paper, 0)))
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize(
    ("regime", "sizes"),
    [
        ("duenner", {"rho": "dicht"}),
        ("wachsen", {"N": "Breite"}),
        ("wachsen + duenner", {"N": "Breite", "rho": "dicht"}),
    ],
)
def test_the_density_of_weights_is_found_again(optimizer: str, regime: str, sizes: dict[str, str], bare: Path) -> None:
    """arXiv:2405.15743, init and rates. Of decay it has one number for all, which a derivation does not."""
    found = reached("duenn", optimizer, regime, DEFAULT, more=MORE)
    assert found.problem.changes == ()
    assert differences(found, GPT, SUPAR, sizes) == {}


@pytest.mark.slow
def test_what_is_written_plans_as_the_paper_says(bare: Path, tmp_path: Path) -> None:
    text = derived_text("duenn", "adamw", "wachsen + duenner", more=MORE)
    made = planned(text, "duenn", "Breite=64,Tiefe=2,dicht=1/2", tmp_path, MORE)
    for path, column in GPT.items():
        for attribute in SUPAR[column].keys() & {"init.std", "lr", "eps"}:
            wanted = SUPAR[column][attribute]
            got = {n: order(made, f"{path}.{attribute}", n) for n in ("Breite", "dicht")}
            assert got == {"Breite": wanted.get("N", 0), "dicht": wanted.get("rho", 0)}, (path, attribute)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize(
    ("regime", "sizes", "table"),
    [
        ("wachsen", {"N": "Breite"}, lora_mup(Fraction(1))),
        ("rang_waechst", {"r": "rang"}, lora_mup(Fraction(1))),
    ],
)
def test_adapters_have_two_learning_rates(
    optimizer: str, regime: str, sizes: dict[str, str], table: Mapping[str, Powers], bare: Path
) -> None:
    """A reads the stream as a readout does, with a rate of 1/width; B writes as an input does, with one that stays."""
    found = reached("zusatz", optimizer, regime, DEFAULT, keep=KEPT, more=MORE)
    assert differences(found, ADAPTERS, table, sizes) == {}


@pytest.mark.slow
def test_a_rank_that_grows_with_the_width_lets_a_start_as_a_matrix(bare: Path) -> None:
    """The initial spread that arXiv:2402.12354 has, 1/sqrt(width), is right there, and its two rates are."""
    found = reached("zusatz", "adamw", "beide", DEFAULT, keep=KEPT, more=MORE)
    growth = found.problem.regime
    for path, column in ADAPTERS.items():
        for attribute, powers in lora_plus(Fraction(1))[column].items():
            got = [o for (p, a), o in found.solution.orders.items() if (p, a) == (path, attribute)]
            assert all(growth.exponent(o).exponent("s") == sum(powers.values()) for o in got), (path, attribute)
            assert got or (column, attribute) == ("b", "init.std")


@pytest.mark.slow
def test_another_table_is_seen_to_differ(bare: Path) -> None:
    found = reached("zusatz", "adamw", "wachsen", DEFAULT, keep=KEPT, more=MORE)
    assert set(differences(found, ADAPTERS, lora_plus(Fraction(1)), {"N": "Breite"})) == {
        f"block.attention.{t}.lora.a.init.std in Breite" for t in "qv"
    }
