"""`where`, `require`, `valid`: what is true at sizes, what is a threshold, what a plan keeps of it."""

from __future__ import annotations

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.demands import unmet
from scalec.plan.model import Plan
from tests.planning import said, value, workspace

NETWORK = """
network net {
  dims  N, F = 4*N, L, H = N/8
  fixed D = 8, C = 8
  input(D)
  linear(N) as first
  repeat L { linear(N) as square }
  linear(F) as up
  linear(N) as down
  readout(C)
}
"""
BASE = "base N = 64, L = 2"


def planned(body: str, *at: str, regime: str | None = None) -> Plan:
    text = f"{NETWORK} rule mine extends mup {{ {BASE}  {body} }}"
    return plan(workspace(text), Operands(None, "net", "adam"), PlanRequest(at or ("N=64",), None, (), regime))


def chosen(condition: str, *at: str, selector: str = "*") -> list[str]:
    """Paths of the tensors at which a condition holds."""
    made = planned(f"tensor {selector} where {condition} {{ lr *= 2 }}", *at)
    without = planned("", *at)
    return [t for t in made.tensor if value(made, f"{t}.lr") != value(without, f"{t}.lr")]


# ---- where -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("fan_out > fan_in", ["up"]),
        ("fan_out >= fan_in", ["block.square", "up"]),
        ("not fan_out > fan_in", ["block.square", "down"]),
        ("fan_out = fan_in or fan_in > fan_out", ["block.square", "down"]),
        ("fan_in < fan_out and fan_out < 5*fan_in", ["up"]),
        ("fan_in < fan_out < 3*fan_in", []),
        ("fan_out != fan_in", ["up", "down"]),
        ("fan_in = F", ["down"]),
        ("fan_in/N = 1", ["block.square", "up"]),
        ("depth > 1", ["block.square", "up", "down"]),
        ("density < 1", []),
        ("not density < 1", ["block.square", "up", "down"]),
        ("density < 1 or fan_in = F", ["down"]),
        ("sqrt(fan_in) < 3*sqrt(N)", ["block.square", "up", "down"]),
        ("run.lr > 1/2 or fan_in = F", ["down"]),
        ("D <= C", ["block.square", "up", "down"]),
    ],
)
def test_a_condition_is_about_a_tensors_own_sizes(condition: str, expected: list[str]) -> None:
    assert chosen(condition, selector="matrix") == expected


def test_conditions_of_sections_add_up_and_sites_have_theirs() -> None:
    section = "where fan_in <= fan_out { where depth > 1 { tensor matrix { lr *= 2 } } }"
    made = planned(f"{section} site logits where depth > 1 {{ scale = 3 }}")
    assert value(made, "logits.scale") == 3
    assert value(made, "up.lr") == 2 * value(made, "down.lr")


def test_a_site_without_its_required_scale_is_still_missed() -> None:
    text = "rule bare for adam { tensor * { init = normal; init.std = 1; lr ~ 1; eps ~ 1; wd ~ 1 }"
    text += " base N = 64, L = 2  site attention.logits where heads > 9*N { scale = 1 } }"
    found = said(lambda: plan(workspace(text), Operands("bare", "gpt", "adam"), PlanRequest(("N=128",))))
    assert [m[:5] for m in found] == ["SC402"]


@pytest.mark.parametrize(
    ("condition", "selector"),
    [
        ("depth > 12", "*"), ("12 < depth", "*"), ("N/64 > 1", "*"), ("N > 0", "*"), ("fan_out > fan_in", "readout"),
        ("N^2 > 64*N", "*"), ("depth + 1 > 3", "*"), ("not (fan_in > 2 and fan_in < 4)", "matrix"), ("H < 16", "*"),
        ("fan_in = base.N", "matrix"), ("2*N > 1", "*"),
        ("fan_in > D", "matrix"), ("1/N < 1/64", "*"),
    ],
)  # fmt: skip
def test_thresholds_are_refused(condition: str, selector: str) -> None:
    found = said(lambda: planned(f"tensor {selector} where {condition} {{ lr *= 2 }}"))
    assert {m[:5] for m in found} == {"SC407"}


@pytest.mark.parametrize("condition", ["N > 1", "fan_in > 1", "H*8 = N", "F > 2*N", "N^2 > F", "fan_in*fan_out > 1"])
def test_other_comparisons_are_not(condition: str) -> None:
    planned(f"tensor matrix where {condition} {{ lr *= 2 }}")


def test_a_plan_is_one_rule() -> None:
    body = "tensor up where fan_out > fan_in { lr *= 2 }".replace("up", '"up.*"')
    assert [m[:5] for m in said(lambda: planned(body, "F=256", "F=32"))] == ["SC408"]
    assert value(planned(body, "F=256", "F=128"), "up.lr") == 2 * value(planned(body, "F=32"), "up.lr")


def test_without_sizes_a_condition_that_needs_them_is_open() -> None:
    text = f"{NETWORK} rule mine extends mup {{ base N = 64  tensor matrix where fan_in > F/N {{ lr *= 2 }} }}"
    operands = Operands(None, "net", "adam")
    assert [m[:5] for m in said(lambda: plan(workspace(text), operands, PlanRequest()))] == ["SC408"]


