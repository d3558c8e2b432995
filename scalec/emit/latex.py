"""The plan as a LaTeX table. Input: a plan. Output: a `tabular` that needs no package.

Invariant: what comes from a rule file is escaped, so that no name of it is a command or ends a line.
"""

from __future__ import annotations

from itertools import zip_longest

from scalec.emit.columns import headings
from scalec.emit.lines import Block, blocks, footer, title
from scalec.plan.model import Plan, Quantity
from scalec.symbolic import text

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "{}$&#_%"},
}  # fmt: skip


def latex(plan: Plan) -> str:
    """One row an attribute; the tensors it holds for in the first cell."""
    heads = ["tensors", "attribute", "formula", *map(escaped, headings(plan))]
    first, *_ = caption = [*title(plan), *footer(plan)]
    return "\n".join(
        [
            f"% {_printable(first)}",
            rf"\begin{{tabular}}{{lll{'r' * len(headings(plan))}}}",
            r"\hline",
            f"{' & '.join(heads)} \\\\",
            *(line for block in blocks(plan, _number, _formula) for line in [r"\hline", *_rows(block)]),
            r"\hline",
            r"\end{tabular}",
            "",
            *(rf"{escaped(line)}\\" for line in caption),
            "",
        ]
    )


def _rows(block: Block) -> list[str]:
    """The names stand in the first rows, one in each, so that many of them need no wide column."""
    names = [rf"\texttt{{{escaped(name)}}}" for name in block.names]
    said = [[escaped(r.attribute), r.formula, *r.values] for r in block.lines]
    empty = [""] * len(said[0])
    return [f"{' & '.join([name or '', *(cells or empty)])} \\\\" for name, cells in zip_longest(names, said)]


def escaped(line: str) -> str:
    """Text of one line that LaTeX prints as it stands."""
    return "".join(SPECIAL.get(char, char) for char in _printable(line))


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)


def _number(value: float) -> str:
    digits, _, exponent = f"{value:.4g}".partition("e")
    return rf"${digits} \cdot 10^{{{int(exponent)}}}$" if exponent else digits


def _formula(quantity: Quantity) -> str:
    formula = text.latex(quantity.formula)
    return f"$1 - ({formula})$" if quantity.complement else f"${formula}$"
