"""No Python file of the package names what a rule file may declare. The names are read from `rules/std`.

A network, a rule, a regime, an optimizer must not appear in code, as an identifier or in a string;
docstrings and comments may cite them. In the rooms that reason about rules no role appears either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from scalec.resolve.optimizers import FAMILIES
from scalec.resolve.vocabulary import ATTRIBUTES, RELATIVE_SIZES, ROLES, SITES, with_wholes
from tests.sources import ROOT, Word, modules, words

DECLARATION = re.compile(r"^\s*(?:network|rule|regime|optimizer)\s+([A-Za-z_]\w*)", re.MULTILINE)
REASONING = ("scalec.calculus", "scalec.check", "scalec.derive", "scalec.plan")

# Names of packs that are also words of the language itself: a role, a relative size, an update family, an
# option. They cannot be told apart in code, so they are left out; written down lest the list grow unseen.
ALSO_WORDS_OF_THE_LANGUAGE = frozenset({"mlp", "depth", "head_dim", "heads", "rank", "sgd", "spectral", "width"})


def declared() -> frozenset[str]:
    """Every name that a standard pack declares."""
    files = sorted((ROOT / "rules" / "std").glob("*.scale"))
    return frozenset(name for file in files for name in DECLARATION.findall(file.read_text("utf-8")))


def offences(found: Iterable[Word], names: frozenset[str]) -> list[str]:
    """Words with one of `names` in them; capitals do not hide a name, an underscore ends one."""
    pattern = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(names))})(?![a-z0-9])")
    return [f"{w.module}:{w.line} {w.text!r}" for w in found if pattern.search(w.text.lower())]


def role_offences(found: Iterable[Word]) -> list[str]:
    """Strings that are a role, in a room that must not know any."""
    roles = frozenset(with_wholes(ROLES))
    return [f"{w.module}:{w.line} {w.text!r}" for w in found if w.is_string and w.text in roles]


def test_no_code_names_a_pack() -> None:
    names = declared() - ALSO_WORDS_OF_THE_LANGUAGE
    found = [w for name, text in modules().items() for w in words(name, text)]
    assert offences(found, names) == []


def test_the_reasoning_rooms_name_no_role() -> None:
    found = [w for n, text in modules().items() if n.startswith(REASONING) for w in words(n, text)]
    assert role_offences(found) == []


def test_the_names_are_really_read() -> None:
    assert {"sp", "mup", "gpt", "sgd", "adam", "adamw", "width"} <= declared()


def test_what_is_left_out_is_a_word_of_the_language() -> None:
    grammar = (ROOT / "grammars" / "scalec.lark").read_text("utf-8")
    dotted = [*ROLES, *SITES, *RELATIVE_SIZES, *(a for table in ATTRIBUTES.values() for a in table)]
    language = {part for name in dotted for part in name.split(".")} | set(re.findall(r'"(\w+)"', grammar))
    assert ALSO_WORDS_OF_THE_LANGUAGE - language - set(FAMILIES) == {"width"}  # an option of a block


@pytest.mark.parametrize(
    "code",
    [
        "if rule == 'mup': pass",
        "x = 'torch.optim.AdamW'",
        "def mup_factor(): pass",
        "class GPT: pass",
        "f(adamw=1)",
        "x = f'{y} under sgd'",
    ],
)
def test_a_name_in_code_is_noticed(code: str) -> None:
    assert offences(words("scalec.plan.x", code), frozenset({"mup", "adamw", "gpt", "sgd"}))


@pytest.mark.parametrize(
    "code",
    ["'''As in mup.'''", "def f():\n    'the adamw of mup'\n", "x = 1  # sgd", "startup = bumper"],
)
def test_a_citation_is_no_offence(code: str) -> None:
    assert not offences(words("scalec.plan.x", code), frozenset({"mup", "adamw", "gpt", "sgd"}))


def test_a_role_in_code_is_noticed() -> None:
    assert role_offences(words("scalec.plan.x", "if tensor.role == 'attention.q': pass"))
    assert role_offences(words("scalec.plan.x", "if covers('attention', role): pass"))
    assert not role_offences(words("scalec.plan.x", "'''The readout's.'''\nembedding = 1"))
