"""What one lowering knows of its streams: positions, layers, side streams, gates. Nothing global."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scalec.program.program import Stack
from scalec.source import Span
from scalec.symbolic.formula import UNIT, ZERO, Formula, add, mul, number
from scalec.syntax import nodes


@dataclass(frozen=True)
class Value:
    """A value of the program and its number of coordinates. Without a name: nothing has entered yet."""

    name: str
    width: Formula


@dataclass(frozen=True)
class Positions:
    """Where a stream has its vectors: one for each position that the block `origin` has made.

    `context`: how many there are, None where nothing limits them; `side`: of an image, as many rows and columns.
    """

    origin: str
    context: Formula | None = field(default=None, compare=False)
    side: Formula | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SideStream:
    """What `let` names: its value, and its positions, None where it has one vector a sample."""

    value: Value
    positions: Positions | None
    span: Span | None


@dataclass(frozen=True)
class Layer:
    """Where on its stream a block stands: `before` blocks precede it in the repeat around it, if there is one,
    whose copies are counted from `first` to `last`."""

    before: Formula
    first: Formula
    last: Formula


START = Layer(ZERO, ZERO, ZERO)


class Streams:
    """The stream that is being lowered and those beside it. `depth_of`: how many blocks a body repeats."""

    def __init__(self, depth_of: Callable[[tuple[nodes.Block | nodes.Let, ...]], Formula | None]) -> None:
        self.depth_of = depth_of
        self.depth: Formula | None = None
        self.stacks: dict[str, Stack] = {}
        self.layer = START
        self.positions: Positions | None = None
        self.streams: dict[str, SideStream] = {}
        self.heard: set[str] = set()  # names of those that a block reads
        self.called: dict[str, str] = {}  # names of side streams and of their inputs, with their paths
        self.gates: list[Value] | None = None  # of the residual that is being lowered

    @property
    def context(self) -> Formula | None:
        """How many positions the stream has, where that is known."""
        return self.positions.context if self.positions else None

    def argument(self, wanted: str, path: str) -> str:
        """What an input of a side stream is called: like its block, with a number where that is taken."""
        name, count = wanted, 1
        while self.called.setdefault(name, path) != path:
            count += 1
            name = f"{wanted}{count}"
        return name

    @contextmanager
    def gated(self) -> Iterator[list[Value]]:
        """A residual: where blocks inside leave the gate of its branch."""
        outer, self.gates = self.gates, []
        try:
            yield self.gates
        finally:
            self.gates = outer

    @contextmanager
    def aside(self, opened: bool, depth: Formula | None) -> Iterator[None]:
        """A side stream: what is lowered inside leaves the positions and the depth of the stream alone."""
        outer = self.positions, self.depth, self.layer, self.gates
        self.positions, self.depth = None if opened else self.positions, depth
        self.layer, self.gates = START, None
        try:
            yield
        finally:
            self.positions, self.depth, self.layer, self.gates = outer

    @contextmanager
    def copies(self, axis: str, count: Formula, body: tuple[nodes.Block | nodes.Let, ...]) -> Iterator[None]:
        """The copies of a repeated block, counted along the stream."""
        at, each = self.layer, self.depth_of(body) or UNIT
        after = add(at.before, mul(count, each))
        stack = Stack(at.before, each, add(at.first, at.before), add(at.last, after, mul(number(-1), each)))
        self.stacks[axis], self.layer = stack, Layer(ZERO, stack.first, stack.last)
        try:
            yield
        finally:
            self.layer = Layer(after, at.first, at.last)
