"""Which regime a plan is under: agreement by structure, and what moved between base and target."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.diagnostics import Reporter
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from scalec.plan.regimes import agrees, fits
from scalec.program.program import Program
from scalec.source import Source
from scalec.symbolic.order import Regime
from scalec.symbolic.regime import resolve_regime
from scalec.syntax.parser import parse_regime
from tests.planning import diagnostics, program_of, said, value, workspace

REGIMES = """
regime quadratic { N ~ s^2 }
regime together  { N ~ s;  L ~ s }
regime slower    { N ~ s^2;  L ~ s }
regime renamed   { L ~ x;  N ~ y }
regime broad     { N ~ s;  H ~ 1;  F ~ s }
regime narrow    { F ~ s;  N ~ 1 }
regime thinner   { N ~ 1/s }
regime opposed   { N ~ s;  L ~ 1/s }
regime ratio     { N ~ s/t;  L ~ t }
regime experts   { N ~ s;  M ~ 1 }
regime more      { N ~ s;  M ~ s }
"""


@pytest.fixture(scope="module")
def gpt() -> Program:
    return program_of("", "gpt")


def regime(text: str) -> Regime:
    reporter = Reporter()
    found = resolve_regime(workspace(REGIMES), parse_regime(Source("<test>", text)), reporter)
    assert found is not None, reporter.diagnostics
    return found


@pytest.mark.parametrize(
    ("active", "named", "expected"),
    [
        ("width", "width", True), ("width + depth", "width", True), ("width + depth", "depth", True),
        ("width", "depth", False), ("width", "width + depth", False), ("quadratic", "width", True),
        ("width + depth", "renamed", True), ("together", "width + depth", False), ("width + depth", "together", False),
        ("together", "width", True), ("together", "slower", False), ("slower", "slower", True),
        ("width", "heads", True), ("width", "head_dim", False), ("head_dim", "width", True),
        ("head_dim", "heads", False),
        ("width", "broad", False), ("head_dim", "broad", True), ("width", "narrow", False), ("ffn", "narrow", True),
        ("thinner", "width", False), ("opposed", "together", False), ("width", "experts", True),
        ("width", "more", False),
    ],
)  # fmt: skip
def test_regimes_agree_by_structure(active: str, named: str, expected: bool, gpt: Program) -> None:
    assert agrees(regime(active), regime(named), gpt) is expected


SIZES = {"N": 64, "L": 2, "H": 1, "F": 256, "V": 256, "T": 128}


@pytest.mark.parametrize(
    ("name", "moved", "expected"),
    [
        ("width", {"N": 256}, True), ("width", {}, False), ("width", {"N": 32}, True), ("width", {"L": 8}, False),
        ("width", {"N": 256, "L": 8}, True), ("width + depth", {"N": 256, "L": 8}, True),
        ("width + depth", {"N": 256}, False), ("together", {"N": 256, "L": 4}, True),
        ("together", {"N": 256, "L": 1}, False),
        ("opposed", {"N": 256, "L": 1}, True), ("opposed", {"N": 256, "L": 4}, False),
        ("ratio", {"N": 64, "L": 4}, True),
        ("heads", {"N": 128, "H": 2}, True), ("heads", {"N": 128}, False), ("head_dim", {"N": 128}, True),
        ("experts", {"N": 128}, True), ("more", {"N": 128}, False),
    ],
)  # fmt: skip
def test_a_regime_fits_what_moved(name: str, moved: dict[str, int], expected: bool, gpt: Program) -> None:
    base = {n: Fraction(size) for n, size in SIZES.items()}
    assert fits(regime(name), gpt, base, {**base, **{n: Fraction(s) for n, s in moved.items()}}) is expected


RULE = """
rule mine extends mup {
  base N = 64, L = 2
  tensor readout under width, together { init = zero }
  under depth { site residual { scale ~ 1/depth } }
}
"""


def planned(*at: str, regime: str | None = None, text: str = RULE) -> Plan:
    return plan(workspace(REGIMES + text), Operands(None, "gpt", "adamw"), PlanRequest(at, None, (), regime))


def held(made: Plan) -> tuple[bool, bool]:
    """Whether the readout starts at zero, and whether residuals shrink with depth."""
    shrinks = made.site["block.residual.mlp"].numbers["scale"].law
    return made.tensor["readout"].init.word == "zero", bool(shrinks.key)


@pytest.mark.parametrize(
    ("at", "asked", "name", "expected"),
    [
        (("N=128",), None, "width", (True, False)),
        (("N=128", "N=256"), None, "width", (True, False)),
        (("L=8",), None, "depth", (False, True)),
        (("N=128",), "depth", "depth", (False, True)),
        (("N=128,L=8",), "width+depth", "width + depth", (True, True)),
        (("N=128,L=8",), "together", "together", (True, True)),
        (("N=64",), "ffn", "ffn", (False, False)),
    ],
)
def test_the_regime_is_said_or_what_moved(
    at: tuple[str, ...], asked: str | None, name: str, expected: tuple[bool, bool]
) -> None:
    made = planned(*at, regime=asked)
    assert (made.regime, held(made)) == (name, expected)


def test_a_rule_without_regimes_is_under_none() -> None:
    assert planned("N=128,L=8", text="rule mine extends mup { base N = 64, L = 2 }").regime == ""


def test_another_optimizers_clauses_ask_for_no_regime() -> None:
    text = "rule mine extends mup { base N = 64, L = 2  for sgd under width { tensor readout { init = zero } } }"
    assert planned("N=64", text=text).tensor["readout"].init.word == "normal"


def test_regimes_that_come_to_the_same_are_one() -> None:
    text = "rule mine extends mup { base N = 64, L = 2  tensor readout under width, head_dim { init = zero } }"
    assert planned("N=128,H=1", text=text).tensor["readout"].init.word == "zero"


def test_what_would_differ_is_listed() -> None:
    (found,) = diagnostics(lambda: planned("N=128,L=8"))
    assert found.message == "`width`, `together` and `depth` fit what moved from the base"
    assert found.notes == (
        "moved: N 64 to 128, L 2 to 8, H 1 to 2, F 256 to 512",
        "`width` (N ~ s): `tensor readout under width, together`",
        "`together` (L ~ s, N ~ s): `tensor readout under width, together`, `site residual`",
        "`depth` (L ~ s): `site residual`",
    )
    assert found.helps == ("say it: `--regime width`",)


@pytest.mark.parametrize("at", [("N=64",), (), ("N=128", "L=8"), ("F=512",)])
def test_nothing_fits_where_nothing_named_moved_or_not_in_every_size(at: tuple[str, ...]) -> None:
    assert said(lambda: planned(*at)) == ["SC409 no regime that the rule names fits what moved from the base"]


def test_the_base_beside_what_moved_fits_as_that_does() -> None:
    assert planned("N=64", "N=128").regime == planned("N=128").regime == "width"


def test_nested_regimes_must_all_hold() -> None:
    text = "rule mine extends mup { base N = 64, L = 2  under width { tensor readout under depth { init = zero } } }"
    assert [planned("N=128", regime=r, text=text).tensor["readout"].init.word for r in ("width", "width + depth")] == [
        "normal", "zero"
    ]  # fmt: skip


def test_a_zero_readout_has_no_value_to_see() -> None:
    assert value(planned("N=128"), "readout.init.std") == 0
