"""The measuring instrument: atomic terms of real training. Input: a run, a batch. Output: a number per term.

Every number is the root mean square over coordinates, samples and layers. A term that is exactly zero is
given as 0.0: it is absent, which is not the same as small.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scalec.calculus.structure import Structure
from scalec.torch.probes import Map, Probe, Probes, Run, Seen, parameter_regex
from scalec.torch.terms import Kind, Term, at_sum

MASKS = 20  # the seed of every forward pass: dropout leaves out the same, so that a change is training's


@dataclass(frozen=True)
class Batch:
    """`x` and `beside` as the model takes them, `y` the class of each position."""

    x: Tensor
    y: Tensor
    beside: tuple[Tensor, ...] = ()


def measure_terms(run: Run, batch: Batch, steps: int, only: Collection[str] | None = None) -> dict[Term, float]:
    """Train `steps` steps on one batch and measure before the first and after each.

    `only`: the paths of the tensors that are trained, all others frozen (a cause); None: all are. The
    gradient of every tensor is measured either way. The model is left trained, in training mode.
    """
    probes = Probes(run)
    trained = _trained(run, only)
    every = [probe for layers in probes.layers.values() for probe in layers]
    start = {probe: probe.weight.detach().clone() for probe in every}
    first: Seen | None = None
    slopes: dict[Probe, Tensor] = {}
    back: dict[Probe, Tensor] = {}
    terms: dict[Term, float] = {}
    for step in range(steps + 1):
        run.optimizer.zero_grad()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(MASKS)
            seen = probes.forward(batch.x, *batch.beside)
        first = first or seen
        F.cross_entropy(seen.logits.flatten(0, -2), batch.y.flatten()).backward()  # type: ignore[no-untyped-call]
        if step == 0:
            slopes = {probe: probe.gradient.clone() for probe in every}
            back = probes.sent_back(seen)
        reader = _Reader(probes, start, first, slopes, back, seen, step)
        terms |= {term: rms(parts) for term, parts in reader.terms()}
        for parameter in run.model.parameters():
            if id(parameter) not in trained:
                parameter.grad = None
        if step < steps:
            run.optimizer.step()
    return terms


def _trained(run: Run, only: Collection[str] | None) -> frozenset[int]:
    if only is None:
        return frozenset(id(p) for p in run.model.parameters())
    names = [parameter_regex(run.program.tensor[path].storage) for path in only]
    return frozenset(id(p) for n, p in run.model.named_parameters() if any(name.fullmatch(n) for name in names))


@dataclass(frozen=True)
class _Reader:
    """The terms of one step. `start`: initial weights; `first`, `slopes`, `back`: values, gradients of weights and of
    what maps between copies and their sum put out, before training."""

    probes: Probes
    start: dict[Probe, Tensor]
    first: Seen
    slopes: dict[Probe, Tensor]
    back: dict[Probe, Tensor]
    seen: Seen
    step: int

    def terms(self) -> Iterator[tuple[Term, Iterable[Tensor]]]:
        with torch.no_grad():
            for op, layers in self.probes.layers.items():
                yield from self._atomic(op, layers)
                if not all(probe.weight.requires_grad for probe in layers):
                    continue
                yield Term(op.tensor, "gradient", self.step), [probe.gradient for probe in layers]
                if self.step:
                    yield Term(op.tensor, "change", self.step), [p.gradient - self.slopes[p] for p in layers]
            yield from self._values()
            yield from self._backward()

    def _atomic(self, op: Map, layers: tuple[Probe, ...]) -> Iterator[tuple[Term, Iterable[Tensor]]]:
        """A map's terms, of the copies that are met, and the same in the sum over copies that they go to."""
        parts: dict[Kind, list[Tensor]]
        if self.step == 0:
            parts = {"init": [self.first.out[probe] for probe in layers]}
        else:
            parts = {
                "effective": [self._effective(probe) for probe in layers],
                "propagating": [self._propagating(probe) for probe in layers],
            }
        for kind, values in parts.items():
            pairs = list(zip(layers, values, strict=True))
            yield Term(op.out, kind, self.step), [self.seen.met(probe, value) for probe, value in pairs]
            if op in self.probes.summed:
                subject = at_sum(op.out, self.probes.summed[op].out)
                yield Term(subject, kind, self.step), [self.seen.inside[p].summed(value) for p, value in pairs]

    def _backward(self) -> Iterator[tuple[Term, Iterable[Tensor]]]:
        """What maps between copies and their sum send back: to each copy met, or together to what all of them read."""
        now = self.probes.sent_back(self.seen) if self.step else self.back
        for mixture in self.probes.mixtures:
            for op in mixture.maps:
                layers, parts = self.probes.layers[op], dict[Kind, list[Tensor]]()
                if self.step == 0:
                    parts["backward init"] = [p.transposed(self.start[p], now[p]) for p in layers]
                else:
                    parts["backward effective"] = [p.transposed(p.weight - self.start[p], now[p]) for p in layers]
                    parts["backward propagating"] = [p.transposed(self.start[p], now[p] - self.back[p]) for p in layers]
                read = op.x == mixture.copies.out
                for kind, values in parts.items():
                    pairs = zip(layers, values, strict=True)
                    together = [(v.sum(1) if p.stacked else v) if read else self.seen.met(p, v) for p, v in pairs]
                    yield Term(op.out, kind, self.step), together

    def _effective(self, probe: Probe) -> Tensor:
        return probe.apply(probe.weight - self.start[probe], self.seen.x[probe])

    def _propagating(self, probe: Probe) -> Tensor:
        before, now = self.first.x[probe], self.seen.x[probe]
        if before is None or now is None or torch.equal(before, now):
            return torch.zeros_like(self.first.out[probe])
        return probe.apply(self.start[probe], now) - self.first.out[probe]

    def _values(self) -> Iterator[tuple[Term, Iterable[Tensor]]]:
        """The residual stream where a module reads it, dot products, sums over copies, the logits."""
        stream = Structure(self.probes.run.program).stream
        for name, op in self.probes.inputs.items():
            if name in stream:
                layers = self.probes.layers[op]
                yield self._value(name, [(self.first.x[p], self.seen.x[p]) for p in layers])
        for dot, q, k, heads in self.probes.dots:
            pairs = list(zip(self.probes.layers[q], self.probes.layers[k], strict=True))
            yield self._value(
                dot.out,
                [(_dots(self.first.out[a], self.first.out[b], heads), _dots(self.seen.out[a], self.seen.out[b], heads))
                 for a, b in pairs],
            )  # fmt: skip
        for op, mix in self.probes.summed.items():
            both = [(self.first.inside[p], self.seen.inside[p]) for p in self.probes.layers[op]]
            yield self._value(mix.out, [(a.summed(a.values[mix.x]), b.summed(b.values[mix.x])) for a, b in both])
            if self.step:
                initial = [(a.values[mix.x], a, b) for a, b in both]
                yield Term(mix.out, "gates", self.step), [b.summed(x) - a.summed(x) for x, a, b in initial]
        for output in self.probes.outputs:
            yield self._value(output.out, [(self.first.logits, self.seen.logits)])

    def _value(self, name: str, pairs: list[tuple[Tensor | None, Tensor | None]]) -> tuple[Term, Iterable[Tensor]]:
        both = [(before, now) for before, now in pairs if before is not None and now is not None]
        if self.step == 0:
            return Term(name, "init", 0), [before for before, _ in both]
        return Term(name, "delta", self.step), [now - before for before, now in both]


def _dots(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """`q . k` for every pair of positions, [B, T, heads * d] twice to [B, heads, T, T]."""
    first, second = (x.view(*x.shape[:-1], heads, -1).transpose(1, 2) for x in (q, k))
    return first @ second.mT


def rms(parts: Iterable[Tensor]) -> float:
    """Root mean square over the entries of all parts."""
    squares = [(float(part.double().square().sum()), part.numel()) for part in parts]
    return float((sum(s for s, _ in squares) / sum(n for _, n in squares)) ** 0.5)
