"""What emitted text is like, whatever it computes: deterministic, lint-free, safe, of one shape at all sizes."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scalec.diagnostics import ScalecError
from tests.emit.compiling import files_of, plan_of
from tests.emit.texts import CASES, EVERYTHING, HEAD

ROOT = Path(__file__).parents[2]
PRINT_FILES = """
from tests.emit.compiling import files_of, plan_of
for network in ("tiny_gpt", "two_stacks"):
    for text in files_of(plan_of(network, {"N": 32}, rule="loud")).values():
        print(text)
"""


def assert_lints(folder: Path) -> None:
    """Clean under ruff's own defaults and under the project's rules, formatted at every usual width."""
    files = [str(p) for p in sorted(folder.glob("*.py"))]
    assert files
    runs = [["format", "--check", "--isolated", f"--line-length={width}"] for width in (88, 100, 120)]
    runs += [["check", "--isolated", "--ignore=RUF100"], ["check", f"--config={ROOT / 'pyproject.toml'}"]]
    for run in runs:
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *run, "--no-cache", *files], capture_output=True, text=True, cwd=folder
        )
        assert done.returncode == 0, done.stdout + done.stderr


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("network", "rule"), CASES)
def test_emitted_files_lint(network: str, rule: str, tmp_path: Path) -> None:
    write(tmp_path, files_of(plan_of(network, {"N": 32}, rule=rule)))
    assert_lints(tmp_path)


def test_the_lint_can_fail(tmp_path: Path) -> None:
    write(tmp_path, {"model.py": "import os\n"})
    with pytest.raises(AssertionError, match="F401"):
        assert_lints(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "rule"), CASES)
def test_two_sizes_differ_in_the_defaults_of_config_alone(network: str, rule: str) -> None:
    small, large = (files_of(plan_of(network, {"N": n, "L": n // 8}, rule=rule)) for n in (16, 32))
    assert small["optim.py"] == large["optim.py"]
    assert small["train.py"] == large["train.py"]
    lines = difflib.unified_diff(small["model.py"].splitlines(), large["model.py"].splitlines(), n=0, lineterm="")
    changed = [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]
    assert [line.split(":")[0] for line in changed] == ["-    N", "-    L", "+    N", "+    L"]


@pytest.mark.slow
def test_a_size_that_is_named_is_a_default_too() -> None:
    """Naming a size that would follow another changes its default and nothing else."""
    one, other = (files_of(plan_of("tiny_gpt", sizes)) for sizes in ({"N": 32}, {"N": 32, "H": 8}))
    assert one["optim.py"] == other["optim.py"]
    assert "H: int | None = None  # attention heads, N/8 unless given" in one["model.py"]
    assert other["model.py"] == one["model.py"].replace("H: int | None = None", "H: int | None = 8")


@pytest.mark.slow
def test_the_same_bytes_under_another_hash_seed() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_FILES],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(outputs[0]) > 10_000
    assert outputs[0] == outputs[1]


def test_a_factor_that_is_one_is_not_written() -> None:
    model = files_of(plan_of("tiny_gpt", {"N": 32}))["model.py"]
    assert "_scale" not in model
    assert "_residual" not in model
    assert "x = x + self.attention(self.norm(x))" in model


def test_comments_name_rule_and_clause() -> None:
    files = files_of(plan_of("tiny_gpt", {"N": 32}))
    assert "# mup: site attention.logits { scale ~ 1/head_dim }" in files["model.py"]
    assert "# mup: tensor matrix, output { lr ~ 1/fan_in }" in files["optim.py"]
    assert "# mine: run { lr = 2^-8 }" in files["optim.py"]


# ---- hostile names and texts -----------------------------------------------------------------
HOSTILE = """
dim l "el \\N{DIGIT ONE} # noqa  \u2028import os  \u202e'''"
dim mN "mixed"
dim a_name_of_forty_characters_at_the_very_x "wide"
network odd {
  dims  l = mN, mN, a_name_of_forty_characters_at_the_very_x = 2*mN
  fixed V = 32
  embed(vocabulary = V, width = mN)
  residual { norm(layer) linear(a_name_of_forty_characters_at_the_very_x) as x act(relu) linear(mN) }
  repeat 2 as run { linear(mN) as config_ act(relu) }
  readout(V)
}
rule hostile extends mup {
  base mN = 16
  run { lr = 2^-8 }
  tensor "x.*", "run.*.config_.weight" {
    lr = run.lr * sqrt(fan_in + fan_out) / min(fan_in, a_name_of_forty_characters_at_the_very_x)^2 / log(1 + 7*mN)
    init.std = sqrt(fan_in + fan_out) / max(fan_in, a_name_of_forty_characters_at_the_very_x)^2 / (3 + 2*mN)
  }
  site logits {
    scale = 1e-7 * (1 + a_name_of_forty_characters_at_the_very_x)^(1/3) * (2 + a_name_of_forty_characters_at_the_very_x)
  }
}
"""


@pytest.mark.slow
def test_hostile_names_and_docs_lint(tmp_path: Path) -> None:
    plan = plan_of("odd", {"mN": 32}, rule="hostile", text=HEAD + HOSTILE)
    files = files_of(plan)
    assert all(ord(c) < 128 for c in files["model.py"])
    write(tmp_path, files)
    assert_lints(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("first", "forward", "`forward`"),
        ("as hidden", "as training", "`training`"),
        ("first", "x" * 41, "longer than 40"),
        ("first", "readout_scale", "`readout_scale`"),
    ],
)
def test_names_that_emitted_code_has_itself_are_refused(old: str, new: str, said: str) -> None:
    text = EVERYTHING.replace(old, new)
    plan = plan_of("tiny_mlp", {"N": 32}, rule="loud_mlp", text=text)
    with pytest.raises(ScalecError) as caught:
        files_of(plan)
    (found,) = caught.value.diagnostics
    assert found.code.id == "SC601"
    assert said in " ".join((found.message, *found.notes))


def test_a_size_with_a_root_is_refused() -> None:
    text = EVERYTHING.replace("mlp(width = F, act = gelu)", "mlp(width = sqrt(N^3), act = gelu)")
    with pytest.raises(ScalecError) as caught:
        files_of(plan_of("tiny_gpt", {"N": 16}, text=text))
    assert caught.value.diagnostics[0].code.id == "SC602"
