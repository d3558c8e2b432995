"""Text -> syntax tree.

Input: a `Source`, or a path to read one from. Output: `nodes`, or a ScalecError that carries every
independent mistake. Invariant: work and memory are bounded by the limits here and in `build`, so no
text of any kind hangs or overflows the parser.
"""

from __future__ import annotations

import hashlib
import re
import stat
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, cast

import lark
from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedToken
from lark.lark import PostLex
from lark.lexer import PatternStr
from lark.parsers.lalr_analysis import Shift

from scalec.catalogue import LIMIT, NOT_TEXT, SYNTAX, UNREADABLE
from scalec.diagnostics import Code, Diagnostic, Reporter, ScalecError
from scalec.resources import data_folder, kept_file
from scalec.source import Source, Span
from scalec.syntax import nodes
from scalec.syntax.build import MISTAKES, build
from scalec.syntax.mistakes import DECLARATIONS as BEGINNINGS
from scalec.syntax.mistakes import Place, explain, found_at

SIZE = 128 * 1024
WORDS = 14_000
NESTING = 64
DECLARATIONS = 2000  # beyond which only the first mistake of a file is told
WORD = re.compile(r'#[^\n]*|"[^"\n]*"|\w+|[^\w\s]')
DECLARATION = re.compile(rf'^(?:{"|".join(BEGINNINGS)})[ \t]+["\w]', re.MULTILINE)
HALF = re.compile("[\ud800-\udfff]")  # of a character in UTF-16
STARTS = ["start", "expression", "sizes", "ref", "joint"]
CLOSING = {"(": ")", "[": "]", "{": "}"}


def read_source(path: Path, name: str | None = None) -> Source:
    """The text of a rule file, called `name` in messages; a diagnostic where it cannot be one."""
    name = name or str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _failure(UNREADABLE, f"`{name}` is not an ordinary file")
        with path.open("rb") as file:
            data = file.read(SIZE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _failure(UNREADABLE, f"cannot read `{name}`: {reason.lower()}") from None
    return decode(data, name)


def decode(data: bytes, name: str) -> Source:
    """The text of a rule file from its bytes, of which `SIZE` + 1 are enough; its lines end in newlines alone."""
    if len(data) > SIZE:
        raise _failure(LIMIT, f"`{name}` is larger than {SIZE // 1024} kB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        note = f"byte {error.start}, on line {line}, begins no UTF-8 character"
        raise _failure(NOT_TEXT, f"`{name}` is not UTF-8 text", note=note) from None
    source = Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))
    _check_text(source)
    return source


def parse(source: Source) -> nodes.File:
    """The file that `source` is; raises ScalecError with one diagnostic per broken declaration."""
    _check_text(source)
    try:
        return cast(nodes.File, _parse("start", _all(source)))
    except _BrokenError as error:
        raise ScalecError(_mistakes_by_declaration(source, error.at) or error.diagnostics) from None


def parse_expression(source: Source) -> nodes.Expr:
    """The whole text as one expression: `sqrt(fan_out/fan_in)`."""
    return cast(nodes.Expr, _parse_whole("expression", source))


def parse_sizes(source: Source) -> tuple[nodes.Size, ...]:
    """The whole text as sizes, the way `--at N=4096,L=48` writes them."""
    return cast(tuple[nodes.Size, ...], _parse_whole("sizes", source))


def parse_ref(source: Source) -> nodes.Ref:
    """The whole text as a reference, the way `--rule "completep(alpha = 1/2)"` writes it."""
    return cast(nodes.Ref, _parse_whole("ref", source))


def parse_team(source: Source) -> nodes.Joint:
    """The whole text as optimizers taken together, the way `--optimizer a+b` writes it."""
    return cast(nodes.Joint, _parse_whole("joint", source))


def parse_regime(source: Source) -> nodes.Joint:
    """The whole text as regimes taken together, the way `--regime width+depth` writes it."""
    return cast(nodes.Joint, _parse_whole("joint", source))


def _parse_whole(rule: str, source: Source) -> object:
    _check_text(source)
    return _parse(rule, _all(source))


def _all(source: Source) -> Span:
    return Span(source, 0, len(source.text))


