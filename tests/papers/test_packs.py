"""Plans of the standard packs against the papers' tables: exponents of width and depth, and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from scalec.checking import of_files
from scalec.emit.table import FORMATS, why
from scalec.operands import Operands
from scalec.pipeline import PlanRequest
from scalec.pipeline import plan as planned
from scalec.plan.model import Plan
from scalec.resolve.load import load_standard, load_text
from scalec.syntax import nodes
from tests.papers import abcd, muon, spectral
from tests.papers.columns import COLUMNS, HALF, Entries, Power, power
from tests.papers.depth import DEPTH_MUP_BRANCH, completed_p, completep, depth_mup
from tests.papers.mup_forms import entries as of_form
from tests.planning import law, order, value

RULES = Path(__file__).parents[2] / "rules" / "std"
PACKS = (
    "mup_table8", "mup_table9", "ntk", "mfp", "spectral", "depth_mup", "completep", "completed_p",
    "muon_mup", "moe", "mssp", "jiang_moe",
)  # fmt: skip
BASE = {"N": 64, "L": 2}
RATIOS = ((1, 1), (4, 1), (1, 4), (16, 2))
ALL = ("sgd", "adam", "adamw")

Table = Callable[[str, str], Entries]


def _at(table: Callable[[Fraction], dict[str, Entries]], alpha: Fraction) -> Table:
    return lambda _, column: table(alpha)[column]


# Rule, its pack, networks, optimizers, what the paper says of a column.
TABLES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], Table]] = {
    "mup_table8": ("mup_table8", ("mlp", "gpt"), ALL, lambda o, c: of_form("mup_table8", o, c)),
    "mup_table9": ("mup_table9", ("mlp", "gpt"), ALL, lambda o, c: of_form("mup_table9", o, c)),
    "ntk": ("ntk", ("mlp", "gpt"), ALL, lambda o, c: abcd.entries("ntk", o, c)),
    "ntk_full_alignment": ("ntk", ("mlp", "gpt"), ALL, lambda o, c: abcd.entries("ntk_full_alignment", o, c)),
    "mfp": ("mfp", ("mlp", "gpt"), ALL, lambda o, c: abcd.entries("mfp", o, c)),
    "spectral": ("spectral", ("mlp", "gpt"), ALL, spectral.entries),
    "depth_mup": ("depth_mup", ("resmlp", "gpt"), ALL, depth_mup),
    "muon_mup": ("muon_mup", ("mlp", "gpt"), ("muon + adamw",), muon.entries),
    "completep": ("completep", ("gpt",), ("adamw",), _at(completep, Fraction(1))),
    "completep(alpha = 1/2)": ("completep", ("gpt",), ("adamw",), _at(completep, HALF)),
    "completed_p": ("completed_p", ("gpt",), ("adamw",), _at(completed_p, Fraction(1))),
    "completed_p(alpha = 1/2)": ("completed_p", ("gpt",), ("adamw",), _at(completed_p, HALF)),
}
CASES = [(r, n, o) for r, (_, networks, optimizers, _) in TABLES.items() for n in networks for o in optimizers]

# Factors of sites: each residual branch, and attention where the head dimension grows.
BRANCHES = {"depth_mup": DEPTH_MUP_BRANCH, "completep": -1, "completep(alpha = 1/2)": -HALF, "completed_p": -1}
ATTENTION = {"mup_table8": -1, "mup_table9": -1, "mfp": -1, "spectral": -1, "ntk": -HALF, "depth_mup": -1,
             "completep": -1, "completed_p": -1}  # fmt: skip

# What a pack must say of itself in every plan, as far as it was not read in its source.
MARKS = {
    "mup_table8": ("derived: how wd moves",), "mup_table9": ("derived: Prop. 2.2.3 moves eps", "derived: how wd moves"),
    "ntk": (), "ntk_full_alignment": ("second-hand and derived",), "mfp": ("second-hand and derived", "derived: Lemma"),
    "spectral": ("recalled:", "derived: Adam's", "derived: wd"), "depth_mup": ("derived: eps",),
    "completep": ("the authors' code, for attention",), "completed_p": (),
}  # fmt: skip


@cache
def plan(rule: str, network: str, optimizer: str, pack: str | None = None, base: str = "N = 64, L = 2") -> Plan:
    text = f"use std.{pack or TABLES[rule][0]}\nrule mine extends {rule} {{ base {base} }}"
    sizes = tuple(
        f"N={BASE['N'] * n},L={BASE['L'] * d}" if network != "mlp" else f"N={BASE['N'] * n}" for n, d in RATIOS
    )
    return planned(load_text(text, "t.scale"), Operands("mine", network, optimizer), PlanRequest(sizes))


def differences(made: Plan, network: str, optimizer: str, table: Table) -> dict[str, tuple[Power, Power]]:
    """What the plan says and what the paper says, where they differ. Of a minimum only the numbers are compared."""
    found = {}
    for tensor, column in COLUMNS[network].items():
        for name, said in table(optimizer, column).items():
            ours = power(order(made, f"{tensor}.{name}"), order(made, f"{tensor}.{name}", "L"))
            if ours != said and "min(" not in law(made, f"{tensor}.{name}"):
                found[f"{tensor}.{name}"] = (ours, said)
    return found


@pytest.mark.parametrize(("rule", "network", "optimizer"), CASES)
def test_laws_are_the_papers_powers(rule: str, network: str, optimizer: str) -> None:
    assert set(COLUMNS[network]) == set(plan(rule, network, optimizer).tensor)
    assert differences(plan(rule, network, optimizer), network, optimizer, TABLES[rule][3]) == {}


def test_another_rule_is_seen_to_differ() -> None:
    made = plan("sp", "gpt", "adamw", "sp")
    for rule, (_, networks, optimizers, table) in TABLES.items():
        if "gpt" in networks and "adamw" in optimizers:
            assert len(differences(made, "gpt", "adamw", table)) >= len(COLUMNS["gpt"]) / 2, rule


@pytest.mark.parametrize(("rule", "network", "optimizer"), CASES)
def test_values_move_by_these_powers(rule: str, network: str, optimizer: str) -> None:
    made = plan(rule, network, optimizer)
    for tensor, column in COLUMNS[network].items():
        for name, (width, depth) in TABLES[rule][3](optimizer, column).items():
            for at, (n, d) in enumerate(RATIOS):
                moved = value(made, f"{tensor}.{name}") * float(n) ** float(width)
                moved *= float(d) ** float(depth)
                assert value(made, f"{tensor}.{name}", at) == pytest.approx(moved, rel=1e-12), (tensor, name, at)


@pytest.mark.parametrize("rule", BRANCHES)
def test_branches_shrink_with_depth_alone(rule: str) -> None:
    made = plan(rule, "gpt", "adamw")
    for site in ("block.residual.attention", "block.residual.mlp"):
        assert (order(made, f"{site}.scale"), order(made, f"{site}.scale", "L")) == (0, BRANCHES[rule])
        assert [value(made, f"{site}.scale", at) for at in range(4)] == pytest.approx(
            [float(d) ** float(BRANCHES[rule]) for _, d in RATIOS]
        )


@pytest.mark.parametrize("rule", ATTENTION)
def test_attention_where_heads_grow_in_size(rule: str) -> None:
    made = plan(rule, "gpt", "adamw", base="N = 64, L = 2, H = 4")
    assert order(made, "block.attention.logits.scale") == ATTENTION[rule]
    assert value(made, "block.attention.logits.scale") == 1 / 4


@pytest.mark.parametrize("rule", MARKS)
def test_a_plan_says_what_was_not_read_in_the_source(rule: str) -> None:
    """In every form that people read, and in the one for programs."""
    for form in ("text", "markdown", "latex"):
        shown = FORMATS[form](plan(rule, "gpt", "adamw"))
        assert all(mark in shown for mark in MARKS[rule]), form
    cited = json.loads(FORMATS["json"](plan(rule, "gpt", "adamw")))[0]["subject"]["cites"]
    assert all(any(mark in text for text in cited) for mark in MARKS[rule])


@pytest.mark.slow
@pytest.mark.parametrize("pack", PACKS)
def test_the_checks_of_the_pack_hold(pack: str) -> None:
    said = of_files([RULES / f"{pack}.scale"], "text")
    assert said.holds, said.text
    assert " 0 checks" not in said.text and "checks:" in said.text  # noqa: PT018


def test_what_a_value_comes_from_is_said_with_it() -> None:
    """`--why` shows what the rules cite that acted, and no other's."""
    made = plan("depth_mup", "gpt", "adamw")
    assert "depth_mup: cite arXiv:2310.02244 \"derived: eps, from the branch's" in why(made, "block.mlp.up.eps")
    assert "derived" not in why(made, "readout.eps")
    assert "derived" not in why(plan("depth_mup", "gpt", "sgd"), "block.mlp.up.lr")


