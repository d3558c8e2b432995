"""`law` and `solves`: what an attribute has to be for a law to hold, and what is said where that is no one thing."""

from __future__ import annotations

import pytest

from scalec.emit.why import why
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from tests.planning import diagnostics, law, quantity, said, value, workspace

LAWS = """
law gain = sqrt(lr/wd)*fan_in^(3/4) fit cite arXiv:2510.15262 "a fit"
law lost = lr/wd*fan_in^(3/4)
law timescale = 1/(lr*wd)
law memory = batch/(1 - beta2)
law halved = gain/2
law small = eps + lr
law both = eps*lr
"""
BASE = "base N = 64, L = 2, batch = 512"
HIDDEN = "block.mlp.up"


def planned(body: str, at: str = "N=256", laws: str = LAWS, parent: str = "mup") -> Plan:
    text = f"{laws} rule mine extends {parent} {{ {BASE}  {body} }}"
    return plan(workspace(text), Operands("mine", "gpt", "adamw"), PlanRequest((at,)))


# ---- what comes out ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("tensor matrix { wd solves gain ~ 1 }", "sqrt(m_N)"),
        ("tensor matrix { wd solves lost ~ 1 }", "1/m_N^(1/4)"),  # what no mirror says, and nothing fits
        ("tensor matrix { wd solves halved ~ 1 }", "sqrt(m_N)"),
        ("tensor matrix { wd solves gain ~ fan_in^(1/4) }", "1"),
        ("tensor matrix { wd solves timescale ~ 1 }", "m_N"),
        ("tensor matrix { lr ~ 1;  wd solves gain ~ 1 }", "m_N^(3/2)"),
        ("tensor matrix { wd solves gain ~ 1 }  tensor matrix { lr ~ 1/sqrt(fan_in) }", "m_N"),
        ("run { lr ~ 1/N }  tensor matrix { wd solves gain ~ 1 }", "1/sqrt(m_N)"),
        ("tensor matrix { wd solves gain ~ 1;  wd *~ fan_in;  wd *= 3 }", "m_N^(3/2)"),
        ("tensor matrix { wd solves gain ~ 1;  wd ~ 1/fan_in }", "1/m_N"),
        ("tensor matrix { wd solves gain ~ 1;  wd = 1/8 }", "1"),
        ("tensor matrix { wd solves gain ~ 1;  lr solves timescale ~ 1 }", "m_N^(3/4)"),
        ("tensor matrix { wd = 0;  wd solves gain ~ 1 }", "1"),
    ],
)
def test_the_law_that_lets_another_hold(body: str, expected: str) -> None:
    assert law(planned(body), f"{HIDDEN}.wd") == expected


def test_sums_are_solved_together_with_products() -> None:
    """A sum and a product of two that move as `m` and `m^2`: both as `m`, and not the one as the other's share."""
    body = "lr solves small ~ fan_in;  eps solves both ~ fan_in^2;  wd solves gain ~ 1"
    made = planned(f"run {{ lr = 1/4;  eps = 1/8;  wd = 1/2 }}  tensor matrix {{ {body} }}")
    found = [value(made, f"{HIDDEN}.{name}") for name in ("lr", "eps", "wd")]
    assert found == pytest.approx([4 / 4, 4 / 8, 4 * 4**1.5 / 2])


def test_the_anchor_stays() -> None:
    made = planned("run { wd = 1/4 }  tensor matrix { wd *= 3;  wd solves gain ~ 1 }")
    assert value(made, f"{HIDDEN}.wd") == 3 * (1 / 4) * 2


def test_each_tensor_has_its_own_solution() -> None:
    made = planned("tensor matrix, output { wd solves gain ~ 1 }", "N=256,F=512")
    assert [law(made, f"{p}.wd") for p in (HIDDEN, "block.mlp.down", "readout")] == [
        "sqrt(m_N)",
        "sqrt(m_F)",
        "sqrt(m_N)",
    ]


def test_a_distance_from_one_can_be_solved_for() -> None:
    made = planned("run { beta2 = 0.99 }  tensor * { beta2 solves memory ~ 1 }", "N=64,batch=2048")
    assert value(made, f"{HIDDEN}.beta2") == pytest.approx(1 - 0.04)


