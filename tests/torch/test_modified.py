"""Sparse weights and adapters of convolutions and experts: real training against the calculus."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from bench.truth import Case, experiment
from scalec.torch.compare import Row

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(network: str, rule: str, size: str, sizes: tuple[int, ...], others: str) -> tuple[Row, ...]:
    case = Case("modified", network, rule, "adam", size, sizes, others, seeds=4, tunes=("lr=2^-6",))
    return tuple(experiment(case, steps=1).rows())


@pytest.mark.parametrize("network", ["sparse_conv", "sparse_moe"])
def test_fewer_entries_train_as_predicted(network: str) -> None:
    rows = trained(network, "sparse_right", "Q", (1, 2, 4), "N=128")
    assert len(rows) > 10
    assert [str(row.term) for row in rows if not row.agrees] == []


@pytest.mark.parametrize(("network", "tensor"), [("sparse_conv", "conv"), ("sparse_moe", "moe.up")])
def test_without_a_law_for_them_both_terms_fall(network: str, tensor: str) -> None:
    rows = trained(network, "sparse_blind", "Q", (1, 2, 4), "N=128")
    own = [row for row in rows if row.term.subject == tensor and row.term.kind in ("init", "effective")]
    assert [row.predicted for row in own] == [Fraction(-1, 2), -1]
    assert [str(row.term) for row in own if not row.agrees] == []


@pytest.mark.parametrize(
    ("network", "sizes", "others"),
    [("lora_conv", (8, 16, 32, 64), "N=256"), ("lora_moe", (32, 64, 128, 256), "N=128")],
)
def test_adapters_train_as_predicted_over_their_rank(network: str, sizes: tuple[int, ...], others: str) -> None:
    """What A sends back is a coherent sum only where its rank is large beside the width; it is left out."""
    rows = trained(network, "lora_and_readout", "r", sizes, others)
    forward = [row for row in rows if not row.term.kind.startswith("backward")]
    assert [str(row.term) for row in forward if row.term.subject.endswith("lora.b")]
    assert [str(row.term) for row in forward if not row.agrees] == []
