"""Numbers that are lost in the type they are kept in are warned of, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from scalec.plan.precision import SMALLEST, underflows
from tests.planning import plan_of

NETWORK = "network net { dims N  fixed D = 64, C = 10  input(D) linear(N) as first linear(N) readout(C) }\n"
TEXT = NETWORK.replace("{", "{{").replace("}", "}}") + "rule mine extends mup for adam {{ base N = 64 run {{ {} }} }}"


def warnings(run: str, dtype: str, at: str = "N=64") -> list[str]:
    return [f"{d.severity} {d.message}" for d in underflows(plan_of(TEXT.format(run), at, network="net"), dtype)]


@pytest.mark.parametrize(
    ("run", "dtype", "said"),
    [
        ("lr = 1e-3", "float32", []),
        ("lr = 1e-3", "float16", []),
        ("lr = 1e-5", "float16", ["`lr` of `first` is 1e-05, which has lost digits in float16"]),
        ("lr = 1e-8", "float16", ["`lr` of `first` is 1e-08, which is 0 in float16"]),
        ("lr = 1e-8", "bfloat16", []),
        ("lr = 1e-40", "bfloat16", ["`lr` of `first` is 1e-40, which has lost digits in bfloat16"]),
        ("lr = 1e-41", "bfloat16", ["`lr` of `first` is 1e-41, which is 0 in bfloat16"]),
        ("lr = 1e-41", "float32", ["`lr` of `first` is 1e-41, which has lost digits in float32"]),
        ("lr = 0", "float16", []),
        ("eps = 1e-8", "float16", []),
        ("eps = 1e-46", "float16", ["`eps` of `first` is 1e-46, which is 0 in float32"]),
    ],
)
def test_each_number_is_compared_with_its_type(run: str, dtype: str, said: list[str]) -> None:
    assert warnings(run, dtype) == [f"warning {line}" for line in said]


def test_laws_lead_there() -> None:
    run = "lr = 1e-4"
    assert warnings(run, "float16", "N=64") == []
    assert warnings(run, "float16", "N=640000") == [
        "warning `init.std` of `readout` is 1.25e-05, which has lost digits in float16",
        "warning `lr` of `linear` is 1e-08, which is 0 in float16",
    ]


def test_what_agrees_is_said_once() -> None:
    (found,) = underflows(plan_of(TEXT.format("eps = 1e-46"), "N=64", network="net"), "float32")
    assert found.notes == ("so is that of `linear`, `readout`",)
    assert found.span is not None


@pytest.mark.slow
def test_initial_spreads_are_numbers_of_the_weights_type() -> None:
    text = "rule mine extends mup for adam { base N = 64 tensor readout { init.std = 1e-6 } }"
    (found,) = underflows(plan_of(NETWORK + text, "N=64", network="net"), "float16")
    assert found.message == "`init.std` of `readout` is 1e-06, which has lost digits in float16"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_smallest_numbers_are_those_of_the_types(dtype: str) -> None:
    info = np.finfo(dtype)
    assert SMALLEST[dtype] == (float(info.smallest_normal), float(info.smallest_subnormal))
