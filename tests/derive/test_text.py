"""What `derive` prints: laid out as `fmt` leaves it, with a check that holds, and reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scalec.derive.express import Place, laws
from scalec.derive.problem import Problem
from scalec.derive.reach import Reached, reach
from scalec.deriving import Asked, derive_rule
from scalec.operands import Operands
from scalec.pipeline import run_checks
from scalec.resolve.load import load_text
from scalec.source import Source
from scalec.symbolic.order import ONE, Order
from scalec.tools import canonical

PACKS = "use std.networks\nuse std.optimizers\nuse std.regimes\n"
N = Order.of({"s": 1})


def derived(network: str, optimizer: str, regime: str) -> str:
    return derive_rule(load_text(PACKS, "<test>"), Asked(Operands(None, network, optimizer), regime))


def assert_stands_alone(text: str, folder: Path | None = None) -> None:
    """It is laid out, and its own check is run and holds."""
    assert canonical(Source("derived", text)) == text
    runs = list(run_checks(load_text(text, "derived.scale", folder)))
    assert runs
    assert [d.message for run in runs for d in run.diagnostics] == []


@pytest.mark.slow
@pytest.mark.parametrize(("network", "optimizer", "regime"), [("mlp", "sgd", "width"), ("gpt", "adamw", "depth")])
def test_the_text_stands_alone(network: str, optimizer: str, regime: str) -> None:
    assert_stands_alone(derived(network, optimizer, regime))


MIXED = """
network mixed {
  dims  N, L, F = 3*N
  fixed D = 64, C = 10
  input(D)
  linear(N) as input
  repeat L {
    residual { norm(layer) mlp(width = F, act = relu) }
    residual { norm(layer) linear(N) as mix act(relu) }
  }
  norm(layer)
  readout(C)
}
"""


@pytest.mark.slow
def test_the_text_uses_the_file_that_it_was_derived_from(tmp_path: Path) -> None:
    (tmp_path / "mixed.scale").write_text("use std.dims\n" + MIXED, encoding="utf-8")
    workspace = load_text(PACKS + MIXED, "mixed.scale")
    text = derive_rule(workspace, Asked(Operands(None, "mixed", "adamw"), "width + depth"))
    assert 'use "./mixed.scale"' in text
    assert "site residual { scale ~ 1/depth }" in text
    assert_stands_alone(text, tmp_path)


def test_a_rule_of_a_file_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many checks there are, of it or of what extends it; for other optimizers it is another rule."""
    asked: list[tuple[str, ...]] = []

    def counted(problem: Problem, *more: object) -> Reached:
        asked.append(tuple(dict.fromkeys(problem.owners.values())))
        return reach(problem, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("scalec.operands.reach", counted)
    workspace = load_text(f"""{PACKS}
rule mine = derive maximal_update for sgd, adam on mlp under width
rule tuned extends mine {{ tensor readout {{ lr *= 2 }} }}
rule none = derive nontrivial for adam on mlp under width keep still
rule still {{ tensor * {{ frozen = yes }} }}
check mine on mlp for sgd, adam under width {{ expect maximal_update }}
check tuned on mlp for sgd under width {{ expect maximal_update }}
check none on mlp for adam under width {{ expect nontrivial }}
check none on mlp for adam under width {{ expect stable_init }}
""", "t.scale")  # fmt: skip
    *good, one, other = run_checks(workspace)
    assert [run.diagnostics for run in good] == [(), (), ()]
    assert one.diagnostics
    assert one.diagnostics == other.diagnostics
    assert asked == [("sgd",), ("adam",), ()]


def test_a_text_that_does_not_is_seen() -> None:
    text = derived("mlp", "sgd", "width")
    with pytest.raises(AssertionError):
        assert_stands_alone(text.replace("rule derived", "rule  derived"))
    with pytest.raises(AssertionError):
        assert_stands_alone(text.replace("tensor output { init.std ~ 1/fan_in }", "tensor output { init.std ~ 1 }"))


@pytest.mark.slow
def test_every_law_has_its_reason() -> None:
    laws_of_it = [line for line in derived("mlp", "adamw", "width").splitlines() if "~" in line]
    assert len(laws_of_it) == 5
    assert all("  # " in line for line in laws_of_it)
    assert "a coherent sum" in laws_of_it[-1]


# ---- laws ------------------------------------------------------------------------------------
INPUT = Place("a", ("input", "linear"), (), {"fan_in": ONE, "fan_out": N}, "a.weight")
HIDDEN = Place("b", ("matrix", "linear"), ("repeat",), {"fan_in": N, "fan_out": N}, "b.weight")
OUTPUT = Place("c", ("output", "readout"), (), {"fan_in": N, "fan_out": ONE}, "c.weight")
PLACES = (INPUT, HIDDEN, OUTPUT)


def said(*targets: Order) -> list[str]:
    found = laws(PLACES, {p.path: t for p, t in zip(PLACES, targets, strict=True)})
    return [f"{law.selector}: {law.law}" for law in found]


def test_one_formula_for_all_is_one_clause() -> None:
    assert said(ONE, N**-1, N**-1) == ["*: fan_in^-1"]
    assert said(N, ONE, N**-1) == ["*: fan_in^-1 * fan_out"]


def test_what_differs_is_an_exception() -> None:
    assert said(ONE, N**-1, N**-2) == ["*: fan_in^-1", "output: fan_in^-2"]
    assert said(ONE, N**2, ONE) == ["*: 1", "matrix: fan_in^2"]


def test_a_place_that_is_taken_is_not_covered() -> None:
    found = laws((INPUT, HIDDEN), {"a": ONE, "b": N**-1}, taken=(OUTPUT,))
    assert [f"{law.selector}: {law.law}" for law in found] == ["linear: fan_in^-1"]


def test_what_no_size_of_its_own_can_say_is_said_in_the_network_s() -> None:
    """An order in `L` of a tensor that knows no depth; the others keep to sizes that another network has too."""
    long = Order.of({"t": 1})
    places = tuple(replace(p, elsewhere={"L": long, "N": N}) for p in PLACES)
    found = laws(places, {"a": long**-1, "b": N**-1, "c": N**-1})
    assert [f"{law.selector}: {law.law}" for law in found] == ["*: fan_in^-1", "input: L^-1"]
    with pytest.raises(AssertionError, match="no size"):
        laws(PLACES, {"a": long, "b": ONE, "c": ONE})