# ---- limits ----------------------------------------------------------------------------------
def _check_text(source: Source) -> None:
    if len(source.text) > SIZE:
        raise _failure(LIMIT, f"`{source.name}` is larger than {SIZE // 1024} kB")
    if sum(match[0][0] != "#" for match in WORD.finditer(source.text)) > WORDS:
        raise _failure(LIMIT, f"`{source.name}` has more than {WORDS} words and signs")
    if (zero := source.text.find("\0")) >= 0:
        raise _failure(NOT_TEXT, "a NUL byte: this is not a text file", Span(source, zero, zero + 1))
    if half := HALF.search(source.text):
        raise _failure(NOT_TEXT, "half a character: no file in UTF-8 has it", Span(source, *half.span()))


class _BrokenError(ScalecError):
    """The text stopped to parse; `at` is where the first bracket stands that is still open, else where it stopped."""

    def __init__(self, diagnostic: Diagnostic, at: int) -> None:
        super().__init__([diagnostic])
        self.at = at


def _failure(code: Code, message: str, span: Span | None = None, *, note: str = "") -> ScalecError:
    return ScalecError([Diagnostic(code, message, span, notes=(note,) if note else ())])


# ---- one pass of the LALR machine ------------------------------------------------------------
class Everywhere(PostLex):
    """A whole word is one token everywhere, so that `ruleset` is never `rule` and `set`; comments
    reach the loop in `_Pass.read` instead of being dropped."""

    always_accept = ("NAME", "COMMENT")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


def made_of() -> str:
    """What beside this package decides how texts are read: lark, Python and the grammar."""
    return f"{lark.__version__} {sys.version} {_grammar()}"


def _grammar() -> str:
    return (data_folder("grammars") / "scalec.lark").read_text(encoding="utf-8")


@cache
def _lark() -> Lark:
    """The grammar's tables, kept between runs: to make them takes longer than most commands."""
    kept = kept_file(f"grammar-{hashlib.sha256(made_of().encode()).hexdigest()[:16]}")
    return Lark(
        _grammar(),
        parser="lalr",
        start=STARTS,
        postlex=Everywhere(),
        propagate_positions=True,
        maybe_placeholders=True,
        cache=str(kept) if kept else False,
    )


@cache
def _table() -> Mapping[int, Mapping[str, tuple[Any, Any]]]:
    """The LALR table: from a state and a terminal or a rule to what is done."""
    parser: Any = _lark().parser
    return cast("Mapping[int, Mapping[str, tuple[Any, Any]]]", parser.parser._parse_table.states)


@cache
def _ends() -> Mapping[str, int]:
    """The state in which all of a text is read, by the rule that it is read as."""
    parser: Any = _lark().parser
    return cast("Mapping[str, int]", parser.parser._parse_table.end_states)


@dataclass(frozen=True)
class _Word:
    """A token as this module uses it: its terminal, its text and its place in the source."""

    kind: str
    text: str
    span: Span


