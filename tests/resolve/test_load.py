"""`use`: which files are read, what each sees, and what is said of those that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalec.diagnostics import Reporter, ScalecError
from scalec.resolve.load import Kind, Workspace, load, load_standard, load_text
from scalec.resolve.standard import standard_files
from tests.planning import diagnostics, said


def write(folder: Path, **files: str) -> Path:
    """Rule files by name; the path of `main.scale`."""
    for name, text in files.items():
        (folder / f"{name}.scale").write_text(text, encoding="utf-8")
    return folder / "main.scale"


def declared_in(workspace: Workspace, kind: Kind, name: str) -> str:
    """The file that a name means, by its last part."""
    reporter = Reporter()
    found = workspace.find(kind, name, workspace.main, None, reporter)
    assert found, reporter.diagnostics
    return Path(found.unit).stem


def test_standard_packs_are_seen_through_what_uses_them() -> None:
    workspace = load_text("use std.mup")
    assert {"std.mup", "std.sp", "std.dims", "std.networks"} <= set(workspace.units)
    assert declared_in(workspace, "network", "gpt") == "std"
    assert {"mup", "sp"} <= set(workspace.candidates("rule", workspace.main))


def test_every_pack_is_standard_by_its_place() -> None:
    assert {"std.dims", "std.regimes", "std.networks", "std.optimizers", "std.sp", "std.mup"} <= set(standard_files())
    assert set(load_standard().units) == {*standard_files(), "<standard packs>"}


def test_a_path_is_relative_to_the_file_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", near="dim P", middle='use "./near.scale"')
    main = write(tmp_path, main='use "./deep/middle.scale"')
    assert declared_in(load(main), "dimension", "P") == "near"


def test_files_may_use_each_other(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "./other.scale"\nrule a { }', other='use "./main.scale"\nrule b extends a { }')
    workspace = load(main)
    assert len(workspace.units) == 2
    assert set(workspace.candidates("rule", workspace.main)) == {"a", "b"}


def test_one_file_by_two_ways_is_one_file(tmp_path: Path) -> None:
    main = write(
        tmp_path, main='use "./a.scale"\nuse "./b.scale"', a='use "./c.scale"', b='use "././c.scale"', c="rule r { }"
    )
    assert declared_in(load(main), "rule", "r") == "c"


def test_a_standard_pack_by_its_path_is_that_pack() -> None:
    path = standard_files()["std.mup"]
    assert load(path).main == "std.mup"


def test_own_declarations_win_over_used_ones(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "./a.scale"\nrule r { }', a="rule r { }")
    assert declared_in(load(main), "rule", "r") == "main"


def test_two_used_ones_are_ambiguous_where_the_name_is_used(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "./a.scale"\nuse "./b.scale"', a="rule r { }", b="rule r { }")
    workspace, reporter = load(main), Reporter()
    assert workspace.find("rule", "r", workspace.main, None, reporter) is None
    (found,) = reporter.diagnostics
    assert found.code.name == "ambiguous"
    assert [span.source.name.rpartition("/")[2] for span, _ in found.labels] == ["a.scale", "b.scale"]


def test_asking_for_names_hides_the_others(tmp_path: Path) -> None:
    main = write(
        tmp_path, main='use "./a.scale" (r)\nuse "./b.scale"', a="rule r { }\nrule q { }\nrule p { }", b="rule q { }"
    )
    workspace = load(main)
    assert declared_in(workspace, "rule", "q") == "b"
    assert set(workspace.candidates("rule", workspace.main)) == {"r", "q"}


def test_names_asked_for_are_asked_of_what_the_file_uses_too(tmp_path: Path) -> None:
    main = write(
        tmp_path, main='use "./a.scale" (r)', a='use "./b.scale" (r, s)', b="rule r { }\nrule s { }\nrule t { }"
    )
    workspace = load(main)
    assert set(workspace.candidates("rule", workspace.main)) == {"r"}


def test_a_name_that_a_used_file_does_not_declare(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "./a.scale" (rool, r)', a="rule rule_r { }\nrule r { }\nrule rol { }")
    (found,) = diagnostics(lambda: load(main))
    assert (found.code.id, found.message) == ("SC201", "`./a.scale` declares nothing called `rool`")
    assert found.helps == ("did you mean `rol`?",)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("std.mupp", "there is no standard pack `std.mupp`"),
        ("mup", "there is no standard pack `mup`"),
        ('"./none.scale"', "cannot use `./none.scale`: there is no such file"),
        ('"./secret.txt"', "cannot use `./secret.txt`: its name does not end in `.scale`"),
        ('"."', "cannot use `.`: its name does not end in `.scale`"),
        ('"./folder.scale"', "cannot use `./folder.scale`: there is no such file"),
        (f'"./{"x" * 300}.scale"', f"cannot use `./{'x' * 300}.scale`: there is no such file"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "secret.txt").write_text("rule r { }")
    (tmp_path / "folder.scale").mkdir()
    assert said(lambda: load_text(f"use {target}", folder=tmp_path)) == [f"SC203 {message}"]


def test_a_main_file_needs_the_suffix_too(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("rule r { }")
    assert said(lambda: load(tmp_path / "rules.txt"))[0].startswith("SC203")


def test_mistakes_of_several_files_are_all_said(tmp_path: Path) -> None:
    main = write(tmp_path, main='use "./a.scale"\nuse "./none.scale"\nrule r { }\nrule r { }', a="rule { }\nruel q { }")
    assert {d.code.id for d in diagnostics(lambda: load(main))} == {"SC101", "SC202", "SC203"}


def test_one_kind_one_name(tmp_path: Path) -> None:
    assert said(lambda: load_text("dim N\nrule N { }\ndim N")) == ["SC202 dimension `N` is declared twice"]
    assert said(lambda: load_text("rule r { }\nrule r = derive x for y on z under w")) == [
        "SC202 rule `r` is declared twice"
    ]


def test_an_unknown_name_is_met_with_near_ones_or_with_where_it_is() -> None:
    workspace = load_text("use std.mup\n")
    reporter = Reporter()
    workspace.find("rule", "mupp", workspace.main, None, reporter)
    workspace.find("network", "zebra", workspace.main, None, reporter)
    near, far = reporter.diagnostics
    assert near.helps == ("did you mean `mup`?",)
    assert far.notes == ("known here: gpt, llama, mlp",)


def test_a_file_of_the_package_that_cannot_be_read_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "main.scale").mkdir()
    with pytest.raises(ScalecError):
        load(tmp_path / "main.scale")
