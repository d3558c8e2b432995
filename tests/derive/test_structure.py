"""Where scale alone does not do: the structural changes that a derivation makes, against the table of a paper.

No rule pack is installed, and networks, sizes and optimizers have other names than in the packs.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from scalec.check.goals import DEFAULT
from scalec.derive.problem import Change, Lever
from scalec.derive.reach import Reached
from scalec.derive.structural import AT_THE_SUM, FROZEN, PREFERENCE, SHARED, ZERO, cost
from scalec.diagnostics import ScalecError
from tests.derive.bare import bare, derived_text, exponents, reached
from tests.papers import mssp

__all__ = ["bare"]

GOALS = ("maximal_scale_stability", "maximal_update")
# How N, M and the width of an expert grow in the regimes of arXiv:2605.14200.
GROWTH = {"fixed_experts": (1, 0, 1), "fine_grained": (1, 1, 0), "proportional": (1, 1, 1)}


def exponent(power: mssp.Power, regime: str) -> Fraction:
    found = zip((power.N, power.M, power.E), GROWTH[regime], strict=True)
    return sum((Fraction(e) * g for e, g in found), Fraction(0))


def table(regime: str, optimizer: str) -> dict[Lever, Fraction]:
    """The paper's columns for MSSP as exponents: muP's, with a louder draw where there is one.

    A zero router and the readout, which starts at zero in all of the paper's runs, have no spread.
    """
    wanted = {}
    for tensor, row in mssp.MUP[regime].items():
        wanted[Lever(tensor, "lr")] = exponent(row.sgd_lr if optimizer == "sgd" else row.adam_lr, regime)
        if optimizer == "adam":
            wanted[Lever(tensor, "eps")] = exponent(row.adam_eps, regime)
        if tensor != "out" and tensor not in mssp.ZERO[regime]:
            wanted[Lever(tensor, "init.std")] = exponent(mssp.LOUDER[regime].get(tensor, row.std), regime)
    return wanted


def differences(found: Reached, regime: str, optimizer: str) -> dict[Lever, tuple[Fraction | None, Fraction]]:
    got = exponents(found)
    return {lever: (got.get(lever), w) for lever, w in table(regime, optimizer).items() if got.get(lever) != w}


def changes(found: Reached) -> dict[str, set[str]]:
    """The tensors changed, by what was done to them."""
    return {m.told[0]: {p for c in found.problem.changes if c.means is m for p in c.tensors} for m in PREFERENCE}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("regime", list(GROWTH))
def test_the_levers_of_the_paper_are_found_again(regime: str, optimizer: str, bare: Path) -> None:
    """A router at zero, a louder draw of what is summed, one draw for all experts: each in its own regime."""
    found = reached("moe_mlp", optimizer, regime, GOALS)
    assert differences(found, regime, optimizer) == {}
    assert changes(found) == {
        AT_THE_SUM.told[0]: set(mssp.LOUDER[regime]),
        SHARED.told[0]: set(mssp.SHARED[regime]),
        ZERO.told[0]: {"out", *mssp.ZERO[regime]},
        FROZEN.told[0]: set(),
    }
    assert exponents(found)[Lever("moe.combine", "scale")] == -GROWTH[regime][1]
    assert "init.std" not in {lever.attribute for lever in exponents(found) if lever.path == "out"}


@pytest.mark.slow
def test_another_table_is_seen_to_differ(bare: Path) -> None:
    found = reached("moe_mlp", "adam", "fine_grained", GOALS)
    assert Lever("moe.down", "init.std") in differences(found, "proportional", "adam")


@pytest.mark.slow
def test_what_was_tried_is_listed_with_what_it_takes(bare: Path) -> None:
    plain, taken, *others = reached("moe_mlp", "adam", "proportional", GOALS).tried
    assert not plain.reached
    assert taken.reached
    louder, mute = others
    assert {c.means for c in louder.changes} == {AT_THE_SUM, ZERO}
    assert "propagating term at `moe.out` grows" in louder.why
    assert [c.means for c in mute.changes] == [ZERO, ZERO]
    assert "absent" in mute.why  # nothing is ever learned behind two zeros


@pytest.mark.slow
@pytest.mark.parametrize("regime", list(GROWTH))
def test_the_text_says_it_and_stands_alone(regime: str, bare: Path, tmp_path: Path) -> None:
    text = derived_text("moe_mlp", "adam", regime, goals=GOALS)
    said = {"fixed_experts": "init = zero", "fine_grained": "sqrt(experts)", "proportional": "init.shared = expert"}
    assert said[regime] in text
    assert "# Scale alone does not reach that: `" in text
    assert "# Taken: `" in text


def test_no_change_is_made_where_scale_alone_does(bare: Path) -> None:
    found = reached("moe_mlp", "adam", "proportional", ("maximal_update",))
    assert found.problem.changes == ()
    assert found.tried == ()


# ---- forbidden -------------------------------------------------------------------------------
def notes(
    *said: str, goals: tuple[str, ...] = ("maximal_scale_stability",), regime: str = "fixed_experts",
    network: str = "moe_mlp", more: str = "",
) -> tuple[str, ...]:  # fmt: skip
    """What stands in each other's way."""
    with pytest.raises(ScalecError) as raised:
        reached(network, "adam", regime, goals, keep=" ".join(said), more=more)
    [found] = raised.value.diagnostics
    assert found.code.id == "SC517"
    return found.notes


