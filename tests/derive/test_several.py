"""Rules for several optimizers at once: matrices orthogonalised, the rest normalised entry by entry.

No rule pack is installed, and networks, sizes and optimizers have other names than in the packs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.diagnostics import ScalecError
from tests.derive.bare import NAMES, bare, derived_text, path_of, planned
from tests.papers import muon
from tests.papers.columns import COLUMNS, power
from tests.planning import order

__all__ = ["bare"]

TEAM = "drei + eins"  # what orthogonalises, and what normalises
OWNERS = "tensor * { optimizer = eins }  tensor matrix { optimizer = drei }"
GIVEN = f"rule given {{ {OWNERS} }}"


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "gpt"])
def test_each_optimizer_has_its_own_laws(network: str, bare: Path, tmp_path: Path) -> None:
    """Muon under the spectral condition on matrices, table 3 of arXiv:2203.03466 on the rest."""
    text = derived_text(network, TEAM, "width", keep=OWNERS)
    made = planned(
        text, network, f"{NAMES['N']}=64" + (f",{NAMES['L']}=2" if network == "gpt" else ""), tmp_path, GIVEN
    )
    for tensor, column in COLUMNS[network].items():
        for name, wanted in muon.entries("muon + adamw", column).items():
            said = f"{path_of(tensor)}.{name}"
            assert power(order(made, said, NAMES["N"]), order(made, said, NAMES["L"])) == wanted, said
    owners = {path: t.optimizer for path, t in made.tensor.items()}
    assert set(owners.values()) == {"drei", "eins"}


def test_whose_is_what_is_asked_for(bare: Path) -> None:
    with pytest.raises(ScalecError) as raised:
        derived_text("mlp", TEAM, "width")
    [found] = raised.value.diagnostics
    assert found.code.id == "SC210"
    assert "nothing says which tensors are whose of `drei` and `eins`" in found.message


@pytest.mark.slow
def test_an_expert_is_not_spectral_and_the_reason_says_so(bare: Path) -> None:
    """Many narrow experts: a matrix from N to a fixed width starts at 1/sqrt(N), not at the spectral 1/N."""
    text = derived_text("moe_mlp", "adam", "fine_grained")
    [reason] = [line for line in text.splitlines() if "not spectral" in line]
    assert "init.std ~ 1/sqrt(fan_in)" in reason
    assert "moe.up is not spectral: it is seen in the sum over copies, where one of them meets its own weight" in reason
    assert "not spectral" not in derived_text("moe_mlp", "adam", "fixed_experts")  # few experts: as any matrix
    assert "not spectral" not in derived_text("mlp", "adam", "width")
