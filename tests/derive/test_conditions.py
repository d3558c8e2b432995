"""A rule with conditions has no one form and no one set of orders: that is said, not stumbled over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scalec.deriving import Asked, derive_rule
from scalec.gauging import conversion, equivalence
from scalec.operands import Operands
from scalec.resolve.load import Workspace
from tests.planning import said, workspace

Rule = tuple[Workspace, Operands]

TEXT = """
network net { dims N, F  fixed D = 8, C = 8  input(D) linear(N) as first linear(F) as up linear(N) as down readout(C) }
regime both { N ~ s;  F ~ t }
regime alike { N ~ s;  F ~ s }
rule tall extends mup for adam { tensor matrix where fan_out > fan_in { init = zero } }
rule kept for adam { tensor matrix where fan_out > fan_in { init = zero } }
"""


@pytest.mark.parametrize("command", [equivalence, lambda a, b: conversion(a, b, "mine")])
def test_a_rule_with_conditions_has_no_form(command: Callable[[Rule, Rule], str]) -> None:
    file = workspace(TEXT)
    tall, mup = ((file, Operands(rule, "net", "adam")) for rule in ("tall", "mup"))
    assert said(lambda: command(tall, mup)) == [
        "SC512 rule `tall` has a condition that holds in some directions of growth only"
    ]


@pytest.mark.parametrize(
    ("regime", "message"),
    [
        ("both", "SC512 rule `kept` has a condition that holds in some directions of growth only"),
        ("alike", "SC512 rule `kept` has a condition, `where fan_out > fan_in`, that is neither true nor false"),
    ],
)
def test_a_condition_of_what_is_kept_is_decided_by_the_regime(regime: str, message: str) -> None:
    (found,) = said(lambda: derive_rule(workspace(TEXT), Asked(Operands("kept", "net", "adam"), regime)))
    assert found.startswith(message)
