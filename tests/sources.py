"""The package's own sources as data: imports, identifiers and strings of Python files, read with `ast`.

Input: source text and a module's name. Output: plain tuples with line numbers; nothing is imported or run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "scalec"


@dataclass(frozen=True)
class Import:
    """`importer` (a module's dotted name) imports `imported`; `lazy` when inside a function."""

    importer: str
    imported: str
    lazy: bool
    line: int


@dataclass(frozen=True)
class Word:
    """An identifier or a string constant of the code; docstrings and comments are neither."""

    module: str
    text: str
    line: int
    is_string: bool


def modules() -> dict[str, str]:
    """Dotted name -> source text of every Python file of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path.read_text("utf-8")
    return found


def imports(module: str, text: str, known: frozenset[str]) -> Iterator[Import]:
    """Every import of `module`; `from scalec import source` is one of `scalec.source` if that is `known`."""
    for node, lazy in _statements(ast.parse(text)):
        for name in _imported(node, known):
            yield Import(module, name, lazy, node.lineno)  # type: ignore[attr-defined]


def _statements(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every statement, and whether it is inside a function; expressions hold no imports and are not looked at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child, lazy
            yield from _statements(child, lazy or isinstance(child, ast.FunctionDef))


def _imported(node: ast.AST, known: frozenset[str]) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(base), names=names, level=0):
            inner = [f"{base}.{alias.name}" for alias in names]
            return [name if name in known else base for name in inner]
        case ast.ImportFrom():
            raise ValueError(f"line {node.lineno}: relative imports are not used here")
        case _:
            return []


@cache
def words(module: str, text: str) -> tuple[Word, ...]:
    """Every identifier and every string that is not a docstring."""
    return tuple(_words(module, ast.parse(text)))


def _words(module: str, tree: ast.Module) -> Iterator[Word]:
    docstrings = set[int]()
    for node in ast.walk(tree):  # what holds a docstring comes before it
        docstrings.update(id(constant) for constant in _docstrings(node))
        line = getattr(node, "lineno", 0)
        for name in _identifiers(node):
            yield Word(module, name, line, is_string=False)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield Word(module, node.value, line, is_string=True)


def _docstrings(node: ast.AST) -> list[ast.Constant]:
    """The docstring of a module, a class or a function."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        return []
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str()) as constant), *_]:
            return [constant]
        case _:
            return []


def _identifiers(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.keyword(arg=str(name)):
            return [name]
        case ast.alias(name=name, asname=other):
            return [name] if other is None else [name, other]
        case _:
            return []
