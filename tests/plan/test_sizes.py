"""Sizes: what the user names, else the base, else the default; what is missing or does not fit."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.diagnostics import ScalecError
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.resolve.load import load_standard
from tests.planning import diagnostics, order, plan_of, said, value

GPT = "rule mine extends mup { base N = 64, L = 2 }"


def gpt(at: str, base: str | None = None) -> Plan:
    return plan_of(GPT, at, base=base, network="gpt", optimizer="adamw")


def sizes(at: str, base: str | None = None) -> dict[str, Fraction]:
    return dict(gpt(at, base).sizes[0])


@pytest.mark.parametrize(
    ("at", "base", "expected"),
    [
        ("N=128", None, {"N": 128, "L": 2, "H": 2, "F": 512}),
        ("N=128,L=5", None, {"N": 128, "L": 5, "H": 2, "F": 512}),
        ("N=128,H=4", None, {"N": 128, "L": 2, "H": 4, "F": 512}),
        ("N=128,V=256", None, {"N": 128, "V": 256}),
        ("N=128", "N=128,H=8", {"N": 128, "H": 8}),
        ("N=128,H=4", "H=8", {"H": 4}),
        ("", None, {"N": 64, "L": 2, "H": 1}),
        ("N=2^10", None, {"N": 1024, "H": 16}),
    ],
)
def test_a_size_is_named_or_the_base_or_the_default(at: str, base: str | None, expected: dict[str, int]) -> None:
    assert sizes(at, base).items() >= expected.items()


def test_the_command_overrides_the_base_of_the_rule() -> None:
    assert gpt("N=128").base["N"] == 64
    assert dict(gpt("N=128", "N=32").base) == {"N": 32, "L": 2, "H": Fraction(1, 2), "F": 128, "V": 256, "T": 128}


def test_a_base_for_dimensions_of_other_networks_is_left_out() -> None:
    plan = plan_of("rule mine extends mup { base N = 64, M = 8 }", "N=64")
    assert "M" not in plan.base


def test_a_named_dimension_is_freed_from_its_default() -> None:
    hidden = "block.mlp.down.lr"
    assert order(gpt("N=128"), hidden) == -1
    freed = gpt("N=128,F=256")
    assert (order(freed, hidden), order(freed, hidden, "F")) == (0, -1)
    assert value(freed, hidden) == 1e-3  # F stays at its base size, 4*64
    assert set(freed.freed) == {"N", "L", "F"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("N=96", "SC306 `heads` of `block.attention` is `H` = 3/2, not a positive integer"),
        ("N=128,H=3", "SC306 `head_dim` of `block.attention` is `N/H` = 128/3, not a positive integer"),
        ("N=0", "SC306 size `N` is 0; a size is positive"),
        ("N=-64", "SC306 size `N` is -64; a size is positive"),
        ("N=1/2", "SC306 a side of `embed` is `N` = 1/2, not a positive integer"),
        ("N=128,L=3/2", "SC306 `count` of `block` is `L` = 3/2, not a positive integer"),
        ("V=512", "SC305 `V` is fixed at 256 in network `gpt`, not 512"),
        ("M=4", "SC304 network `gpt` has no dimension `M`"),
        ("N=128,N=256", "SC305 `N` is given twice"),
        ("N", "SC305 `N` has no value"),
        ("N=sqrt(2)", "SC301 a rational number is needed here"),
        ("N=L", "SC301 `L` is no number"),
        ("N==3", "SC101 `==`"),
    ],
)
def test_sizes_that_do_not_fit_are_said(at: str, message: str) -> None:
    found = said(lambda: gpt(at))
    assert any(m.startswith(message) for m in found), found


def test_missing_sizes_are_listed_together() -> None:
    (found,) = diagnostics(lambda: plan_of("rule mine extends sp { }", "H=2", network="gpt", optimizer="adamw"))
    assert found.code.id == "SC304"
    assert found.message == "no size for `N`, `L`, `F`"
    assert found.helps == ("name it: `--at N=...,L=...,F=...`",)


def test_a_default_may_be_a_root_where_it_comes_out() -> None:
    text = """
    network net { dims N, H = sqrt(N)  input(8) linear(N) linear(H) readout(2) }
    rule mine extends sp { }
    """
    assert plan_of(text, "N=64", network="net").sizes[0]["H"] == 8
    (found,) = diagnostics(lambda: plan_of(text, "N=65", network="net"))
    assert found.message == "no size for `H`"
    assert found.notes == ("the default `sqrt(N)` of `H` gives none",)


def test_a_default_that_divides_by_zero_is_no_size() -> None:
    text = "network net { dims N, H = 1/(N - 64)  input(8) linear(H) readout(2) }  rule mine extends sp { }"
    assert said(lambda: plan_of(text, "N=64", network="net")) == ["SC304 no size for `H`"]


def test_every_size_asked_for_is_checked() -> None:
    found = said(lambda: plan_of(GPT, ("N=96", "N=128", "N=160"), network="gpt", optimizer="adamw"))
    assert [m[:5] for m in found] == ["SC306"] * 2  # `heads`, at two of the three


def test_without_a_size_the_plan_holds_formulas_alone() -> None:
    plan = plan_of(GPT, (), network="gpt", optimizer="adamw")
    assert plan.sizes == ()
    assert order(plan, "readout.lr") == -1


@pytest.mark.parametrize(
    ("at", "base", "place"),
    [
        (("N=64", "N=64,L=0"), "N=64", ("--at", 5, "L=0")),
        (("N=64,L=2",), "N=-1", ("--base", 0, "N=-1")),
        (("N=100",), "L=2,N=64", ("--at", 0, "N=100")),
    ],
)
def test_a_size_is_blamed_where_it_is_named(at: tuple[str, ...], base: str, place: tuple[str, int, str]) -> None:
    with pytest.raises(ScalecError) as raised:
        plan(load_standard(), Operands("mup", "gpt", "adamw"), PlanRequest(at, base))
    span = raised.value.diagnostics[0].span
    assert span is not None
    assert (span.source.name, span.start, span.text) == place


def test_the_defaults_behind_a_size_are_told() -> None:
    with pytest.raises(ScalecError) as raised:
        plan(load_standard(), Operands("mup", "gpt", "adamw"), PlanRequest(("N=200,L=1",), "N=64"))
    assert raised.value.diagnostics[0].notes == ("with H = N/64 = 25/8, N = 200",)


def test_a_letter_of_the_other_case_is_meant() -> None:
    found, *_ = diagnostics(lambda: plan_of("rule mine extends mup { base N = 64 }", "n=128"))
    assert (found.message, found.helps) == ("network `mlp` has no dimension `n`", ("did you mean `N`?",))


def test_a_density_beyond_1_is_said_where_it_was_named() -> None:
    text = "use std.supar\nrule mine extends supar { base N = 64, L = 2, rho = 1 }"
    (found,) = diagnostics(lambda: plan_of(text, "N=128,rho=1.5", network="sparse_gpt", optimizer="adam"))
    assert found.message == "the density of `block.attention.q` is `rho` = 3/2, not a number of (0, 1]"
    assert found.span is not None
    assert found.span.text == "rho=1.5"
