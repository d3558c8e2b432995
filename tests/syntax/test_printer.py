"""Printing and parsing are each other's inverse, for any tree and for the rule files beside this one.

The published files are what printing makes of them (`tests/test_fmt.py`), so parsing that again is nothing new.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from scalec.source import Source
from scalec.syntax import nodes
from scalec.syntax.layout import WIDTH, to_text
from scalec.syntax.parser import parse, parse_expression
from scalec.syntax.printer import clause_subject, expression_text, statement_text
from tests.syntax import trees

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.scale"))


def read(text: str) -> nodes.File:
    return parse(Source("<test>", text))


@pytest.mark.slow
@hypothesis_settings(max_examples=100)
@given(trees.files)
def test_a_printed_tree_parses_to_itself_and_prints_the_same(file: nodes.File) -> None:
    text = to_text(file)
    assert read(text) == file
    assert to_text(read(text)) == text


@pytest.mark.slow
@hypothesis_settings(max_examples=100)
@given(trees.expressions)
def test_a_printed_expression_parses_to_itself(expression: nodes.Expr) -> None:
    assert parse_expression(Source("<test>", expression_text(expression))) == expression


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_rule_file_survives_its_layout_with_all_comments(path: Path) -> None:
    file = read(path.read_text("utf-8"))
    text = to_text(file)
    again = read(text)
    assert again == file
    assert to_text(again) == text
    assert [comment for _, comment in again.comments] == [comment for _, comment in file.comments]


def test_there_are_examples_of_every_declaration() -> None:
    kinds = {type(d) for path in EXAMPLES for d in read(path.read_text("utf-8")).declarations}
    assert kinds == set(nodes.Declaration.__args__)


@pytest.mark.parametrize(
    "text",
    [
        "a - (b - c)", "a - b - c", "a/(b*c)", "a/b*c", "2*-x", "-x^2", "(-x)^2", "x^-alpha", "x^(-alpha/2)",
        "(x^y)^z", "x^(y^z)", "(x^-1)/2", "(a*x^2)/3", "(x^3)/2^-1", "x^2/a", "-(a + b)",
        "sqrt(max(1, fan_out/fan_in))",
        "--x", "a*(b/c)", "log(T)/T", "params.active/params",
    ],
)  # fmt: skip
def test_parentheses_stand_only_where_they_are_needed(text: str) -> None:
    more = re.sub(r"\b(x|a|b)\b(?!\()", r"((\1))", text)
    assert expression_text(parse_expression(Source("<test>", f"({more})"))) == text


def test_what_stands_before_the_brace() -> None:
    text = 'tensor matrix, "x" except router not in repeat under a + b, c where N > 1'
    (rule,) = read(f"rule r {{ {text.replace(' ', '  ')} {{ lr ~ 1 }} }}").declarations
    assert isinstance(rule, nodes.RuleDecl)
    (clause,) = rule.parts
    assert isinstance(clause, nodes.Clause)
    assert clause_subject(clause) == text


def test_statements() -> None:
    texts = ["1 - beta1 ~ batch/tokens", "wd solves timescale ~ 1", "lr *= 4", "init.std *~ N^-1"]
    (rule,) = read(f"rule r {{ run {{ {' '.join(texts)} }} }}").declarations
    assert isinstance(rule, nodes.RuleDecl)
    (clause,) = rule.parts
    assert isinstance(clause, nodes.Clause)
    assert list(map(statement_text, clause.statements)) == texts


def test_long_lines_are_broken_and_short_ones_folded() -> None:
    text = to_text(read((Path(__file__).parent / "examples" / "umup.scale").read_text("utf-8")))
    assert max(len(line) for line in text.splitlines() if "#" not in line) <= WIDTH
    assert re.search(r"  tensor bias +{ init = zero }\n", text)
    assert "  site residual.mlp {\n    scale = a_mlp" in text


def test_what_follows_and_begins_alike_is_a_table() -> None:
    text = (
        'dim N   "width"\n'
        'dim Hkv "heads"\n'
        "\n"
        "regime wide { N ~ s;  Hkv ~ 1 }\n"
        "regime deep { L ~ s }\n"
        "\n"
        "rule r {\n"
        "  tensor *               { lr ~ 1 }\n"
        "  tensor matrix, readout { lr ~ 1/fan_in;  wd ~ fan_in }\n"
        "  site residual { scale ~ 1/depth }\n"
        "  for adam {\n"
        "    tensor bias  { eps ~ 1 }  # of the first\n"
        "    # between them\n"
        "    tensor input { eps ~ 1 }\n"
        "  }\n"
        "  for sgd, adam { site logits { scale = 1 } }\n"
        "  for adamw     { site logits { scale = 2 } }\n"
        "}\n"
    )
    assert to_text(read(re.sub('  +([{"])', r" \1", text))) == text


def test_a_table_that_does_not_fit_is_none() -> None:
    long = f"tensor {', '.join(['matrix'] * 10)} {{ lr ~ 1 }}"
    short = f"tensor a {{ {';  '.join(['wd ~ 1'] * 8)} }}"
    assert to_text(read(f"rule r {{ {long} {short} }}")) == f"rule r {{\n  {long}\n  {short}\n}}\n"


def test_comments_behind_lines_that_follow_one_another_stand_in_one_column() -> None:
    text = (
        "regime wide { N ~ s }            # first\n"
        "regime deep { L ~ s;  Hkv ~ 1 }  # second\n"
        "regime both = wide + deep\n"
        "\n"
        "rule r {\n"
        "  tensor * { lr ~ 1 }  # alone\n"
        "  # between\n"
        "  run { lr = 1 }\n"
        "}\n"
    )
    assert to_text(read(re.sub(" +# (first|second|alone)", r" # \1", text))) == text


def test_claims_stand_side_by_side_with_their_like() -> None:
    text = (
        "check r on n for o under w {\n"
        "  expect stable_training, nontrivial, maximal_update, faithful\n"
        "  expect complete_depth fails at block.mlp.up and block.mlp.down\n"
        "  expect steady_decay fails\n"
        "  expect faithful undetermined\n"
        "  expect readout.init ~ 1, hidden.gradient ~ 1/N\n"
        "}\n"
    )
    assert to_text(read(text.replace("\n  expect", " expect"))) == text
    assert to_text(read("check r on n { expect a, b ~ 1, c fails }")) == "check r on n { expect a, b ~ 1, c fails }\n"


def test_comments_stay_with_what_they_are_about() -> None:
    text = (
        "# of the file\n"
        "use std.mup  # of the use\n"
        "\n"
        "# of the rule\n"
        "rule r {  # of its head\n"
        "  # of the clause\n"
        "  tensor * {\n"
        "    lr ~ 1  # of the statement\n"
        "    # last in the clause\n"
        "  }\n"
        "  # last in the rule\n"
        "}  # behind the rule\n"
        "# last of all\n"
    )
    assert to_text(read(text)) == text


def test_an_empty_file_is_empty() -> None:
    assert to_text(read("\n\n")) == ""
    assert to_text(read("# only this")) == "# only this\n"
