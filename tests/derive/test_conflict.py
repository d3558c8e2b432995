"""Goals out of reach: the fewest terms that cannot hold together, and what is given among their causes."""

from __future__ import annotations

import pytest

from scalec.deriving import Asked, derive_rule
from scalec.diagnostics import ScalecError
from scalec.operands import Operands
from scalec.resolve.load import load_text

TEXT = """
use std.networks
use std.optimizers
use std.regimes

network net {
  dims  N, L
  fixed D = 32, C = 10
  input(D)
  linear(N) as input
  repeat L { residual { norm(layer) mlp(width = N, act = relu) } }
  norm(layer)
  readout(C)
}
rule halved  { site residual { scale ~ 1/sqrt(depth) } }
rule loud    { tensor readout { init = normal;  init.std = 1/sqrt(fan_in) } }
rule lazy    { tensor matrix { lr ~ 1/fan_in^2 } }
"""


def notes(keep: str, network: str, optimizer: str, regime: str, *goals: str) -> tuple[str, ...]:
    """What stands in each other's way."""
    asked = Asked(Operands(keep, network, optimizer), regime)
    with pytest.raises(ScalecError) as raised:
        derive_rule(load_text(TEXT, "case.scale"), Asked(asked.operands, regime, goals) if goals else asked)
    [found] = raised.value.diagnostics
    assert found.code.id == "SC517"
    return found.notes


@pytest.mark.slow
def test_a_factor_of_the_root_of_depth_is_against_complete_depth() -> None:
    assert notes("halved", "net", "adamw", "depth", "maximal_update", "complete_depth") == (
        "these cannot hold together:",
        "`block.mlp.down`'s effective term at `block` is of order 1 exactly (maximal_update)",
        "`block.mlp.down`'s effective term is of order 1 exactly (complete_depth)",
        "with `scale` of `block.residual.mlp` as given",
    )


def test_a_standard_readout_is_against_features() -> None:
    first, *terms, given = notes("loud", "mlp", "adamw", "width")
    assert first == "these cannot hold together:"
    assert "`readout`'s propagating term at `logits` is at most of order 1 (stable_training)" in terms
    assert "`input`'s effective term is of order 1 exactly (maximal_update)" in terms
    assert len(terms) == 4
    assert given == "with `init.std` of `readout` as given"


def test_a_rate_that_is_given_needs_an_input_that_is_too_large() -> None:
    assert notes("lazy", "mlp", "adamw", "width") == (
        "these cannot hold together:",
        "`hidden`'s effective term is of order 1 exactly (maximal_update)",
        "`input`'s init term is at most of order 1 (stable_init)",
        "with `lr` of `hidden` as given",
    )
