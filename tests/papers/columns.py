"""What the tables of several papers share: columns, and powers of the two ratios.

A column is what a table has one entry for; `COLUMNS` says which one each tensor of a network belongs to.
A power is a pair of exponents, of the width ratio `m_N` and of the depth ratio `m_L`. An entry that a
table does not have is left out and not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

Power = tuple[Fraction, Fraction]
Entries = dict[str, Power]

COLUMNS: dict[str, dict[str, str]] = {
    "mlp": {"input": "input", "hidden": "hidden", "hidden2": "hidden", "readout": "output"},
    "resmlp": {"input": "input", "block.hidden": "block", "readout": "output"},
    "gpt": {
        "embed": "input", "position": "input", "norm.gain": "gain", "readout": "output",
        "block.norm.gain": "block gain", "block.norm2.gain": "block gain",
        **{f"block.attention.{t}": "block" for t in "qkvo"}, "block.mlp.up": "block", "block.mlp.down": "block",
    },
}  # fmt: skip

HALF = Fraction(1, 2)


def power(width: Fraction | int = 0, depth: Fraction | int = 0) -> Power:
    """`m_N^width * m_L^depth`."""
    return Fraction(width), Fraction(depth)


def widths(entries: Mapping[str, Fraction | int]) -> Entries:
    """Entries of a table that is about width alone."""
    return {name: power(exponent) for name, exponent in entries.items()}


def shape(column: str) -> str:
    """The column of a table that knows shapes only: gains are vectors, what stands in a block is hidden."""
    return {"gain": "vector", "block gain": "vector", "block": "hidden"}.get(column, column)