@pytest.mark.slow
def test_a_router_that_has_to_be_drawn_is_against_scale_stability(bare: Path) -> None:
    """`init = normal` of what is kept forbids a zero, and nothing but that: its spread is still derived."""
    assert notes("tensor router { init = normal }") == (
        "these cannot hold together:",
        "`w_in`'s init term is of order 1 exactly (maximal_scale_stability)",
        "`w_in`'s effective term is of order 1 exactly (maximal_scale_stability)",
        "`moe.router`'s init term at `moe.logits` is of order 1 exactly (maximal_scale_stability)",
        "`moe.router`'s propagating term at `moe.logits` is of order 1 exactly (maximal_scale_stability)",
        "where `out` starts at zero",
    )


@pytest.mark.slow
def test_a_spread_that_is_given_forbids_zero_too(bare: Path) -> None:
    found = notes("tensor router { init = normal;  init.std = 1/fan_in }")
    assert "with `init.std` of `moe.router` as given" in found


TIED = """
network paired {
  dims  Breite
  fixed Woerter = 64, Lang = 16
  embed(vocabulary = Woerter, width = Breite)
  norm(layer)
  linear(Breite)
  act(relu)
  readout(Woerter, tied = yes)
}
"""


def paired(*said: str) -> tuple[str, ...]:
    return notes(*said, goals=DEFAULT, regime="wachsen", network="paired", more=TIED)


@pytest.mark.slow
def test_a_tied_embedding_without_factors_is_out_of_reach(bare: Path) -> None:
    """Table 3 has a rate for each of two tensors that are one here; a factor for one of its uses parts them."""
    first, *terms = paired()[:4]
    assert first == "these cannot hold together:"
    assert set(terms) == {
        "`linear`'s init term is at least of order 1 (stable_init)",
        "`embed`'s effective term is of order 1 exactly (maximal_update)",
        "`embed`'s effective term at `logits` is of order 1 exactly (maximal_update)",
    }
    found = reached("paired", "adam", "wachsen", DEFAULT, keep="tensor readout { scale ~ 1/fan_in }", more=TIED)
    assert exponents(found)[Lever("embed", "lr")] == exponents(found)[Lever("embed", "init.std")] == 0


@pytest.mark.slow
def test_freezing_is_named_and_never_done(bare: Path) -> None:
    frozen = "it is reached where `embed` is frozen (`frozen = yes` in a rule to keep); lost: the learning of `embed`"
    assert frozen in paired()
    assert not [note for note in paired("tensor embedding { frozen = no }") if "frozen" in note]


# ---- preference ------------------------------------------------------------------------------
def test_what_takes_least_comes_first() -> None:
    one = {means: Change(means, ("a",)) for means in PREFERENCE}
    ranked = sorted(PREFERENCE, key=lambda means: cost([one[means]]))
    assert tuple(ranked) == PREFERENCE == (AT_THE_SUM, SHARED, ZERO, FROZEN)
    assert cost([one[AT_THE_SUM], one[AT_THE_SUM]]) < cost([one[SHARED]]) < cost([one[ZERO], one[AT_THE_SUM]])
