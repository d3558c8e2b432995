"""The public surface, written down: what programs may rely on, and that asking for it costs little."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import scalec

SURFACE = (
    "Diagnostic", "Plan", "Report", "ScalecError", "__version__", "check_rule", "compile_to", "derive_rule", "load",
    "make_plan",
)  # fmt: skip
SIGNATURES = {
    "load": "(path: 'Path | str') -> 'Workspace'",
    "make_plan": "(workspace: 'Workspace', *, rule: 'str | None' = None, network: 'str | None' = None,"
    " optimizer: 'str | None' = None, at: 'Sequence[Sizes]' = (), base: 'Sizes | None' = None,"
    " tune: 'Sequence[str]' = (), tuned: 'Path | str | None' = None, regime: 'str | None' = None) -> 'Plan'",
    "check_rule": "(workspace: 'Workspace', *, regime: 'str', rule: 'str | None' = None,"
    " network: 'str | None' = None, optimizer: 'str | None' = None, goals: 'Sequence[str]' = ('stable_init',"
    " 'stable_training', 'nontrivial', 'maximal_update', 'faithful'), causes: 'Sequence[str]' = ()) -> 'Report'",
    "derive_rule": "(workspace: 'Workspace', *, network: 'str', optimizer: 'str', regime: 'str',"
    " goals: 'Sequence[str]' = ('stable_init', 'stable_training', 'nontrivial', 'maximal_update', 'faithful'),"
    " keep: 'str | None' = None, name: 'str' = 'derived') -> 'str'",
    "compile_to": "(folder: 'Path | str', workspace: 'Workspace', *, rule: 'str | None' = None,"
    " network: 'str | None' = None, optimizer: 'str | None' = None, at: 'Sizes' = '', base: 'Sizes | None' = None,"
    " tune: 'Sequence[str]' = (), tuned: 'Path | str | None' = None,"
    " regime: 'str | None' = None) -> 'tuple[Path, ...]'",
}
EXAMPLE = Path(__file__).parents[1] / "examples" / "gpt.scale"


def test_the_surface_is_this() -> None:
    assert tuple(sorted(scalec.__all__)) == SURFACE
    assert tuple(dir(scalec)) == SURFACE
    assert {name: str(inspect.signature(getattr(scalec, name))) for name in SIGNATURES} == SIGNATURES


def test_every_public_name_is_there() -> None:
    assert all(getattr(scalec, name) for name in SURFACE)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'plan_it'"):
        scalec.plan_it  # noqa: B018


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, scalec; print(*sorted(m for m in sys.modules if m.startswith('scalec')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["scalec"]


def test_a_plan_in_three_lines() -> None:
    workspace = scalec.load(EXAMPLE)
    plan = scalec.make_plan(workspace, rule="gpt_mup", at=["N=128", {"N": 256}], base={"N": 64}, tune=["lr=0.5"])
    assert isinstance(plan, scalec.Plan)
    assert [int(sizes["N"]) for sizes in plan.sizes] == [128, 256]
    assert plan.value(plan.tensor["block.mlp.up"].numbers["lr"], plan.sizes[1]) == 0.125


def test_a_check_in_two_lines() -> None:
    report = scalec.check_rule(scalec.load(EXAMPLE), rule="mup", network="mlp", optimizer="adam", regime="width")
    assert isinstance(report, scalec.Report)
    assert report.verdict == "pass"
    assert str(report.called("readout.init")[0].order) == "N^(-1/2)"


def test_files_are_written_where_asked(tmp_path: Path) -> None:
    paths = scalec.compile_to(tmp_path / "out", scalec.load(EXAMPLE), rule="gpt_mup", at={"N": 128})
    assert {p.name for p in paths} >= {"model.py", "optim.py", "train.py", "manifest.json"}
    assert all(p.parent == tmp_path / "out" and p.is_file() for p in paths)


def test_mistakes_are_one_exception(tmp_path: Path) -> None:
    (tmp_path / "mine.scale").write_text("rule mine extends nosuch { }")
    with pytest.raises(scalec.ScalecError, match="SC201"):
        scalec.make_plan(scalec.load(tmp_path / "mine.scale"), network="mlp", optimizer="adam")
