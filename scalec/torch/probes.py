"""Where to listen in a torch module for the values of a Program. Input: a Program, a module. Output: probes.

A parameter is found by its name (`Storage.name`, a hole `{axis}` per layer axis); what goes into and
comes out of the module that owns it is read by a forward hook. Where the copies of a weight lie in one
parameter, what each copy sees is computed from the input of its module. The model is not changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from scalec.calculus.structure import Structure
from scalec.program.ops import Bias, Dot, Gain, Linear, Mix, Normalise, Operation, Output, Repeat, Reshape
from scalec.program.program import Program, Storage
from scalec.symbolic.formula import Formula, exact
from scalec.torch.mixtures import Inside, mixtures

Map = Linear | Gain | Bias
Back = dict[nn.Module, Tensor]


@dataclass(frozen=True)
class Run:
    """A network in training: `sizes` has every dimension; `outer` the forward multipliers that the
    network puts behind an operation's module instead of before it, by the operation's output; `inner`
    those between copies and their sum, where no module has the operation."""

    program: Program
    sizes: Mapping[str, Fraction]
    model: nn.Module
    optimizer: torch.optim.Optimizer
    outer: Mapping[str, float] = field(default_factory=dict)
    inner: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """One layer's copy of an operation with a weight. `local`: the parameter's name in its module.

    `stacked`: the parameter holds further copies, [copies, out, in], which take and give [rows, copies, width].
    """

    op: Map
    module: nn.Module
    local: str
    factor: float
    stacked: bool = False

    @property
    def tied(self) -> bool:
        """Whether the parameter belongs to a module that does something else: it is read, not called."""
        return isinstance(self.op, Linear) and self.op.use > 0

    @property
    def weight(self) -> nn.Parameter:
        return self.module.get_parameter(self.local)

    @property
    def gradient(self) -> Tensor:
        """The weight's gradient where the weight takes part at all."""
        gradient = self.weight.grad
        whole = torch.zeros_like(self.weight) if gradient is None else gradient
        return whole if self.mask is None else whole[self.mask]

    @property
    def mask(self) -> Tensor | None:
        """The entries that are ever other than 0, None where that is all of them."""
        return dict(self.module.named_buffers(recurse=False)).get(f"{self.local}_mask")

    def kept(self, weight: Tensor) -> Tensor:
        """What takes part of other weights in its place."""
        return weight if self.mask is None else weight * self.mask

    def transposed(self, weight: Tensor, d: Tensor) -> Tensor:
        """What a map with other weights sends back, for each of its copies: [rows, copies, width]; of one whose
        output coordinates are the copies their sum, [rows, width]."""
        return self.factor * torch.einsum("rco,coi->rci" if self.stacked else "rc,ci->ri", d, self.kept(weight))

    def apply(self, weight: Tensor, x: Tensor | None) -> Tensor:
        """The operation with other weights; `None` is a table that is read by position: its rows."""
        if x is None:
            return self.factor * weight
        if self.stacked:
            return self.factor * torch.einsum("rci,coi->rco", x, self.kept(weight))
        if self.tied:
            return self.factor * x @ weight.T
        others = {name: torch.zeros_like(p) for name, p in self.module.named_parameters()}
        out: Tensor = functional_call(self.module, others | {self.local: weight}, (x,))
        return self.factor * out


@dataclass
class Seen:
    """One forward pass: what went into each probe and came out of it, and the logits.

    `inside`: of each probe whose copies lie in one parameter, the pass through the mixture around it. `back`: once
    there was a backward pass, the gradient of what a module puts out.
    """

    x: dict[Probe, Tensor | None]
    out: dict[Probe, Tensor]
    logits: Tensor
    inside: dict[Probe, Inside]
    back: dict[nn.Module, Tensor]

    def met(self, probe: Probe, value: Tensor) -> Tensor:
        """Of a value with copies, those that rows meet; any other as it is."""
        return value[self.inside[probe].met] if probe in self.inside else value


