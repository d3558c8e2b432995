"""The tools that block functions build a Program with. State of one lowering, nothing global."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from scalec import catalogue as codes
from scalec.diagnostics import Reporter, ScalecError
from scalec.program.ops import Linear, Operation
from scalec.program.program import Axis, OptionValue, Parts, Region, ShapeClass, Site, Storage, Tensor, Use
from scalec.program.specs import BlockSpec, Place
from scalec.program.streaming import Positions, SideStream, Streams, Value
from scalec.resolve.vocabulary import covers
from scalec.symbolic.formula import UNIT, Formula, FormulaError, Product, Sum, symbols
from scalec.symbolic.text import plain
from scalec.syntax import nodes

NONE: Mapping[str, Formula] = {}


@dataclass
class Block:
    """One block being lowered: what its function reads (options) and what it leaves (a Region)."""

    builder: Builder
    node: nodes.Block
    spec: BlockSpec
    place: Place
    name: str
    stored: str
    options: dict[str, OptionValue]
    relative: dict[str, Formula] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    children: list[Region] = field(default_factory=list)
    met: set[str] = field(default_factory=set)  # of a modifier: its roles that some weight has

    @property
    def path(self) -> str:
        return f"{self.place.path}{self.name}"

    @property
    def within(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.place.within, self.spec.kind, *([self.name] if self.spec.name else []))))

    def size(self, name: str) -> Formula:
        value = self.options[name]
        assert isinstance(value, Product | Sum)
        return value

    def word(self, name: str) -> str:
        value = self.options[name]
        assert isinstance(value, str)
        return value

    def flag(self, name: str) -> bool:
        return self.options.get(name) is True

    def stream(self, name: str) -> SideStream:
        """The side stream that an option names."""
        return self.builder.streams[self.word(name)]

    def words(self, name: str) -> tuple[str, ...]:
        value = self.options[name]
        assert isinstance(value, tuple)
        return value

    def tensor(
        self,
        local: str,
        role: str,
        *,
        fan_in: Formula,
        fan_out: Formula,
        shape: tuple[Formula, ...],
        layout: Literal["out_in", "in_out", "flat"],
        stack: Axis | None = None,
        density: Formula = UNIT,
        relative: Mapping[str, Formula] = NONE,
        stored: str | None = None,
        parts: Parts | None = None,
    ) -> str:
        """Add a tensor and give its path: the block's own for its `weight`, else `block.local`.

        `stack`: an axis whose copies lie in one parameter, named `local`. `relative`: sizes of this tensor beside
        the block's; `stored`: its module (of a stack the parameter itself), if not called as the path is.
        """
        path = self.path if local == "weight" else f"{self.path}.{local}"
        stacked = () if stack is None else (stack,)
        if stack is None:
            name = f"{stored}.weight" if stored else f"{self.stored}.{_parameter(local, layout)}"
        else:
            name = stored or f"{self.stored}.{local}"
        self.builder.tensors.append(
            Tensor(
                path,
                role,
                self.builder.shape_class(shape, fan_in, fan_out),
                shape,
                (Use(fan_in, fan_out),),
                Storage(f"{self.place.stored}{name}", layout, stacked=tuple(a.name for a in stacked)),
                (*self.place.axes, *stacked),
                self.builder.relative({**self.relative, **relative}),
                self.within,
                density,
                parts,
            )
        )
        self.tensors[local] = path
        if len(shape) > 1:
            self.builder.matrices.add(path)
        return path

    def dense(
        self,
        x: Value,
        fan_out: Formula,
        role: str,
        local: str,
        *,
        sides: tuple[Formula, ...] | None = None,
        stack: Axis | None = None,
        relative: Mapping[str, Formula] = NONE,
        stored: str | None = None,
        parts: Parts | None = None,
    ) -> Value:
        """A dense weight without bias: `out = W x`; of its entries a modifier may keep some at 0.

        `sides`: those that its rows are stored with, where that is not one side as long as `x`.
        """
        self.builder.dense.setdefault(role)
        tensor = self.tensor(
            local,
            role,
            fan_in=x.width,
            fan_out=fan_out,
            shape=(fan_out, *(sides or (x.width,))),
            layout="out_in",
            stack=stack,
            density=self.builder.density(role),
            relative=relative,
            stored=stored,
            parts=parts,
        )
        return Value(self.builder.emit(Linear(tensor, x.name, tensor)), fan_out)

    def vector(self, local: str, role: str, length: Formula) -> str:
        """A gain or a bias (`gain`, `bias`, `up.bias`): its fan_in counts as 1."""
        return self.tensor(local, role, fan_in=UNIT, fan_out=length, shape=(length,), layout="flat")

    def site(
        self,
        local: str,
        *roles: str,
        path: str | None = None,
        attributes: tuple[str, ...] = ("scale",),
        required: bool = False,
        relative: Mapping[str, Formula] = NONE,
    ) -> str:
        path = path or f"{self.path}.{local}"
        sizes = self.builder.relative({**self.relative, **relative})
        self.builder.sites.append(Site(path, roles, attributes, required, sizes, self.within, self.place.axes))
        self.sites[local] = path
        return path

    def same_width(self, before: Value, after: Value) -> None:
        if before.width != after.width and not self.builder.broken:
            self.builder.reporter.report(
                codes.BLOCK_PLACE,
                f"`{self.spec.kind}` changes the width of the stream",
                self.node.span,
                notes=[f"it takes `{plain(before.width)}` coordinates and gives `{plain(after.width)}`"],
            )

    def same_positions(self, before: Positions | None) -> None:
        """What is added to a stream has a vector wherever the stream has one."""
        if before != self.builder.positions and not self.builder.broken:
            self.builder.reporter.report(
                codes.BLOCK_PLACE, f"`{self.spec.kind}` changes the positions of the stream", self.node.span
            )

    def layer_kinds(self) -> tuple[str, ...]:
        """Kinds of the blocks with matrices inside: what a residual is a residual of."""
        return tuple(dict.fromkeys(self._layer_kinds(self.children)))

    def _layer_kinds(self, regions: list[Region] | tuple[Region, ...]) -> Iterator[str]:
        for region in regions:
            if region.kind != "let":
                yield from self._layer_kinds(region.children)
            if any(path in self.builder.matrices for _, path in region.tensors):
                yield region.kind

    def region(self) -> Region:
        return Region(
            self.spec.kind,
            self.stored,
            self.path if self.spec.name else self.place.path.rstrip("."),
            tuple(self.options.items()),
            tuple(self.children),
            tuple(self.tensors.items()),
            tuple(self.sites.items()),
            self.node.span,
        )


def _parameter(local: str, layout: Literal["out_in", "in_out", "flat"]) -> str:
    """The parameter behind a local name: `up` is `up.weight`, a norm's `gain` its `weight`, a bias itself."""
    if layout != "flat":
        return "weight" if local == "weight" else f"{local}.weight"
    return f"{local.removesuffix('gain')}weight" if local.endswith("gain") else local


