"""`--tune SELECTOR.ATTR=value` and files of such lines: where attributes start. Never changes a law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError, did_you_mean
from scalec.plan.model import Origin
from scalec.resolve import vocabulary as words
from scalec.resolve.load import check_path
from scalec.source import Source, Span
from scalec.symbolic.evaluate import to_number
from scalec.syntax.parser import parse_expression, read_source

NUMERIC = tuple(dict.fromkeys(a for table in words.ATTRIBUTES.values() for a, choices in table.items() if not choices))
OPTION = "--tune"
SUFFIX = ".tuned"
LINES = 1000  # of one file that say something


@dataclass(frozen=True)
class Tune:
    """`selector` is None for every tensor, `run` for the run, else a role, class, site, path or pattern.

    `place` is where it was said, None for the command line.
    """

    selector: str | None
    attribute: str
    value: Fraction
    text: str
    place: Span | None = None

    @property
    def origin(self) -> Origin:
        return Origin(self.place.source.name if self.place else OPTION, self.text, self.place)

    @property
    def span(self) -> Span:
        return self.place or Span(Source(OPTION, self.text), 0, len(self.text))

    @property
    def shown(self) -> str:
        return self.text if self.place else f"{OPTION} {self.text}"


def parse_tune(text: str, reporter: Reporter) -> Tune | None:
    """Read one `--tune`; reports and gives None where it does not parse."""
    return _read(Span(Source(OPTION, text), 0, len(text)), None, reporter)


def read_tuned(path: Path) -> Source:
    """The text of a tuned-values file. Raises ScalecError; no other file is opened, nor any line of it shown."""
    check_path(path, SUFFIX, "file of tuned values")
    return read_source(path)


def parse_tuned(source: Source, reporter: Reporter) -> Iterator[Tune]:
    """Read a file: one `SELECTOR.ATTR = value` a line, each told once; `#` starts a comment."""
    lines = [span for span in _lines(source) if span.text]
    if len(lines) > LINES:
        reporter.fail(codes.LIMIT, f"`{source.name}` has more than {LINES} tuned values")
    first: dict[tuple[str | None, str], Span] = {}
    for span in lines:
        tune = _read(span, span, reporter)
        if tune is None:
            continue
        before = first.setdefault((tune.selector, tune.attribute), span)
        if before is span:
            yield tune
        else:
            labels = [(before, "first here")]
            reporter.report(codes.CONTRADICTION, f"`{tune.text}` is tuned twice", span, labels=labels)


def _lines(source: Source) -> Iterator[Span]:
    """What each line says, without blanks around it and its comment."""
    start = 0
    for line in source.text.split("\n"):
        said = line.partition("#")[0]
        indent = len(said) - len(said.lstrip())
        yield Span(source, start + indent, start + max(indent, len(said.rstrip())))
        start += len(line) + 1


def _read(span: Span, place: Span | None, reporter: Reporter) -> Tune | None:
    name, equals, right = span.text.partition("=")
    left = name.strip().replace('"', "")
    attribute = next((a for a in sorted(NUMERIC, key=len, reverse=True) if left == a or left.endswith(f".{a}")), None)
    if attribute is None:
        reporter.report(
            codes.TUNE,
            f"cannot tune `{left}`",
            span,
            helps=did_you_mean(left.rpartition(".")[2], NUMERIC),
            notes=[f"a value starts an attribute: {', '.join(NUMERIC)}"],
        )
        return None
    if not equals or not right.strip():
        reporter.report(codes.TUNE, f"`{left}` is given no value", span, helps=[f"`{left}=0.01`, say"])
        return None
    if "=" in right:
        how = "a line for each" if place else f"`{OPTION}` once for each"
        reporter.report(codes.TUNE, f"`{span.text}` is more than one value", span, helps=[how])
        return None
    try:
        value = to_number(parse_expression(Source(OPTION, right.strip())), Reporter())
    except ScalecError as error:
        for d in error.diagnostics:
            reporter.report(d.code, d.message, span, notes=d.notes, helps=d.helps)
        return None
    return Tune(left.removesuffix(attribute).removesuffix(".") or None, attribute, value, span.text, place)
