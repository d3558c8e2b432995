"""Several optimizers: one owner for each tensor, decided first; each with its own values of the run."""

from __future__ import annotations

import pytest

from scalec.emit.table import FORMATS
from scalec.emit.why import why
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, plan
from scalec.plan.model import Plan
from tests.planning import law, plan_of, said, value, workspace

OWNED = """
rule mine extends sp {
  base N = 64, L = 2
  tensor *      { optimizer = adamw;  lr ~ 1/fan_out }
  tensor matrix { optimizer = muon }
  for muon      { run { lr = 1/16 }  tensor * { lr ~ fan_out } }
  for adamw     { run { lr = 1/32;  beta2 = 0.95 }  tensor readout { lr = 3*run.lr + run.muon.lr } }
  site logits   { scale = run.muon.lr }
}
"""


def owned(text: str = OWNED, optimizer: str | None = None, network: str = "gpt", tune: tuple[str, ...] = ()) -> Plan:
    return plan_of(text, "N=128", rule="mine", network=network, optimizer=optimizer, tune=tune)


def owners(made: Plan) -> dict[str, str | None]:
    return {path: t.optimizer for path, t in made.tensor.items()}


def test_the_rule_says_which_optimizers_and_whose_each_tensor_is() -> None:
    made = owned()
    assert list(made.optimizers) == ["adamw", "muon"]
    assert owners(made)["block.mlp.up"] == "muon"
    assert owners(made)["readout"] == owners(made)["embed"] == owners(made)["norm.gain"] == "adamw"


def test_what_is_said_for_an_optimizer_holds_for_its_tensors() -> None:
    made = owned()
    assert law(made, "block.attention.q.lr") == "m_N"
    assert law(made, "embed.lr") == "1/m_N"
    assert set(made.tensor["block.mlp.up"].numbers) >= {"lr", "wd", "momentum"}
    assert "eps" not in made.tensor["block.mlp.up"].numbers
    assert "momentum" not in made.tensor["embed"].numbers


def test_each_optimizer_has_its_own_run() -> None:
    made = owned()
    assert {n for n in made.run if n.endswith(".lr")} == {"adamw.lr", "muon.lr"}
    assert value(made, "block.attention.q.lr") == 2 / 16
    assert value(made, "embed.lr") == 1 / 64
    assert value(made, "readout.lr") == 3 / 32 + 1 / 16
    assert value(made, "logits.scale") == 1 / 16
    assert made.value(made.rate, made.sizes[0]) == 1 / 32


@pytest.mark.parametrize(
    ("tune", "muon", "adamw"),
    [("muon.lr=1", 1, 1 / 32), ("lr=1", 1, 1), ("run.lr=1", 1, 1), ("embed.lr=1", 1 / 16, 1 / 32)],
)
def test_tuning_one_or_all(tune: str, muon: float, adamw: float) -> None:
    made = owned(tune=(tune,))
    assert value(made, "run.muon.lr") == muon
    assert value(made, "run.adamw.lr") == adamw


def test_one_optimizer_owns_everything() -> None:
    made = owned(OWNED.replace("3*run.lr + run.muon.lr", "3*run.lr").replace("site logits", "#"), optimizer="adamw")
    assert set(owners(made).values()) == {"adamw"}
    assert set(made.run) >= {"lr", "beta2"}


def test_tables_say_whose_a_tensor_is() -> None:
    made = owned()
    for form in ("text", "markdown", "csv", "latex", "json"):
        assert "muon" in FORMATS[form](made)
    assert "tensor matrix { optimizer = muon }" in why(made, "block.mlp.up.optimizer")
    assert "over mine: tensor * { optimizer = adamw" in why(made, "block.mlp.up.optimizer")


# ---- a class's own factor --------------------------------------------------------------------
FACTOR = """
optimizer moon extends muon {
  class  torch.optim.Muon(adjust_lr_fn = match_rms_adamw)
  factor 1/5*sqrt(max(fan_in, fan_out))
}
rule mine extends sp for moon { base N = 64  tensor * { wd = 1/4;  lr ~ sqrt(fan_out/fan_in) } }
"""


def test_the_factor_is_divided_out_of_the_rate_and_decay_stays() -> None:
    made = plan_of(FACTOR, "N=256", optimizer="moon")
    assert value(made, "input.lr") == pytest.approx(0.02 * 2 / (256**0.5 / 5))
    assert value(made, "readout.lr") == pytest.approx(0.02 / 2 / (256**0.5 / 5))
    assert value(made, "hidden.wd") == pytest.approx(256**0.5 / 5 / 4)
    decay = made.tensor["hidden"].decay_per_step
    assert decay is not None
    assert made.value(decay, made.sizes[0]) == pytest.approx(0.02 / 4)
    assert "by moon: factor 1/5*sqrt(max(fan_in, fan_out))" in why(made, "hidden.lr")


def test_a_class_of_its_own_is_not_written_out_as_its_parents() -> None:
    assert plan_of(FACTOR, "N=256", optimizer="moon").optimizers["moon"].batched is None
    text = FACTOR.replace("class  torch.optim.Muon(adjust_lr_fn = match_rms_adamw)", "")
    assert plan_of(text, "N=256", optimizer="moon").optimizers["moon"].batched is not None


# ---- mistakes --------------------------------------------------------------------------------
def mistakes(text: str, optimizer: str | None, network: str = "gpt") -> list[str]:
    return said(lambda: plan(workspace(text), Operands("mine", network, optimizer), PlanRequest(("N=128",))))


def test_a_tensor_without_an_owner() -> None:
    text = OWNED.replace("optimizer = adamw;  ", "")
    assert mistakes(text, "muon+adamw") == ["SC412 no optimizer owns `embed`, `position`, `block.norm.gain`, "
        "`block.norm2.gain`, `norm.gain`, `readout`"]  # fmt: skip


def test_an_owner_that_is_not_given() -> None:
    found = mistakes(OWNED, "adamw+sgd")
    assert any(m.startswith("SC412 `muon`, which owns `block.attention.q`") for m in found)


def test_an_owner_cannot_depend_on_the_owner() -> None:
    text = OWNED.replace("for muon      { run", "for muon { tensor mlp { optimizer = adamw }  run")
    assert mistakes(text, None) == ["SC412 who owns a tensor is decided before what is said `for` its owner"]


def test_an_orthogonal_update_is_of_a_matrix() -> None:
    found = mistakes(OWNED.replace("tensor matrix {", "tensor matrix, embedding, norm.gain {"), None)
    assert found == [
        "SC412 `muon` orthogonalises matrices, and there is none in `embed`, `position`, `block.norm.gain`, "
        "`block.norm2.gain`, `norm.gain`"
    ]


def test_an_unknown_owner() -> None:
    assert mistakes(OWNED.replace("optimizer = muon", "optimizer = moun"), None) == ["SC201 unknown optimizer `moun`"]
    assert any("SC208" in m for m in mistakes(OWNED.replace("optimizer = muon", "optimizer ~ 1"), "adamw"))
