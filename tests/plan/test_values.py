"""Anchors and laws: what `=`, `~`, `*=`, `*~` and `--tune` do to a value, exactly as the language says.

The network is the standard MLP, its base `N = 64`; `hidden` has fan_in N, and the sizes asked for
are the base and four times it.
"""

from __future__ import annotations

import pytest

from tests.planning import diagnostics, law, plan_of, quantity, said, value

ALL_SAID = "tensor * { init.std = 1;  init = normal;  lr = 1;  eps = 1;  wd = 0 }"
LR = "hidden.lr"


def rule(statements: str, base: str = "base N = 64") -> str:
    return f"rule mine {{ {base}  {ALL_SAID}  tensor linear {{ {statements} }} }}"


def lrs(statements: str, *tune: str) -> tuple[float, float]:
    """The learning rate of a hidden layer at the base and at four times it."""
    plan = plan_of(rule(statements), ("N=64", "N=256"), tune=tune)
    return value(plan, LR, 0), value(plan, LR, 1)


# statements, value at the base, value at four times the base
TABLE = [
    ("lr = 3", 3, 3),
    ("lr = 3/fan_in", 3 / 64, 3 / 256),
    ("lr ~ 1/fan_in", 1, 1 / 4),
    ("lr = 3;  lr ~ 1/fan_in", 3, 3 / 4),
    ("lr ~ 1/fan_in;  lr = 3", 3, 3),
    ("lr = 1/fan_in;  lr ~ 1", 1 / 64, 1 / 64),
    ("lr = 1/fan_in;  lr ~ fan_in", 1 / 64, 4 / 64),
    ("lr ~ 1/fan_in;  lr ~ 1/sqrt(fan_in)", 1, 1 / 2),
    ("lr = 3;  lr *= 4", 12, 12),
    ("lr = 3;  lr *= fan_in", 3 * 64, 3 * 256),
    ("lr *= 4;  lr ~ 1/fan_in", 4, 1),
    ("lr *= fan_in;  lr ~ 1/fan_in", 64, 16),
    ("lr ~ 1/fan_in;  lr *= 4", 4, 1),
    ("lr = 3;  lr *~ 1/fan_in", 3, 3 / 4),
    ("lr ~ 1/fan_in;  lr *~ 1/sqrt(fan_in)", 1, 1 / 8),
    ("lr = 1/fan_in;  lr *~ fan_in", 1 / 64, 1 / 64),
    ("lr *~ 1/fan_in;  lr ~ 1", 1, 1),
    ("lr *= 4;  lr = 3", 3, 3),
    ("lr ~ min(fan_in, 2)", 1, 2),
    ("lr ~ max(1/fan_in, 1/2)", 1, 1 / 2),
    ("lr ~ fan_in/N", 1, 1),
    ("lr = base.N/N", 1, 1 / 4),
    ("lr = run.eps", 1e-8, 1e-8),
    ("lr = 1 - 32/N", 1 / 2, 7 / 8),
    ("lr = 0;  lr ~ fan_in", 0, 0),
    ("lr *= 0", 0, 0),
]


@pytest.mark.parametrize(("statements", "small", "large"), TABLE)
def test_a_value_starts_and_moves(statements: str, small: float, large: float) -> None:
    assert lrs(statements) == pytest.approx((small, large), rel=1e-15)


@pytest.mark.parametrize(
    ("statements", "small", "large"),
    [
        ("lr = 3", 5, 5),
        ("lr = 1/fan_in", 5, 5 / 4),
        ("lr ~ 1/fan_in", 5, 5 / 4),
        ("lr = 3;  lr *= 4", 20, 20),
        ("lr = 3;  lr *= fan_in", 5 * 64, 5 * 256),
        ("lr = 3;  lr *~ 1/fan_in", 5, 5 / 4),
    ],
)
def test_a_tuned_value_replaces_the_anchor_and_nothing_else(statements: str, small: float, large: float) -> None:
    assert lrs(statements, "linear.lr=5") == pytest.approx((small, large), rel=1e-15)
    assert lrs(statements, "lr=5") == pytest.approx((small, large), rel=1e-15)


def test_an_anchor_comes_from_tune_then_the_rule_then_the_run_then_the_optimizer() -> None:
    text = "rule mine extends mup {{ base N = 64 {} }}"
    assert value(plan_of(text.format(""), "N=256"), LR) == 1e-3 / 4
    in_run = text.format("run { lr = 0.5 }")
    assert value(plan_of(in_run, "N=256"), LR) == 0.5 / 4
    in_rule = text.format("run { lr = 0.5 } tensor matrix { lr = 2;  lr ~ 1/fan_in }")
    assert value(plan_of(in_rule, "N=256"), LR) == 2 / 4
    assert value(plan_of(in_rule, "N=256", tune=("matrix.lr=8",)), LR) == 8 / 4
    assert value(plan_of(in_rule, "N=256", tune=("matrix.lr=8",)), "input.lr") == 0.5