def test_what_hangs_on_sizes_is_kept() -> None:
    made = planned("tensor matrix where fan_out > fan_in { lr *= 2 }", "F=128")
    assert [(g.kind, g.text, g.place, g.value) for g in made.guards] == [
        ("where", "fan_out > fan_in", "tensor `up`", True), ("where", "fan_out > fan_in", "tensor `down`", False)
    ]  # fmt: skip


def test_a_condition_is_the_same_for_every_block() -> None:
    text = "rule mine extends mup { base N = 64, L = 2  site residual where layer > 1 { scale = 3 } }"
    found = said(lambda: plan(workspace(text), Operands("mine", "gpt", "adam"), PlanRequest(("N=128",))))
    assert found == ["SC301 `layer > 1` differs from block to block, and a clause is for all of them"]


# ---- require, valid ----------------------------------------------------------------------------
TRUE = [
    "N = 128", "N = 2*base.N", "N/L = base.N/base.L*2", "19 <= N <= 466", "1 < depth < 3 and not N < 2",
    "schedule = cosine", "schedule != linear", "run.schedule = cosine", "warmup = 7 and final_lr = 1e-5",
    "run.lr = 1/8", "lr <= 0.125", "beta2 < 1 and beta2 > 0.998", "params > 128*128", "sqrt(2)*sqrt(N) = 16",
    "params = 8*N + L*N^2 + 2*N*F + 8*N", "1 = 2 or N = 128",
]  # fmt: skip
FALSE = ["N = 64", "19 <= N <= 100", "N < 19 or N > 466", "schedule = linear", "depth != 2", "base.N > N"]
UNSAID = ["tokens > 1", "batch = 64", "schedule = cosine and experts > 1", "steps < 10 and N = 128"]
RUN = "run { lr = 1/8;  schedule = cosine;  warmup = 7;  final_lr = 1e-5 }"


@pytest.mark.parametrize("condition", TRUE)
def test_what_is_demanded_and_holds_is_silent(condition: str) -> None:
    made = planned(f"{RUN} require {condition} valid {condition}", "N=128")
    assert list(unmet(made, "valid")) == []
    assert [g.value for g in made.guards] == [True, True]


@pytest.mark.parametrize("condition", [*FALSE, *UNSAID])
def test_what_is_demanded_and_does_not_hold_is_an_error_or_a_warning(condition: str) -> None:
    (error,) = said(lambda: planned(f"{RUN} require {condition}", "N=128"))
    assert error.startswith(f"SC410 `require {condition}` ")
    (warning,) = unmet(planned(f"{RUN} valid {condition}", "N=128"), "valid")
    assert warning.severity == "warning"
    assert warning.message == error[6:].replace("require", "valid", 1)


def test_where_it_fails_and_by_what_is_said() -> None:
    (warning,) = unmet(planned("valid N <= 4*base.N and 1 < depth", "N=128", "N=512,L=8"), "valid")
    assert (
        warning.message
        == "`valid N <= 4*base.N and 1 < depth` does not hold at N = 512, F = 2048, L = 8, H = 64, D = 8, C = 8"
    )
    assert warning.notes == ("`N <= 4*base.N` is 512 <= 256 there",)


def test_what_nobody_says_is_named() -> None:
    (warning,) = unmet(planned("valid tokens/params < 400", "N=128"), "valid")
    assert (warning.message, warning.notes) == ("`valid tokens/params < 400` is open", ("nothing says `tokens`",))


def test_demands_of_ancestors_hold_too_and_those_of_others_do_not() -> None:
    text = f"""{NETWORK}
    rule top extends mup {{ {BASE}  require N = 64 }}
    rule mine extends top {{
      for sgd {{ require N = 1 }}
      under depth {{ require N = 2 }}
      where N < L {{ require N = 3 }}
    }}
    """
    found = said(
        lambda: plan(workspace(text), Operands(None, "net", "adam"), PlanRequest(("N=128",), None, (), "width"))
    )
    assert [m.split(" does")[0] for m in found] == ["SC410 `require N = 64`"]


def test_without_sizes_nothing_is_looked_at() -> None:
    text = f"{NETWORK} rule mine extends mup {{ base N = 64  require N = 1  valid N = 1 }}"
    made = plan(workspace(text), Operands(None, "net", "adam"), PlanRequest())
    assert list(unmet(made, "valid")) == []


def test_params_active_are_those_that_one_input_meets() -> None:
    text = "rule mine extends moe_mup { base N = 64, Ne = 64, M = 8, K = 2  valid params - params.active > 6*2*64*64 }"
    operands = Operands("mine", "moe_mlp", "adam")
    made = plan(workspace(f"use std.moe\n{text}"), operands, PlanRequest(("N=64",)))
    (warning,) = unmet(made, "valid")  # exactly as many as six experts have
    assert warning.message.startswith("`valid params - params.active > 6*2*64*64` does not hold")
