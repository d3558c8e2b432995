"""The package's own sources as data: imports, identifiers and strings of Python files, read with `ast`.

Input: source text and a module's name. Output: plain tuples with line numbers; nothing is imported or run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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
    tree = ast.parse(text)
    lazy = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        for name in _imported(node, known):
            yield Import(module, name, id(node) in lazy, node.lineno)  # type: ignore[attr-defined]


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


def words(module: str, text: str) -> Iterator[Word]:
    """Every identifier and every string that is not a docstring."""
    tree = ast.parse(text)
    docstrings = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for name in _identifiers(node):
            yield Word(module, name, line, is_string=False)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield Word(module, node.value, line, is_string=True)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=body) | ast.ClassDef(body=body) | ast.FunctionDef(body=body):
                match body:
                    case [ast.Expr(value=ast.Constant(value=str()) as constant), *_]:
                        yield constant


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
