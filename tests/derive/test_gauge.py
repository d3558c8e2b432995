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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


PACKAGE = """
rule package extends sp for sgd, adam, adamw {
  tensor matrix, input { init.std ~ 1/sqrt(fan_in) }
  tensor output        { scale ~ 1/fan_in;  init.std ~ 1 }
  site attention.logits { scale ~ 1/head_dim }
  for sgd {
    tensor input, vector { lr ~ fan_out;  wd ~ 1/fan_out }
    tensor output        { lr ~ fan_in;  wd ~ 1/fan_in }
    tensor matrix        { lr ~ fan_out/fan_in;  wd ~ fan_in/fan_out }
  }
  for adam, adamw {
    tensor *      { lr ~ 1;  eps ~ 1;  wd ~ 1 }
    tensor matrix { lr ~ 1/fan_in;  wd ~ fan_in }
  }
}
rule moved extends package for adam, adamw {
  tensor *      { eps ~ 1/fan_out }
  tensor output { eps ~ 1/fan_in }
  for adam { tensor matrix { wd ~ 1 }  tensor output { wd ~ 1/fan_in^2 } }
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "gpt"])
def test_the_form_of_the_package_is_table_8(network: str) -> None:
    """What `mup` 1.0.0 does, typed by hand (tests/test_mup_package.py holds our numbers against the package's own): it
    leaves epsilon alone, and treats decay in the gradient as AdamW's.
    """
    assert_same("package", "mup_table8", network, "sgd", PACKAGE)
    for optimizer in ("adam", "adamw"):
        assert_same("moved", "mup_table8", network, optimizer, PACKAGE)
    adamw, adam = (said("package", "mup_table8", network, o, PACKAGE) for o in ("adamw", "adam"))
    assert {line.split("`")[1] for line in adamw.splitlines()} == {"eps"}
    assert {line.split("`")[1] for line in adam.splitlines()} == {"eps", "wd"}


@pytest.mark.slow
def test_a_size_that_the_network_fixes_is_a_note() -> None:
    text = """
    rule counted extends mup { tensor readout { eps ~ 1/fan_out } }
    rule constant extends mup { tensor readout { eps ~ 1 } }
    """
    found = said("counted", "constant", "gpt", "adamw", text)
    assert found.startswith("counted and constant are the same rule on gpt for adamw, number by number")
    assert found.splitlines()[1:] == [
        "  note: `eps` of `readout` would be `1/m_V` in counted and `1` in constant if gpt did not fix `V`"
    ]
    assert "note" not in said("mup", "mup", "gpt", "adamw")


@pytest.mark.slow
def test_a_rule_is_compared_in_the_regimes_that_it_names() -> None:
    found = said("moe_mup", "mssp", "moe_mlp", "adam", "use std.mssp\n")
    assert "under fixed_experts, `init.std` of `moe.router`" in found
    assert "under fine_grained, `init.std` of `moe.down`" in found
    assert "under proportional, `init.shared` of `moe.up` is `not said` in moe_mup and `expert` in mssp" in found


# ---- where a factor can go -------------------------------------------------------------------
def gauges(network: str, text: str = "") -> Gauges:
    return Gauges(prepare(*rule("mup", network, "adamw", text)).program)


HOMES = [
    ("moe_gpt", "block.moe.combine", ("block.moe.down",)),  # beside it: gates times outputs, summed
    ("lora_gpt", "block.attention.logits", ("block.attention.q", "block.attention.q.lora.b")),  # a sum: both
    ("dit", "block.residual.attention", ("block.attention.o",)),  # through a product with a modulation
    ("biased", "logits", ("readout", "readout.bias")),
    ("gpt", "block.mlp.act", ("block.mlp.down",)),
]
EXTRA = """
use std.moe
use std.lora
use std.vision
network biased { dims N  fixed D = 8, C = 4  input(D)  linear(N) as hidden  act(relu)  readout(C, bias) }
network normed {
  dims N, H = N/8
  fixed D = 8, C = 4
  input(D)
  linear(N) as up
  residual { attention(heads = H, qk_norm) }
  readout(C)
}
"""


@pytest.mark.parametrize(("network", "site", "home"), HOMES)
def test_the_weights_that_can_take_a_factor(network: str, site: str, home: tuple[str, ...]) -> None:
    assert gauges(network, EXTRA).homes[site] == home


def test_what_stays_is_named_with_its_reason() -> None:
    """Behind normalised queries and keys there is no weight, and a softmax reads them."""
    normed, gpt = gauges("normed", EXTRA), gauges("gpt")
    why = "no weights can take it between what comes in (dot) and what reads it (softmax)"
    [site] = [site for site, name in normed.fixed if "logits" in site]
    assert normed.fixed[site, "scale"] == why
    assert gpt.fixed["norm.gain", "scale"] == "a gain starts at one"
    assert gpt.fixed["block.residual.mlp", "skip"] == "it scales the stream, which other branches read"
    text = converted("loud", None, "normed", "adamw", EXTRA + "rule loud extends mup { }\n")
    assert f"# Stays where it is: {site}; {why}." in text


# ---- conversion ------------------------------------------------------------------------------
def converted(name: str, form: str | None, network: str, optimizer: str, text: str = "") -> str:
    like = None if form is None else rule(form, network, optimizer, text)
    found = conversion(rule(name, network, optimizer, text), like, "converted")
    return found.replace('use "./case.scale"\n', "")  # to be put behind that text


@pytest.mark.slow
def test_the_tables_have_short_names() -> None:
    for short, long in (("table3", "mup"), ("table8", "mup_table8"), ("table9", "mup_table9")):
        first, second = (converted("mup_table9", form, "gpt", "adamw") for form in (short, long))
        assert first == second.replace(f"in the gauge of {long}", f"in the gauge of {short}")


@pytest.mark.slow
def test_a_form_may_know_less_than_the_network_has() -> None:
    """Of the rule whose form it is only factors count: that it says nothing of experts is no matter."""
    text = converted("moe_mup", "table8", "moe_gpt", "adamw", "use std.moe\n")
    assert "tensor output" in text
    assert_same("moe_mup", "converted", "moe_gpt", "adamw", "use std.moe\n" + text)


def test_two_factors_of_one_tensor_are_two() -> None:
    """A clause for all and one more for some multiply: they are not one clause for both."""
    text = (
        "rule ntp extends mup for adamw { tensor * { scale ~ 1/sqrt(fan_in) }  tensor output { scale ~ 1/fan_in } }\n"
    )
    assert_same("ntp", "converted", "mlp", "adamw", text + converted("ntp", None, "mlp", "adamw", text))


def test_where_nothing_moves_that_is_said() -> None:
    assert "# Nothing moves" in converted("mup", None, "mlp", "adamw")
    assert "# Nothing moves" not in converted("mup", None, "gpt", "adamw")  # attention's factor does


def test_what_is_no_product_of_powers_is_refused() -> None:
    """u-muP's residual factors are sums over layers: their order is a power, they are not."""
    with pytest.raises(ScalecError) as raised:
        converted("umup", None, "umup_gpt", "adamw", "use std.umup\n")
    assert [d.code.id for d in raised.value.diagnostics] == ["SC512"]


@pytest.mark.slow
@pytest.mark.parametrize("form", [None, *FORMS])
@pytest.mark.parametrize("name", ["mup_table8", "completep"])
def test_a_conversion_is_the_same_rule(name: str, form: str | None) -> None:
    text = converted(name, form, "gpt", "adamw")
    assert canonical(Source("converted", text)) == text
    assert_same(name, "converted", "gpt", "adamw", text)


@pytest.mark.slow
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


@pytest.mark.parametrize("way", [1, -1])
def test_the_table_has_words_and_zeros_whichever_rule_is_first(way: int) -> None:
    zero = "use std.mup\nrule mine extends mup { tensor readout { init = zero } }"
    mine, plain = (load_text(zero, "t.scale"), Operands(None, "mlp", "adam")), rule("mup", "mlp", "adam")
    head, *rows = side_by_side(*(mine, plain)[::way]).splitlines()
    assert head.split() == ["mine", "mup"][::way]
    assert [row.split() for row in rows] == [
        ["readout", "init.std", *("0", "1/m_N")[::way], "differs"],
        ["readout", "init.dist", *("zero", "normal")[::way], "differs"],
    ]


def test_two_rules_of_one_name_are_told_apart() -> None:
    text = "use std.mup\nrule mine extends mup {{ tensor readout {{ lr ~ {} }} }}"
    one, other = (
        (load_text(text.format(law), f"{n}.scale"), Operands(None, "mlp", "adam"))
        for n, law in (("a", "1"), ("b", "1/fan_in"))
    )
    with pytest.raises(ScalecError, match="the first mine and the second mine are different rules"):
        equivalence(one, other)


# ---- any gauge -------------------------------------------------------------------------------
EXPONENTS = st.fractions(-3, 3, max_denominator=3)


def theta(exponents: tuple[float, ...], names: tuple[str, ...]) -> Formula:
    result = power(symbol("ratio", names[0]), 0)
    for name, exponent in zip(names, exponents, strict=True):
        result = power(symbol("ratio", name), exponent) if exponent else result
    return result


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(optimizer=st.sampled_from(("sgd", "adam", "adamw")), data=st.data())
def test_any_gauge_is_the_same_rule_and_any_other_change_is_not(optimizer: str, data: st.DataObject) -> None:
    subject = prepare(*rule("mup", "gpt", optimizer))
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