# ---- what every pack has -------------------------------------------------------------------------
UNPROVED = {"batch_sde", "power_lines"}  # of the run alone: a batch and a number of steps have no order to prove


@cache
def _declared(kind: type) -> tuple[tuple[str, nodes.RuleDecl | nodes.CheckDecl], ...]:
    """Declarations of the standard files, with the names of the files."""
    units = load_standard().units.items()
    return tuple(
        (key.removeprefix("std."), d) for key, unit in units for d in unit.tree.declarations if type(d) is kind
    )


def test_every_rule_says_where_it_is_from() -> None:
    """A rule without clauses is another name for its parent."""
    rules = [d for _, d in _declared(nodes.RuleDecl) if isinstance(d, nodes.RuleDecl) and d.parts]
    assert len(rules) >= 30
    assert [r.name for r in rules if not any(isinstance(p, nodes.Cite) for p in _parts(r.parts))] == []


def _parts(parts: tuple[nodes.Part, ...]) -> Iterator[nodes.Part]:
    for part in parts:
        yield part
        if isinstance(part, nodes.Section):
            yield from _parts(part.parts)


def test_every_pack_is_checked_and_says_what_it_fails() -> None:
    rules = {d.name: file for file, d in _declared(nodes.RuleDecl) if isinstance(d, nodes.RuleDecl) and d.parts}
    checks = [d for _, d in _declared(nodes.CheckDecl) if isinstance(d, nodes.CheckDecl)]
    checked = {c.rule.path for c in checks}
    assert {file for rule, file in rules.items() if rule not in checked} == UNPROVED
    failing = {rules[c.rule.path] for c in checks if any(claim.miss for claim in c.claims)}
    assert set(rules.values()) - failing == {*UNPROVED, "constant_timescale"}  # muP, with another word for its decay


def test_every_pack_is_held_against_a_table() -> None:
    others = [path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py") if path != Path(__file__)]
    named = {*PACKS, *re.findall(r"\w+", " ".join(others))}
    packs = {file for file, d in _declared(nodes.RuleDecl) if isinstance(d, nodes.RuleDecl) and d.parts}
    assert packs - named == {"deepseek"}  # no paper has one
