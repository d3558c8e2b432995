"""Which clauses speak of which tensors: classes, roles, patterns, blocks; who is left out, who is left over."""

from __future__ import annotations

import pytest

from scalec.plan.model import Plan
from tests.planning import diagnostics, plan_of, said, value

TENSORS = (
    "embed", "position", "block.norm.gain", "block.attention.q", "block.attention.k", "block.attention.v",
    "block.attention.o", "block.norm2.gain", "block.mlp.up", "block.mlp.down", "norm.gain", "readout",
)  # fmt: skip
ATTENTION = {f"block.attention.{x}" for x in "qkvo"}
MLP = {"block.mlp.up", "block.mlp.down"}
GAINS = {"block.norm.gain", "block.norm2.gain", "norm.gain"}
IN_REPEAT = {t for t in TENSORS if t.startswith("block.")}


def gpt(body: str, header: str = "mine extends sp") -> Plan:
    text = f"rule {header} {{ base N = 64, L = 2  {body} }}"
    return plan_of(text, "N=128", network="gpt", optimizer="adamw")


def selected(clause: str) -> set[str]:
    """The tensors whose learning rate a clause sets."""
    plan = gpt(f"{clause} {{ lr = 7 }}")
    return {t for t in TENSORS if value(plan, f"{t}.lr") == 7}


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("tensor *", set(TENSORS)),
        ("tensor matrix", ATTENTION | MLP),
        ("tensor input", {"embed", "position"}),
        ("tensor output", {"readout"}),
        ("tensor vector", GAINS),
        ("tensor readout", {"readout"}),
        ("tensor embedding", {"embed", "position"}),
        ("tensor embedding.position", {"position"}),
        ("tensor attention", ATTENTION),
        ("tensor attention.q, attention.k", {"block.attention.q", "block.attention.k"}),
        ("tensor norm", GAINS),
        ("tensor mlp", MLP),
        ("tensor * except vector, embedding", ATTENTION | MLP | {"readout"}),
        ("tensor * except attention.o", set(TENSORS) - {"block.attention.o"}),
        ("tensor * in repeat", IN_REPEAT),
        ("tensor * not in repeat", set(TENSORS) - IN_REPEAT),
        ("tensor * in block", IN_REPEAT),
        ("tensor * in residual", IN_REPEAT),
        ("tensor vector in norm not in repeat", {"norm.gain"}),
        ("tensor matrix in attention", ATTENTION),
        ("tensor matrix not in mlp", ATTENTION),
        ('tensor "blocks.*.mlp.*.weight"', MLP),
        ('tensor "*.weight"', set(TENSORS)),
        ('tensor "blocks.*.attention.[qk].weight"', {"block.attention.q", "block.attention.k"}),
        ('tensor "readout.weight"', {"readout"}),
    ],
)
def test_a_selector_selects(clause: str, expected: set[str]) -> None:
    assert selected(clause) == expected


def test_sites_are_selected_by_their_names_from_the_whole_to_the_part() -> None:
    plan = gpt("site residual { scale = 2 } site residual.mlp { scale = 3 } site logits { scale = 4 }")
    assert value(plan, "block.residual.attention.scale") == 2
    assert value(plan, "block.residual.mlp.scale") == 3
    assert value(plan, "logits.scale") == 4
    assert value(plan, "block.residual.mlp.skip") == 1
    assert value(plan, "block.attention.logits.scale") == pytest.approx(1 / 8)


def test_every_site_is_selected_by_the_star() -> None:
    plan = gpt("site * { scale = 2 }")
    assert {value(plan, f"{path}.scale") for path in plan.site} == {2.0}


def test_later_clauses_win_attribute_by_attribute() -> None:
    plan = gpt("tensor * { lr = 2;  eps = 2 } tensor readout { lr = 3 } tensor output { eps = 5 }")
    assert (value(plan, "readout.lr"), value(plan, "readout.eps")) == (3, 5)
    assert (value(plan, "embed.lr"), value(plan, "embed.eps")) == (2, 2)
    assert value(gpt("tensor readout { lr = 3 } tensor * { lr = 2 }"), "readout.lr") == 2


