"""Weight decay between three conventions, and what one step takes from a weight under each."""

from __future__ import annotations

import pytest

from tests.planning import plan_of, said, value

OPTIMIZERS = """
optimizer shrinks  { update entrywise  class torch.optim.AdamW  uses lr = 0.5, wd = 0.1  decay torch }
optimizer apart    { update entrywise  class torch.optim.AdamW  uses lr = 0.5, wd = 0.1  decay independent }
optimizer gradient { update entrywise  class torch.optim.Adam   uses lr = 0.5, wd = 0.1  decay l2 }
optimizer plain    { update sgd        class torch.optim.SGD    uses lr = 0.5, wd = 0.1  decay l2 }
optimizer heavy    { update sgd  class torch.optim.SGD  uses lr = 0.5, wd = 0.1, momentum = 0.9  decay l2 }
optimizer light    { update sgd  class torch.optim.SGD  uses lr = 0.5, wd = 0.1, momentum = 0    decay l2 }
optimizer stepper  { update sgd  class torch.optim.SGD  uses lr = 0.5, wd = 0.1                  decay torch }
optimizer never    { update entrywise  class torch.optim.Adam   uses lr = 0.5, wd = 0.1  decay none }
optimizer none_yet { update entrywise  class torch.optim.Adam   uses lr = 0.5, wd = 0    decay l2 }
"""


def text(statements: str) -> str:
    said_ = "tensor * { init = normal;  init.std = 1;  lr ~ 1;  wd ~ 1 }"
    return f"{OPTIMIZERS} rule mine {{ base N = 64  {said_} tensor * {{ {statements} }} }}"


# rule's convention, optimizer, `wd` given to the class, decay per step (at lr = 0.5, wd = 0.1)
@pytest.mark.parametrize(
    ("kind", "optimizer", "wd", "per_step"),
    [
        ("torch", "shrinks", 0.1, 0.05),
        ("independent", "apart", 0.1, 0.1),
        ("independent", "shrinks", 0.2, 0.1),
        ("torch", "apart", 0.05, 0.05),
        ("l2", "gradient", 0.1, None),
        ("l2", "plain", 0.1, 0.05),
        ("torch", "plain", 0.1, 0.05),
        ("independent", "plain", 0.2, 0.1),
        ("torch", "light", 0.1, 0.05),
        ("l2", "stepper", 0.1, 0.05),
        ("torch", "none_yet", 0, 0),
        ("independent", "none_yet", 0, 0),
    ],
)
def test_a_decay_is_converted(kind: str, optimizer: str, wd: float, per_step: float | None) -> None:
    plan = plan_of(text(f"wd.kind = {kind}"), "N=128", optimizer=optimizer)
    tensor = plan.tensor["readout"]
    assert value(plan, "readout.wd") == pytest.approx(wd, rel=1e-15)
    if per_step is None:
        assert tensor.decay_per_step is None
    else:
        assert tensor.decay_per_step is not None
        assert plan.value(tensor.decay_per_step, plan.sizes[0]) == pytest.approx(per_step, rel=1e-15)


@pytest.mark.parametrize(("kind", "optimizer"), [
    ("torch", "gradient"), ("independent", "gradient"), ("l2", "shrinks"), ("l2", "apart"), ("torch", "heavy"),
])  # fmt: skip
def test_l2_and_decay_of_the_weight_are_not_converted(kind: str, optimizer: str) -> None:
    (message,) = said(lambda: plan_of(text(f"wd.kind = {kind}"), "N=128", optimizer=optimizer))
    assert message.startswith(f"SC404 the rule's `wd` is `{kind}`, the optimizer decays")


def test_an_optimizer_that_does_not_decay_says_so() -> None:
    message = "SC404 the optimizer does not decay, and `wd` is not 0"
    assert said(lambda: plan_of(text("wd.kind = torch"), "N=128", optimizer="never")) == [message]
    assert plan_of(text("wd = 0;  wd.kind = torch"), "N=128", optimizer="never")


def test_without_a_word_the_optimizer_s_own_convention_holds() -> None:
    for optimizer in ("shrinks", "apart", "gradient"):
        plan = plan_of(text(""), "N=128", optimizer=optimizer)
        assert value(plan, "readout.wd") == 0.1


@pytest.mark.parametrize(
    ("statements", "wd", "per_step"),
    [
        ("lr ~ 1/N", 0.1, 0.1 * 0.25),
        ("lr ~ 1/N;  wd ~ N", 0.2, 0.05),
        ("lr ~ 1/N;  wd.kind = independent", 0.4, 0.1),
        ("lr ~ 1/N;  wd ~ 1/N;  wd.kind = independent", 0.2, 0.05),
    ],
)
def test_laws_of_rate_and_decay_multiply(statements: str, wd: float, per_step: float) -> None:
    plan = plan_of(text(statements), "N=128", optimizer="shrinks")
    found = plan.tensor["readout"].decay_per_step
    assert found is not None
    assert value(plan, "readout.wd") == pytest.approx(wd, rel=1e-15)
    assert plan.value(found, plan.sizes[0]) == pytest.approx(per_step, rel=1e-15)


def test_an_independent_decay_needs_a_rate_where_the_optimizer_multiplies_by_it() -> None:
    message = "SC404 the optimizer decays by `lr * wd`, and `lr` is 0 here"
    frozen = text("wd.kind = independent;  lr = 0")
    assert said(lambda: plan_of(frozen, "N=128", optimizer="shrinks")) == [message]
    assert plan_of(text("wd.kind = independent;  lr = 0;  wd = 0"), "N=128", optimizer="shrinks")
    never = text("wd.kind = independent").replace("base N", "run { lr = 0 } base N")
    assert said(lambda: plan_of(never, "N=128", optimizer="shrinks")) == [message]