@pytest.mark.parametrize("selector", ["", "linear.", "matrix.", "hidden.", "hidden.weight."])
def test_what_a_tuned_value_selects(selector: str) -> None:
    plan = plan_of("rule mine extends mup { base N = 64 }", "N=64", tune=(f"{selector}lr=5",))
    assert value(plan, LR) == 5
    assert (value(plan, "readout.lr") == 5) == (selector == "")


def test_a_later_tuned_value_wins() -> None:
    assert lrs("lr = 1", "lr=5", "linear.lr=7") == (7, 7)
    assert lrs("lr = 1", "linear.lr=7", "lr=5") == (5, 5)


def test_sites_and_the_run_are_tuned_too() -> None:
    plan = plan_of("rule mine extends mup { base N = 64 }", "N=64", tune=("logits.scale=3", "run.eps=2", "batch=8"))
    assert value(plan, "logits.scale") == 3
    assert (value(plan, "run.eps"), value(plan, "run.batch"), value(plan, "readout.eps")) == (2, 8, 2)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ("nosuch.lr=1", "SC405 `--tune nosuch.lr=1` matches nothing in network `mlp`"),
        ("momentum=0.9", "SC405 `--tune momentum=0.9` matches nothing in network `mlp`"),
        ("linear.momentum=0.9", "SC405 `--tune linear.momentum=0.9` matches nothing in network `mlp`"),
        ("lrr=1", "SC405 cannot tune `lrr`"),
        ("lr", "SC405 `lr` is given no value"),
        ("linear.init=zero", "SC405 cannot tune `linear.init`"),
        ("lr=N", "SC301 `N` is no number"),
        ("lr=-1", "SC301 `lr` of `run` is -1, and cannot be negative"),
        ("beta1=1", "SC301 `beta1` of `run` is 1, and must be 0 or more and less than 1"),
    ],
)
def test_a_tuned_value_that_reaches_nothing_is_a_mistake(tune: str, message: str) -> None:
    assert message in said(lambda: plan_of("rule mine extends mup { base N = 64 }", "N=64", tune=(tune,)))


def test_a_zero_init_has_nothing_to_tune() -> None:
    text = "rule mine extends mup { base N = 64  tensor readout { init = zero } }"
    assert value(plan_of(text, "N=64", tune=("init.std=3",)), "readout.init.std") == 0
    assert said(lambda: plan_of(text, "N=64", tune=("readout.init.std=3",)))[0].startswith("SC405")


# ---- betas -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("statements", "tune", "small", "large"),
    [
        ("beta1 = 0.95", (), 0.95, 0.95),
        ("1 - beta1 ~ 1/fan_in", (), 0.9, 0.975),
        ("1 - beta1 = 0.2", (), 0.8, 0.8),
        ("1 - beta1 = 0.2;  1 - beta1 *= 2", (), 0.6, 0.6),
        ("beta1 = 0.8;  1 - beta1 ~ 1/fan_in", (), 0.8, 0.95),
        ("1 - beta1 ~ 1/fan_in", ("beta1=0.8",), 0.8, 0.95),
        ("1 - beta1 ~ 1/fan_in;  beta1 = 0.7", (), 0.7, 0.7),
        ("1 - beta1 = 0.2;  beta1 ~ 1", (), 0.8, 0.8),
    ],
)
def test_a_complement_moves_the_distance_from_one(
    statements: str, tune: tuple[str, ...], small: float, large: float
) -> None:
    plan = plan_of(rule(statements), ("N=64", "N=256"), tune=tune)
    found = (value(plan, "hidden.beta1", 0), value(plan, "hidden.beta1", 1))
    assert found == pytest.approx((small, large), rel=1e-12)


