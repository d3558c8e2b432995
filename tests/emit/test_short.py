"""Long sums by their names: what a person reads is short, and says the same."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scalec.emit.short import Short, in_ratios
from scalec.emit.table import FORMATS, why
from scalec.plan.model import Plan, Quantity
from scalec.plan.sizes import counts
from scalec.symbolic import formula as f
from scalec.symbolic.formula import Formula, Symbol, evaluate
from scalec.symbolic.text import plain
from tests.planning import plan_of

RULE = """
use std.mup
rule mine extends mup for adamw {
  base N = 64, L = 2, tokens = 1e6
  tensor readout { lr *~ params^-0.2 }
  run { lr = 3*params.body^-0.7*tokens^0.3;  wd ~ 1/params;  batch = max(params, 4*tokens) }
}
"""


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan_of(RULE, "N=128,L=4", network="gpt", optimizer="adamw")


def read(plan: Plan, formula: Formula) -> float:
    """The value of a shortened formula: its words are what they count."""
    known = counts(plan.program)
    plain_one, base = plan.environment(plan.sizes[0]), plan.environment(plan.base)

    def value(s: Symbol) -> float:
        if s.name not in known:
            return plain_one(s)
        there, at_base = evaluate(known[s.name], plain_one), evaluate(known[s.name], base)
        return {"size": there, "base": at_base, "ratio": there / at_base}[s.kind]

    return evaluate(formula, value)


def test_what_is_short_says_the_same(made: Plan) -> None:
    short = Short(made)
    said = [*made.run.values(), *(q for t in made.tensors for q in t.numbers.values())]
    numbers = [q for q in said if isinstance(q, Quantity)]
    assert len({plain(q.formula) for q in numbers if short.quantity(q) != q}) >= 4
    for quantity in numbers:
        found = short.quantity(quantity)
        for before, after in (
            (quantity.anchor, found.anchor),
            (quantity.law, found.law),
            (quantity.formula, found.formula),
        ):
            assert read(made, after) == pytest.approx(evaluate(before, made.environment(made.sizes[0])), rel=1e-12)


def test_why_says_the_word_and_what_it_stands_for(made: Plan) -> None:
    text = why(made, "run.lr").splitlines()
    assert text[0] == "run.lr = 3*tokens^0.3/params.body^0.7"
    assert "= 3*base.tokens^0.3/base.params.body^0.7, and from there: m_tokens^0.3/m_params.body^0.7" in text[2]
    assert text[2].startswith("  at the base: 0.0")
    assert text[3] == "  params.body = 2*F*L*N + 2*L*N + 4*L*N^2 + N"
    body = 2 * 512 * 4 * 128 + 2 * 4 * 128 + 4 * 4 * 128**2 + 128
    assert text[4] == f"    at N=128,L=4: {body}"


def test_words_inside_of_functions(made: Plan) -> None:
    assert why(made, "run.batch").startswith("run.batch = max(params, 4*tokens)\n")


def test_tables_are_short_and_documents_exact(made: Plan) -> None:
    assert "base.params^(1/5)" in FORMATS["text"](made)
    assert "params" not in FORMATS["csv"](made)


def test_ratios_are_said_where_a_size_meets_its_base() -> None:
    n, base, other = f.symbol("size", "N"), f.symbol("base", "N"), f.symbol("size", "L")
    third = Fraction(1, 3)
    assert plain(in_ratios(f.mul(f.power(n, -third), f.power(base, third), other))) == "L/m_N^(1/3)"
    assert plain(in_ratios(f.mul(f.power(n, -third), base))) == "base.N/N^(1/3)"
    assert plain(in_ratios(f.add(n, base))) == plain(f.add(n, base))
