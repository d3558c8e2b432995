"""The text of a report where there is more to say than one table: no limit, an unstable step, directions."""

from __future__ import annotations

import pytest

from scalec.diagnostics import ScalecError
from scalec.emit.report import report_text, why
from scalec.operands import Operands
from scalec.pipeline import check_rule
from scalec.resolve.load import load_text

HEAD = "use std.mup\n"
LOUD = "rule loud extends mup for sgd { tensor readout { init.std ~ 1/sqrt(fan_in) } }\n"
DOUBLING = """
network doubling {
  dims N, L
  fixed D = 8, C = 8
  input(D) linear(N)
  repeat L { residual { linear(N) act(relu) } }
  readout(C)
}
"""


def report(text: str, network: str, optimizer: str, regime: str, rule: str = "mup"):
    return check_rule(load_text(HEAD + text), Operands(rule, network, optimizer), regime)


def test_the_table_is_that_of_the_first_unstable_step() -> None:
    found = report(LOUD, "mlp", "sgd", "width", "loud")
    assert max(t.step for t in found.terms) > 1
    text = report_text(found)
    assert "step 1, the first that is unstable\n" in text
    assert "step 2" not in text
    assert all(f.step == 1 for f in found.findings if f.goal == "stable_training")
    every = report_text(found, steps=True)
    assert every.index("step 0\n") < every.index("step 1, the first that is unstable\n") < every.index("step 2\n")


def test_a_stream_without_an_order_is_not_in_the_table() -> None:
    found = report(DOUBLING, "doubling", "adam", "depth")
    assert found.verdict == "fail"
    assert found.terms == ()
    assert "\nno step has orders\n" in report_text(found)


def test_what_comes_before_a_gradient_without_an_order_is() -> None:
    """The logits of attention grow: that is found, though what flows back through them has no order."""
    rule = "rule loud extends mup for adamw { site attention.logits { scale ~ 1/sqrt(head_dim) } }\n"
    found = report(rule, "gpt", "adamw", "head_dim", "loud")
    assert set(found.limits.values()) == {None}
    assert {f.tensor for f in found.findings if f.goal == "stable_training" and f.tensor} == {
        "block.attention.q", "block.attention.k",
    }  # fmt: skip
    assert "the gradient of `block` grows from copy to copy" in found.diagnostics[-1].message
    assert max(t.step for t in found.terms) == 1
    assert max(g.step for g in found.gradients) == 0


def test_a_derivation_says_where_it_holds() -> None:
    bent = "rule bent extends mup for adam { tensor readout { init.std ~ min(1/fan_in, 1/depth) } }\n"
    text = why(report(bent + DOUBLING.replace("residual {", "residual { norm(layer)"), "doubling", "adam",
                      "width + depth", "bent"), "readout.init")  # fmt: skip
    assert "step 0 where t/s < 1: " in text
    assert "step 0 where 1 < t/s: " in text


def test_an_unknown_term_is_a_finding() -> None:
    with pytest.raises(ScalecError, match=r"no term `hidden\.chang`"):
        why(report("", "mlp", "adam", "width"), "hidden.chang")