class Probes:
    """All probes of a run. Raises KeyError where a tensor's parameter is not in the model."""

    def __init__(self, run: Run) -> None:
        self.run = run
        operations = tuple(flat(run.program.operations))
        self.made_by: Mapping[str, Operation] = {op.out: op for op in operations}
        self.layers = {op: tuple(self._layers(op)) for op in operations if isinstance(op, Map)}
        self.mixtures = mixtures(Structure(run.program))

    def _layers(self, op: Map) -> Iterator[Probe]:
        storage = self.run.program.tensor[op.tensor].storage
        name, stacked = parameter_regex(storage), bool(storage.stacked)
        factors = self.run.inner if stacked else self.run.outer
        found = [n for n, _ in self.run.model.named_parameters() if name.fullmatch(n)]
        if not found:
            raise KeyError(f"no parameter of the model is called `{storage.name}`")
        for parameter in found:
            owner, _, local = parameter.rpartition(".")
            yield Probe(op, self.run.model.get_submodule(owner), local, factors.get(op.out, 1.0), stacked)

    @cached_property
    def summed(self) -> Mapping[Map, Mix]:
        """The maps whose copies lie in one parameter and are summed, each with the sum."""
        last = {self.made_by[mixture.mix.x]: mixture.mix for mixture in self.mixtures}
        return {op: mix for op, mix in last.items() if isinstance(op, Linear)}

    @cached_property
    def dots(self) -> tuple[tuple[Dot, Map, Map, int], ...]:
        """Each dot product of two maps' outputs, with its two maps and the number of heads."""
        found = []
        for op in self.made_by.values():
            if isinstance(op, Dot):
                x, y = self.made_by[op.x], self.made_by[op.y]
                if isinstance(x, Reshape) and isinstance(y, Reshape):
                    q, k = self.made_by[x.x], self.made_by[y.x]
                    if isinstance(q, Map) and isinstance(k, Map):
                        found.append((op, q, k, self.size(x.count)))
        return tuple(found)

    @cached_property
    def inputs(self) -> Mapping[str, Map]:
        """Values that go into a module, each with an operation that reads it there."""
        found: dict[str, Map] = {}
        for op in self.layers:
            before = self.made_by.get(op.x)
            # A gain's module normalises too.
            found.setdefault(before.x if isinstance(op, Gain) and isinstance(before, Normalise) else op.x, op)
        return found

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        return tuple(op for op in self.made_by.values() if isinstance(op, Output))

    def size(self, formula: Formula) -> int:
        number = exact(formula, lambda s: self.run.sizes[s.name])
        assert number is not None
        return int(number)

    def forward(self, *inputs: Tensor) -> Seen:
        """Run the model and note what every probe sees."""
        with _listening([p.module for layers in self.layers.values() for p in layers]) as (heard, back):
            logits = self.run.model(*inputs)
        ins: dict[Probe, Tensor | None] = {}
        outs: dict[Probe, Tensor] = {}
        inside = dict(self._inside(heard))
        for probe in (p for layers in self.layers.values() for p in layers):
            if probe in inside:
                ins[probe], outs[probe] = (inside[probe].values[name] for name in (probe.op.x, probe.op.out))
                continue
            if probe.tied:
                (before,) = (p for p in outs if p.op.out == probe.op.x)
                ins[probe] = outs[before]
                outs[probe] = probe.apply(probe.weight.detach(), outs[before])
                continue
            # A table that is sliced rather than called: its rows are its output.
            came, went = heard.get(probe.module, (None, probe.weight.detach().clone()))
            ins[probe], outs[probe] = came, probe.factor * went
            if isinstance(probe.op, Bias):  # its module adds more than that
                outs[probe] = probe.apply(probe.weight.detach(), came)
        return Seen(ins, outs, logits, inside, back)

    def sent_back(self, seen: Seen) -> dict[Probe, Tensor]:
        """After a backward pass: the gradient of what each map between copies and their sum puts out.

        [rows, copies, width], or [rows, copies] for scores. To be asked for before the weights move.
        """
        found: dict[Probe, Tensor] = {}
        for mixture in self.mixtures:
            for layer in zip(*(self.layers[op] for op in mixture.maps), strict=True):
                inside = next(seen.inside[probe] for probe in layer if probe.stacked)
                module = next(probe.module for probe in layer if probe.stacked)
                given = inside.back(seen.back[module].flatten(0, -2))
                found |= {probe: given[probe.op.out] for probe in layer}
        return found

    def _inside(self, heard: Mapping[nn.Module, tuple[Tensor, Tensor]]) -> Iterator[tuple[Probe, Inside]]:
        """What happens between copies and their sum, for each probe of a weight whose copies lie in one parameter."""
        for mixture in self.mixtures:
            for layer in zip(*(self.layers[op] for op in mixture.maps), strict=True):
                stacked = [probe for probe in layer if probe.stacked]
                maps = {probe.op.out: partial(probe.apply, probe.weight.detach()) for probe in stacked}
                known = {p.op.out: p.factor * heard[p.module][1].flatten(0, -2) for p in layer if not p.stacked}
                found = Inside(mixture, maps, self.run.inner, self.size, known)
                found.run(heard[stacked[0].module][0].flatten(0, -2))
                yield from ((probe, found) for probe in stacked)


@contextmanager
def _listening(modules: Iterable[nn.Module]) -> Iterator[tuple[dict[nn.Module, tuple[Tensor, Tensor]], Back]]:
    """What goes into modules and comes out, and, later, the gradient of what came out."""
    heard: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    back: Back = {}

    def hook(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        heard[module] = (args[0].detach(), out.detach())
        if out.requires_grad:
            out.register_hook(partial(back.__setitem__, module))  # type: ignore[no-untyped-call]

    handles: list[RemovableHandle] = [m.register_forward_hook(hook) for m in dict.fromkeys(modules)]
    try:
        yield heard, back
    finally:
        for handle in handles:
            handle.remove()


def parameter_regex(storage: Storage) -> re.Pattern[str]:
    """`blocks.{block}.mlp.up.weight` as a pattern in which a hole is any layer's number."""
    parts = re.split(r"\{[^}]*\}", storage.name)
    return re.compile(r"\d+".join(map(re.escape, parts)))


def flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Every operation, bodies of repeated blocks included."""
    for op in operations:
        if isinstance(op, Repeat):
            yield from flat(op.body)
        yield op
