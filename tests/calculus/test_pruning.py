"""What pruning drops makes no difference: every order of every step is what it is without."""

from __future__ import annotations

from random import Random

import pytest

from scalec.calculus import around, backward, components, forward, pruning, rows, training
from scalec.calculus.world import World
from scalec.check.report import Report
from scalec.operands import Operands
from scalec.pipeline import check_rule
from scalec.program.ops import Operation
from scalec.resolve.load import load_text

TEXT = """
use std.deepseek
use std.spectral
use std.networks

# Narrow experts on a stream, chosen by a router that starts at random.
network narrow {
  dims N, M, K, Ne
  input(32)
  linear(N) as w_in
  residual { moe(experts = M, active = K, width = Ne, normalised, act = relu) }
  readout(10)
}
network narrow_and_shared {
  dims N, M, K, Ne
  input(32)
  linear(N) as w_in
  moe(experts = M, active = K, width = Ne, normalised, shared = 1, act = relu)
  readout(10)
}
# Marks on the way: a side stream bends the branch, and updates carry its gradients back onto the stream.
network modulated {
  dims N
  input(32)
  linear(N) as w_in
  let c = { linear(N) }
  residual { modulate(by = c, gate = yes) linear(N) }
  readout(10)
}
# Products on a stream where experts' sums meet its gradient: what a product takes up is compared there.
network modulated_experts {
  dims N, M, K, Ne
  input(32)
  linear(N) as w_in
  let c = { linear(N) }
  residual { modulate(by = c, gate = yes) moe(experts = M, active = K, width = Ne, normalised, act = relu) }
  readout(10)
}
# Copies that hand on what a weight makes of the stream: what one round leaves out, the next must not miss.
network chained {
  dims N
  input(32)
  linear(N) as w_in
  repeat 2 { sum { branch { norm(layer) } branch { linear(N) } } linear(N) }
  readout(10)
}
rule routed extends deepseek_mssp for adam, adamw {
  tensor router { init.std ~ min(1, sqrt(fan_out/fan_in))/sqrt(fan_in) }
}
"""
LARGE = [
    ("routed", "narrow", "adamw", "fine_grained"),
    ("routed", "narrow_and_shared", "adamw", "fine_grained"),
    ("mup", "gpt", "adamw", "width"),
    ("mup", "llama", "adamw", "gqa_width"),
    ("spectral", "llama", "adamw", "gqa_width"),
    ("mup", "gpt", "sgd", "head_dim"),
    ("moe_mup", "moe_gpt", "adamw", "proportional"),
    ("moe_mup", "modulated_experts", "sgd", "fixed_experts"),
]
CASES = [
    pytest.param("moe_mup", "moe_mlp", "sgd", "fine_grained"),
    pytest.param("moe_mup", "narrow", "adamw", "fixed_experts"),
    pytest.param("mup", "modulated", "adamw", "width"),
    pytest.param("mup", "chained", "sgd", "width"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE),
]


def orders(report: Report) -> dict[tuple[object, ...], object]:
    """Every order as an exponent: of two monomials that tie either may be shown."""
    terms = {(t.observable, t.tensor, t.term, t.step): t.exponent for t in report.terms}
    return terms | {(g.tensor, g.step): g.exponent for g in report.gradients}


BRANCHES = (
    "mlp(width = 8, act = relu)",
    "mlp(width = Rq, act = gelu)",
    "linear(8) linear(N)",
    "linear(N)",
    "norm(rms) mlp(width = N, act = relu)",
)


def drawn(seed: int) -> str:
    """A network of a few branches on a stream, narrow ones among them, and a rule that need not be stable."""
    draw = Random(seed)
    body = " ".join(f"residual {{ {draw.choice(BRANCHES)} }}" for _ in range(draw.choice((1, 2, 2))))
    if draw.random() < 0.4:
        body = f"repeat 2 {{ {body} }}"
    init = draw.choice(("sqrt(fan_out)/fan_in", "1/sqrt(fan_in)", "1/fan_in"))
    rate = draw.choice(("1/fan_in", "1/sqrt(fan_in)", "1"))
    return f"""
use std.mup
regime grows {{ N ~ s; {draw.choice(("Rq ~ 1", "Rq ~ s^(1/2)"))} }}
network net {{ dims N, Rq  input(32) linear(N) {body} linear(Rq) act(relu) readout(10) }}
rule drawn extends mup for adam {{ tensor matrix {{ init.std ~ {init};  lr ~ {rate} }} }}
"""


def checked(text: str, rule: str, network: str, optimizer: str, regime: str) -> Report:
    return check_rule(load_text(text, "pruning.scale"), Operands(rule, network, optimizer), regime)


def keep_all(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on nothing is dropped; how many components would have been, for each vector."""
    dropped, prune = list[int](), pruning.prune

    def whole(vector: components.Vector) -> components.Vector:
        dropped.append(len(vector) - len(prune(vector)))
        return vector

    for module in (pruning, around, forward, backward, rows):
        monkeypatch.setattr(module, "prune", whole)
    monkeypatch.setattr(around.Around, "prune", lambda self, vector, *where: whole(vector))
    return dropped


@pytest.mark.parametrize(("rule", "network", "optimizer", "regime"), CASES)
def test_orders_are_those_without_it(
    rule: str, network: str, optimizer: str, regime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned = checked(TEXT, rule, network, optimizer, regime)
    dropped = keep_all(monkeypatch)
    unpruned = checked(TEXT, rule, network, optimizer, regime)
    assert any(dropped)
    assert orders(pruned) == orders(unpruned)


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 12))])
def test_orders_of_networks_at_random(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pruned = checked(drawn(seed), "drawn", "net", "adam", "grows")
    keep_all(monkeypatch)
    assert orders(pruned) == orders(checked(drawn(seed), "drawn", "net", "adam", "grows"))


def test_what_is_left_out_is_claimed_and_claims_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks above put both to the test."""
    ended = list[around.Around]()
    run = training._run

    def watched(world: World, beyond_proof: bool, brief: bool) -> tuple[training.Step, ...]:
        steps = run(world, beyond_proof, brief)
        last = steps[-1].forward.around
        assert last is not None
        ended.append(last)
        return steps

    monkeypatch.setattr(training, "_run", watched)
    for seed in range(12):
        checked(drawn(seed), "drawn", "net", "adam", "grows")
    assert any(one.made for one in ended)
    assert any(one.refuted for one in ended)


@pytest.mark.parametrize(
    ("rule", "regime"),
    [
        pytest.param("moe_mup", "fixed_experts"),
        pytest.param("deepseek_mssp", "fine_grained", marks=pytest.mark.slow),
    ],
)
def test_narrow_experts_leave_few(rule: str, regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is multiplied by a weight, in a network of many narrow experts: hundreds of words could be told apart."""
    left, prune = list[int](), around.Around.prune

    def counted(
        self: around.Around,
        vector: components.Vector,
        op: Operation,
        way: around.Way,
        step: int,
        known: components.Vector = (),
    ) -> components.Vector:
        kept = prune(self, vector, op, way, step, known)
        left.append(len(kept))
        return kept

    monkeypatch.setattr(around.Around, "prune", counted)
    checked(TEXT, rule, "deepseek", "adamw", regime)
    assert max(left) < 50
