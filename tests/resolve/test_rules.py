"""A rule and its ancestors as one list of clauses: order, parameters, sections, closed sets of words."""

from __future__ import annotations

import pytest

from scalec.pipeline import diagnose_text
from scalec.resolve.rules import RuleSet
from scalec.syntax.printer import clause_subject, statement_text
from tests.planning import rule_of, said

NEAR = [
    ("tensor embeding { lr ~ 1 }", "unknown shape class or role `embeding`", "did you mean `embedding`"),
    ("tensor matrx { lr ~ 1 }", "unknown shape class or role `matrx`", "did you mean `matrix`"),
    ("tensor * except vektor { lr ~ 1 }", "unknown shape class or role `vektor`", "did you mean `vector`"),
    ("site residual.attn { scale ~ 1 }", "unknown site `residual.attn`", "did you mean `residual.attention`"),
    ("tensor * { weight_decay ~ 1 }", "a tensor has no attribute `weight_decay`", ""),
    ("tensor * { init.sdt ~ 1 }", "a tensor has no attribute `init.sdt`", "did you mean `init.std`"),
    ("site logits { lr ~ 1 }", "a site has no attribute `lr`", ""),
    ("run { warm_up = 20 }", "a run has no attribute `warm_up`", "did you mean `warmup`"),
    ("tensor * { init = zeros }", "`init` cannot be `zeros`", "did you mean `zero`"),
    ("tensor * { wd.kind ~ torch }", "`wd.kind` is a word and takes `=` only", ""),
    ("run { schedule = 3 }", "`schedule` cannot be `3`", ""),
]


def clauses(rule: RuleSet) -> list[str]:
    """`rule: head { statements }` of each clause, in order of precedence."""
    return [
        f"{c.rule}: {clause_subject(c.node)} {{ {'; '.join(map(statement_text, c.node.statements))} }}"
        for c in rule.clauses
    ]


def mistakes(body: str) -> list[tuple[str, str]]:
    """Message and first help of each mistake in a rule with this body."""
    text = f"use std.mup\nrule mine {{ {body} }}"
    return [(d.message, d.helps[0] if d.helps else "") for d in diagnose_text(text)]


# ---- order -----------------------------------------------------------------------------------
DIAMOND = """
rule top { tensor * { lr = 1 } }
rule left extends top { tensor * { lr = 2 } }
rule right extends top { tensor * { lr = 3 } }
rule mine extends left, right { tensor * { lr = 4 } }
"""


def test_ancestors_come_once_parents_left_to_right_then_the_rule_itself() -> None:
    assert clauses(rule_of(DIAMOND)) == [f"{rule}: tensor * {{ lr = {value} }}" for rule, value in
                                         (("top", 1), ("left", 2), ("right", 3), ("mine", 4))]  # fmt: skip


def test_clauses_keep_their_order_inside_sections() -> None:
    text = "rule mine { tensor * { lr = 1 } for adam { tensor * { lr = 2 } } tensor * { lr = 3 } }"
    assert [c.split("lr = ")[1][0] for c in clauses(rule_of(text))] == ["1", "2", "3"]


def test_what_stands_in_the_file_under_work_is_its_own() -> None:
    rule = rule_of("rule mine extends sp { tensor * { lr = 1 } }")
    assert {c.rule for c in rule.clauses if c.own} == {"mine"}
    assert {c.rule for c in rule.clauses if not c.own} == {"sp"}


def test_base_sizes_and_citations_are_gathered() -> None:
    rule = rule_of("rule top { base N = 64, L = 2  cite arXiv:1 } rule mine extends top { base N = 128 cite arXiv:2 }")
    assert [s.name for s in rule.base] == ["N", "L", "N"]
    assert [(name, c.reference) for name, c in rule.cites] == [("top", "arXiv:1"), ("mine", "arXiv:2")]


def test_a_citation_of_another_optimizers_section_is_left_out() -> None:
    rule = rule_of("rule mine { for sgd { cite arXiv:1 } for adam, adamw { cite arXiv:2 } }")
    assert [c.reference for _, c in rule.cites] == ["arXiv:2"]