@dataclass
class _Pass:
    """Reads the text of `whole` once."""

    rule: str
    whole: Span
    words: list[_Word] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    open: list[_Word] = field(default_factory=list)
    stack: tuple[int, ...] = ()  # of states, after the last word

    def read(self) -> Tree[Token]:
        """The tree, whose positions count from the start of `whole`."""
        machine: Any = _lark().parse_interactive(self.whole.text, self.rule)
        state, token = machine.parser_state, None
        self.stack = tuple(state.state_stack)
        try:
            for token in machine.lexer_thread.lex(state):
                if token.type == "COMMENT":
                    self.comments.append((self._span(token).start, token.rstrip()))
                else:
                    token = self._as_name(token)
                    state.feed_token(token)
                    self.stack = tuple(state.state_stack)
                    self._take(_Word(token.type, str(token), self._span(token)))
            return cast("Tree[Token]", machine.feed_eof(token))
        except UnexpectedCharacters as error:
            raise self._mistake(self._word_at(self.whole.start + (error.pos_in_stream or 0))) from None
        except UnexpectedToken as error:
            at_end = error.token.type == "$END"
            raise self._mistake(self._end() if at_end else self._word_at(self._span(error.token).start)) from None

    def _as_name(self, token: Token) -> Token:
        """A keyword where it cannot stand is a name. The lexer asks the table, which for brevity takes some
        places for one; here the whole stack is asked."""
        if token.type == "NAME" or not token.isidentifier() or self._can_follow(token.type):
            return token
        return Token.new_borrow_pos("NAME", token.value, token)

    def _can_follow(self, terminal: str) -> bool:
        """Whether the words read go on with it: every reduction that it asks for leads to where it is taken."""
        table, stack = _table(), list(self.stack)
        end = _ends()[self.rule]
        while terminal in table[stack[-1]]:
            action, rule = table[stack[-1]][terminal]
            if action is Shift:
                return True
            del stack[len(stack) - len(rule.expansion) :]
            stack.append(table[stack[-1]][rule.origin.name][1])
            if terminal == "$END" and stack[-1] == end:
                return True
        return False

    def _span(self, token: Token) -> Span:
        assert token.start_pos is not None
        start: int = self.whole.start + token.start_pos
        return Span(self.whole.source, start, start + len(token))

    def _word_at(self, offset: int) -> Span:
        return found_at(Span(self.whole.source, offset, self.whole.end))

    def _end(self) -> Span:
        """The empty span where the last word ends: what follows it is blank or comment."""
        end = self.words[-1].span.end if self.words else self.whole.start
        return Span(self.whole.source, end, end)

    def _take(self, word: _Word) -> None:
        self.words.append(word)
        if word.text in CLOSING:
            self.open.append(word)
            if len(self.open) > NESTING:
                message = f"nested more than {NESTING} brackets deep"
                raise _BrokenError(Diagnostic(LIMIT, message, word.span), self.open[0].span.start)
        elif self.open and word.text == CLOSING[self.open[-1].text]:
            self.open.pop()

    def _mistake(self, span: Span) -> ScalecError:
        place = Place(
            span=span,
            before=tuple(word.span for word in self.words),
            expected=self._expected(),
            open=tuple(word.span for word in self.open),
        )
        return _BrokenError(explain(place), (place.open[0] if place.open else span).start)

    def _expected(self) -> frozenset[str]:
        """What could have followed the words read: symbols and keywords as written, and NAME,
        NUMBER, STRING, CITE."""
        texts = {t.name: t.pattern.value for t in _lark().terminals if isinstance(t.pattern, PatternStr)}
        known = [name for name in _table()[self.stack[-1]] if name.isupper() and self._can_follow(name)]
        return frozenset(texts.get(name, name) for name in known)


def _parse(rule: str, whole: Span) -> object:
    run = _Pass(rule, whole)
    tree = run.read()
    reporter = Reporter()
    _check_powers(run.words, reporter)
    _check_names(run.words, reporter)
    built = build(tree, whole.source, whole.start, reporter)
    reporter.stop_on_errors()
    return replace(built, comments=tuple(run.comments)) if isinstance(built, nodes.File) else built


def _check_names(words: list[_Word], reporter: Reporter) -> None:
    """`linear(N); as x` would be a block called `as`, and the other thing once `;` is laid out as a new line."""
    for before, word in pairwise(words):
        if before.text == ";" and word.kind == "NAME" and word.text == "as":
            help = "leave the `;` out to name the block in front of it"
            reporter.report(SYNTAX, "`as` begins no statement", word.span, helps=(help,))


def _check_powers(words: list[_Word], reporter: Reporter) -> None:
    """`x^-1/2` is `(x^-1)/2` to the grammar and `x^(-1/2)` to many readers: neither is guessed."""
    shape = "".join("0" if word.kind == "NUMBER" else word.text[0] for word in words)
    for match in islice(re.finditer(r"\^(-?0)/0", shape), MISTAKES):
        power = "".join(word.text for word in words[match.start(1) : match.end(1)])
        first, last = words[match.start()], words[match.end() - 1]
        reporter.report(
            SYNTAX,
            f"`^{power}/{last.text}` can be read in two ways",
            first.span.to(last.span),
            helps=(
                f"write `x^({power}/{last.text})` for the power {power}/{last.text}",
                f"write `(x^{power})/{last.text}` for a quotient by {last.text}",
            ),
        )


def _mistakes_by_declaration(source: Source, at: int) -> list[Diagnostic]:
    """The declarations from the broken one on are tried alone: a mistake in one of them hides none in the others.
    One begins at a keyword at the start of a line. The one before `at` may be the broken one: `law l = N +` takes
    the first word of the next for a name."""
    starts = [0, *(match.start() for match in DECLARATION.finditer(source.text)), len(source.text)]
    starts = starts[max(0, bisect_right(starts, at) - 2) :]
    found: list[Diagnostic] = []
    if not 2 < len(set(starts)) <= DECLARATIONS:
        return found  # one declaration: trying it again says nothing new
    for start, end in pairwise(starts):
        try:
            _parse("start", Span(source, start, end))
        except ScalecError as error:
            found += error.diagnostics
        if len(found) >= MISTAKES:
            break
    return found[:MISTAKES]
