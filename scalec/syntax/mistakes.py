"""Syntax mistakes by example: one table is both the messages and their tests.

Input: the place where the parser stopped. Output: a diagnostic. Invariant: the first row that fits
speaks, and every example of a row makes that row speak (tests/syntax/test_mistakes.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from scalec.catalogue import SYNTAX
from scalec.diagnostics import Diagnostic, did_you_mean
from scalec.source import Span

# What the language does not have, but other notations do; read as one symbol so that it can be named.
FOREIGN = {
    "**": "`^` is the power: `fan_in^2`",
    "==": "`=` sets a value and, in a condition, compares",
    "//": "a comment begins with `#`",
    "/*": "a comment begins with `#`",
    ":=": "write `=` for a value, `~` for a law",
    "<-": "write `=` for a value, `~` for a law",
    "=>": "write `=` for a value, `~` for a law",
    "+=": "`*=` multiplies a value and `*~` a law; nothing is added",
    "-=": "`*=` multiplies a value and `*~` a law; nothing is subtracted",
    "/=": "`*=` multiplies a value and `*~` a law: `lr *= 1/4`",
    "&&": "write `and`",
    "||": "write `or`",
    "'": 'a text stands in double quotes: `"..."`',
    "“": 'a text stands in double quotes: `"..."`',
    "”": 'a text stands in double quotes: `"..."`',
    "−": "write `-`",
    "–": "write `-`",
    "×": "write `*`",
    "·": "write `*`",
    "∼": "write `~`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "√": "write `sqrt(...)`",
    "²": "write `^2`",
    "\u00a0": "this is a no-break space; write an ordinary one",
}
FOUND = re.compile(r'"[^"\n]*"?|\.?[0-9][\w.]*|[^\W²³]+|' + "|".join(map(re.escape, FOREIGN)) + r"|\S", re.DOTALL)
CLOSING = {"(": ")", "[": "]", "{": "}"}
ASSIGN = frozenset({"=", "~", "*=", "*~"})
EXPRESSION = frozenset({"NAME", "NUMBER", "(", "-"})
KINDS = {"NAME": "a name", "NUMBER": "a number", "STRING": "a text in quotes", "CITE": "a reference", "$END": "the end"}


@dataclass(frozen=True)
class Place:
    """Where the parser stopped.

    `span` is what stands there (empty at the end of the text), `before` the words read, nearest
    last, `expected` what could have stood there, `open` the brackets not yet closed.
    """

    span: Span
    before: tuple[Span, ...]
    expected: frozenset[str]
    open: tuple[Span, ...]

    @property
    def symbol(self) -> Span:
        """What stands here, with the word before it where both make one foreign symbol: `==`, `**`."""
        if self.before and self.before[-1].end == self.span.start:
            both = self.before[-1].to(self.span)
            return both if both.text in FOREIGN else self.span
        return self.span

    @property
    def found(self) -> str:
        return self.span.text

    @property
    def last(self) -> str:
        """The word before, with the dotted name that it ends; empty at the start of the text."""
        words = [span.text for span in self.before]
        start = len(words) - 1
        while start > 1 and words[start - 1] == ".":
            start -= 2
        return "".join(words[start:]) if words else ""

    @property
    def innermost(self) -> str:
        return self.open[-1].text if self.open else ""

    @property
    def keywords(self) -> frozenset[str]:
        return frozenset(word for word in self.expected if word.isalpha() and word not in KINDS)

    def is_word(self) -> bool:
        return self.found.isidentifier()

    def within(self, keyword: str) -> bool:
        """Whether the declaration under way is of this kind and has no brace yet."""
        return not self.open and next((s.text for s in reversed(self.before) if s.text in TOP), "") == keyword


DECLARATIONS = ("use", "dim", "regime", "network", "optimizer", "rule", "law", "goal", "check")
TOP = frozenset(DECLARATIONS)
CLAUSES = frozenset({"tensor", "site", "run"})


@dataclass(frozen=True)
class Mistake:
    """One row: the message, the help, when they fit, and texts that must bring them about.

    `{found}`, `{last}`, `{symbol}` and `{innermost}` stand for those of the place.
    """

    message: str
    help: str
    fits: Callable[[Place], bool]
    examples: tuple[str, ...]


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "a path stands in quotes",
        'write `use "./mine.scale"`; only standard packs are named without: `use std.dims`',
        lambda p: p.within("use") and p.found in {".", "/", "~", "\\", "-", "//"},
        ("use ./mine.scale", "use ../packs/mine.scale", "use packs/mine.scale", "use /tmp/mine.scale"),
    ),
    Mistake(
        "`{symbol}` is not part of the language",
        "{foreign}",
        lambda p: p.symbol.text in FOREIGN,
        (
            "rule r { tensor * { lr ~ fan_in**2 } }",
            "rule r { tensor * { lr == 1 } }",
            "rule r { tensor * where density == 1 { lr = 1 } }",
            "rule r { tensor * { lr := 1 } }",
            "rule r { tensor * { lr += 1 } }",
            "rule r { tensor * { lr /= 2 } }",
            "rule r { tensor * { lr ~ 1 } } // a comment",
            "/* a comment */ rule r { }",
            "rule r { require N > 1 && L > 1 }",
            "rule r { tensor * { lr ~ N^−1 } }",
            "rule r { tensor 'wte.weight' { lr ~ 1 } }",
            "rule r { tensor * { lr ~ fan_in² } }",
            "rule r { tensor * { lr ~ √2 } }",
        ),
    ),
    Mistake(
        "this quote is never closed",
        "a text in quotes ends on the line it begins on",
        lambda p: p.found.startswith('"') and not p.found.endswith('"', 1),
        ('use "./mine.scale', 'dim N "residual width\ndim L', 'rule r { tensor "wte { lr ~ 1 } }'),
    ),
    Mistake(
        "`{innermost}` is never closed",
        "",
        lambda p: p.found == "" and p.innermost != "",
        (
            "rule r {",
            "rule r { tensor * { lr ~ 1 }",
            "rule r { tensor * { lr ~ 1",
            "rule r { tensor * { lr ~",
            "network n { repeat L { norm(rms) }",
            "rule r { tensor * { lr ~ sqrt(fan_in",
            "rule a { tensor * { lr ~ 1 }\nrule b { }",
        ),
    ),
    Mistake(
        "`{innermost}` is not closed before `{found}`",
        "",
        lambda p: p.found in CLOSING.values() and p.innermost != "" and CLOSING[p.innermost] != p.found,
        (
            "rule r { tensor * { lr ~ sqrt(fan_in } }",
            "rule r { tensor * { lr ~ (1 + N} }",
            "network n { lora(on = [attention.q) }",
        ),
    ),
    Mistake(
        "`{found}` closes nothing",
        "",
        lambda p: p.found in CLOSING.values() and not p.open,
        ("rule r { } }", "dim N )", "}"),
    ),
    Mistake(
        "`{found}` is neither a number nor a name",
        "a number is written `12`, `0.02` or `1e-8`, and a product has its `*`: `2*N`",
        lambda p: re.match(r"\.?[0-9]", p.found) is not None and re.fullmatch(r"[0-9]+(\.[0-9]+)?", p.found) is None,
        (
            "rule r { tensor * { lr ~ 2N } }",
            "rule r { tensor * { lr = .5 } }",
            "rule r { tensor * { lr = 1. } }",
            "rule r { tensor * { lr = 1e- } }",
            "rule r { tensor * { lr = 1.2.3 } }",
        ),
    ),
    Mistake(
        "`{last}` needs a reference",
        'write `cite arXiv:2203.03466 "Table 3"`, `cite doi:...` or a URL',
        lambda p: "CITE" in p.expected,
        ("rule r { cite 2203.03466 }", 'rule r { cite "Table 3" }', "law l = N cite", "rule r { cite }"),
    ),
    Mistake(
        "powers do not chain",
        "write `(x^y)^z` or `x^(y^z)`",
        lambda p: p.found == "^" and "*" in p.expected,
        ("rule r { tensor * { lr ~ N^2^3 } }", "law l = x^-y^z"),
    ),
    Mistake(
        "expected `~` after `{last}`",
        "`require lr ~ 1` says how a value is to move, `wd solves timescale ~ 1` what a law is to be; `=` sets a value",
        lambda p: p.expected == {".", "~"},
        (
            "rule r { tensor * { require lr } }",
            "rule r { tensor * { require lr = 1 } }",
            "rule r { tensor * { wd solves timescale = 1 } }",
        ),
    ),
    Mistake(
        "`{last}` is given no value",
        "write `{last} = ...` for a value or `{last} ~ ...` for a law; a flag is written `frozen = yes`",
        lambda p: p.expected >= ASSIGN and p.found in {"}", ";", ","},
        ("rule r { tensor * { frozen } }", "rule r { tensor * { frozen; lr ~ 1 } }", "rule r { run { lr ~ 1; wd } }"),
    ),
    Mistake(
        "expected `=` or `~` after `{last}`",
        "write `{last} = ...` for a value or `{last} ~ ...` for a law",
        lambda p: p.expected >= ASSIGN,
        (
            "rule r { tensor * { lr: 1 } }",
            "rule r { tensor * { init.std 1/fan_in } }",
            "rule r { tensor * { lr fan_in } }",
            "rule r { tensor * { frozen lr ~ 1 } }",
            "rule r { run { schedule cosine } }",
        ),
    ),
    Mistake(
        "`{last}` stands before no expression",
        "",
        lambda p: p.expected >= EXPRESSION and p.last not in {"{", ";", "}"} and p.found in {"}", ")", ";", ",", ""},
        (
            "rule r { tensor * { lr ~ } }",
            "rule r { tensor * { lr ~; wd ~ 1 } }",
            "rule r { tensor * { lr ~ 1/ } }",
            "rule r { tensor * { lr ~ min(1,) } }",
            "law l =",
            "rule r { base N = }",
            "network n { embed(vocabulary = ) }",
        ),
    ),
    Mistake(
        "`:` separates nothing",
        "write `=` for a value and braces around a body: `rule r extends parent {{ ... }}`",
        lambda p: p.found == ":",
        ("network n { embed(vocabulary: V) }", "rule r: { }", "rule r(alpha: 1) { }", "dim N: 4"),
    ),
    Mistake(
        "statements are not separated by `,`",
        "write `;`, or begin a new line",
        lambda p: p.found == "," and {"}", ";"} <= p.expected,
        ("rule r { tensor * { lr ~ 1, wd ~ 1 } }", "regime r { N ~ s, M ~ s }"),
    ),
    Mistake(
        "options of `{block}` stand in parentheses",
        "write `{block}({last} = ...)`; several are separated by commas",
        lambda p: p.found == "=" and {"as", "NAME"} <= p.expected,
        ("network n { attention heads = H }", "network n { embed(V) norm(rms) mlp width = F }"),
    ),
    Mistake(
        "`repeat` says how often",
        "write `repeat L {{ ... }}`, or `repeat 3 {{ ... }}`",
        lambda p: p.last == "repeat" and p.found == "{",
        ("network n { repeat { norm(rms) } }",),
    ),
    Mistake(
        "a condition compares",
        "write `where density < 1`, or `where fan_out > fan_in and experts > 1`",
        lambda p: p.found in {"{", "and", "or", "}"} and {"<", "<=", ">=", "^"} <= p.expected,
        ("rule r { tensor * where density { lr ~ 1 } }", "rule r { require N and L > 1 }", "rule r { valid params }"),
    ),
    Mistake(
        "`{last}{found}` is not part of the language",
        "`=` sets a value, `~` a law, `*=` multiplies a value and `*~` a law",
        lambda p: p.last in ASSIGN and p.found in {"=", "~", "*"},
        ("rule r { tensor * { lr =~ 1 } }", "rule r { tensor * { lr ~= 1 } }", "rule r { tensor * { lr ~* N } }"),
    ),
    Mistake(
        "`{last}` selects nothing",
        "write `{last} * {{ ... }}` for all, or name roles, shape classes or parameters",
        lambda p: p.last in {"tensor", "site"} and p.found == "{",
        ("rule r { tensor { lr ~ 1 } }", "rule r { for opt { site { scale ~ 1 } } }"),
    ),
    Mistake(
        "`extends` comes before `for`",
        "write `rule NAME extends PARENT for OPTIMIZER {{ ... }}`",
        lambda p: p.found == "extends" and p.within("rule"),
        ("rule r for opt extends parent { }",),
    ),
    Mistake(
        "`{found}` does not come here in a check",
        "the order is `check RULE on NETWORK for OPTIMIZER under REGIME {{ expect ... }}`",
        lambda p: p.within("check") and p.found in {"on", "for", "under", "expect", "{"},
        (
            "check mine for opt on net { }",
            "check mine on net under width for opt { }",
            "check mine { expect faithful }",
        ),
    ),
    Mistake(
        "`{found}` is not known here",
        "{nearest}",
        lambda p: p.is_word() and p.found not in CLAUSES and did_you_mean(p.found, p.keywords) != (),
        (
            "ruel r { }",
            "netwrok n { }",
            "rule r { tensr * { lr ~ 1 } }",
            "rule r extend parent { }",
            "check mine on net { expects faithful }",
            "optimizer o { updates spectral }",
        ),
    ),
    Mistake(
        "`{found}` begins no declaration",
        f"a declaration begins with {', '.join(f'`{word}`' for word in DECLARATIONS[:-1])} or `{DECLARATIONS[-1]}`",
        lambda p: p.found != "" and p.keywords >= TOP,
        ("import std.dims", "def r { }", "lr ~ 1", "dim N 4", "{ }"),
    ),
    Mistake(
        "`{found}` begins no part of a rule",
        "an attribute is set in a clause: `tensor * {{ lr ~ 1 }}`, `site residual {{ ... }}`, `run {{ ... }}`",
        lambda p: p.found != "" and p.keywords >= CLAUSES,
        ("rule r { lr ~ 1 }", "rule r { tensor * { lr ~ 1 } matrix { wd ~ 1 } }"),
    ),
    Mistake(
        "expected `{{` before `{found}`",
        "what follows stands in braces: `tensor matrix {{ lr ~ 1/fan_in }}`",
        lambda p: "{" in p.expected and p.found != "",
        ("rule r { tensor matrix lr ~ 1 }", "rule r tensor * { lr ~ 1 }", "network n embed(V)"),
    ),
)


def found_at(rest: Span) -> Span:
    """The word or symbol at the start of `rest`; empty at the end of the text."""
    match = FOUND.match(rest.text)
    return Span(rest.source, rest.start, rest.start + (match.end() if match else 0))


def mistake_at(place: Place) -> Mistake | None:
    return next((mistake for mistake in MISTAKES if mistake.fits(place)), None)


def explain(place: Place) -> Diagnostic:
    """The diagnostic of the first row that fits, else what was expected and what was found."""
    mistake = mistake_at(place)
    if mistake is None:
        return Diagnostic(SYNTAX, _plain_message(place), place.span)
    words = {
        "found": place.found,
        "last": place.last,
        "symbol": place.symbol.text,
        "innermost": place.innermost,
        "block": place.before[-2].text if len(place.before) > 1 else "",
        "foreign": FOREIGN.get(place.symbol.text, ""),
        "nearest": "; ".join(did_you_mean(place.found, place.keywords)),
    }
    help_ = mistake.help.format_map(words)
    labels = ((place.open[-1], "opened here"),) if "{innermost}" in mistake.message else ()
    message = mistake.message.format_map(words)
    return Diagnostic(SYNTAX, message, place.symbol, labels=labels, helps=(help_,) if help_ else ())


def _plain_message(place: Place) -> str:
    expected = set(place.expected)
    words = ["an expression"] if expected >= EXPRESSION else []
    words += sorted(KINDS.get(w, f"`{w}`") for w in (expected - EXPRESSION if words else expected))
    found = f"found `{place.found}`" if place.found else "but the text ends here"
    *most, last = words
    return f"expected {' or '.join([', '.join(most), last]) if most else last}, {found}"
