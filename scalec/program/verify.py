"""What every Program keeps to, whoever made it. Input: a Program. Output: violations, none if it is sound.

Run after every producer in tests. A violation is a mistake of ours, never of a rule file's author.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from string import Formatter
from typing import assert_never

from scalec.program import ops
from scalec.program.ops import Operation
from scalec.program.program import Axis, Program, Region, Site, Tensor
from scalec.symbolic.formula import UNIT, Formula, divide, mul, symbols


def violations(program: Program) -> list[str]:
    """All that is wrong, a sentence each."""
    return [*_names(program), *_Values(program).check(), *_tensors(program), *_regions(program)]


# ---- names -----------------------------------------------------------------------------------
def _names(program: Program) -> Iterator[str]:
    for what, names in (
        ("dimension", [d.name for d in program.dimensions]),
        ("tensor", [t.path for t in program.tensors]),
        ("site", [s.path for s in program.sites]),
        ("parameter", [t.storage.name for t in program.tensors if t.storage.slice is None]),
    ):
        yield from (f"{what} `{name}` occurs {n} times" for name, n in Counter(names).items() if n > 1)
    sides = [(t.path, s) for t in program.tensors for s in t.shape]
    sides += [(t.path, s) for t in program.tensors for use in t.uses for s in (use.fan_in, use.fan_out)]
    sides += [(t.path, t.density) for t in program.tensors]
    sides += [(t.path, t.parts.count) for t in program.tensors if t.parts]
    places: tuple[Tensor | Site, ...] = (*program.tensors, *program.sites)
    sides += [(place.path, s) for place in places for _, s in place.relative]
    for path, side in sides:
        for s in symbols(side):
            if s.kind != "size" or s.name not in program.dimension:
                yield f"a side of `{path}` reads `{s.kind} {s.name}`, which is no dimension"


# ---- values and their widths -----------------------------------------------------------------
class _Values:
    """Walks the operations in order: what is defined, how wide it is, what has been used."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.widths: dict[str, Formula] = {}
        self.copies: dict[str, frozenset[str]] = {}  # the axes along which a value is there once for each copy
        self.used: Counter[tuple[str, int]] = Counter()
        self.scaled: Counter[tuple[str, str]] = Counter()
        self.found: list[str] = []

    def check(self) -> list[str]:
        self._body(self.program.operations, ())
        outputs = [o for o in self.program.operations if isinstance(o, ops.Output)]
        if len(outputs) != 1 or self.program.operations[-1] != outputs[0]:
            self.found.append("the last operation, and no other, is the output")
        wanted = Counter((t.path, use) for t in self.program.tensors for use in range(len(t.uses)))
        for path, use in sorted((wanted - self.used) + (self.used - wanted)):
            self.found.append(f"use {use} of tensor `{path}` occurs {self.used[(path, use)]} times")
        scales = Counter((s.path, attribute) for s in self.program.sites for attribute in s.attributes)
        for path, attribute in sorted((scales - self.scaled) + (self.scaled - scales)):
            self.found.append(f"`{attribute}` of site `{path}` occurs {self.scaled[(path, attribute)]} times")
        return self.found

    def _body(self, operations: Iterable[Operation], axes: tuple[Axis, ...]) -> None:
        for operation in operations:
            width = self._width(operation, axes)
            self._define(operation.out, width)
            self._regroup(operation)

    def _define(self, name: str, width: Formula) -> None:
        if name in self.widths:
            self.found.append(f"value `{name}` is defined twice")
        self.widths[name] = width

    def _read(self, name: str, reader: Operation) -> Formula:
        if name not in self.widths:
            self.found.append(f"`{reader.out}` reads `{name}`, which is not defined before it")
        self.copies[reader.out] = self._copies(reader.out) | self._copies(name)
        return self.widths.get(name, UNIT)

    def _same(self, operation: Operation, *widths: Formula) -> Formula:
        if any(w != widths[0] for w in widths):
            self.found.append(f"the widths at `{operation.out}` differ")
        return widths[0]

    def _width(self, operation: Operation, axes: tuple[Axis, ...]) -> Formula:
        match operation:
            case ops.Input(_, length) | ops.Constant(_, length):
                return length
            case ops.Linear(_, x, path, use, rows):
                length = self._read(x, operation)
                width = self._linear(operation, length, self._tensor(path, use, axes, x), use)
                return width if rows is None else UNIT
            case ops.Bias(_, x, path) | ops.Gain(_, x, path):
                tensor = self._tensor(path, 0, axes, x)
                return self._same(operation, self._read(x, operation), *(tensor.shape if tensor else ()))
            case ops.Scale(_, x, site, attribute):
                self.scaled[(site, attribute)] += 1
                return self._read(x, operation)
            case ops.Add(_, xs):
                return self._same(operation, *(self._read(x, operation) for x in xs))
            case ops.Normalise(_, x, length) | ops.Output(_, x, length):
                return self._same(operation, length, self._read(x, operation))
            case ops.Elementwise(_, x) | ops.Broadcast(_, x):
                return self._read(x, operation)
            case ops.Balance(_, x):
                self._read(x, operation)
                return UNIT
            case ops.Multiply(_, x, y):
                return self._same(operation, self._read(x, operation), self._read(y, operation))
            case ops.Dot(_, x, y, length):
                self._same(operation, length, self._read(x, operation), self._read(y, operation))
                return UNIT
            case ops.Softmax(_, x) | ops.Share(_, x):
                return self._read(x, operation)
            case ops.Mix(_, weights, x):
                self._read(weights, operation)
                return self._read(x, operation)
            case ops.Reshape(_, x, _, count, split):
                width = self._read(x, operation)
                return divide(width, count) if split else mul(width, count)
            case ops.Gather(_, x, factor):
                return mul(self._read(x, operation), factor)
            case ops.Repeat():
                return self._repeat(operation, axes)
            case _:
                assert_never(operation)

    def _linear(self, operation: ops.Linear, x: Formula, tensor: Tensor | None, use: int) -> Formula:
        """A one-hot input picks a row: its length is the tensor's other side, its fan_in 1."""
        if tensor is None:
            return UNIT
        fans = tensor.uses[use]
        rows = [s for s in tensor.shape if s != fans.fan_out] or [fans.fan_out]
        self._same(operation, rows[0] if fans.fan_in == UNIT else fans.fan_in, x)
        return fans.fan_out

    def _tensor(self, path: str, use: int, axes: tuple[Axis, ...], x: str) -> Tensor | None:
        self.used[(path, use)] += 1
        tensor = self.program.tensor.get(path)
        if tensor is None:
            return None
        stacked = tuple(axis for axis in tensor.axes if axis.name in tensor.storage.stacked)
        if tensor.axes != (*axes, *stacked) or not self._copies(x).issuperset(a.name for a in stacked):
            self.found.append(f"tensor `{path}` is used along {_named(axes)}, its axes are {_named(tensor.axes)}")
        return tensor

    def _copies(self, name: str) -> frozenset[str]:
        return self.copies.get(name, frozenset())

    def _regroup(self, operation: Operation) -> None:
        """Which axes an operation adds to those of what it read, or takes away."""
        match operation:
            case ops.Broadcast(out, axis=axis):
                self.copies[out] = self._copies(out) | {axis}
            case ops.Mix(out, axis=str(axis)) | ops.Balance(out, axis=axis):
                self.copies[out] = self._copies(out) - {axis}
            case _:
                pass

    def _repeat(self, repeat: ops.Repeat, axes: tuple[Axis, ...]) -> Formula:
        width = self._read(repeat.x, repeat)
        self._define(repeat.carried, width)
        self._body(repeat.body, (*axes, Axis(repeat.axis, repeat.count)))
        return self._same(repeat, width, self._read(repeat.carried_out, repeat))


