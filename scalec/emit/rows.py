"""Tables of emitted code: rows of parameter names and their values. Input: planned tensors. Output: lines.

Invariant: parameters share a row where their values and the clauses behind them are the same, so that
a row reads like a row of a paper's table; rows stand in order of their first parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scalec.emit.modules import statement
from scalec.emit.names import LINE, provenance
from scalec.plan.model import Choice, PlannedTensor, Quantity
from scalec.plan.select import parameter_pattern

Entry = tuple[str, str, tuple[Quantity | Choice, ...]]  # key, value as Python text, what is behind it

INDENT = " " * 12


def rows_text(tensors: Iterable[PlannedTensor], entries: Callable[[PlannedTensor], Iterable[Entry]]) -> list[str]:
    """The lines of `return [{...}, ...]` inside a function; formulas that are too long get a name first."""
    rows: dict[tuple[str, ...], list[str]] = {}
    named: dict[str, str] = {}
    for t in tensors:
        values = tuple(line for entry in entries(t) for line in _entry(*entry, named))
        rows.setdefault(values, []).append(parameter_pattern(t.tensor))
    lines = [f"    {line}" for value, name in named.items() for line in statement(f"{name} = {value}", 4)]
    lines.append("    return [")
    for values, parameters in rows.items():
        lines += ["        {", *_names(parameters), *values, "        },"]
    return [*lines, "    ]"]


def _names(parameters: list[str]) -> list[str]:
    quoted = [f'"{p}"' for p in parameters]
    line = f'{INDENT}"names": [{", ".join(quoted)}],'
    if len(line) <= LINE:
        return [line]
    return [f'{INDENT}"names": [', *(f"{INDENT}    {q}," for q in quoted), f"{INDENT}],"]


def _entry(key: str, value: str, quantities: tuple[Quantity | Choice, ...], named: dict[str, str]) -> list[str]:
    origins = [o for q in quantities for o in q.origins]
    comments = [f"{INDENT}{line}" for line in provenance(origins, LINE - len(INDENT))]
    if len(INDENT) + len(key) + len(value) + 5 > LINE:
        value = named.setdefault(value, f"{key}_{len(named) + 1}")
    return [*comments, f'{INDENT}"{key}": {value},']
