"""A batch that grows: the mean over samples keeps what they share.

The calculus says order 1 in the batch for every term. Where labels do not depend on inputs the gradients share nothing,
and what is each sample's own falls as `B^(-1/2)`: such data are not generic.
"""

from __future__ import annotations

import pytest
import torch

from bench.truth import Case, experiment
from scalec.torch.compare import fit
from scalec.torch.measure import Batch, measure_terms
from scalec.torch.terms import Term

pytestmark = [pytest.mark.torch, pytest.mark.slow]

LARGE = (4096, 16384, 65536)  # what samples share is larger by now than what is their own
BATCHES = (256, 2048, 16384)
WIDTH, STEPS = 32, 2


def drawn(count: int, seed: int, size: int, classes: int, *, taught: bool) -> Batch:
    """Normal inputs; a label is the largest of fixed linear functions of its input, or any."""
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.randn(size, classes, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    x = torch.randn(count, size, generator=generator, dtype=torch.float64)
    return Batch(x, (x @ teacher).argmax(1) if taught else torch.randint(classes, (count,), generator=generator))


def slopes(optimizer: str, batches: tuple[int, ...], seeds: int, *, taught: bool) -> dict[Term, float]:
    """Of each term over the batch, where it is not zero."""
    trial = experiment(Case("width", "small_mlp", "zero_readout", optimizer, "N", (WIDTH,), seeds=1), steps=STEPS)
    [sizes] = trial.plan.sizes
    found: dict[Term, list[list[float]]] = {}
    for seed in range(seeds):
        for place, count in enumerate(batches):
            batch = drawn(count, seed, int(sizes["D"]), int(sizes["C"]), taught=taught)
            run = trial.emitted.build(sizes, seed=seed, lr=2**-5)
            for term, size in measure_terms(run, batch, steps=STEPS).items():
                found.setdefault(term, [[0.0] * len(batches) for _ in range(seeds)])[seed][place] = size
    return {term: fit(batches, sizes).slope for term, sizes in found.items() if all(min(row) > 0 for row in sizes)}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_samples_share_does_not_fall(optimizer: str) -> None:
    found = slopes(optimizer, LARGE, 3, taught=True)
    assert len(found) > 15
    assert {str(term): slope for term, slope in found.items() if abs(slope) > 0.15} == {}


def test_what_is_each_sample_s_own_falls() -> None:
    found = slopes("sgd", BATCHES, 16, taught=False)
    assert found[Term("second", "init", 0)] == pytest.approx(0, abs=0.05)
    assert found[Term("readout", "gradient", 0)] == pytest.approx(-1 / 2, abs=0.1)
    assert found[Term("readout", "effective", 1)] == pytest.approx(-1 / 2, abs=0.1)