def test_sites_and_the_run_solve_too() -> None:
    laws = "law spread = scale*sqrt(depth)  law decay = wd*lr*batch"
    made = planned(
        "site residual { scale solves spread ~ 1 }  run { wd solves decay ~ 1;  lr ~ N }", "N=128,L=8,batch=1024", laws
    )
    assert law(made, "block.residual.mlp.scale") == "1/sqrt(m_L)"
    assert law(made, "run.wd") == "1/(m_N*m_batch)"


def test_of_two_roots_the_one_that_starts_at_the_base() -> None:
    made = planned("run { wd = 1/4 }  tensor matrix { wd = 1/4;  wd solves even ~ 1 }", laws="law even = wd + 1/wd")
    assert value(made, f"{HIDDEN}.wd") == pytest.approx(1 / 4)


# ---- where it comes from -----------------------------------------------------------------------
def test_the_law_and_what_it_reads_are_told() -> None:
    text = why(planned("tensor matrix { wd solves halved ~ 1 }"), f"{HIDDEN}.wd")
    assert "by mine: tensor matrix { wd solves halved ~ 1 }" in text
    assert "law halved = gain/2  (t.scale:8)" in text
    assert 'law gain = sqrt(lr/wd)*fan_in^(3/4) fit cite arXiv:2510.15262 "a fit"  (t.scale:4)' in text
    assert "with mup: tensor matrix, output { lr ~ 1/fan_in }" in text
    assert "empirical: gain, fitted and not proved" in text


def test_what_hangs_on_a_fit_is_known() -> None:
    made = planned("tensor matrix { wd solves halved ~ 1 }  tensor output { wd solves timescale ~ 1 }")
    assert [made.fits(quantity(made, f"{p}.wd")) != () for p in (HIDDEN, "readout", "embed")] == [True, False, False]
    assert [found.name for found in made.fitted] == ["gain"]


def test_what_is_solved_with_a_fitted_rate_is_fitted() -> None:
    laws = f"{LAWS} law guess = 1/sqrt(N) fit"
    made = planned("tensor matrix { lr ~ guess;  wd solves timescale ~ 1 }", laws=laws)
    assert law(made, f"{HIDDEN}.wd") == "sqrt(m_N)"
    assert [found.name for found in made.fits(quantity(made, f"{HIDDEN}.wd"))] == ["guess"]


# ---- a law by name -----------------------------------------------------------------------------
def test_a_law_is_a_name_for_a_formula() -> None:
    laws = "law narrow = fan_out/fan_in  law deep = narrow/sqrt(depth)"
    made = planned("tensor matrix { lr ~ deep }  tensor matrix where narrow > 1 { lr *= 5 }", "N=128,L=8,F=1024", laws)
    assert law(made, f"{HIDDEN}.lr") == law(
        planned("tensor matrix { lr ~ fan_out/fan_in/sqrt(depth) }"), f"{HIDDEN}.lr"
    )
    assert value(made, f"{HIDDEN}.lr") == pytest.approx(1e-3 * 5 * 4 / 2 / 2)


def test_a_law_that_is_a_sum_is_no_law_of_an_attribute() -> None:
    (found,) = said(lambda: planned("tensor matrix { lr ~ both }", laws="law both = N + L"))
    assert found.startswith("SC302")


# ---- values of the run -------------------------------------------------------------------------
OF_THE_RUN = """
law noise = lr/sqrt(run.batch)
law reach = lr*wd*tokens/batch
law pair = lr/wd
"""
STARTS = "run { tokens = 1000*N;  lr = 1/8;  wd = 1/2;  batch = 512 }"


def of_run(body: str, parent: str = "mup", optimizer: str = "adamw") -> Plan:
    text = f"{OF_THE_RUN} rule mine extends {parent} {{ base N = 64, L = 2  {STARTS}  {body} }}"
    return plan(workspace(f"use std.muon_mup\n{text}"), Operands("mine", "gpt", optimizer), PlanRequest(("N=1024",)))


def test_values_of_the_run_are_solved_together() -> None:
    """Each equation reads what the other is for: a memory in tokens that stays, and noise that stays."""
    made = of_run("run { lr solves noise ~ 1;  batch solves reach ~ 1;  wd ~ tokens^(-1/2) }")
    assert [value(made, f"run.{n}") for n in ("lr", "wd", "batch")] == pytest.approx([4 / 8, 1 / 8, 512 * 16])
    lines = why(made, "run.batch")
    assert "run { batch solves reach ~ 1 }" in lines
    assert "with mine: run { lr solves noise ~ 1 }" in lines
    assert value(made, "run.steps") == pytest.approx(16 * 64000 / (512 * 16))


