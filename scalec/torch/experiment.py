"""A rule in training at several sizes, predicted and measured. Input: a plan and its orders. Output: rows.

Both sides can be asked for some causes alone and, measured, at another learning rate; asked once, they are
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from scalec.calculus.scaling import Scaling
from scalec.plan.model import Plan
from scalec.symbolic.order import Regime
from scalec.torch.compare import Row, Samples, compare
from scalec.torch.emitted import Emitted
from scalec.torch.measure import Batch, measure_terms
from scalec.torch.predict import Prediction, predict_terms
from scalec.torch.terms import Term

Data = Callable[[Mapping[str, Fraction], int], Batch]  # from all sizes and a seed


@dataclass
class Experiment:
    """`emitted` has the plan, whose sizes are those to run; `size` is the dimension that the slopes are over.

    `seeds`: how many runs with all tensors trained; `alone`: with some tensors trained, at most as many.
    `further`: the same at larger sizes, to see where slopes tend.
    """

    emitted: Emitted
    scaling: Scaling
    regime: Regime
    size: str
    data: Data
    seeds: int
    alone: int
    steps: int = 3
    further: Experiment | None = None
    _predicted: dict[tuple[str, ...], Prediction] = field(default_factory=dict)
    _measured: dict[tuple[tuple[str, ...], float], Samples] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        return self.emitted.plan

    @property
    def causes(self) -> tuple[str, ...]:
        """The tensors that the rule trains."""
        return tuple(path for path, tensor in self.scaling.tensors.items() if tensor.lr is not None)

    @property
    def silent(self) -> tuple[str, ...]:
        """The trained tensors that start at zero: as long as they do, what stands before them does not learn."""
        return tuple(path for path in self.causes if self.scaling.tensors[path].init is None)

    @property
    def sizes(self) -> list[float]:
        return [float(sizes[self.size]) for sizes in self.plan.sizes]

    def predicted(self, *only: str) -> Prediction:
        """`only`: the tensors that are trained; all where none is named."""
        if only not in self._predicted:
            found = predict_terms(self.plan.program, self.scaling, self.regime, self.steps, only or None)
            self._predicted[only] = found
        return self._predicted[only]

    def measured(self, *only: str, rate: float = 1.0) -> Samples:
        """`rate`: a factor on the run's learning rate."""
        if (only, rate) not in self._measured:
            self._measured[only, rate] = self._measure(only, rate)
        return self._measured[only, rate]

    def _measure(self, only: tuple[str, ...], rate: float) -> Samples:
        found: dict[Term, list[list[float]]] = {}
        for seed in range(self.alone if only else self.seeds):
            for sizes in self.plan.sizes:
                run = self.emitted.build(sizes, seed, self._lr(sizes) * rate)
                for term, value in measure_terms(run, self.data(sizes, seed), self.steps, only or None).items():
                    by_seed = found.setdefault(term, [])
                    by_seed += [[] for _ in range(len(by_seed), seed + 1)]
                    by_seed[seed].append(value)
        return found

    def _lr(self, sizes: Mapping[str, Fraction]) -> float:
        return self.plan.value(self.plan.rate, sizes)

    def rows(self, *only: str, rate: float = 1.0) -> list[Row]:
        return compare(self.predicted(*only), self.measured(*only, rate=rate), self.sizes)
