"""Values of the run: what they read of sizes and of each other, in which order, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scalec.diagnostics import ScalecError
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, check_rule, plan
from scalec.plan.model import Plan
from scalec.plan.tunables import tunables
from tests.planning import diagnostics, law, plan_of, quantity, said, value, workspace

NETWORK = """
network net {
  dims  N, L, M, K
  fixed V = 16, T = 8
  embed(vocabulary = V, width = N)
  position(T)
  repeat L { residual { norm(rms) moe(experts = M, active = K, width = N) } }
  readout(V)
}
"""
BASE = "base N = 4, L = 1, M = 2, K = 1, tokens = 1000, batch = 10"
SIZES = "N=8,L=2,M=4,K=2"
EXPERT = 2 * 8 * 8  # an expert's two matrices
LAYER = 8 + 8 * 4  # a layer's gain and its router
ENDS = 16 * 8 + 8 * 8 + 8 * 16
ALL = 2 * (LAYER + 4 * EXPERT) + ENDS


def planned(body: str, at: str = SIZES, base: str = BASE, tune: tuple[str, ...] = ()) -> Plan:
    text = f"{NETWORK} rule mine extends mup {{ {base}  {body} }}"
    return plan(workspace(text), Operands("mine", "net", "adamw"), PlanRequest((at,), None, tune))


# ---- sizes of the run --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("params", 2 * (LAYER + 4 * EXPERT) + ENDS),
        ("params.active", 2 * (LAYER + 2 * EXPERT) + ENDS),
        ("params.body", 2 * (LAYER + 4 * EXPERT)),
        ("params.body.active", 2 * (LAYER + 2 * EXPERT)),
    ],
)
def test_parameters_are_counted(name: str, count: int) -> None:
    assert value(planned(f"run {{ clip = {name} }}"), "run.clip") == count


def test_a_tied_table_and_a_bias_at_the_end_are_of_no_body() -> None:
    text = """network tied {
      dims N  fixed V = 16
      embed(vocabulary = V, width = N) residual { linear(N) } readout(V, tied = yes)
    }
    network biased { dims N  input(4) linear(N) readout(10, bias) }
    rule mine extends mup { base N = 4  run { clip = params.body } }"""
    for network, count in (("tied", 8 * 8), ("biased", 4 * 8)):
        made = plan(workspace(text), Operands("mine", network, "adam"), PlanRequest(("N=8",)))
        assert value(made, "run.clip") == count


def test_tensors_may_read_them() -> None:
    made = planned("tensor matrix { lr *~ (params/params.active)^(1/2) }")
    whole, active = 2 * (LAYER + 4 * EXPERT) + ENDS, 2 * (LAYER + 2 * EXPERT) + ENDS
    before = (2 * 32 + 4 + 8 + 16 * 4 + 8 * 4 + 4 * 16) / (32 + 4 + 8 + 16 * 4 + 8 * 4 + 4 * 16)
    expected = 1e-3 / 2 * (whole / active / before) ** 0.5
    assert value(made, "block.moe.up.lr") == pytest.approx(expected)


def test_steps_are_tokens_over_batch_unless_said() -> None:
    read = "tensor * { lr *~ sqrt(batch/tokens) }"
    assert value(planned(read, f"{SIZES},tokens=4000"), "run.steps") == 400
    assert value(planned(f"{read} run {{ steps = 7 }}", f"{SIZES},tokens=4000"), "run.steps") == 7
    assert value(planned("run { warmup = steps/100 }", f"{SIZES},tokens=4000"), "run.warmup") == 4


def test_a_rule_that_reads_steps_has_tokens_and_batch() -> None:
    made = planned("tensor * { lr *~ steps^-0.5 }", f"{SIZES},tokens=4000")
    assert value(made, "embed.lr") == pytest.approx(1e-3 / 2)


def test_what_steps_are_made_of_is_asked_for() -> None:
    text = "rule mine extends mup { base N = 4, L = 1  run { warmup = run.steps/100 } }"
    operands = Operands(None, "gpt", "adam")
    (found,) = diagnostics(lambda: plan(workspace(text), operands, PlanRequest(("N=8",))))
    assert (found.message, found.helps) == ("no size for `batch`, `tokens`", ("name it: `--at batch=...,tokens=...`",))
    found, *_ = diagnostics(lambda: plan(workspace(text), operands, PlanRequest(("N=8,steps=100",))))
    assert found.helps == ("`run { steps = ... }` in the rule says it; else it is `tokens/batch`",)
    made = plan(workspace(text), operands, PlanRequest(("N=64,tokens=4000,batch=10",)))
    assert value(made, "run.warmup") == 4


# ---- values that read others -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (
            "run { tokens = 20*params;  batch = sqrt(tokens) }",
            "run.batch",
            (20 * (2 * (LAYER + 4 * EXPERT) + ENDS)) ** 0.5,
        ),
        ("run { wd = 1/(lr*steps);  lr = 1/8;  batch = 20 }", "run.wd", 8 / 50),
        ("run { wd = 1/(run.lr*steps) }  run { lr = 1/8;  batch = 20 }", "run.wd", 8 / 50),
        ("run { lr = 1/8;  wd ~ 1/(lr*batch);  lr *~ 1/N;  batch = 10*N }", "run.wd", 0.01),
        ("run { beta2 = 1/2;  1 - beta2 ~ 1/batch;  batch ~ N;  batch = 8*N;  wd = 1 - beta2 }", "run.wd", 1 / 4),
        ("run { batch ~ N }  run { batch = 8 }  run { batch *~ N }  tensor * { lr *~ batch }", "embed.lr", 2e-3),
        ("run { batch = 5*N }  tensor embedding { lr = 1/batch }", "embed.lr", 1 / 40),
        ("run { batch = 5*N }  tensor embedding { lr = base.batch/batch }", "embed.lr", 1 / 2),
        ("run { batch = 5*N }  require batch = 40 and base.batch = 20 and lr = 1e-3", "run.batch", 40),
    ],
)
def test_what_is_said_of_the_run_can_be_read(body: str, name: str, expected: float) -> None:
    base = "base N = 4, L = 1, M = 2, K = 1" + (", tokens = 1000" if "steps" in body or "tokens" not in body else "")
    assert value(planned(body, base=base), name) == pytest.approx(expected)


def test_a_value_starts_at_the_base_where_what_it_reads_does() -> None:
    body = "run { batch = 5*N;  wd = 1/batch }"
    made = planned(body)
    assert law(made, "run.batch") == "N/base.N"
    assert value(planned(body, tune=("run.wd=1",)), "run.wd") == pytest.approx(1 / 2)
    (found,) = (t for t in tunables(made) if t.places == ("run",) and t.attribute == "wd")
    assert found.value == pytest.approx(1 / 20)


def test_a_circle_is_told() -> None:
    found = said(lambda: planned("run { batch = tokens/steps;  tokens = batch*3 }"))
    assert found == ["SC204 `batch` of the run is made of itself"]
    assert said(lambda: planned("run { batch = 2*run.batch }")) == ["SC204 `batch` of the run is made of itself"]


def test_what_a_rule_says_is_no_size_to_name() -> None:
    found = said(lambda: planned("run { batch = 5*N }", f"{SIZES},batch=3", "base N = 4, L = 1, M = 2, K = 1"))
    assert found == ["SC304 network `net` has no dimension `batch`"]


def test_and_what_to_do_instead_is_told() -> None:
    with pytest.raises(ScalecError) as raised:
        planned("run { batch = 5*N }", f"{SIZES},batch=3", "base N = 4, L = 1, M = 2, K = 1")
    [found] = raised.value.diagnostics
    assert "`batch` is one where clauses read it and no `run` clause says what it is" in found.notes
    assert found.helps == ("`--tune batch=...` sets what a `run` clause starts from",)
    assert law(planned("run { batch = 5*N }", tune=("batch=80",)), "run.batch") == "N/base.N"


# ---- what moves with the run -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("", "pass"),
        ("run { lr ~ 1/N }", "fail"),
        ("run { lr ~ 1/N }  tensor * { lr *~ N }", "pass"),
        ("run { batch ~ N;  batch = 8;  batch *~ N }  tensor * { lr *~ 1/batch }", "fail"),
        ("run { beta2 = 1/2;  wd = 1/N;  lr = wd*N }", "pass"),
    ],
)
def test_a_check_sees_what_moves_of_the_run(body: str, verdict: str) -> None:
    text = f"rule mine extends mup {{ {body} }}"
    report = check_rule(workspace(text), Operands("mine", "mlp", "adamw"), "width", ("maximal_update",))
    assert report.verdicts["maximal_update"] == verdict


def test_what_hangs_on_a_fitted_value_of_the_run_is_empirical() -> None:
    text = f"{NETWORK} law rate = params.body^-0.5 fit  rule mine extends mup {{ {BASE}  run {{ lr = rate }} }}"
    made = plan(workspace(text), Operands("mine", "net", "adamw"), PlanRequest((SIZES,)))
    tensors = {t.tensor.path: t.numbers for t in made.tensors}
    assert all([f.name for f in made.fits(numbers["lr"])] == ["rate"] for numbers in tensors.values())
    assert made.fits(tensors["embed"]["eps"]) == ()
    assert made.fits(quantity(made, "run.lr"))


# ---- rules for different runs ------------------------------------------------------------------
def together(first: str, second: str, body: str = "") -> list[str]:
    text = f"rule one {{ {first} }} rule two {{ {second} }} rule mine extends mup, one, two {{ base N = 64  {body} }}"
    return said(lambda: plan(workspace(text), Operands("mine", "mlp", "adam"), PlanRequest(("N=64",))))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("require schedule = cosine", "require schedule = linear"),
        ("require schedule = cosine and final_lr = 1e-5", "require lr < 1 and run.schedule = constant"),
        ("require final_lr = 1e-5", "require final_lr = 0"),
        ("for adam { require warmup = 2000 }", "require warmup = 100"),
    ],
)
def test_rules_that_require_different_runs_cannot_be_combined(first: str, second: str) -> None:
    assert together(first, second, "run { schedule = cosine;  final_lr = 0 }") == [
        "SC415 rules `one` and `two` cannot be combined: they are for different runs"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("require schedule = cosine", "require schedule = cosine"),
        ("require schedule = cosine or lr < 1", "require schedule = linear or lr < 1"),
        ("for sgd { require schedule = linear }", "require schedule = cosine"),
        ("valid schedule = linear", "require schedule = cosine"),
        ("require final_lr = 1e-5", "require final_lr = 1/100000"),
        ("require final_lr < 1", "require final_lr = 1e-5"),
    ],
)
def test_others_can(first: str, second: str) -> None:
    text = f"rule one {{ {first} }} rule two {{ {second} }}"
    text += " rule mine extends mup, one, two { base N = 64  run { schedule = cosine;  final_lr = 1e-5 } }"
    plan(workspace(text), Operands("mine", "mlp", "adam"), PlanRequest(("N=64",)))


BOUND = "rule bound { tensor * { require lr ~ 1 }  tensor readout { require init.std ~ 1/fan_in } }"


@pytest.mark.parametrize(
    ("body", "at", "messages"),
    [
        ("", "N=128", ["SC415 rules `bound` and `mup` cannot be combined: `bound` is for `lr ~ 1`"]),
        ("", "L=8", []),  # at the base width nothing has moved
        ("tensor * { lr ~ 1 }", "N=128", []),
        ("tensor * { lr = 1/64 }", "N=128", []),  # a number of its own does not move either
        ("tensor * { lr *~ fan_in }  tensor input, vector { lr ~ 1 }", "N=128", []),  # as `matrix` has its inverse
        ("tensor * { lr ~ 1 }  tensor readout { init.std ~ 1 }", "N=128",
         ["SC415 rules `bound` and `mine` cannot be combined: `bound` is for `init.std ~ 1/m_N`"]),
        ("tensor mlp { require lr ~ 1 }  tensor mlp { lr ~ 1/fan_in }  tensor * except mlp { lr ~ 1 }", "N=128",
         ["SC415 rules `bound` and `mine` cannot be combined: `bound` is for `lr ~ 1`",
          "SC415 `lr ~ 1` is required here"]),
    ],
)  # fmt: skip
def test_a_law_that_a_rule_requires(body: str, at: str, messages: list[str]) -> None:
    """`require lr ~ 1` sets nothing; it is held against what the rule says at last, where that makes a difference."""
    text = f"{BOUND} rule mine extends mup, bound {{ base N = 64, L = 2  {body} }}"
    assert reported(lambda: plan_of(text, at, rule="mine", network="gpt", optimizer="adamw")) == messages


def reported(call: Callable[[], object]) -> list[str]:
    """What a call reports that may do without."""
    try:
        call()
    except ScalecError as error:
        return [f"{d.code.id} {d.message}" for d in error.diagnostics]
    return []


def test_a_required_law_covers_nothing() -> None:
    text = "rule mine { base N = 64  tensor * { init.std = 1;  init = normal;  require lr ~ 1;  eps ~ 1;  wd ~ 1 } }"
    assert [m[:5] for m in said(lambda: plan_of(text, "N=64", optimizer="adamw"))] == ["SC402"]


@pytest.mark.parametrize(("regime", "count"), [("width", 1), ("depth", 0)])
def test_a_check_holds_a_required_law_in_the_limit(regime: str, count: int) -> None:
    found = workspace(f"{BOUND} rule mine extends mup, bound {{ }}")
    asked = Operands("mine", "gpt", "adamw")
    messages = reported(lambda: check_rule(found, asked, regime, ("stable_init",)))
    assert len(messages) == count
    assert all(m.startswith("SC415 rules `bound` and `mup`") for m in messages)


def test_who_said_otherwise_is_shown() -> None:
    text = (
        "rule one { require schedule = cosine } rule mine extends mup, one { base N = 64  run { schedule = linear } }"
    )

    (found,) = diagnostics(lambda: plan(workspace(text), Operands("mine", "mlp", "adam"), PlanRequest(("N=64",))))
    assert found.code.id == "SC410"
    assert [text for _, text in found.labels] == ["`schedule` is `linear`, by `mine`"]