# ---- parameters ------------------------------------------------------------------------------
def test_parameters_are_replaced_where_they_stand_and_passed_on() -> None:
    text = """
    rule top(a, b = a/2) { tensor * { lr = a;  eps = b } }
    rule mine(c = 3) extends top(c + 1) { tensor * { wd = c } }
    """
    assert clauses(rule_of(text)) == ["top: tensor * { lr = 3 + 1; eps = (3 + 1)/2 }", "mine: tensor * { wd = 3 }"]
    assert clauses(rule_of(text, "mine(c = 5)"))[1] == "mine: tensor * { wd = 5 }"
    assert clauses(rule_of(text, "mine(7)"))[1] == "mine: tensor * { wd = 7 }"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine(1, 2)", "`mine` has 1 parameter, no more"),
        ("mine(alpah = 1)", "`mine` has no parameter `alpah`"),
        ("mine(1, alpha = 2)", "parameter `alpha` of `mine` is given twice"),
        ("mine", "`mine` needs a value for parameter `alpha`"),
    ],
)
def test_arguments_fit_the_parameters(name: str, message: str) -> None:
    assert said(lambda: rule_of("rule mine(alpha) { tensor * { lr = alpha } }", name)) == [f"SC206 {message}"]


def test_one_ancestor_with_two_arguments_is_no_ancestor() -> None:
    text = """
    rule top(a = 1) { tensor * { lr = a } }
    rule left extends top(2) { }
    rule mine extends left, top { }
    """
    assert said(lambda: rule_of(text)) == ["SC206 rule `top` is inherited twice with different arguments"]
    assert len(clauses(rule_of(text.replace("left, top", "left, top(a = 2)")))) == 1


def test_values_that_double_each_time_are_cut_off() -> None:
    chain = ", ".join(["a = 1"] + [f"{y} = {x} + {x}" for x, y in zip("abcdefghijkl", "bcdefghijklm", strict=True)])
    assert said(lambda: rule_of(f"rule mine({chain}) {{ tensor * {{ lr = m }} }}")) == [
        "SC102 the value of parameter `i` of `mine` is too large"
    ]


def test_a_rule_never_extends_itself() -> None:
    text = "rule mine extends other { }\nrule other extends mine { }"
    assert said(lambda: rule_of(text)) == ["SC204 rule `mine` extends itself"]


def test_many_ways_to_one_ancestor_are_walked_once() -> None:
    rules = "".join(f"rule r{i} extends r{i - 1}, r{i - 1} {{ }}\n" for i in range(1, 40))
    text = f"rule r0 for adam {{ tensor * {{ lr = 1 }} }}\n{rules}rule mine extends r39 {{ }}"
    assert len(rule_of(text).clauses) == 1
    assert diagnose_text(f"use std.mup\n{text}") == ()


# ---- whom it is for --------------------------------------------------------------------------
def test_a_rule_for_other_optimizers_is_unsuitable() -> None:
    text = "rule mine for sgd, adamw { tensor * { lr = 1 } }"
    assert said(lambda: rule_of(text)) == ["SC209 rule `mine` is for `adamw` and `sgd`, not for `adam`"]
    assert len(rule_of(text, optimizer="sgd").clauses) == 1


def test_sections_inside_sections_are_for_what_both_name() -> None:
    rule = rule_of("rule mine { for sgd, adam { tensor * for adam, adamw { lr = 1 } tensor * { lr = 2 } } }")
    assert [sorted(c.around.owners or ()) for c in rule.clauses] == [["adam"], ["adam", "sgd"]]


def test_an_unknown_optimizer_is_said_wherever_it_stands() -> None:
    for text in (
        "rule mine for adamm { }",
        "rule mine { for adamm { } }",
        "rule mine { tensor * for adamm { lr = 1 } }",
    ):
        found = [m for m in said_by_examining(text) if "optimizer" in m]
        assert found == ["unknown optimizer `adamm`"]


def said_by_examining(text: str) -> list[str]:
    return [d.message for d in diagnose_text(f"use std.mup\n{text}")]


# ---- words -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("body", "message", "help_"), NEAR)
def test_a_word_outside_its_closed_set_is_a_mistake(body: str, message: str, help_: str) -> None:
    ((found, helped),) = mistakes(body)
    assert found == message
    assert helped.startswith(help_)


def test_every_mistake_of_a_rule_is_said_in_one_run() -> None:
    assert len(mistakes("\n".join(body for body, _, _ in NEAR))) == len(NEAR)


def test_a_base_names_a_dimension_and_its_value() -> None:
    assert [m for m, _ in mistakes("base NN = 64")] == ["unknown dimension `NN`"]
    assert [m for m, _ in mistakes("base N")] == ["`base N` has no value"]
