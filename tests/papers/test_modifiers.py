"""Plans of the packs for sparse weights, for adapters and for u-muP against the papers' tables."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import sqrt
from pathlib import Path

import pytest

from scalec.checking import of_files
from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_text
from tests.papers.modifiers import SUPAR, Powers, lora_mup, lora_plus, mu_a, umup
from tests.planning import order, quantity, value

RULES = Path(__file__).parents[2] / "rules" / "std"
GPT = {"embed": "input", "position": "input", "readout": "output", "norm.gain": "gain", "block.norm.gain": "gain",
       "block.norm2.gain": "gain", "block.mlp.up": "hidden", "block.mlp.down": "hidden",
       **{f"block.attention.{t}": "hidden" for t in "qkvo"}}  # fmt: skip
LORA = {f"block.attention.{t}.lora{c}": {"": "site", ".a": "a", ".b": "b"}[c] for t in "qv" for c in ("", ".a", ".b")}
TABLES = {
    "supar": ("supar", "sparse_gpt", "N = 64, L = 2, rho = 1", GPT, SUPAR),
    "lora_plus": ("lora", "lora_gpt", "N = 64, L = 2, r = 4", LORA, lora_plus(Fraction(1))),
    "lora_plus(gamma = 1/2)": ("lora", "lora_gpt", "N = 64, L = 2, r = 4", LORA, lora_plus(Fraction(1, 2))),
    "lora_mup": ("lora", "lora_gpt", "N = 64, L = 2, r = 4", LORA, lora_mup(Fraction(1))),
    "mu_a": ("lora", "lora_gpt", "N = 64, L = 2, r = 4", LORA, mu_a(Fraction(0))),
    "mu_a(gamma = 1/2)": ("lora", "lora_gpt", "N = 64, L = 2, r = 4", LORA, mu_a(Fraction(1, 2))),
}


@cache
def plan(pack: str, rule: str, network: str, base: str, at: str = "") -> Plan:
    text = f"use std.{pack}\nrule mine extends {rule} {{ {base} }}"
    sizes = (at,) if at else ()
    return planned(load_text(text, "t.scale"), Operands("mine", network, "adamw"), PlanRequest(sizes))


def differences(made: Plan, columns: dict[str, str], table: dict[str, Powers]) -> dict[str, tuple[object, object]]:
    found = {}
    for place, column in columns.items():
        for attribute, powers in table[column].items():
            ours = {n: order(made, f"{place}.{attribute}", n) for n in ("N", "L", "r", "rho")}
            said = {n: Fraction(powers.get(n, 0)) for n in ours}
            if ours != said:
                found[f"{place}.{attribute}"] = (ours, said)
    return found


@pytest.mark.parametrize("rule", TABLES)
def test_laws_are_the_papers_powers(rule: str) -> None:
    pack, network, base, columns, table = TABLES[rule]
    made = plan(pack, rule, network, f"base {base}")
    assert set(columns) <= {*made.tensor, *made.site}
    assert differences(made, columns, table) == {}


def test_another_rule_is_seen_to_differ() -> None:
    assert len(differences(plan("supar", "mup", "sparse_gpt", "base N = 64, L = 2"), GPT, SUPAR)) >= 6
    pack, network, base, columns, table = TABLES["mu_a"]
    assert len(differences(plan(pack, "lora_plus", network, f"base {base}"), columns, table)) >= 4


def test_only_adapters_are_trained() -> None:
    made = plan("lora", "lora_plus", "lora_gpt", "base N = 64, L = 2, r = 4")
    assert {path for path, t in made.tensor.items() if t.optimizer} == {p for p in LORA if not p.endswith("lora")}
    assert {made.tensor[p].init.word for p in LORA if p.endswith(".b")} == {"zero"}


def test_umup_is_its_table() -> None:
    made = plan("umup", "umup", "umup_gpt", "run { lr = 1/8;  wd = 1/64 }", "N=128,L=6,F=320")
    columns = {path: column for path, column in GPT.items() if column != "gain"}
    assert set(made.tensor) == set(columns)
    for path, column in columns.items():
        use = made.tensor[path].tensor.uses[0]
        fans = [int(made.value(quantity_of(f), made.sizes[0])) for f in (use.fan_in, use.fan_out)]
        for name, number in umup(column, *fans, 6 if path.startswith("block") else 1).items():
            factor = 1 / 8 if name == "lr" else 1
            assert value(made, f"{path}.{name}") == pytest.approx(factor * number, rel=1e-14), (path, name)
        assert value(made, f"{path}.wd") * value(made, f"{path}.lr") == pytest.approx(1 / 64)


def quantity_of(formula):
    from scalec.plan.model import Quantity

    return Quantity(formula, formula, formula)


def test_umup_s_branches_keep_the_stream_at_one() -> None:
    """Squares of skip and scale add up to 1; all attention, all MLP and the embedding weigh the same at the end."""
    made = plan("umup", "umup", "umup_gpt", "run { lr = 1/8;  wd = 1/64 }", "N=128,L=6,F=320")
    first, last = ({n: at(made, n, i) for n in ("attention", "mlp")} for i in (0, 1))
    for end in (first, last):
        for scale, skip in end.values():
            assert scale**2 + skip**2 == pytest.approx(1, rel=1e-14)
    assert first["attention"][0] == pytest.approx(1 / sqrt(6 + 1))
    assert last["mlp"][0] == pytest.approx(1 / sqrt(3 * 6))


def at(made: Plan, branch: str, end: int) -> tuple[float, float]:
    site = f"block.residual.{branch}"
    scale, skip = (made.values(quantity(made, f"{site}.{n}"), made.sizes[0])[end] for n in ("scale", "skip"))
    return scale, skip


MARKS = {
    "supar": ("the authors' code", "derived: eps"),
    "lora_plus": ("second-hand, the identifier recalled", "derived: rank"),
    "lora_mup": ("derived: A is an output weight",),
    "mu_a": ("second-hand: Cor. 4.4",),
}


@pytest.mark.parametrize("rule", MARKS)
def test_a_plan_says_what_was_not_read_in_the_source(rule: str) -> None:
    pack, network, base, _, _ = TABLES[rule]
    cited = plan(pack, rule, network, f"base {base}").sources
    assert all(any(mark in text for text in cited) for mark in MARKS[rule])


@pytest.mark.slow
@pytest.mark.parametrize("pack", ["supar", "lora", "umup"])
def test_the_checks_of_the_pack_hold(pack: str) -> None:
    said = of_files([RULES / f"{pack}.scale"], "text")
    assert said.holds, said.text
    assert "checks:" in said.text
