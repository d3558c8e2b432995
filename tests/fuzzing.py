"""Rule files at random, and what may come of them. Input: a seed. Output: a text and what to ask of it.

Three kinds: derivations from the grammar itself; published files with words deleted, doubled, swapped
and replaced; networks and rules put together from what the language has, most of which compile. The
same seed gives the same text, so that a find can be had again. `examine` takes a text all the way.
"""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from random import Random
from types import FrameType

from lark import Lark
from lark.grammar import NonTerminal, Rule, Terminal

from scalec.diagnostics import Diagnostic, ScalecError
from scalec.emit.table import FORMATS
from scalec.emit.tunables import tunables_text
from scalec.operands import Operands
from scalec.pipeline import PlanRequest, emit_files, examine, fingerprint, plan, run_checks
from scalec.plan.precision import underflows
from scalec.render import as_concise, as_json, as_text
from scalec.resolve.load import load_text
from scalec.resolve.vocabulary import ATTRIBUTES, RELATIVE_SIZES, ROLES, SHAPE_CLASSES, SITES
from scalec.source import Source
from scalec.syntax.layout import to_text
from scalec.syntax.parser import parse
from tests.sources import ROOT

SECONDS = 20  # of the processor, after which a case counts as hanging


@dataclass(frozen=True)
class Case:
    """A text, and the rule, network, optimizer and size to plan and compile it for. `checks`: prove its claims too."""

    text: str
    rule: str = "mine"
    network: str = "net"
    optimizer: str = "adam"
    at: str = "N=16"
    base: str | None = None
    checks: bool = False


@dataclass(frozen=True)
class Fate:
    """How far a case came: `refused`, `read`, `planned` or `compiled`; the emitted files of the last."""

    reached: str
    codes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


# ---- what must hold ------------------------------------------------------------------------------
def fate(case: Case) -> Fate:
    """Take a case as far as it goes. Raises AssertionError, or whatever else is wrong with scalec."""
    try:
        workspace = load_text(case.text)
    except ScalecError as error:
        return Fate("refused", assert_said(error.diagnostics))
    tree = workspace.unit.tree
    once = to_text(tree)
    again = parse(Source("<text>", once))
    assert again == tree, "the layout says something else"
    assert to_text(again) == once, "the layout does not settle"
    found = examine(workspace)
    if any(d.severity == "error" for d in found):
        return Fate("refused", assert_said(found))
    for run in run_checks(workspace) if case.checks else ():
        assert_said(run.diagnostics)
    operands, request = Operands(case.rule, case.network, case.optimizer), PlanRequest((case.at,), case.base)
    try:
        made = plan(workspace, operands, request)
    except ScalecError as error:
        return Fate("read", assert_said(error.diagnostics))
    write = [*FORMATS.values(), tunables_text][len(case.text) % (len(FORMATS) + 1)]
    table = write(made)
    assert not re.search(r"\b(inf|nan|Infinity|NaN)\b", table), "a value that is no number"
    assert_said(underflows(made, "float16"))
    try:
        files = emit_files(made, fingerprint(workspace, operands, request))
    except ScalecError as error:
        return Fate("planned", assert_said(error.diagnostics))
    for file in files:
        if file.name.endswith(".py"):
            ast.parse(file.text, file.name)
    return Fate("compiled", files=tuple((f.name, f.text) for f in files))


def assert_said(found: tuple[Diagnostic, ...]) -> tuple[str, ...]:
    """Findings are whole: one line each, a place inside the text, and every way of writing them works."""
    for d in found:
        assert d.message, "an empty message"
        assert "\n" not in d.message, "a message of several lines"
        for span in (d.span, *(span for span, _ in d.labels)):
            assert span is None or 0 <= span.start <= span.end <= len(span.source.text), "a place outside"
    for write in (as_text, as_concise, as_json):
        write(found)
    return tuple(dict.fromkeys(d.code.id for d in found))


@contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """Raises TimeoutError when the block takes more time of the processor."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# ---- words ---------------------------------------------------------------------------------------
SIZES = ("N", "L", "H", "F", "D", "C", "V", "T")
NAMES = (
    *SIZES, *SHAPE_CLASSES, *(word for name in (*ROLES, *SITES, *RELATIVE_SIZES) for word in name.split(".")),
    *(word for table in ATTRIBUTES.values() for name in table for word in name.split(".")),
    "mine", "net", "sp", "mup", "mlp", "gpt", "sgd", "adam", "adamw", "muon", "optimizer", "width", "std", "dims",
    "base", "run", "class", "__class__", "x" * 70, "sqrt", "min", "max", "log", "log2", "relu", "layer",
    "torch", "optim", "a", "s",
)  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "16", "64", "0.02", "1e-8", "0.1", "100")
MONSTERS = ("9" * 45, "1e999", "1e300", "0.0000000000000000000000000000000000000000001")
STRINGS = ('""', '"a text"', '"\\"', '"\u202e"', '"*.weight"', '"std.scale"', "\"'''\"", '"{x} %s #"', '"\t"')
CITES = ("arXiv:2203.03466", "doi:10.1/x", "https://a.b/c#d'e\\")


# ---- derivations from the grammar ----------------------------------------------------------------
LARGE = ("rule", "rule", "rule", "network")  # declarations that there is most to say in


@cache
def _grammar() -> tuple[dict[str, list[Rule]], dict[str, str], dict[str, int]]:
    """Rules by what they derive, texts of the keywords and signs, the least depth of each derivation."""
    lark = Lark((ROOT / "grammars" / "scalec.lark").read_text("utf-8"), parser="lalr", start="start")
    rules: dict[str, list[Rule]] = {}
    for rule in lark.rules:
        rules.setdefault(str(rule.origin.name), []).append(rule)
    texts = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    depth: dict[str, int] = {}
    while len(depth) < len(rules):
        for name, options in rules.items():
            known = [d for option in options if (d := _depth(option, depth)) is not None]
            if known:
                depth[name] = min(known)
    return rules, texts, depth


def _depth(rule: Rule, known: dict[str, int]) -> int | None:
    inner = [known.get(str(s.name)) for s in rule.expansion if isinstance(s, NonTerminal)]
    return None if None in inner else 1 + max((d for d in inner if d is not None), default=0)


def derived(random: Random) -> Case:
    """Some declarations of the grammar; what their names mean is left to chance."""
    starts = (*(str(option.expansion[0].name) for option in _grammar()[0]["_declaration"]), *LARGE)
    words = [word for _ in range(random.randint(1, 2)) for word in _sentence(random.choice(starts), random)]
    return Case(random.choice(("", "use std.mup\n")) + " ".join(words))


def _sentence(start: str, random: Random) -> Iterator[str]:
    """Words of a derivation; once the budget is spent, every choice is the one that ends soonest."""
    rules, texts, depth = _grammar()
    budget = random.randint(8, 45)
    stack: list[NonTerminal | Terminal] = [NonTerminal(start)]
    while stack:
        symbol = stack.pop()
        name = str(symbol.name)
        if isinstance(symbol, Terminal):
            yield _word(name, texts, random)
            continue
        budget -= 1
        options = rules[name]
        if budget < 0:
            options = [option for option in options if _depth(option, depth) == depth[name]]
        stack += reversed(random.choice(options).expansion)


def _word(name: str, texts: dict[str, str], random: Random) -> str:
    match name:
        case "NAME":
            return random.choice(NAMES)
        case "NUMBER":
            return random.choice(NUMBERS if random.random() < 0.98 else MONSTERS)
        case "STRING":
            return random.choice(STRINGS)
        case "CITE":
            return random.choice(CITES)
        case _:
            return texts[name]


# ---- mutations of what is published --------------------------------------------------------------
WORD = re.compile(r"#[^\n]*|\"[^\"\n]*\"|[\w.]+|\s+|.")
SPICE = (
    "0", "-1", "1/2", "(", ")", "{", "}", "layer", "yes", "nonsense", "^", "-", "*", "+", "9999999999", "base.N",
    "run.lr", "log", "min", "where", "under", "moe", "tied", "=", "~", "*=", "*~", "1 -", ",", ";", "in", "except",
    "\0", "\u202e", "\ud800", "é", "#", '"', "solves", "optimizer", "extends", "for", "2^64", "1e300",
)  # fmt: skip


@cache
def _published() -> list[list[str]]:
    files = [*sorted((ROOT / "rules").rglob("*.scale")), *sorted((ROOT / "examples").glob("*.scale"))]
    texts = [re.sub(r"#[^\n]*", "", path.read_text("utf-8")) for path in files]
    return [WORD.findall(part) for text in texts for part in _pieces(text)]


def _pieces(text: str) -> Iterator[str]:
    """Its declarations one by one, each with what the file uses: a short text is read sooner."""
    uses = "".join(line for line in text.splitlines(keepends=True) if line.startswith("use "))
    for piece in re.split(r"\n(?=\w)", text):
        if not piece.startswith("use ") and piece.strip():
            yield f"{uses}{piece}\n"


def mutated(random: Random) -> Case:
    """A published declaration with a few words deleted, doubled, swapped or replaced."""
    words = list(random.choice(_published()))
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(words))
        other = random.choice(SPICE) if random.random() < 0.5 else random.choice(words)
        match random.randrange(5):
            case 0:
                words[place] = " "
            case 1:
                words.insert(place, words[place] + " ")
            case 2:
                words[place] = f" {other} "
            case 3:
                words.insert(place, f" {other} ")
            case 4:
                words[place] = _typed_again(words[place], random)
    rules = [words[i + 2] for i, word in enumerate(words[:-2]) if word == "rule"]
    networks = [words[i + 2] for i, word in enumerate(words[:-2]) if word == "network"]
    rule, network = rules[0] if rules else "mup", networks[0] if networks else "gpt"
    deep = ",L=2" if network == "gpt" else ""
    return Case("".join(words), rule, network, "adamw", f"N=128{deep}", f"N=64{deep}")


def _typed_again(word: str, random: Random) -> str:
    if len(word) < 2:
        return word
    i = random.randrange(len(word) - 1)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


# ---- networks and rules that mostly compile ------------------------------------------------------
def composed(random: Random) -> Case:
    """A network of blocks that fit, and a rule that says everything, some of it strangely."""
    kind = random.choice(("tokens", "vectors", "image"))
    side = random.choice(("", "", *SIDES))
    inside = kind if side else f"{kind} alone"
    at = f"N={random.choice((16, 32, 64, 24, 7))}"
    network = (
        f"network net {{ dims N, H = {random.choice(('2', 'N/8', '4'))}, F = {_size(random)}\n"
        f"fixed V = 11, T = 9, D = 5, C = 3\n"
        + f"{random.choice(ENTRANCES[kind])}\n"
        + (random.choice(("position(T)\n", "position(sincos)\n", "")) if kind != "vectors" else "")
        + side
        + "".join(_block(random, 2, inside) for _ in range(random.randint(0, 4)))
        + ("modulate(by = c)\n" if side else "")
        + random.choice(("", "", "", "pool\n" if kind == "image" else ""))
        + f"readout({random.choice(('C', 'V', '7'))}) }}\n"
    )
    statements = "".join(_clause(random) for _ in range(random.randint(0, 6)))
    optimizer = random.choice(("sgd", "adam", "adamw"))
    parent = random.choice(("sp", "mup"))
    rule = f"rule mine extends {parent} {{ base N = {random.choice((16, 32, 64))}\n{statements}}}\n"
    regime, claim = random.choice(("width", "heads", "width + ffn")), random.choice(("maximal_update", "stable_init"))
    check = f"check mine on net for {optimizer} under {regime} {{ expect {claim}, faithful }}\n"
    text = f"use std.mup\nuse std.sp\n{network}{rule}{check if random.random() < 0.3 else ''}"
    return Case(text, "mine", "net", optimizer, at, checks=True)


ENTRANCES = {
    "tokens": ("embed(vocabulary = V, width = N)",),
    "vectors": ("input(D) linear(N) as first",),
    "image": ("patch(channels = C, size = 2, side = 6, width = N)", "image(channels = C, side = 3) conv(N, 3)"),
}
SIDES = (
    "let c = { label(C, N) act(silu) }\n",
    "let c = { norm linear(N) }\n",
    "let c = { sum { branch { timestep(8) linear(N) } branch { label(C, width = N) } } }\n",
    "let source = { embed(V, N) position(T) pool } let c = { timestep(6) linear(N) modulate(by = source) }\n",
)


def _block(random: Random, depth: int, kind: str) -> str:
    """A block that fits a stream of this kind, with a side stream `c` unless it is `alone`."""
    act = random.choice(("relu", "gelu", "silu", "tanh", "sigmoid", "square_relu", "relu", "gelu"))
    kinds: list[Callable[[], str]] = [
        lambda: f"norm({random.choice(('layer', 'layer', 'layer, gain = no', 'rms'))})",
        lambda: f"mlp(width = {_size(random)}, act = {act})",
        lambda: f"act({act})",
        lambda: f"linear(N){random.choice(('', ' as other', ' as L', ' as forward'))}",
    ]
    if not kind.endswith("alone"):
        kinds.append(lambda: f"modulate(by = c{random.choice(('', '', ', gate = yes'))})")
    if kind.startswith("image"):
        kinds.append(lambda: f"conv(N, {random.choice(('1', '3', '3', '2'))})")
    if not kind.startswith("vectors"):
        kinds.append(lambda: f"attention(heads = {random.choice(('H', '1', '3'))}{random.choice(('', ', causal'))})")
    if depth:
        inner = "".join(_block(random, depth - 1, kind) for _ in range(random.randint(1, 2)))
        kinds += [lambda: f"residual {{ {inner} }}", lambda: f"repeat {random.choice(('2', '3', 'H'))} {{ {inner} }}"]
        kinds.append(lambda: f"sum {{ branch {{ {inner} }} branch {{ linear(N) }} }}")
    return f"{random.choice(kinds)()}\n"


def _size(random: Random) -> str:
    return random.choice(("4*N", "N", "2*N + 8", "N*3/2", "max(N, 16)", "12", "N^(1/2)", "N/3", "8*H"))


def _clause(random: Random) -> str:
    selector = random.choice(("*", "*", "*", "*", "readout", "output", "input, output", "matrix", "* except readout"))
    attribute = random.choice(("lr", "eps", "wd", "init.std", "scale", "init.mean", "beta1"))
    word = random.choice(("init = zero", "init = ones", "init = uniform", "init = normal"))
    site = random.choice(("logits", "logits", "*", "residual", "mlp.act"))
    operator = random.choice(("=", "*=", "~", "*~"))
    place = random.choice(("", "", "", "", f"where {_condition(random, 2)}", "under width", "under heads, ffn"))
    return random.choice(
        (
            f"tensor {selector} {place} {{ {attribute} {operator} {_value(random, 3)} }}\n",
            f"tensor {selector} {{ {word} }}\n",
            f"site {site} {place} {{ scale {random.choice(('=', '~', '*='))} {_value(random, 2)} }}\n",
            f"run {{ {random.choice(('lr', 'wd', 'eps', 'beta2', 'clip', 'warmup'))} = {_value(random, 2)} }}\n",
            f"{place} {{ tensor readout {{ lr *= 2 }} }}\n" if place else "",
            f"{random.choice(('require', 'valid'))} {_condition(random, 2)}\n",
        )
    )


def _condition(random: Random, depth: int) -> str:
    if depth and random.random() < 0.4:
        left, right = _condition(random, depth - 1), _condition(random, depth - 1)
        return random.choice((f"({left} or {right})", f"{left} and {right}", f"not {left}", f"not ({left} or {right})"))
    names = ("fan_in", "fan_out", "N", "base.N", "depth", "density", "1", "run.lr", "params", "tokens", "2*N", "F", "D")
    word = random.choice(("schedule = cosine", "schedule != linear", "depth > 1", "fan_out > fan_in", "fan_in = 1"))
    sides = [random.choice((*names, _value(random, 1))) for _ in range(random.choice((2, 2, 3)))]
    return random.choice((word, f" {random.choice(('<', '<=', '>', '>=', '=', '!='))} ".join(sides)))


def _value(random: Random, depth: int) -> str:
    leaf = random.choice(("1", "2", "1/2", "0.02", "fan_in", "fan_out", "N", "1e-8", "fan_in", "N", "0", "1e30"))
    if not depth or random.random() < 0.3:
        return leaf
    left, right = _value(random, depth - 1), _value(random, depth - 1)
    return random.choice(
        (
            f"{left}*{right}", f"{left}/({right})", f"sqrt({left})", f"({left})^(1/2)", f"({left})^-1",
            f"min({left}, {right})", f"max({left}, {right})", f"({left} + {right})", f"log({left})", f"({left})^3",
        )
    )  # fmt: skip


KINDS: dict[str, Callable[[Random], Case]] = {"derived": derived, "mutated": mutated, "composed": composed}


def case(kind: str, seed: int) -> Case:
    """The case that a seed stands for."""
    return KINDS[kind](Random(f"{kind} {seed}"))


def built_on_meta(model: str) -> int:
    """Parameters of the network that an emitted model builds on the meta device, where nothing is allocated."""
    import sys
    from types import ModuleType

    module = sys.modules["emitted_model"] = ModuleType("emitted_model")
    try:
        exec(compile(model, "model.py", "exec"), module.__dict__)
        return sum(p.numel() for p in module.build_model(module.Config(), device="meta").parameters())
    finally:
        del sys.modules["emitted_model"]
