"""A network and its ancestors as one list of sizes and blocks: order, parameters, what cannot be extended."""

from __future__ import annotations

import pytest

from scalec.operands import Operands
from scalec.pipeline import PlanRequest, diagnose_text, plan
from scalec.resolve.load import load_text
from scalec.symbolic.text import plain
from tests.planning import PACKS, program_of, said, workspace

STEM = "network stem(wide = 2) { dims N  input(8) linear(N) as first linear(wide*N) as second }\n"


def test_a_parents_sizes_and_blocks_come_first() -> None:
    program = program_of(STEM + "network net extends stem { dims L  fixed C = 3  linear(L*N) readout(C) }")
    assert program.name == "net"
    assert [d.name for d in program.dimensions] == ["N", "L", "C"]
    assert [t.path for t in program.tensors] == ["first", "second", "linear", "readout"]


def test_arguments_are_passed_up() -> None:
    text = (
        "network stem(wide = 2) { dims N  input(8) linear(wide*N) as wide }\n"
        "network middle(w) extends stem(wide = w + 1) { act(relu) }\n"
        "network net(v = 4) extends middle(v) { readout(v) }"
    )
    assert [plain(t.shape[0]) for t in program_of(text).tensors] == ["5*N", "4"]
    assert [plain(t.shape[0]) for t in program_of(text, "net(7)").tensors] == ["8*N", "7"]


def test_a_parent_may_stand_in_another_file_and_its_names_are_seen_there() -> None:
    program = program_of("network net extends mlp { }")
    assert [t.path for t in program.tensors] == ["input", "hidden", "hidden2", "readout"]


def test_of_a_family_in_one_file_the_last_is_meant() -> None:
    text = PACKS + STEM + "network net extends stem { readout(3) }\nrule mine extends mup { base N = 4 }"
    made = plan(load_text(text), Operands(None, None, "adam"), PlanRequest(("N=8",)))
    assert made.program.name == "net"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network net extends net { }", "SC204 network `net` extends itself"),
        ("network a extends net { } network net extends a { }", "SC204 network `net` extends itself"),
        ("network net extends nett { }", "SC201 unknown network `nett`"),
        (STEM + "network net extends stem(wdie = 1) { readout(2) }", "SC206 `stem` has no parameter `wdie`"),
        (STEM + "network net extends stem { dims N  readout(2) }", "SC202 dimension `N` is listed twice"),
        (STEM + "network net extends stem { linear(N) as first readout(2) }", "SC202 another block here is called"),
        ("network net extends mlp { linear(N) }", "SC308 nothing follows the readout"),
    ],
)
def test_what_cannot_be_extended_is_said(text: str, message: str) -> None:
    found = [f"{d.code.id} {d.message}" for d in diagnose_text(PACKS + text)]
    assert [m for m in found if m.startswith(message)], found


def test_a_line_of_ancestors_ends() -> None:
    text = "".join(f"network n{i} extends n{i + 1} {{ }}\n" for i in range(60))
    found = said(lambda: plan(workspace(text), Operands("mup", "n0", "adam"), PlanRequest()))
    assert found == ["SC102 network `n50` is an ancestor in generation 50"]