def test_parents_are_read_left_to_right_and_each_once() -> None:
    text = """
    rule top extends sp { tensor * { lr = 1 } }
    rule left extends top { tensor matrix { lr = 2 } }
    rule right extends top { tensor attention { lr = 3 } }
    rule mine extends left, right { }
    """
    plan = plan_of(text, "N=128,L=1", rule="mine", network="gpt", optimizer="adamw")
    found = [value(plan, f"{t}.lr") for t in ("embed", "block.mlp.up", "block.attention.q")]
    assert found == [1, 2, 3]


def test_sections_are_for_their_optimizers_only() -> None:
    text = "rule mine extends sp { for sgd { tensor * { lr = 2 } } for adamw { tensor * { lr = 3 } } }"
    for optimizer, expected in (("sgd", 2), ("adamw", 3), ("adam", 1e-3)):
        assert value(plan_of(text, "N=128", optimizer=optimizer), "readout.lr") == expected


# ---- what is left over -----------------------------------------------------------------------
@pytest.mark.parametrize(
    "clause",
    [
        "tensor router { lr ~ 1 }",
        "tensor bias { lr ~ 1 }",
        'tensor "bloks.*" { lr ~ 1 }',
        "tensor readout in repeat { lr ~ 1 }",
        "site moe.combine { scale ~ 1 }",
    ],
)
def test_an_own_clause_that_matches_nothing_is_a_mistake(clause: str) -> None:
    (found,) = diagnostics(lambda: gpt(clause))
    assert found.code.id == "SC401"
    assert found.message.startswith(f"`{clause.split(' {')[0]}` matches nothing in network `gpt`")
    assert found.notes[0].startswith("its sites are" if clause.startswith("site") else "its roles are embedding")


def test_an_inherited_clause_may_match_nothing() -> None:
    assert plan_of("rule mine extends sp { }", "N=128")  # sp speaks of attention and norms, the MLP has none


def test_a_clause_for_another_optimizer_may_match_nothing() -> None:
    assert gpt("for sgd { tensor router { lr ~ 1 } }")


def test_a_block_that_is_not_there_is_met_with_near_ones() -> None:
    (found,) = diagnostics(lambda: gpt("tensor * in bloc { lr ~ 1 }"))
    assert (found.code.id, found.message) == ("SC208", "no block is called `bloc`")
    assert found.helps == ("did you mean `block`?",)


def test_what_a_rule_does_not_say_is_listed_by_the_places_that_lack_it() -> None:
    text = "rule mine { tensor matrix { init = normal;  init.std = 1;  lr ~ 1;  eps ~ 1;  wd ~ 1 } }"
    assert said(lambda: plan_of(text, "N=64", network="gpt", optimizer="adamw")) == [
        "SC402 rule `mine` does not say `lr`, `eps`, `wd`, `init`, `init.std` of "
        "`embed`, `position`, `block.norm.gain`, `block.norm2.gain`, `norm.gain`, `readout`",
        "SC402 rule `mine` does not say `scale` of `block.attention.logits`",
    ]


def test_a_site_has_the_attributes_it_has() -> None:
    assert said(lambda: gpt("site attention.logits { skip = 1 }"))[0] == (
        "SC208 site `block.attention.logits` has no `skip`"
    )


def test_an_attribute_of_another_optimizer_is_passed_over() -> None:
    plan = gpt("tensor * { momentum = 0.9 }")
    assert "momentum" not in plan.tensor["readout"].numbers


def test_several_mistakes_are_said_in_one_run() -> None:
    body = "tensor router { lr ~ 1 } tensor matrix { lr ~ 1 + N; eps = 1/fanin } site logits { skip = 1 }"
    assert sorted(m[:5] for m in said(lambda: gpt(body))) == ["SC208", "SC301", "SC302", "SC401"]
