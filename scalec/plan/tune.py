"""`--tune SELECTOR.ATTR=value`: where attributes start. Never changes a law."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, did_you_mean
from scalec.plan.model import Origin
from scalec.resolve import vocabulary as words
from scalec.source import Source, Span
from scalec.symbolic.evaluate import to_number
from scalec.syntax.parser import parse_expression

NUMERIC = tuple(dict.fromkeys(a for table in words.ATTRIBUTES.values() for a, choices in table.items() if not choices))


@dataclass(frozen=True)
class Tune:
    """`selector` is None for every tensor, `run` for the run, else a role, class, site, path or pattern."""

    selector: str | None
    attribute: str
    value: Fraction
    text: str

    @property
    def origin(self) -> Origin:
        return Origin("--tune", self.text)


def parse_tune(text: str, reporter: Reporter) -> Tune | None:
    """Read one `--tune`; reports and gives None where it does not parse."""
    span = Span(Source("--tune", text), 0, len(text))
    left, equals, right = text.partition("=")
    attribute = next((a for a in sorted(NUMERIC, key=len, reverse=True) if left == a or left.endswith(f".{a}")), None)
    if not equals or attribute is None:
        name = left.rpartition(".")[2]
        reporter.report(
            codes.TUNE,
            f"cannot tune `{left}`",
            span,
            helps=did_you_mean(name, NUMERIC),
            notes=[f"a value starts an attribute: {', '.join(NUMERIC)}"],
        )
        return None
    value = to_number(parse_expression(Source("--tune", right)), reporter)
    return Tune(left.removesuffix(attribute).removesuffix(".") or None, attribute, value, text)