# ---- mistakes --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("lr ~ 1 + fan_in", "SC302 the law `1 + fan_in` is a sum"),
        ("lr *~ 1/(fan_in - 1)", "SC302 the law `1/(fan_in - 1)` is a sum"),
        ("lr ~ 2*fan_in", "SC302 the law `2*fan_in` is not 1 at the base"),
        ("lr ~ -fan_in", "SC302 the law `-fan_in` is not 1 at the base"),
        ("lr ~ log(fan_in)", "SC302 the law `log(fan_in)` is not 1 at the base"),
        ("lr ~ 1/log(fan_in)", "SC301 zero is raised to a power that is not positive"),
        ("lr ~ run.eps", "SC302 the law `run.eps` is not 1 at the base"),
        ("lr ~ base.N", "SC302 the law `base.N` is not 1 at the base"),
        ("lr = 1/fanin", "SC301 `fanin` is no size here"),
        ("lr = 1/heads", "SC301 `heads` is no size here"),
        ("lr = N - base.N", "SC301 the value is 0 at the base, so nothing can move from there"),
        ("lr *= fan_in - base.N", "SC301 the value is 0 at the base, so nothing can move from there"),
        ("lr = -1", "SC301 `lr` of `input` is -1, and cannot be negative"),
        ("lr = sqrt(1 - N)", "SC301 `lr` of `hidden` is no number"),
        ("scale = 1/(N - 256)", "SC301 `scale` of `input` is no number"),
        ("scale = N^100*N^100", "SC301 `scale` of `input` is no number"),
    ],
)
def test_a_value_that_means_nothing_is_said(statements: str, message: str) -> None:
    found = said(lambda: plan_of(rule(statements), ("N=64", "N=256")))
    assert any(m.startswith(message) for m in found), found


def test_a_missing_base_is_one_error_that_names_what_is_missing() -> None:
    text = "rule mine extends mup { tensor matrix { lr *~ 1/depth } }"
    (found,) = diagnostics(lambda: plan_of(text, "N=64,L=2", network="gpt", optimizer="adamw"))
    assert found.code.id == "SC303"
    assert found.message.startswith("no base size for `N`, `L`, which `")
    assert found.helps == ("`base N = ..., L = ...` in the rule, or `--base N=...,L=...`",)
    assert plan_of(text, "N=64,L=2", base="N=64,L=2", network="gpt", optimizer="adamw")


def test_a_base_is_needed_also_where_only_the_anchor_reads_it() -> None:
    text = f"rule mine {{ {ALL_SAID} tensor linear {{ lr = 1/fan_in;  lr ~ 1 }} }}"
    assert [m[:5] for m in said(lambda: plan_of(text, "N=64"))] == ["SC303"]


def test_what_is_overridden_needs_no_base() -> None:
    text = f"rule mine {{ {ALL_SAID} tensor linear {{ lr ~ 1/fan_in;  lr = 1/fan_in }} }}"
    assert value(plan_of(text, "N=64"), LR) == 1 / 64


def test_a_missing_anchor_is_said_once_with_its_tensors() -> None:
    text = """
    optimizer bare { update entrywise  class torch.optim.Adam  uses lr, eps = 1e-8  decay torch }
    rule mine { base N = 64  tensor * { init.std = 1; init = normal; lr ~ 1; eps ~ 1 } }
    """
    (message,) = said(lambda: plan_of(text, "N=64", optimizer="bare"))
    assert message == "SC403 nothing says where `lr` of `input`, `hidden`, `hidden2`, `readout` starts"
    assert value(plan_of(text, "N=64", optimizer="bare", tune=("lr=2",)), LR) == 2


def test_an_init_without_an_anchor_is_said_once_too() -> None:
    text = "rule mine { base N = 64  tensor * { init = normal;  init.std ~ 1;  lr ~ 1;  eps ~ 1;  wd ~ 1 } }"
    (message,) = said(lambda: plan_of(text, "N=64"))
    assert message == "SC403 nothing says where `init.std` of `input`, `hidden`, `hidden2`, `readout` starts"


def test_a_law_of_the_run_needs_an_anchor_too() -> None:
    text = "rule mine extends mup { base N = 64  run { batch ~ N } }"
    assert said(lambda: plan_of(text, "N=64")) == ["SC403 nothing says where `batch` of `run` starts"]
    assert value(plan_of(text, "N=128", tune=("batch=8",)), "run.batch") == 16


def test_the_run_does_not_read_itself() -> None:
    text = "rule mine extends mup { base N = 64  run { lr = run.eps;  eps = run.lr } }"
    assert said(lambda: plan_of(text, "N=64")) == ["SC204 `lr` of the run is made of itself"]


# ---- where it comes from ---------------------------------------------------------------------
def test_clauses_that_made_a_value_are_kept_and_so_are_the_losers() -> None:
    plan = plan_of(rule("lr = 3;  lr ~ 1/fan_in;  lr ~ 1/N"), "N=64")
    found = quantity(plan, LR)
    assert [o.text for o in found.origins] == ["tensor linear { lr = 3 }", "tensor linear { lr ~ 1/N }"]
    assert [o.text for o in found.losers] == ["tensor * { lr = 1 }", "tensor linear { lr ~ 1/fan_in }"]
    assert all(o.location == "t.scale:3" for o in (*found.origins, *found.losers))


def test_a_law_is_written_in_ratios() -> None:
    plan = plan_of(rule("lr ~ 1/fan_in;  scale = 1/fan_in"), "N=64")
    assert (law(plan, LR), law(plan, "hidden.scale")) == ("1/m_N", "base.N/N")
