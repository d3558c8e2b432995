"""Syntax tree -> canonical file: which text stands on which line.

Input: a `nodes.File`. Output: its text, comments included. Invariant: parsing the text gives an equal
file with the same comments, and laying that out gives the same text.

Braces fold into one line where they fit and hold no comment; those of a rule, a network or an optimizer never do.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import assert_never

from scalec.source import Span
from scalec.syntax import nodes, printer

WIDTH = 120
SPREAD = 24  # blanks that a table may put into a line
INDENT = "  "
PHRASE = re.compile(r'(?:"[^"]*"|,(?! )|[^",])+,? *')  # a line is broken between these, if it can be,
WORD = re.compile(r'(?:"[^"]*"|[^ "])+ *')  # else between these


@dataclass(frozen=True)
class Line:
    """A line before breaking; `start` and `end` are the offsets of what it says in the source.

    A line that opens a brace ends where it begins, since what follows belongs to later lines. `column` is the
    place in the text that lines which follow one another align; `gap` asks for an empty line above.
    """

    text: str
    depth: int
    start: int
    end: int
    column: int = 0
    gap: bool = False
    trailing: str = ""


Lines = list[Line]


def to_text(file: nodes.File) -> str:
    """The canonical text of a file."""
    layout = _Layout([offset for offset, _ in file.comments])
    groups = [layout.declaration(declaration) for declaration in file.declarations]
    for (first, above), (second, below) in pairwise(zip(file.declarations, groups, strict=True)):
        together = type(first) is type(second) and len(above) == len(below) == 1
        below[0] = replace(below[0], gap=not together)
    lines = _aligned([line for group in groups for line in group])
    return "".join(f"{text}\n" for line in _in_column(_with_comments(lines, file)) for text in _broken(line))


class _Layout:
    """Node -> lines. `comments` are the offsets at which no brace may be folded away."""

    def __init__(self, comments: list[int]) -> None:
        self.comments = comments

    def declaration(self, declaration: nodes.Declaration) -> Lines:
        span = declaration.span
        match declaration:
            case nodes.Use():
                return self.line(printer.use_text(declaration), span)
            case nodes.Dim():
                text = printer.dim_text(declaration)
                return [Line(text, 0, span.start, span.end, column=text.find('"') if declaration.doc else 0)]
            case nodes.LawDecl():
                return self.line(printer.law_text(declaration), span)
            case nodes.GoalDecl():
                return self.line(printer.goal_text(declaration), span)
            case nodes.Derived():
                return self.line(printer.derived_text(declaration), span)
            case nodes.RegimeDecl():
                return self.regime(declaration)
            case nodes.NetworkDecl(items=items):
                inner = [line for item in items for line in self.item(item, 1)]
                return self.open(printer.network_subject(declaration), span, inner)
            case nodes.OptimizerDecl(settings=settings):
                width = max((len(s.kind) for s in settings), default=0)
                texts = [(s.kind.ljust(width) + printer.setting_text(s)[len(s.kind) :], s.span) for s in settings]
                inner = [line for text, own in texts for line in self.line(text, own, 1)]
                return self.open(printer.optimizer_subject(declaration), span, inner)
            case nodes.RuleDecl(parts=parts):
                inner = [line for part in parts for line in self.part(part, 1)]
                return self.open(printer.rule_subject(declaration), span, inner)
            case nodes.CheckDecl():
                return self.check(declaration)
            case _:
                assert_never(declaration)

    def regime(self, regime: nodes.RegimeDecl) -> Lines:
        head = f"regime {regime.name}"
        if regime.joint is not None:
            return self.line(f"{head} = {printer.joint_text(regime.joint)}", regime.span)
        growths = regime.growths
        inner = [ln for g in growths for ln in self.line(printer.growth_text(g), g.span, 1)]
        return self.folded(head, regime.span, inner)

    def check(self, check: nodes.CheckDecl) -> Lines:
        """All claims on one line where they fit, else a line for those of a kind, and one for each miss."""
        head, claims = printer.check_subject(check), ", ".join(map(printer.claim_text, check.claims))
        together = self.line(f"expect {claims}", check.span, 1) if claims else []
        folded = self.folded(head, check.span, together)
        if len(folded) == 1:
            return [replace(folded[0], column=0)]
        return self.open(head, check.span, [line for group in _claims(check) for line in self.expect(group)])

    def expect(self, claims: list[nodes.Claim]) -> Lines:
        text = ", ".join(map(printer.claim_text, claims))
        return self.line(f"expect {text}", claims[0].span.to(claims[-1].span), 1)

    # ---- inside a rule and a network ---------------------------------------------------------
    def part(self, part: nodes.Part, depth: int) -> Lines:
        match part:
            case nodes.Cite():
                return self.line(printer.cite_text(part), part.span, depth)
            case nodes.Base(sizes=sizes):
                return self.line(f"base {printer.sizes_text(sizes)}", part.span, depth)
            case nodes.Demand(kind=kind, condition=condition):
                return self.line(f"{kind} {printer.condition_text(condition)}", part.span, depth)
            case nodes.Clause(statements=statements):
                texts = [(printer.statement_text(s), s.span) for s in statements]
                inner = [line for text, span in texts for line in self.line(text, span, depth + 1)]
                return self.folded(printer.clause_subject(part), part.span, inner, depth)
            case nodes.Section(qualifiers=qualifiers, parts=parts):
                inner = [line for p in parts for line in self.part(p, depth + 1)]
                return self.folded(" ".join(map(printer.qualifier_text, qualifiers)), part.span, inner, depth)
            case _:
                assert_never(part)

    def item(self, item: nodes.Dims | nodes.Fixed | nodes.Block | nodes.Let, depth: int) -> Lines:
        match item:
            case nodes.Dims() | nodes.Fixed():
                return self.line(printer.sized_text(item), item.span, depth)
            case nodes.Block(body=None):
                return self.line(printer.block_subject(item), item.span, depth)
            case nodes.Block(body=body):
                head = printer.block_subject(item)
            case nodes.Let(name=name, body=body):
                head = f"let {name} ="
            case _:
                assert_never(item)
        inner = [line for block in body or () for line in self.item(block, depth + 1)]
        return self.folded(head, item.span, inner, depth, between=" ")

    # ---- lines and braces --------------------------------------------------------------------
    def line(self, text: str, span: Span, depth: int = 0) -> Lines:
        return [Line(text, depth, span.start, span.end)]

    def open(self, head: str, span: Span, inner: Lines, depth: int = 0) -> Lines:
        if not inner and not self.commented(span):
            return self.line(f"{head} {{ }}", span, depth)
        first = Line(f"{head} {{", depth, span.start, span.start + 1)
        return [first, *inner, Line("}", depth, span.end - 1, span.end)]

    def folded(self, head: str, span: Span, inner: Lines, depth: int = 0, between: str = ";  ") -> Lines:
        """`head { a; b }` if that is one line; a brace inside a brace folds only when it is alone."""
        nested = [line for line in inner if line.depth > depth + 1 or line.text.endswith("}")]
        text = f"{head} {{ {between.join(line.text for line in inner)} }}"  # two blanks: a table of values
        fits = len(INDENT) * depth + len(text) <= WIDTH
        if not inner or not fits or (nested and len(inner) > 1) or self.commented(span):
            return self.open(head, span, inner, depth)
        return [Line(text, depth, span.start, span.end, column=len(head) + 1)]

    def commented(self, span: Span) -> bool:
        """Whether a comment stands inside."""
        first = bisect_left(self.comments, span.start)
        return first < len(self.comments) and self.comments[first] < span.end


def _claims(check: nodes.CheckDecl) -> Iterator[list[nodes.Claim]]:
    """Goals that hold side by side, orders side by side, each that is missed alone."""
    for (miss, _), group in groupby(check.claims, key=lambda c: (c.miss, c.order is None)):
        claims = list(group)
        yield from [[claim] for claim in claims] if miss else [claims]


def _aligned(lines: Lines) -> Lines:
    """Lines with a column that follow one another and begin alike have it in the same place, if that fits."""
    result: Lines = []
    for (has_column, _, _), group in groupby(lines, key=lambda ln: (ln.column > 0, ln.depth, ln.text.split(" ")[0])):
        run = list(group)
        column, least = (pick(line.column for line in run) for pick in (max, min))
        padded = [replace(ln, text=ln.text[: ln.column].ljust(column) + ln.text[ln.column :]) for ln in run]
        fits = all(len(INDENT) * line.depth + len(line.text) <= WIDTH for line in padded)
        result += padded if has_column and fits and column - least <= SPREAD else run
    return result


def _broken(line: Line) -> Iterator[str]:
    """The line at its depth, in as many lines as it needs, the later ones indented twice more."""
    if line.gap:
        yield ""
    text, indent = INDENT * line.depth, INDENT * (line.depth + 2)
    for part in _parts(line.text, WIDTH - len(indent)):
        if text.strip() and len(text) + len(part.rstrip()) > WIDTH:
            yield text.rstrip()
            text = indent
        text += part
    yield f"{text.rstrip()}{line.trailing}"


def _parts(text: str, room: int) -> Iterator[str]:
    """What may go to the next line: a comment not at all, a phrase as a whole where it fits."""
    if text.startswith("#"):
        yield text
        return
    for phrase in PHRASE.findall(text):
        yield from [phrase] if len(phrase.rstrip()) <= room else WORD.findall(phrase)


# ---- comments --------------------------------------------------------------------------------
def _with_comments(lines: Lines, file: nodes.File) -> Lines:
    """Each comment behind the last thing said before it, if both share a line of the source; else on a
    line of its own above the next thing said."""
    result: Lines = []
    rest = iter(file.comments)
    comment = next(rest, None)
    last = len(file.span.source.text)
    for line in [*lines, Line("", 0, last, last + 1)]:
        own: Lines = []
        while comment is not None and comment[0] < line.end:
            offset, text = comment
            if result and not own and _row(file, result[-1].end - 1) == _row(file, offset):
                result[-1] = replace(result[-1], trailing=f"  {text}")
            else:
                own.append(Line(text, line.depth + (line.text == "}"), offset, offset))
            comment = next(rest, None)
        new = [*own, replace(line, gap=False)]
        result += [replace(new[0], gap=line.gap), *new[1:]]
    return result[:-1]


def _in_column(lines: Lines) -> Lines:
    """Comments behind lines that follow one another stand in one column, if all of them fit."""
    result: Lines = []
    for (commented, depth), group in groupby(lines, key=lambda ln: (bool(ln.trailing), ln.depth)):
        run = list(group)
        widest = max(len(line.text) for line in run)
        fits = all(len(INDENT) * depth + widest + len(line.trailing) <= WIDTH for line in run)
        pad = widest if commented and fits else 0
        result += [replace(line, trailing=" " * (pad - len(line.text)) + line.trailing) for line in run]
    return result


def _row(file: nodes.File, offset: int) -> int:
    return file.span.source.line_column(offset)[0]
