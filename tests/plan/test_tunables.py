"""What is tuned at the base: every anchor once, with the one who said it."""

from __future__ import annotations

import pytest

from scalec.emit.tunables import tunables_text
from scalec.plan.tunables import tunables
from tests.planning import plan_of

NETWORK = "network net { dims N  fixed D = 64, C = 10  input(D) linear(N) as first linear(N) readout(C) }\n"
TEXT = """rule mine extends mup for adam {
  base N = 64
  run { lr = 2^-8 }
  tensor readout { lr *= 4 }
}
"""


def listed(*tune: str, text: str = TEXT) -> dict[str, tuple[float | None, str]]:
    """`place.attribute` -> value at the base and who said it."""
    found = tunables(plan_of(NETWORK + text, "N=128", tune=tune, network="net"))
    return {
        f"{place}.{t.attribute}": (t.value, t.origin.rule if t.origin else "default")
        for t in found
        for place in t.places
    }


def test_the_run_the_tensors_and_the_sites() -> None:
    assert listed() == {
        "run.lr": (2**-8, "mine"),
        "run.eps": (1e-8, "default"),
        "run.wd": (0, "default"),
        "run.beta1": (0.9, "default"),
        "run.beta2": (0.999, "default"),
        "first.init.std": (1 / 8, "sp"),
        "linear.init.std": (1 / 8, "sp"),
        "readout.init.std": (1 / 8, "sp"),
        "readout.lr": (2**-6, "mine"),
    }


def test_a_tuned_value_is_its_own_origin() -> None:
    found = listed("lr=1/4", "linear.init.std=2", "beta2=0.5")
    assert found["run.lr"] == (0.25, "--tune")
    assert found["linear.init.std"] == (2, "--tune")
    assert found["run.beta2"] == (0.5, "--tune")
    assert found["readout.lr"] == (1, "--tune")


def test_tuning_what_is_listed_changes_nothing() -> None:
    before = plan_of(NETWORK + TEXT, "N=128", network="net")
    after = plan_of(
        NETWORK + TEXT,
        "N=128",
        network="net",
        tune=tuple(f"{n}={v!r}" for n, (v, _) in listed().items() if n != "readout.lr"),
    )
    for old, new in zip(before.tensors, after.tensors, strict=True):
        for name, quantity in old.numbers.items():
            assert after.value(new.numbers[name], after.sizes[0]) == pytest.approx(
                before.value(quantity, before.sizes[0])
            )


def test_constants_of_words_are_not_tuned() -> None:
    text = "rule mine extends mup for adam { base N = 64 tensor readout { init = zero } }"
    assert "readout.init.std" not in listed(text=text)


def test_a_value_without_a_base_is_a_formula() -> None:
    text = "rule mine for adam { tensor * { init = normal; init.std = 1/sqrt(fan_in); lr = 1; eps = 0; wd = 0 } }"
    plan = plan_of(NETWORK + text, (), network="net")
    assert {t.value for t in tunables(plan)} == {None}
    assert "init.std = 1/sqrt(base.N)" in tunables_text(plan)


def test_the_text() -> None:
    assert tunables_text(plan_of(NETWORK + TEXT, "N=128", network="net")) == TABLE


TABLE = """\
mine on net for adam
base N = 64, D = 64, C = 10

run
  lr = 0.00390625 = 1/256            mine: run { lr = 2^-8 }  (t.scale:6)
  eps = 1e-08                        the optimizer's default
  wd = 0                             the optimizer's default
  beta1 = 0.9                        the optimizer's default
  beta2 = 0.999                      the optimizer's default
first
  init.std = 0.125 = 1/sqrt(base.D)  sp: tensor * { init.std = 1/sqrt(fan_in) }  (std/sp.scale:10)
linear, readout
  init.std = 0.125 = 1/sqrt(base.N)  sp: tensor * { init.std = 1/sqrt(fan_in) }  (std/sp.scale:10)
readout
  lr = 0.015625 = 4*run.lr           mine: tensor readout { lr *= 4 }  (t.scale:7)
"""