def test_each_optimizer_has_its_own_solution() -> None:
    """Muon's rate is said, so that its decay follows; AdamW's two are solved together."""
    body = "run { lr solves reach ~ 1;  wd solves pair ~ 1 }  for muon { run { lr ~ 1 } }"
    made = of_run(body, "muon_mup", "muon + adamw")
    found = {f"{o}.{n}": value(made, f"run.{o}.{n}") for o in ("muon", "adamw") for n in ("lr", "wd")}
    assert found == pytest.approx({"muon.lr": 1 / 8, "muon.wd": 1 / 2, "adamw.lr": 1 / 32, "adamw.wd": 1 / 8})


@pytest.mark.parametrize(
    ("body", "parent", "optimizer", "message"),
    [
        ("run { lr solves noise ~ 1;  batch = 512*lr }", "mup", "adamw", "SC204 `lr` of the run is made of itself"),
        ("run { lr solves reach ~ 1;  wd solves reach ~ 1 }", "mup", "adamw",
         "SC414 `lr solves reach ~ 1` and `wd solves reach ~ 1` has many solutions"),
        ("run { lr solves noise ~ 1;  batch solves reach ~ 1 }", "muon_mup", "muon + adamw",
         "SC414 `lr` and `batch` of the run are solved together, but `muon` and `adamw` have `lr` each for itself"),
    ],
)  # fmt: skip
def test_values_of_the_run_that_make_no_one_run(body: str, parent: str, optimizer: str, message: str) -> None:
    assert said(lambda: of_run(body, parent, optimizer)) == [message]


# ---- nothing, or several -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "laws", "message", "note"),
    [
        ("eps solves gain ~ 1", LAWS, "has no solution", "`gain` moves as `1/m_N^(1/4)`, and is to move as `1`"),
        ("eps solves timescale ~ 1", LAWS, "has many solutions", "it holds whatever `eps` is"),
        ("wd solves even ~ 1", "law even = wd + 1/wd + sqrt(wd)", "is not solved", "`even` moves as"),
        ("wd solves odd ~ 1", "law odd = lr - lr", "means nothing here", "zero is raised to a power"),
    ],
)
def test_no_one_solution(body: str, laws: str, message: str, note: str) -> None:
    found = diagnostics(lambda: planned(f"tensor matrix {{ {body} }}", laws=laws))
    assert {d.code.id for d in found} == {"SC414"}
    assert found[0].message == f"`{body}` {message}"
    assert note in found[0].notes[0]
    assert found[0].labels[0][1] == "the law"


def test_several_are_shown() -> None:
    """Two roots part at the base, `m + sqrt(m^2 - 1)` and `m - sqrt(m^2 - 1)` of it."""
    body = "run { wd = 1 }  tensor mlp.up { wd solves even ~ fan_in }"
    (found,) = diagnostics(lambda: planned(body, laws="law even = wd + 1/wd"))
    assert found.message == "`wd solves even ~ fan_in` has several solutions"
    assert len([n for n in found.notes if n.startswith("`wd ~ ")]) == 2


@pytest.mark.parametrize(
    ("laws", "body", "messages"),
    [
        ("", "wd solves gian ~ 1", ["SC201 unknown law `gian`"]),
        (LAWS, "init solves gain ~ 1", ["SC208 `init` is a word, and no law makes one"]),
        (LAWS, "wdd solves gain ~ 1", ["SC208 a tensor has no attribute `wdd`"]),
        ("law a = b*lr  law b = 1/a", "wd solves a ~ 1", ["SC204 law `a` is made of itself"]),
        ("law N = lr", "wd solves N ~ 1", ["SC202 law `N` has the name of a dimension"]),
        ("law depth = lr", "wd solves depth ~ 1", ["SC202 law `depth` has the name of the language"]),
        ("law g = lr*heads", "wd solves g ~ 1", ["SC301 `heads` is no size here"]),
    ],
)
def test_words_that_mean_nothing(laws: str, body: str, messages: list[str]) -> None:
    assert said(lambda: planned(f"tensor mlp.up {{ {body} }}", laws=laws)) == messages


def test_laws_that_double_are_an_error_and_no_hang() -> None:
    laws = "law a0 = fan_in  " + "  ".join(f"law a{i} = a{i - 1}*a{i - 1}" for i in range(1, 60))
    assert [m[:5] for m in said(lambda: planned("tensor matrix { lr ~ a59 }", laws=laws))] == ["SC102"]
