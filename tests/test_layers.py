"""Which room may import which, and which third-party package belongs where. Read from the sources."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from tests.sources import Import, imports, modules

# One direction: a room imports rooms of lower levels and itself. Rooms of one level do not know each other.
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"source", "diagnostics", "catalogue", "render", "resources", "symbolic.order"}),
    frozenset({"syntax"}),
    frozenset({"resolve"}),
    frozenset({"symbolic"}),
    frozenset({"program"}),
    frozenset({"calculus"}),
    frozenset({"check", "plan"}),
    frozenset({"derive"}),
    frozenset({"emit", "operands"}),
    frozenset({"pipeline", "tools", "deriving"}),
    frozenset({"checking", "gauging", "terminal"}),
    frozenset({"torch", "cli", "api"}),
    frozenset({"scalec", "__main__"}),
)
FLOOR = LEVELS[0]  # the leaves: they may use one another

# Third-party package -> the rooms or single modules that may import it.
THIRD_PARTY: dict[str, frozenset[str]] = {
    "torch": frozenset({"torch"}),
    "sympy": frozenset({"symbolic"}),
    "lark": frozenset({"syntax"}),
    "pydantic": frozenset({"emit.manifest", "emit.document", "check.document"}),
    "rich": frozenset({"render", "terminal"}),
    "typer": frozenset({"cli", "terminal"}),
}


def test_the_package_keeps_to_its_layers() -> None:
    sources = modules()
    found = [i for name, text in sources.items() for i in imports(name, text, frozenset(sources))]
    assert len(found) > 50
    assert list(violations(found)) == []


def violations(found: Iterable[Import]) -> Iterator[str]:
    for i in found:
        top = i.imported.split(".")[0]
        where = f"{i.importer}:{i.line} imports {i.imported}"
        if top == "scalec":
            if not _may_import(i):
                yield where
        elif top not in sys.stdlib_module_names and not _may_use(i.importer, top):
            yield where


def _may_import(i: Import) -> bool:
    importer, imported = _room(i.importer), _room(i.imported)
    if importer == imported or {importer, imported} <= FLOOR:
        return True
    if importer == "cli" and imported == "torch":
        return i.lazy  # a command that needs torch pays for it when it runs
    return _level(imported) < _level(importer)


def _may_use(module: str, package: str) -> bool:
    allowed = THIRD_PARTY.get(package, frozenset())
    return _room(module) in allowed or module.removeprefix("scalec.") in allowed


def _room(module: str) -> str:
    """`scalec.plan.model` is in the room `plan`; `symbolic.order` is a leaf of its own."""
    inner = module.removeprefix("scalec.")
    return inner if inner in FLOOR else inner.split(".")[0]


def _level(room: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if room in rooms)


def _violations_of(module: str, text: str) -> list[str]:
    known = frozenset({"scalec.plan", "scalec.emit", "scalec.source", "scalec.symbolic.order", module})
    return list(violations(imports(module, text, known)))


def test_an_import_upwards_is_noticed() -> None:
    assert _violations_of("scalec.program.ops", "from scalec.plan.model import Plan")
    assert _violations_of("scalec.source", "from scalec.symbolic.formula import Formula")
    assert _violations_of("scalec.syntax.nodes", "def f():\n    from scalec import emit")


def test_siblings_do_not_know_each_other() -> None:
    assert _violations_of("scalec.check.report", "from scalec.plan.model import Plan")
    assert _violations_of("scalec.cli.app", "from scalec.torch import measure")
    assert not _violations_of("scalec.cli.app", "def f():\n    from scalec.torch import measure")


def test_a_package_outside_its_room_is_noticed() -> None:
    assert _violations_of("scalec.plan.model", "import sympy")
    assert _violations_of("scalec.emit.model", "def f():\n    import torch.nn as nn")
    assert _violations_of("scalec.program.ops", "from lark import Lark")
    assert _violations_of("scalec.torch.trace", "import a_package_nobody_listed")
    assert not _violations_of("scalec.emit.manifest", "import json\nfrom pydantic import BaseModel")


def test_downwards_is_fine() -> None:
    assert not _violations_of("scalec.emit.model", "from scalec import plan, source\nfrom scalec.plan.x import y")
    assert not _violations_of("scalec.syntax.nodes", "from scalec.symbolic.order import Order")
