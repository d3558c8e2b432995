"""From a `NetworkDef` to a `Program`. Input: a network with its parameters bound. Output: the IR.

Reads blocks and their options against the table in `blocks`; the table's functions do the rest.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from keyword import iskeyword
from typing import NoReturn

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError, did_you_mean
from scalec.program.blocks import BLOCKS
from scalec.program.blocks.modifiers import check_met
from scalec.program.building import Block, Builder
from scalec.program.program import Dimension, OptionValue, Program
from scalec.program.specs import BlockSpec, Option, Place
from scalec.program.streaming import Value
from scalec.resolve.networks import NetworkDef, NetworkDim
from scalec.source import Span
from scalec.symbolic.evaluate import to_formula, to_number
from scalec.symbolic.formula import UNIT, Formula, add, as_number, mul, symbol, symbols
from scalec.syntax import nodes
from scalec.syntax.printer import expression_text

LISTED = "a network lists its sizes: `dims {0}` may grow, `fixed {0} = ...` never does"


def lower(network: NetworkDef, reporter: Reporter) -> Program:
    """The Program of a network. Raises ScalecError with everything wrong with its blocks."""
    dimensions = _dimensions(network, reporter)
    reader = _Reader({d.name for d in dimensions}, reporter)
    growing = frozenset(d.name for d in dimensions if d.grows)
    openers = frozenset(spec.kind for spec in BLOCKS.values() if spec.opens == "yes")
    builder = Builder(reader.block, growing, partial(_depth, reader=reader), openers, reporter)
    stated = [i for i in network.items if isinstance(i, nodes.Block) and _modifies(i)]
    network = replace(network, items=tuple(i for i in network.items if i not in stated))
    at = _sequence(builder, network.items, network.span)
    _check_ends(network, reporter)
    builder.broken = any(d.severity == "error" for d in reporter.diagnostics)
    builder.depth = _depth(network.items, reader)
    builder.sequence(_sequence(builder, tuple(stated), network.span), Value("", UNIT), Place())
    builder.sequence(at, Value("", UNIT), Place())
    if not builder.broken:
        check_met(builder)
    reporter.stop_on_errors()
    return Program(
        network.name,
        dimensions,
        tuple(at.children),
        tuple(builder.operations),
        tuple(builder.tensors),
        tuple(builder.sites),
        builder.stacks,
    )


def _modifies(node: nodes.Block) -> bool:
    return node.kind in BLOCKS and BLOCKS[node.kind].modifier


def _sequence(builder: Builder, items: tuple[nodes.Block | nodes.Let, ...], span: Span) -> Block:
    """What holds the blocks of a network."""
    root = nodes.Block("sequence", span=span, body=items)
    return Block(builder, root, BlockSpec("sequence", (), _nothing, None, body=True), Place(), "", "", {})


def _nothing(builder: Builder, at: Block, x: Value) -> Value:
    return x


def _check_ends(network: NetworkDef, reporter: Reporter) -> None:
    """The first block reads the input, no other does; the last is the readout."""
    blocks = [item for item in network.items if isinstance(item, nodes.Block)]
    openers = [spec.kind for spec in BLOCKS.values() if spec.opens == "yes"]
    first = [kind for kind in openers if not BLOCKS[kind].side]
    if not blocks or blocks[0].kind not in first:
        span = blocks[0].span if blocks else network.span
        reporter.report(
            codes.BLOCK_PLACE,
            "a network starts with the block that reads its input",
            span,
            helps=[f"begin with one of {', '.join(f'`{k}`' for k in first)}"],
        )
    if all(block.kind != "readout" for block in blocks):
        span = blocks[-1].span if blocks else network.span
        reporter.report(codes.BLOCK_PLACE, "a network ends with `readout(SIZE)`", span)
    for block in blocks[1:]:
        if block.kind in openers:
            helps = [f"a further input enters in a side stream: `let NAME = {{ {block.kind}(...) ... }}`"]
            reporter.report(
                codes.BLOCK_PLACE, f"`{block.kind}` reads the input and stands first", block.span, helps=helps
            )
    for block in blocks[:-1]:
        if block.kind == "readout":
            reporter.report(codes.BLOCK_PLACE, "nothing follows the readout", block.span)


def _depth(items: tuple[nodes.Block | nodes.Let, ...], reader: _Reader) -> Formula | None:
    """All blocks on the stream: the counts of the repeats, added; inside each other, multiplied."""
    counts: list[Formula] = []
    for item in items:
        if isinstance(item, nodes.Let) or not item.body:
            continue
        inner = _depth(item.body, reader)
        if item.kind == "repeat":
            counts.append(mul(reader.count(item), inner or UNIT))
        elif inner is not None:
            counts.append(inner)
    return add(*counts) if counts else None


# ---- dimensions ------------------------------------------------------------------------------
def _dimensions(network: NetworkDef, reporter: Reporter) -> tuple[Dimension, ...]:
    names = [d.name for d in network.dims]
    fixed: dict[str, Formula] = {}
    result = []
    for dim in network.dims:
        check_identifier(dim.name, dim.span, reporter)
        if dim.fixed:
            value = to_formula(dim.value, fixed.get, tuple(fixed), reporter) if dim.value else None
            if value is not None and as_number(value) is None:
                reporter.report(codes.EXPRESSION, f"the size of `{dim.name}` is a number", dim.span)
            if value is not None:
                fixed[dim.name] = value
            result.append(Dimension(dim.name, dim.doc, grows=False, fixed=as_number(value) if value else None))
        else:
            scope = {n: symbol("size", n) for n in names if n != dim.name}
            default = to_formula(dim.value, scope.get, tuple(scope), reporter) if dim.value else None
            result.append(Dimension(dim.name, dim.doc, default))
    _check_defaults(network.dims, result, reporter)
    return tuple(result)


def _check_defaults(dims: tuple[NetworkDim, ...], result: list[Dimension], reporter: Reporter) -> None:
    """No default may depend on itself."""
    needs = {d.name: {s.name for s in symbols(d.default)} if d.default else set() for d in result}
    for dim in dims:
        seen: set[str] = set()
        queue = list(needs[dim.name])
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue.extend(needs[name])
        if dim.name in seen:
            reporter.report(codes.CYCLE, f"the default of `{dim.name}` depends on itself", dim.span)
    reporter.stop_on_errors()


def check_identifier(name: str, span: Span, reporter: Reporter) -> None:
    """Names that reach emitted code as identifiers: no keyword, no leading underscore."""
    if iskeyword(name) or name.startswith("_"):
        why = "is a word of Python" if iskeyword(name) else "starts with an underscore"
        reporter.report(codes.BLOCK_PLACE, f"`{name}` cannot be a name here: it {why}", span)


# ---- blocks and options ----------------------------------------------------------------------
def _with_flag(name: str) -> tuple[str, ...]:
    """The blocks that have a flag of this name."""
    return tuple(spec.kind for spec in BLOCKS.values() if any((o.name, o.kind) == (name, "flag") for o in spec.options))


class _Reader:
    """Reads blocks and options against the table, with the network's dimensions in scope."""

    def __init__(self, dimensions: set[str], reporter: Reporter) -> None:
        self.scope: dict[str, Formula] = {name: symbol("size", name) for name in sorted(dimensions)}
        self.reporter = reporter
        self.read: dict[nodes.Expr, Formula] = {}  # a network says the same size many times

    def size(self, expr: nodes.Expr) -> Formula:
        if expr not in self.read:
            self.read[expr] = to_formula(expr, self.scope.get, tuple(self.scope), self.reporter, LISTED)
        return self.read[expr]

    def count(self, repeat: nodes.Block) -> Formula:
        """How often a block is repeated; 1 where that does not read, which `block` will report."""
        value = repeat.arguments[0].value if repeat.arguments else ()
        try:
            return UNIT if isinstance(value, tuple) else self.size(value)
        except ScalecError:
            return UNIT

    def block(self, builder: Builder, node: nodes.Block, place: Place) -> Block:
        spec = BLOCKS.get(node.kind)
        if spec is None:
            self._unknown(node)
        if place.within and (spec.modifier or spec.kind == "readout"):
            self.reporter.fail(codes.BLOCK_PLACE, f"`{spec.kind}` cannot stand inside another block", node.span)
        if (node.body is not None) != spec.body:
            wanted = "takes blocks in braces" if spec.body else "takes no braces"
            self.reporter.fail(codes.BLOCK_PLACE, f"`{spec.kind}` {wanted}", node.span)
        name, stored = self._name(builder, node, spec, place)
        return Block(builder, node, spec, place, name, stored, self._options(builder, node, spec))

    def _unknown(self, node: nodes.Block) -> NoReturn:
        self.reporter.fail(
            codes.UNKNOWN_WORD,
            f"unknown block `{node.kind}`",
            node.span,
            helps=did_you_mean(node.kind, BLOCKS),
            notes=(f"the blocks are {', '.join(BLOCKS)}",),
        )

    def _name(self, builder: Builder, node: nodes.Block, spec: BlockSpec, place: Place) -> tuple[str, str]:
        """Local name and module name of a block; a composition has neither."""
        if spec.name is None:
            if node.name:
                self.reporter.report(codes.BLOCK_PLACE, f"`{spec.kind}` takes no name", node.span)
            return spec.kind, spec.kind
        if node.name is None:
            name = builder.unique(f"{place.path}{spec.name}").removeprefix(place.path)
            stored = (spec.stored or spec.name) + name.removeprefix(spec.name)
            builder.taken.add(f"{place.stored}{stored}")
            return name, stored
        check_identifier(node.name, node.span, self.reporter)
        if {f"{place.path}{node.name}", f"{place.stored}{node.name}"} & builder.taken:
            self.reporter.report(codes.DUPLICATE_NAME, f"another block here is called `{node.name}`", node.span)
        builder.taken.add(f"{place.path}{node.name}")
        return node.name, node.name

    def _options(self, builder: Builder, node: nodes.Block, spec: BlockSpec) -> dict[str, OptionValue]:
        known = {o.name: o for o in spec.options}
        given: dict[str, OptionValue] = {}
        unknown = False
        positional = iter(sorted((o for o in spec.options if o.position is not None), key=lambda o: o.position or 0))
        for argument in node.arguments:
            bare = argument.value.text if isinstance(argument.value, nodes.Name) and not argument.name else None
            if bare in known and known[bare].kind == "flag":
                option = known[bare]
                value: OptionValue = True
            else:
                foreign = bare is not None and bare not in self.scope and bool(_with_flag(bare))
                found = known.get(argument.name) if argument.name else None if foreign else next(positional, None)
                if found is None:
                    self._unknown_option(spec, argument)
                    unknown = True
                    continue
                option, value = found, self._option_value(builder, spec, found, argument)
            if option.name in given:
                self.reporter.report(codes.OPTION, f"`{option.name}` is given twice", argument.span)
            given[option.name] = value
        for option in spec.options:
            if option.name in given:
                continue
            if option.default is not None:
                given[option.name] = option.default
            elif not option.optional:
                if unknown:
                    self.reporter.stop_on_errors()  # it may be what one of them was to be
                self.reporter.fail(
                    codes.OPTION,
                    f"`{spec.kind}` needs `{option.name}`",
                    node.span,
                    helps=(f"`{spec.kind}({option.name} = ...)`",),
                )
        return {o.name: given[o.name] for o in spec.options if o.name in given}

    def _option_value(self, builder: Builder, spec: BlockSpec, option: Option, argument: nodes.Argument) -> OptionValue:
        value = argument.value
        if isinstance(value, tuple) != (option.kind == "roles"):
            wanted = "takes a list, `[attention, mlp.up]`" if option.kind == "roles" else "is not a list"
            self.reporter.fail(codes.OPTION, f"`{option.name}` of `{spec.kind}` {wanted}", argument.span)
        if isinstance(value, tuple):
            return tuple(path.text for path in value)
        if option.kind == "size":
            return self.size(value)
        if option.kind == "stream":
            return self._stream(builder, spec, option, value)
        if option.kind == "chance":
            return self._chance(option, value)
        words = option.words if option.kind == "word" else ("yes", "no")
        if not isinstance(value, nodes.Name) or value.text not in words:
            text = expression_text(value)
            self.reporter.fail(
                codes.OPTION,
                f"`{option.name}` of `{spec.kind}` cannot be `{text}`",
                value.span,
                notes=(f"it is one of {', '.join(words)}",),
                helps=did_you_mean(text, words),
            )
        return value.text == "yes" if option.kind == "flag" else value.text

    def _stream(self, builder: Builder, spec: BlockSpec, option: Option, value: nodes.Expr) -> str:
        text = expression_text(value)
        if text not in builder.streams:
            named = ", ".join(builder.streams)
            self.reporter.fail(
                codes.UNKNOWN_NAME,
                f"`{option.name}` of `{spec.kind}` names no side stream: `{text}`",
                value.span,
                notes=(f"those named before it are {named}",) if named else ("none is named before it",),
                helps=did_you_mean(text, builder.streams) or (f"`let {text} = {{ ... }}` before it makes one",),
            )
        builder.heard.add(text)
        return text

    def _chance(self, option: Option, expr: nodes.Expr) -> Fraction:
        value = to_number(expr, self.reporter)
        if not 0 <= value < 1:
            self.reporter.fail(codes.OPTION, f"`{option.name}` is {value}, not a number of [0, 1)", expr.span)
        return value

    def _unknown_option(self, spec: BlockSpec, argument: nodes.Argument) -> None:
        value = argument.value
        text = argument.name or (expression_text(value) if not isinstance(value, tuple) else "[...]")
        names = [o.name for o in spec.options]
        owners = ", ".join(f"`{kind}`" for kind in _with_flag(text))
        self.reporter.report(
            codes.OPTION,
            f"`{spec.kind}` has no option `{text}`",
            argument.span,
            helps=did_you_mean(text, names) or ([f"{owners} can be `{text}`"] if owners else ()),
            notes=[f"its options are {', '.join(names) or 'none'}"],
        )
