"""Plans of the standard packs against the papers' tables: as exponents of the width, and in numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.plan.model import Plan
from tests.papers.mup_table3 import ADAM_EPS, MUP, SP, Cell, in_width
from tests.planning import order, plan_of, value

Table = dict[str, dict[str, Cell]]
BASE = 64
RATIOS = (1, 2, 8, 64)
TABLES = {"mup": MUP, "sp": SP}

# Column of the table for each tensor that the standard networks have.
COLUMNS = {
    "mlp": {"input": "input", "hidden": "hidden", "hidden2": "hidden", "readout": "output"},
    "gpt": {
        "embed": "input", "position": "input", "block.norm.gain": "input", "block.norm2.gain": "input",
        "norm.gain": "input", "readout": "output",
        **{f"block.attention.{t}": "hidden" for t in "qkvo"}, "block.mlp.up": "hidden", "block.mlp.down": "hidden",
    },
}  # fmt: skip
CASES = [
    (rule, network, optimizer, tensor)
    for rule in TABLES
    for network in COLUMNS
    for optimizer in ("sgd", "adam", "adamw")
    for tensor in COLUMNS[network]
]
PLANS: dict[tuple[str, str, str], Plan] = {}


def plan(rule: str, network: str, optimizer: str) -> Plan:
    """One plan for all ratios, made once."""
    key = (rule, network, optimizer)
    if key not in PLANS:
        text = f"rule mine extends {rule} {{ base N = {BASE}, L = 2 }}"
        sizes = tuple(f"N={BASE * r}" for r in RATIOS)
        PLANS[key] = plan_of(text, sizes, network=network, optimizer=optimizer)
    return PLANS[key]


def exponents(rule: str, network: str, optimizer: str, tensor: str) -> dict[str, Fraction]:
    """What the table says of each attribute, as powers of the width."""
    column = COLUMNS[network][tensor]
    cells = TABLES[rule][column]
    family = "sgd" if optimizer == "sgd" else "adam"
    lr = in_width(cells[f"{family}_lr"], column)
    found = {"lr": lr, "scale": Fraction(0)}
    if not tensor.endswith("gain"):  # a gain starts at 1; the table's biases start at 0
        found["init.std"] = in_width(cells["init_variance"], column) / 2
    if optimizer != "sgd":
        found["eps"] = ADAM_EPS[column] if rule == "mup" else Fraction(0)
    return found


@pytest.mark.parametrize(("rule", "network", "optimizer", "tensor"), CASES)
def test_laws_are_the_papers_powers_of_the_width(rule: str, network: str, optimizer: str, tensor: str) -> None:
    made = plan(rule, network, optimizer)
    expected = exponents(rule, network, optimizer, tensor)
    assert {name: order(made, f"{tensor}.{name}") for name in expected} == expected


@pytest.mark.parametrize(("rule", "network", "optimizer", "tensor"), CASES)
def test_values_move_by_these_powers(rule: str, network: str, optimizer: str, tensor: str) -> None:
    made = plan(rule, network, optimizer)
    for name, exponent in exponents(rule, network, optimizer, tensor).items():
        base = value(made, f"{tensor}.{name}", 0)
        for at, ratio in enumerate(RATIOS):
            assert value(made, f"{tensor}.{name}", at) == pytest.approx(
                base * float(ratio) ** float(exponent), rel=1e-12
            )


@pytest.mark.parametrize("network", COLUMNS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_at_the_base_both_rules_are_one(network: str, optimizer: str) -> None:
    mup, sp = plan("mup", network, optimizer), plan("sp", network, optimizer)
    for tensor in mup.tensor:
        for name in mup.tensor[tensor].numbers:
            assert value(mup, f"{tensor}.{name}") == value(sp, f"{tensor}.{name}")
    for site in mup.site:
        assert value(mup, f"{site}.scale") == value(sp, f"{site}.scale")


def test_attention_is_divided_by_the_head_dimension_and_equal_at_the_base() -> None:
    """Definition 4.1 of arXiv:2203.03466: 1/d in place of 1/sqrt(d)."""
    text = "rule mine extends {} {{ base N = 64, L = 2, H = 4 }}"
    for rule, exponent in (("mup", -1), ("sp", Fraction(-1, 2))):
        made = plan_of(text.format(rule), ("N=64", "N=256"), network="gpt", optimizer="adamw")
        assert order(made, "block.attention.logits.scale") == exponent
        assert value(made, "block.attention.logits.scale", 0) == pytest.approx(1 / 4)
        assert value(made, "block.attention.logits.scale", 1) == pytest.approx(1 / 4 * 4.0 ** float(exponent))


def test_heads_that_grow_in_number_leave_attention_alone() -> None:
    assert order(plan("mup", "gpt", "adamw"), "block.attention.logits.scale") == 0


@pytest.mark.parametrize("tensor", COLUMNS["gpt"])
def test_what_decay_takes_from_a_weight_at_each_step_stays(tensor: str) -> None:
    """With AdamW the product of rate and decay is what acts: `wd` grows as `lr` falls."""
    made = plan("mup", "gpt", "adamw")
    quantity = made.tensor[tensor].decay_per_step
    assert quantity is not None
    assert {made.value(quantity, sizes) for sizes in made.sizes} == {1e-3 * 0.01}


def test_a_vocabulary_is_a_constant() -> None:
    text = "rule mine extends mup { base N = 64, L = 2 }"
    net = "network net { dims N  fixed V = 999  embed(V, N) readout(V) }"
    made = plan_of(net + text, ("N=64", "N=128"), network="net", optimizer="adam")
    assert value(made, "readout.lr", 1) == 1e-3 / 2
    assert value(made, "readout.eps", 1) == 1e-8
    assert value(made, "embed.init.std", 1) == 1
