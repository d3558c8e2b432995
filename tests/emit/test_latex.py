"""The LaTeX table: whole, and safe whatever a rule file calls things."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalec.emit.latex import escaped, latex
from scalec.symbolic import formula as f
from scalec.symbolic.text import latex as formula_latex
from tests.planning import plan_of

TEXT = """rule mine_1 extends mup for adam {
  base N = 64
  run { lr = 1e-3; 1 - beta1 = 0.1 }
  tensor readout { init = zero }
}
"""
COMMANDS = {
    "begin", "end", "hline", "texttt", "mathit", "sqrt", "cdot", "min", "max", "log",
    "textbackslash", "textasciitilde", "textasciicircum",
}  # fmt: skip


def assert_whole(text: str) -> None:
    """One table, rows of equally many cells, braces and dollars in pairs, commands we know."""
    start, end = text.index(r"\begin{tabular}"), text.index(r"\end{tabular}")
    columns = re.match(r"\\begin\{tabular\}\{(\w+)\}", text[start:])
    assert columns
    rows = [line for line in text[start:end].splitlines() if line.endswith(r"\\")]
    plain = [re.sub(r"\\[&%$#_{}\\]", "", line.removesuffix(r"\\")) for line in rows]
    assert {line.count("&") for line in plain} == {len(columns[1]) - 1}
    for line in text[:start].splitlines():
        assert line.startswith("%")
    for line in text[start:].splitlines():
        bare = re.sub(r"\\[&%$#_{}\\]", "", line)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= COMMANDS
        assert not re.search(r"[%#~]", bare)


@pytest.mark.parametrize("at", [(), "N=128", ("N=128", "N=4096")])
def test_a_table_of_a_plan(at: str | tuple[str, ...]) -> None:
    text = latex(plan_of(TEXT, at))
    assert_whole(text)
    assert r"\texttt{readout} & init & zero" in text
    assert r"mine\_1 on mlp for adam\\" in text


def test_a_plan_without_sizes_has_no_columns_of_them() -> None:
    assert_whole(
        latex(plan_of("rule mine for adam { tensor * { init = normal; init.std = 1; lr = 1; eps = 0; wd = 0 } }"))
    )


N, M, LR = f.symbol("ratio", "N"), f.symbol("base", "head_dim"), f.symbol("run", "lr")


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (f.divide(LR, N), r"\mathit{lr} / m_{N}"),
        (f.power(N, -2), r"1 / m_{N}^{2}"),
        (f.mul(f.number(2), f.power(M, f.Fraction(1, 2))), r"2 \, \sqrt{\mathit{head\_dim}_{0}}"),
        (f.mul(f.number(f.Fraction(1, 10**8)), N), r"10^{-8} \, m_{N}"),
        (f.minimum(N, f.number(3)), r"\min(3, m_{N})"),
        (f.power(N, f.Fraction(2, 3)), r"m_{N}^{2/3}"),
    ],
)
def test_formulas(formula: f.Formula, text: str) -> None:
    assert formula_latex(formula) == text


@given(st.text())
def test_any_text_is_one_line_that_commands_nothing(text: str) -> None:
    safe = escaped(text)
    bare = re.sub(r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\\[{}$&#_%]", "", safe)
    assert not re.search(r"[\\{}$&#_%~^\n\r]", bare)
    assert len(safe.splitlines()) <= 1


def test_what_is_not_whole_is_noticed() -> None:
    good = latex(plan_of(TEXT, "N=128"))
    for broken in (
        good.replace(" & ", " ", 1), good.replace("}", "", 1), good.replace("$", "", 1), f"x\n{good}",
        good.replace("readout", r"\input{x}", 1), good.replace("zero", "ze%ro"),
    ):  # fmt: skip
        with pytest.raises((AssertionError, ValueError)):
            assert_whole(broken)