class Builder(Streams):
    """What one lowering has made so far, and how blocks make more. `read` makes a Block of a node."""

    def __init__(
        self,
        read: Callable[[Builder, nodes.Block, Place], Block],
        growing: frozenset[str],
        depth_of: Callable[[tuple[nodes.Block | nodes.Let, ...]], Formula | None],
        openers: frozenset[str],
        reporter: Reporter,
    ) -> None:
        super().__init__(depth_of)
        self.read = read
        self.growing = growing
        self.openers = openers
        self.reporter = reporter
        self.operations: list[Operation] = []
        self.tensors: list[Tensor] = []
        self.sites: list[Site] = []
        self.table: str | None = None  # path of the embedding, for a readout that is tied to it
        self.taken: set[str] = set()
        self.counts: dict[str, int] = {}  # the last number that `unique` gave to a path
        self.matrices: set[str] = set()  # paths of tensors with two sides
        self.modifiers: list[Block] = []
        self.dense: dict[str, None] = {}  # roles of dense weights
        self.broken = False

    def emit(self, operation: Operation) -> str:
        self.operations.append(operation)
        return operation.out

    @contextmanager
    def nested(self) -> Iterator[list[Operation]]:
        """Operations emitted inside go to a list of their own: the body of a repeat."""
        outer, self.operations, self.gates = (self.operations, self.gates), [], None
        try:
            yield self.operations
        finally:
            self.operations, self.gates = outer

    def modifier(self, kind: str, role: str) -> Block | None:
        """What a modifier of this kind says of the dense weights of a role."""
        return self._modifying(role, (at for at in self.modifiers if at.spec.kind == kind))

    def density(self, role: str) -> Formula:
        """The share of entries that the dense weights of a role keep: all, unless a modifier says less."""
        at = self._modifying(role, (at for at in self.modifiers if at.spec.density))
        return at.size(at.spec.density) if at and at.spec.density else UNIT

    def _modifying(self, role: str, modifiers: Iterable[Block]) -> Block | None:
        for at in modifiers:
            found = [r for r in at.words("on") if covers(r, role)]
            at.met.update(found)
            if found:
                return at
        return None

    def unique(self, path: str) -> str:
        """The path itself, or with the first free number: `norm`, `norm2`, `norm3`."""
        free, count = path, self.counts.get(path, 0)
        while count == 0 or free in self.taken:
            count += 1
            free = path if count == 1 else f"{path}{count}"
        self.counts[path] = count
        self.taken.add(free)
        return free

    def relative(self, own: Mapping[str, Formula]) -> tuple[tuple[str, Formula], ...]:
        """The relative sizes of a tensor or site: the block's own, depth and context where they exist."""
        shared = {"depth": self.depth, "context": self.context}
        return (*own.items(), *((name, size) for name, size in shared.items() if size is not None))

    def shape_class(self, shape: tuple[Formula, ...], fan_in: Formula, fan_out: Formula) -> ShapeClass:
        """By the sides that grow with a dimension of the network; the same in every regime and at every size."""
        if len(shape) == 1:
            return "vector"
        if self.grows(fan_in):
            return "matrix" if self.grows(fan_out) else "output"
        return "input" if self.grows(fan_out) else "scalar"

    def grows(self, side: Formula) -> bool:
        return any(s.name in self.growing for s in symbols(side))

    # ---- walking -----------------------------------------------------------------------------
    def sequence(self, at: Block, x: Value, place: Place | None = None) -> Value:
        """Lower the blocks in the braces of `at`, one after the other. What `let` names there ends with them."""
        outer = self.streams.copy()
        for node in at.node.body or ():
            if self.reporter.full:
                break
            if isinstance(node, nodes.Let):
                self.block(nodes.Block("let", span=node.span, name=node.name, body=node.body), at, x, place)
                continue
            if node.kind == "branch":
                self.reporter.report(codes.BLOCK_PLACE, "`branch` stands in a `sum`", node.span)
            x = self.block(node, at, x, place)
        for name in sorted(self.streams.keys() - outer.keys() - self.heard):
            self._unheard(name)
        self.streams = outer
        return x

    def _unheard(self, name: str) -> None:
        if not self.broken:
            self.reporter.report(
                codes.BLOCK_PLACE,
                f"no block reads the side stream `{name}`",
                self.streams[name].span,
                helps=[f"`modulate(by = {name})` or `attention(context = {name}, ...)` reads it, after it"],
            )

    def parallel(self, at: Block, x: Value) -> list[Value]:
        """Lower the branches in the braces of `at`, each on the same input."""
        outs, start, ends = [], self.positions, list[Positions | None]()
        for node in at.node.body or ():
            if isinstance(node, nodes.Block) and node.kind == "branch":
                self.positions = start
                outs.append(self.block(node, at, x))
                ends.append(self.positions)
            else:
                kind = node.kind if isinstance(node, nodes.Block) else "let"
                self.reporter.report(
                    codes.BLOCK_PLACE,
                    f"`{at.spec.kind}` takes branches only, not `{kind}`",
                    node.span,
                    helps=[f"put it in a branch: `branch {{ {kind} ... }}`"],
                )
        if not outs:
            self.reporter.fail(codes.BLOCK_PLACE, f"`{at.spec.kind}` has no branch", at.node.span)
        for end in ends:
            self.positions = end
            at.same_positions(ends[0])
        return outs

    def block(self, node: nodes.Block, parent: Block, x: Value, place: Place | None = None) -> Value:
        """Lower one block; its region becomes the parent's next child.

        A block with a mistake is reported and left out, so that the others can be read too.
        """
        if place is None:
            within = (*parent.place.within, parent.spec.kind)
            place = Place(parent.place.path, parent.place.stored, within, parent.place.axes)
        try:
            at = self.read(self, node, place)
            self._enter(at, x)
            out = at.spec.lower(self, at, x)
        except FormulaError as error:
            self.reporter.report(codes.EXPRESSION, str(error), node.span)
        except ScalecError:
            pass  # reported
        else:
            parent.children.append(at.region())
            return out
        self.broken = True
        return x

    def _enter(self, at: Block, x: Value) -> None:
        """Inputs enter where there is no stream yet, and nothing else stands there."""
        kind = at.spec.kind
        if at.spec.opens == "yes" and x.name and at.place.within:
            self.reporter.fail(
                codes.BLOCK_PLACE,
                f"`{kind}` reads an input of the network: it stands first there, or first in a side stream",
                at.node.span,
                helps=[f"`let NAME = {{ {kind}(...) ... }}` makes a side stream that later blocks read"],
            )
        reads = at.spec.opens == "no" and not at.spec.modifier
        if reads and not x.name:
            if self.broken:
                self.reporter.stop_on_errors()  # what makes the stream is left out for a mistake
            self.reporter.fail(codes.BLOCK_PLACE, f"there is nothing yet that `{kind}` could read", at.node.span)
        if at.spec.opens == "yes" and at.place.within:
            at.options["argument"] = self.argument(at.name, at.path)
