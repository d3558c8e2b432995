"""Every desideratum, in the order of calculus.md section 5."""

from __future__ import annotations

from collections.abc import Mapping

from scalec.check import (
    complete_depth,
    faithful,
    maximal_scale_stability,
    maximal_update,
    nontrivial,
    stable_init,
    stable_training,
    steady_decay,
)
from scalec.check.goal import Goal

GOALS: Mapping[str, Goal] = {
    module.GOAL.name: module.GOAL
    for module in (
        stable_init,
        stable_training,
        nontrivial,
        maximal_update,
        complete_depth,
        faithful,
        maximal_scale_stability,
        steady_decay,
    )
}
DEFAULT = ("stable_init", "stable_training", "nontrivial", "maximal_update", "faithful")
