"""What a check found, as text: the table of terms, the verdicts, one term's derivation. Input: a `Report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scalec import catalogue as codes
from scalec.check.report import Gradient, Report, Term, product
from scalec.diagnostics import Reporter, did_you_mean
from scalec.symbolic.order import Order, Regime

TERMS = ("init", "effective", "propagating", "total")


def report_text(report: Report, *, steps: bool = False) -> str:
    """The table at the limit, or at the first step that is unstable (`steps`: at all), and a verdict a line.

    Orders after an unstable step are formal, since every update multiplies them. Findings are diagnostics.
    """
    growth = ", ".join(f"{name} ~ {order}" for name, order in report.regime.growth)
    lines = [f"{report.network} as {growth}", ""]
    last = max((t.step for t in report.terms), default=0)
    first = min((f.since for f in report.findings if f.diagnostic.code is codes.STABLE_TRAINING), default=last)
    if not report.terms:
        lines += [f"{_last(report, last)}", ""]
    for step in range(last + 1) if steps else [min(first, last)] if report.terms else ():
        unstable = ", the first that is unstable" if step == first else ""
        lines += [f"step {step}{unstable}" if step < last else _last(report, step), *_table(report, step), ""]
    lines += _verdicts(report)
    return "\n".join(lines) + "\n"


def _last(report: Report, step: int) -> str:
    if not report.terms:
        return "no step has orders"
    if None not in report.limits.values():
        return f"at the limit, step {step}"
    some = [where for where, limit in report.limits.items() if limit is None and where]
    return f"step {step}, the last with an order" + (f" where {' or '.join(some)}" if some else "")


def side_by_side(reports: Sequence[tuple[str, Report]]) -> str:
    """Verdicts of several rules on one network, a column each."""
    goals = list(dict.fromkeys(g for _, report in reports for g in report.verdicts))
    rows = [["", *(name for name, _ in reports)]]
    rows += [[goal, *(report.verdicts.get(goal, "") for _, report in reports)] for goal in goals]
    return "\n".join(_aligned(rows)) + "\n"


def why(report: Report, name: str) -> str:
    """The chain of transfer rules behind `TENSOR.TERM`, `OBSERVABLE.TERM` or `TENSOR.TERM at OBSERVABLE`."""
    term, _, place = name.partition(" at ")
    rows = [row for row in report.called(term.strip(), place.strip()) if isinstance(row, Term)]
    if not rows:
        helps = did_you_mean(term, report.names(place.strip()))
        Reporter().fail(codes.EXPECTATION, f"there is no term `{name}`", helps=helps)
    return "\n".join(line for row in rows for line in _derivation(row, report.regime))


def _derivation(row: Term, regime: Regime) -> Iterator[str]:
    through = f" through `{row.tensor}`" if row.tensor and row.tensor != row.observable else ""
    where = f" where {row.where}" if row.where else ""
    yield f"{row.term} of `{row.observable}`{through}, step {row.step}{where}: {_order(row.order, regime)}"
    width = max((len(str(rule.factor)) for rule in row.chain), default=0)
    for rule in row.chain:
        yield f"  {rule.factor!s:<{width}}  {rule.text}, at `{rule.at}`"
    if row.chain:
        yield f"  = {product(row.chain)}"
    yield ""


# ---- the table -------------------------------------------------------------------------------
def _table(report: Report, step: int) -> list[str]:
    """A line for each weight's output and each observable at one step; init is that of step 0."""
    cells: dict[tuple[str, str, str], dict[str, Term]] = {}
    for t in report.terms:
        if t.step == step or (t.term == "init" and t.step == 0):
            cells.setdefault((t.observable, t.tensor, t.where), {})["total" if t.term == "change" else t.term] = t
    gradients = {(g.tensor, g.where): g for g in report.gradients if g.step == step}
    rows = [["", *TERMS, "gradient"]]
    for (observable, tensor, where), found in _merged(cells).items():
        label = observable if tensor in ("", observable) else f"{observable} through {tensor}"
        own = not tensor or report.outputs.get(tensor) == observable
        gradient = gradients.get((tensor or observable, where)) if own else None
        shown = (*(found.get(term) for term in TERMS), gradient)
        rows.append([label + _place(where), *(_cell(row, report.regime) for row in shown)])
    rows += [
        ["gradient norm" + _place(norm.where), "", "", "", "", _cell(norm, report.regime)]
        for norm in report.norms
        if norm.step == step
    ]
    return _aligned(rows)


def _place(where: str) -> str:
    return f"  [{where}]" if where else ""


def _merged(cells: Mapping[tuple[str, str, str], dict[str, Term]]) -> dict[tuple[str, str, str], dict[str, Term]]:
    """An observable as a whole shares the line of the one weight that makes it, where one does."""
    lines = dict(cells)
    for observable, tensor, where in cells:
        if tensor:
            continue
        makers = [key for key in cells if key[0] == observable and key[1] and key[2] == where]
        if len(makers) == 1:
            whole = lines.pop((observable, "", where))
            lines[makers[0]] = whole | lines[makers[0]]
    return lines


def _cell(row: Term | Gradient | None, regime: Regime) -> str:
    return "" if row is None else _order(row.order, regime)


def _order(order: Order | None, regime: Regime) -> str:
    """A monomial in the sizes; where several meet, what they come to in the scales as well."""
    if order is None:
        return "absent"
    return str(order) if len(order.powers) < 2 else f"{order} ({regime.exponent(order)})"


def _verdicts(report: Report) -> Iterator[str]:
    width = max(map(len, report.verdicts), default=0)
    for goal, verdict in report.verdicts.items():
        yield f"{goal:<{width}}  {verdict}"


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    table = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
