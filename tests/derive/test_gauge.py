"""`equiv`, `diff` and `convert`: the same rule up to gauge, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalec.derive.compare import differences
from scalec.derive.gauge import Form, Gauges
from scalec.diagnostics import ScalecError
from scalec.gauging import conversion, equivalence, form_of, free, side_by_side
from scalec.operands import Operands, prepare
from scalec.resolve.load import Workspace, load_text
from scalec.source import Source
from scalec.symbolic.formula import Formula, power, symbol
from scalec.tools import canonical

PACKS = "".join(f"use std.{p}\n" for p in ("mup_table8", "mup_table9", "mfp", "completep", "completed_p", "depth_mup"))
Rule = tuple[Workspace, Operands]


def rule(name: str, network: str, optimizer: str, text: str = "") -> Rule:
    return load_text(PACKS + text, "case.scale"), Operands(name, network, optimizer)


def said(first: str, second: str, network: str, optimizer: str, text: str = "", *, absolute: bool = False) -> str:
    """The sentence, or the first line of the finding and its notes."""
    rules = (rule(name, network, optimizer, text) for name in (first, second))
    try:
        return equivalence(*rules, absolute=absolute, base="N=64,L=2" if network != "mlp" else "N=64")
    except ScalecError as error:
        [found] = error.diagnostics
        return "\n".join((found.message, *found.notes))


def assert_same(first: str, second: str, network: str, optimizer: str, text: str = "") -> None:
    found = said(first, second, network, optimizer, text)
    assert "are the same rule" in found, found


FORMS = ("mup", "mup_table8", "mup_table9", "mfp")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("network", ["mlp", "gpt"])
def test_the_forms_are_one_rule(network: str, optimizer: str) -> None:
    for form in FORMS[1:]:
        assert_same("mup", form, network, optimizer)
        assert_same(form, "mup", network, optimizer)


# What is left where it was, or moved by the wrong power: optimizer, form, selector, statement, what is said of it.
WRONG = [
    ("sgd", "mup_table8", "output", "lr ~ 1/fan_in", "`lr` of `readout` is not moved with the gauge `1/m_N`"),
    ("adam", "mup_table8", "output", "eps ~ 1", "`eps` of `readout` is not moved with the gauge `1/m_N`"),
    ("adam", "mup_table8", "output", "wd ~ 1/fan_in", "`wd` of `readout` without factors"),
    ("adamw", "mup_table8", "output", "wd ~ fan_in", "`wd` of `readout` is not moved with the gauge"),
    ("adamw", "mup_table9", "input", "eps ~ 1/fan_out", "is not moved with the gauge `sqrt(m_N)`"),
    ("adamw", "mup_table8", "output", "scale ~ 1", "`init.std` of `readout`"),
]


@pytest.mark.parametrize(("optimizer", "form", "selector", "statement", "expected"), WRONG)
def test_a_wrong_move_is_told(optimizer: str, form: str, selector: str, statement: str, expected: str) -> None:
    text = f"rule wrong extends {form} {{ tensor {selector} {{ {statement} }} }}"
    found = said("mup", "wrong", "mlp", optimizer, text)
    assert expected in found
    assert "where `N` is 16 times the base, they differ by" in found
    with pytest.raises(AssertionError):
        assert_same("mup", "wrong", "mlp", optimizer, text)


def test_a_difference_of_epsilon_alone_is_said_to_be_one() -> None:
    text = "rule wrong extends mup_table8 { tensor output { eps ~ 1 } }"
    found = said("mup", "wrong", "mlp", "adam", text)
    assert "the same inits and rates, but wrong's `eps` of `readout`" in found
    assert "they differ by 16x" in found


def test_the_factor_of_a_branch_moves_into_its_last_weight() -> None:
    text = """
    rule inside extends mup for adamw {
      tensor attention.o, mlp.down { scale ~ 1/depth }
      site residual { scale ~ 1 }
    }
    rule outside extends mup for adamw { site residual { scale ~ 1/depth } }
    """
    assert_same("inside", "outside", "gpt", "adamw", text)
    assert_same("inside", "outside", "gpt", "sgd", text.replace("adamw", "sgd"))
    assert "different rules" in said("mup", "outside", "gpt", "adamw", text)


def test_the_papers_of_depth_agree_on_the_readout_with_epsilon_and_decay_moved() -> None:
    """CompleteP has a factor on the readout and leaves two epsilons; Complete(d)P has none."""
    moved = """
    rule theirs extends completep for adamw {
      tensor embedding, norm.gain not in repeat { eps ~ 1/fan_out }
      tensor readout { eps ~ 1/fan_in }
    }
    rule ours extends completed_p for adamw { tensor norm.gain not in repeat { eps ~ 1/fan_out } }
    """
    assert_same("theirs", "ours", "gpt", "adamw", moved)
    found = said("completep", "completed_p", "gpt", "adamw")
    assert "`eps` of `embed`" in found
    assert "`eps` of `readout` is not moved with the gauge `m_N`" in found


def test_rules_that_contradict_each_other_differ() -> None:
    found = said("completep", "depth_mup", "gpt", "adamw", "")
    assert "different rules" in found
    assert "`L`" in found


def test_values_are_compared_where_they_are_asked_for() -> None:
    text = "rule louder extends mup { tensor readout { lr *= 4 } }"
    assert_same("mup", "louder", "mlp", "adamw", text)
    assert "`lr` of `readout`" in said("mup", "louder", "mlp", "adamw", text, absolute=True)


# ---- conversion ------------------------------------------------------------------------------
def converted(name: str, form: str | None, network: str, optimizer: str) -> str:
    like = None if form is None else rule(form, network, optimizer)
    return conversion(rule(name, network, optimizer), like, "converted")


@pytest.mark.slow
@pytest.mark.parametrize("form", [None, *FORMS])
@pytest.mark.parametrize("name", ["mup_table8", "completep"])
def test_a_conversion_is_the_same_rule(name: str, form: str | None) -> None:
    text = converted(name, form, "gpt", "adamw")
    assert canonical(Source("converted", text)) == text
    assert_same(name, "converted", "gpt", "adamw", text)


def test_nothing_is_left_in_the_forward_pass() -> None:
    text = converted("completep", None, "gpt", "adamw")
    subject = prepare(load_text(PACKS + text, "t.scale"), Operands("converted", "gpt", "adamw"))
    form, gauges = form_of(subject), Gauges(subject.program)
    assert [path for path in form.tensors if gauges.multiplier(form, path) != power(symbol("run", "x"), 0)] == []
    assert "tensor attention.q" in text


def test_the_gauge_of_another_rule_is_its_factors() -> None:
    table8, mine = (rule(n, "mlp", "adam") for n in ("mup_table8", "mup"))
    text = conversion(mine, table8, "converted")
    subject = prepare(load_text(PACKS + text, "t.scale"), Operands("converted", "mlp", "adam"))
    assert form_of(subject) == form_of(prepare(*table8))


def test_the_table_tells_gauge_from_difference() -> None:
    table = side_by_side(rule("completep", "gpt", "adamw"), rule("completed_p", "gpt", "adamw")).splitlines()
    assert table[0].split() == ["completep", "completed_p"]
    assert [line.split() for line in table if line.startswith("embed")] == [["embed", "eps", "1", "1/m_N", "differs"]]
    assert {line.split()[-1] for line in table if line.startswith("readout") and "eps" not in line} == {"gauge"}


# ---- any gauge -------------------------------------------------------------------------------
SUBJECTS = {o: prepare(*rule("mup", "gpt", o)) for o in ("sgd", "adam", "adamw")}
EXPONENTS = st.fractions(-3, 3, max_denominator=3)


def theta(exponents: tuple[float, ...], names: tuple[str, ...]) -> Formula:
    result = power(symbol("ratio", names[0]), 0)
    for name, exponent in zip(names, exponents, strict=True):
        result = power(symbol("ratio", name), exponent) if exponent else result
    return result


@settings(max_examples=15, deadline=None)
@given(optimizer=st.sampled_from(list(SUBJECTS)), data=st.data())
def test_any_gauge_is_the_same_rule_and_any_other_change_is_not(optimizer: str, data: st.DataObject) -> None:
    subject = SUBJECTS[optimizer]
    gauges, form = Gauges(subject.program), form_of(subject)
    names = free(subject.program).scales[:1]
    factors = {p: theta((data.draw(EXPONENTS),), names) if gauges.free(p) else theta((0,), names) for p in form.tensors}
    moved = Form({path: t.times(factors[path]) for path, t in form.tensors.items()}, form.sites)
    assert list(differences(gauges, form, moved)) == []
    path = data.draw(st.sampled_from(list(form.tensors)))
    changed = {**moved.tensors[path].numbers, "lr": symbol("ratio", "L")}
    other = Form({**moved.tensors, path: type(moved.tensors[path])(changed, *_rest(moved, path))}, moved.sites)
    assert [(d.path, d.attribute) for d in differences(gauges, form, other)] == [(path, "lr")]


def _rest(form: Form, path: str) -> tuple[object, ...]:
    tensor = form.tensors[path]
    return tensor.family, tensor.decay, tensor.words


def test_a_file_and_a_rule_of_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.scale"
    file.write_text("use std.mup\nrule mine extends mup { }\n", encoding="utf-8")
    text = conversion(rule("mine", "mlp", "sgd", "rule mine extends mup { }"), None, "bare")
    assert text.startswith('use "./case.scale"')
