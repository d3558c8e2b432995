"""Derived rules against the tables of the papers, typed by hand: in order, on every tensor.

No rule pack is installed, and networks, sizes, optimizers and regimes have other names than in the packs.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from scalec.derive.problem import Lever
from scalec.plan.model import Plan
from tests.derive.bare import NAMES, bare, derived_text, path_of, planned, solved
from tests.papers import mssp, spectral
from tests.papers.columns import COLUMNS, HALF, Entries, Power, power, shape, widths
from tests.papers.depth import completed_p, depth_mup
from tests.papers.mup_forms import decay_of_table3
from tests.papers.mup_table3 import ADAM_EPS, MUP, in_width
from tests.planning import order

__all__ = ["bare"]

N, L, H = NAMES["N"], NAMES["L"], NAMES["H"]


def table3(optimizer: str, column: str) -> Entries:
    """Table 3 of arXiv:2203.03466, epsilon of arXiv:2308.01814, decay per step that stays."""
    known = "input" if shape(column) == "vector" else shape(column)
    found = {"lr": in_width(MUP[known]["sgd_lr" if optimizer == "sgd" else "adam_lr"], known)}
    if shape(column) != "vector":
        found["init.std"] = in_width(MUP[known]["init_variance"], known) / 2
    if optimizer != "sgd":
        found["eps"] = ADAM_EPS[known]
    if optimizer != "adam":
        found["wd"] = decay_of_table3(optimizer, known)
    return widths(found)


def spectral_condition(_: str, column: str) -> Entries:
    """arXiv:2310.17813: updates of spectral norm sqrt(n_out/n_in), by an optimizer whose updates have norm 1.

    Of a gain, a diagonal of ones, it says nothing.
    """
    if shape(column) == "vector":
        return {}
    n_in, n_out = spectral.SHAPES[shape(column)]
    return widths({"lr": HALF * (n_out - n_in), "init.std": spectral.std(n_in, n_out)})


def completed(_: str, column: str) -> Entries:
    """arXiv:2512.22382; the epsilon it prints for the last norm's gain is refuted by the check of its own pack."""
    found = completed_p(Fraction(1))[column]
    return found | {"eps": power(-1)} if column == "gain" else found


Table = Callable[[str, str], Entries]
CASES: list[tuple[str, str, str, Table]] = [
    *((network, optimizer, "width", table3) for network in ("mlp", "gpt") for optimizer in ("sgd", "adam", "adamw")),
    ("mlp", "muonlike", "width", spectral_condition),
    ("gpt", "adamw", "width + depth", completed),
    ("gpt", "adamw", "head_dim", table3),
]


def differences(made: Plan, network: str, optimizer: str, table: Table) -> dict[str, tuple[Power, Power]]:
    """What the derived rule says and what the paper says, where they differ."""
    found = {}
    for tensor, column in COLUMNS[network].items():
        for name, wanted in table(optimizer, column).items():
            said = f"{path_of(tensor)}.{name}"
            got = power(order(made, said, N), order(made, said, L))
            if got != wanted:
                found[said] = got, wanted
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("network", "optimizer", "regime", "table"), CASES)
def test_a_table_is_found_again(
    network: str, optimizer: str, regime: str, table: Table, bare: Path, tmp_path: Path
) -> None:
    text = derived_text(network, optimizer, regime)
    made = planned(text, network, f"{N}=64" + (f",{L}=2" if network == "gpt" else ""), tmp_path)
    assert set(made.tensor) == {path_of(tensor) for tensor in COLUMNS[network]}
    assert differences(made, network, optimizer, table) == {}


# How N, M and the width of an expert grow in the regimes of arXiv:2605.14200.
GROWTH = {"fixed_experts": (1, 0, 1), "fine_grained": (1, 1, 0), "proportional": (1, 1, 1)}
MOE = [("adam", "fixed_experts"), ("adam", "fine_grained"), ("adam", "proportional"), ("sgd", "fixed_experts")]


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "regime"), MOE)
def test_the_table_of_experts_is_found_again(optimizer: str, regime: str, bare: Path) -> None:
    """The columns of muP: the sum over experts is divided by their number, and an expert is not spectral."""
    found = solved("moe_mlp", optimizer, regime)

    def exponent(power: mssp.Power) -> Fraction:
        return sum(
            (Fraction(e) * g for e, g in zip((power.N, power.M, power.E), GROWTH[regime], strict=True)), Fraction(0)
        )

    for tensor, row in mssp.MUP[regime].items():
        wanted = {"init.std": row.std, "lr": row.sgd_lr if optimizer == "sgd" else row.adam_lr}
        wanted |= {"eps": row.adam_eps} if optimizer == "adam" else {}
        assert {name: found[Lever(tensor, name)] for name in wanted} == {n: exponent(p) for n, p in wanted.items()}, (
            tensor
        )
    assert found[Lever("moe.combine", "scale")] == -GROWTH[regime][1]


def test_another_table_is_seen_to_differ(bare: Path, tmp_path: Path) -> None:
    made = planned(derived_text("mlp", "sgd", "width"), "mlp", f"{N}=64", tmp_path)
    assert len(differences(made, "mlp", "sgd", lambda _, c: {"lr": table3("adam", c)["lr"]})) == 3


@pytest.mark.slow
def test_attention_is_divided_by_the_head_dimension(bare: Path, tmp_path: Path) -> None:
    made = planned(derived_text("gpt", "adamw", "head_dim"), "gpt", f"{N}=64,{L}=2,{H}=4", tmp_path)
    assert order(made, "block.attention.logits.scale", N) == -1


def test_branches_are_divided_by_depth_and_rates_are_free_of_it(bare: Path, tmp_path: Path) -> None:
    made = planned(derived_text("gpt", "adamw", "depth"), "gpt", f"{N}=64,{L}=2", tmp_path)
    for kind in ("attention", "mlp"):
        assert order(made, f"block.residual.{kind}.scale", L) == -1
    assert {order(made, f"{t}.lr", L) for t in made.tensor} == {0}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_factor_of_depth_mup_gives_its_rates(optimizer: str, bare: Path, tmp_path: Path) -> None:
    keep = f"site residual {{ scale = 1/sqrt({L}) }}"
    text = derived_text("resmlp", optimizer, "width + depth", keep=keep)
    given = f"rule given for {NAMES.get(optimizer, optimizer)} {{ {keep} }}"
    made = planned(text, "resmlp", f"{N}=64,{L}=2", tmp_path, given)
    assert differences(made, "resmlp", optimizer, depth_mup) == {}
