"""Tables of emitted code: rows of parameter names and their values. Input: planned tensors. Output: lines.

Invariant: parameters share a row where their values and the clauses behind them are the same, so that
a row reads like a row of a paper's table; rows stand in order of their first parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from scalec.emit.names import LINE, provenance
from scalec.plan.model import PlannedTensor, Quantity
from scalec.program.program import Storage

Entry = tuple[str, str, tuple[Quantity, ...]]  # key, value as Python text, the quantities behind it

INDENT = " " * 12


def rows_text(tensors: Iterable[PlannedTensor], entries: Callable[[PlannedTensor], Iterable[Entry]]) -> list[str]:
    """The lines of `return [{...}, ...]` inside a function."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for t in tensors:
        values = tuple(line for entry in entries(t) for line in _entry(*entry))
        rows.setdefault(values, []).append(parameter_pattern(t.tensor.storage))
    lines = ["    return ["]
    for values, parameters in rows.items():
        lines += ["        {", *_names(parameters), *values, "        },"]
    return [*lines, "    ]"]


def parameter_pattern(storage: Storage) -> str:
    """`blocks.{block}.mlp.up.weight` as `blocks.*.mlp.up.weight`."""
    return re.sub(r"\{[^}]*\}", "*", storage.name)


def _names(parameters: list[str]) -> list[str]:
    quoted = [f'"{p}"' for p in parameters]
    line = f'{INDENT}"names": [{", ".join(quoted)}],'
    if len(line) <= LINE:
        return [line]
    return [f'{INDENT}"names": [', *(f"{INDENT}    {q}," for q in quoted), f"{INDENT}],"]


def _entry(key: str, value: str, quantities: tuple[Quantity, ...]) -> list[str]:
    origins = [o for q in quantities for o in q.origins]
    comments = [f"{INDENT}{line}" for line in provenance(origins, LINE - len(INDENT))]
    return [*comments, f'{INDENT}"{key}": {value},']
