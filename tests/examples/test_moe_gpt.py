"""The second example: its checks hold, the demo tells its verdicts, and what is emitted of it learns."""

from __future__ import annotations

import pytest

from examples.demo import EXPERTS_FILE, EXPERTS_RULES, verdict
from scalec.api import load, make_plan
from scalec.pipeline import run_checks


@pytest.mark.slow
def test_its_checks_hold() -> None:
    runs = list(run_checks(load(EXPERTS_FILE)))
    assert len(runs) == 2
    assert [d for run in runs for d in run.diagnostics] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("regime", "refuted"),
    [("fixed_experts", ["router"]), ("fine_grained", ["moe.out", "moe.out"]), ("proportional", ["moe.out"])],
)
def test_the_demo_tells_what_is_proved(regime: str, refuted: list[str]) -> None:
    said = verdict(regime).splitlines()
    assert f"--regime {regime}" in said[0]
    assert said[1].split() == list(EXPERTS_RULES)
    assert [line.split() for line in said[2:5]] == [
        ["stable_training", "pass", "pass"],
        ["maximal_update", "pass", "pass"],
        ["maximal_scale_stability", "fail", "pass"],
    ]
    forward = [line for line in said[5:] if "backward" not in line]
    assert [name in line for name, line in zip(refuted, forward, strict=True)] == [True] * len(refuted)


def test_both_rules_are_one_model_at_the_base() -> None:
    first, second = (
        make_plan(load(EXPERTS_FILE), rule=rule, at=["N=64"], regime="fine_grained") for rule in EXPERTS_RULES
    )
    values = [
        {t.tensor.path: {n: plan.value(q, plan.sizes[0]) for n, q in t.numbers.items()} for t in plan.tensors}
        for plan in (first, second)
    ]
    assert values[0] == values[1]


@pytest.mark.torch
def test_what_is_emitted_learns() -> None:
    import torch

    from scalec.torch.emitted import load_emitted

    torch.set_num_threads(1)
    plan = make_plan(load(EXPERTS_FILE), rule="gpt_mssp", at=["N=64"], regime="fine_grained")
    run = load_emitted(plan).build(plan.sizes[0], seed=0, lr=2**-7)
    tokens = torch.arange(65).repeat(2, 1) % 7
    losses = []
    for _ in range(8):
        logits = run.model(tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