# ---- tensors and regions ---------------------------------------------------------------------
def _tensors(program: Program) -> Iterator[str]:
    for tensor in program.tensors:
        holes = [field for _, field, _, _ in Formatter().parse(tensor.storage.name) if field is not None]
        if holes != [axis.name for axis in tensor.axes if axis.name not in tensor.storage.stacked]:
            yield f"parameter `{tensor.storage.name}` has the holes {holes}, its axes are {_named(tensor.axes)}"
        if (len(tensor.shape) == 1) != (tensor.storage.layout == "flat"):
            yield f"tensor `{tensor.path}` has {len(tensor.shape)} sides and layout `{tensor.storage.layout}`"


def _regions(program: Program) -> Iterator[str]:
    """Regions refer to tensors and sites that are there, each to be found in one region; a tensor, for each use."""
    regions = list(_walk(program.regions))
    for what, there, named in (
        ("tensor", program.tensor, [path for r in regions for _, path in r.tensors]),
        ("site", program.site, [path for r in regions for _, path in r.sites]),
    ):
        counts = Counter(named)
        for path in dict.fromkeys((*there, *named)):
            wanted = len(program.tensor[path].uses) if path in program.tensor else 1
            if counts[path] != wanted or path not in there:
                yield f"{what} `{path}` is in {counts[path]} regions"


def _walk(regions: Iterable[Region]) -> Iterator[Region]:
    for region in regions:
        yield region
        yield from _walk(region.children)


def _named(axes: tuple[Axis, ...]) -> str:
    return ", ".join(f"`{axis.name}`" for axis in axes) or "none"
