"""The plan as people and programs read it: text, Markdown, CSV, JSON, LaTeX. Input: a plan. Output: text.

Invariant: one column a size; in text, Markdown and LaTeX tensors share lines, as `lines` has them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable

from scalec.emit.columns import columns, headings
from scalec.emit.latex import latex
from scalec.emit.lines import Cells, blocks, footer, title
from scalec.emit.why import why
from scalec.plan.model import Plan

__all__ = ["FORMATS", "why"]


def text(plan: Plan) -> str:
    """For a terminal: a block of lines for tensors that agree."""
    heads, found = ("", "", *headings(plan)), blocks(plan)
    rows = [(f"  {line.attribute}", line.formula, *line.values) for b in found for line in b.lines]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Iterable[str]) -> str:
        return "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()

    out = [*title(plan), "", line(heads)]
    for block in found:
        out.append(", ".join(block.names))
        out += [line((f"  {r.attribute}", r.formula, *r.values)) for r in block.lines]
    return "\n".join([*out, "", *footer(plan), ""])


def markdown(plan: Plan) -> str:
    """One row an attribute; the tensors it holds for in the first cell."""
    heads = ["tensors", "attribute", "formula", *headings(plan)]
    out = [*title(plan), "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for block in blocks(plan):
        first = ", ".join(f"`{name}`" for name in block.names)
        for row in block.lines:
            out.append(f"| {first} | {row.attribute} | `{row.formula}` | {' | '.join(row.values)} |")
            first = ""
    return "\n".join([*out, "", *(f"- {line}" for line in footer(plan)), ""])


def comma_separated(plan: Plan) -> str:
    """One row a tensor and attribute, values in full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", "role", "attribute", "formula", *headings(plan), "clause", "fits"])
    cells = Cells(plan, repr)
    for t in plan.tensors:
        for row in cells.tensor(t):
            writer.writerow(
                [t.tensor.path, t.tensor.role, row.attribute, row.formula, *row.values, row.clause, " ".join(row.fits)]
            )
    for s in plan.sites:
        for row in cells.lines(s.numbers, s.numbers):
            writer.writerow(
                [s.site.path, s.site.roles[0], row.attribute, row.formula, *row.values, row.clause, " ".join(row.fits)]
            )
    return out.getvalue()


def as_json(plan: Plan) -> str:
    """`scalec.plan/1`: one document, or a list of them where several sizes were asked for."""
    from scalec.emit.document import plan_document  # pydantic, which no other format needs

    documents = [plan_document(plan, sizes).model_dump(by_alias=True) for sizes in columns(plan)]
    return json.dumps(documents[0] if len(documents) == 1 else documents, indent=2) + "\n"


FORMATS: dict[str, Callable[[Plan], str]] = {
    "text": text,
    "json": as_json,
    "csv": comma_separated,
    "markdown": markdown,
    "latex": latex,
}
