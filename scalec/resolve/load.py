"""`use`: from a file to all files it sees. Input: a path or a text. Output: a frozen `Workspace`.

Names are seen through `use`, transitively. A file's own declaration wins over one it uses; two
different ones that it uses under one name are ambiguous where the name is used. Rule files end in
`.scale`: nothing else is ever opened, so no line of another file can be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from scalec import catalogue as codes
from scalec.diagnostics import Diagnostic, Reporter, ScalecError, did_you_mean
from scalec.resolve.standard import SUFFIX, keep_trees, shown, standard_files, tree
from scalec.source import Source, Span
from scalec.syntax import nodes
from scalec.syntax.parser import parse, read_source

FILES = 200  # that one file may use, directly or not
GENERATIONS = 50  # of ancestors
FEW = 40  # names that a message lists
Kind = Literal["dimension", "regime", "network", "optimizer", "rule", "law", "goal"]
Named = (
    nodes.Dim
    | nodes.RegimeDecl
    | nodes.NetworkDecl
    | nodes.OptimizerDecl
    | nodes.RuleDecl
    | nodes.Derived
    | nodes.LawDecl
    | nodes.GoalDecl
)
KINDS: dict[type[nodes.Node], Kind] = {
    nodes.Dim: "dimension", nodes.RegimeDecl: "regime", nodes.NetworkDecl: "network",
    nodes.OptimizerDecl: "optimizer", nodes.RuleDecl: "rule", nodes.Derived: "rule", nodes.LawDecl: "law",
    nodes.GoalDecl: "goal",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A declaration and the key of the file it stands in, whose names it sees."""

    declaration: Named
    unit: str


@dataclass(frozen=True)
class Unit:
    """One parsed file: its own declarations by kind and name, and the files it uses.

    `uses` pairs the key of a file with the names asked for; no names means all of them.
    """

    key: str
    tree: nodes.File
    own: Mapping[tuple[Kind, str], Named] = field(hash=False)
    uses: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def checks(self) -> tuple[nodes.CheckDecl, ...]:
        return tuple(d for d in self.tree.declarations if isinstance(d, nodes.CheckDecl))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of that kind declared in this file, in order."""
        return tuple(name for k, name in self.own if k == kind)

    def leaves(self, kind: Kind) -> tuple[str, ...]:
        """Those that no other one in this file extends."""
        extended = {parent for d in self.own.values() if KINDS[type(d)] == kind for parent in _parents(d)}
        return tuple(name for name in self.names(kind) if name not in extended)


def _parents(declaration: Named) -> Iterator[str]:
    """Names of the rules or the network that a declaration extends."""
    match declaration:
        case nodes.Derived():
            yield from _parents(declaration.as_rule)
        case nodes.RuleDecl(name, parents=parents):
            yield from (parent.path for parent in parents if parent.path != name)
        case nodes.NetworkDecl(name, extends=nodes.Ref(path)) if path != name:
            yield path
        case _:
            pass


class Written(NamedTuple):
    """What a derived rule was found to be, None where there is none, and what was said on the way."""

    rule: nodes.RuleDecl | None
    said: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Workspace:
    """The file under work (`main`) and all that it sees, by key.

    `written`: the derived rules that were asked for, by file, name and optimizers. Each is worked out once.
    """

    main: str
    units: Mapping[str, Unit] = field(hash=False)
    written: dict[tuple[str, str, tuple[str, ...]], Written] = field(default_factory=dict, repr=False, compare=False)
    _seen: dict[tuple[Kind, str], dict[str, tuple[Found, ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def unit(self) -> Unit:
        return self.units[self.main]

    def candidates(self, kind: Kind, unit: str) -> dict[str, tuple[Found, ...]]:
        """Every name of that kind seen from a file, with the declarations it may mean."""
        if (kind, unit) not in self._seen:
            self._seen[kind, unit] = self._candidates(kind, unit)
        return self._seen[kind, unit]

    def _candidates(self, kind: Kind, unit: str) -> dict[str, tuple[Found, ...]]:
        seen: dict[str, dict[str, Found]] = {}
        for key, wanted in self._reach(unit):
            for (k, name), declaration in self.units[key].own.items():
                if k == kind and (not wanted or name in wanted):
                    seen.setdefault(name, {})[key] = Found(declaration, key)
        own = self.units[unit].own
        return {
            name: (places[unit],) if (kind, name) in own else tuple(places.values()) for name, places in seen.items()
        }

    def find(self, kind: Kind, name: str, unit: str, span: Span | None, reporter: Reporter) -> Found | None:
        """The one declaration that a name means in a file; reports and gives None where there is none."""
        known = self.candidates(kind, unit)
        found = known.get(name, ())
        if len(found) == 1:
            return found[0]
        if found:
            reporter.report(
                codes.AMBIGUOUS,
                f"{kind} `{name}` is declared in several used files",
                span,
                labels=[(f.declaration.span, "declared here") for f in found],
                helps=["ask only one of them for it: `use FILE (NAME, ...)` names what is wanted"],
            )
        else:
            elsewhere = tuple(f"add `use {key}`" for key in _standard_names().get((kind, name), ()))
            helps = elsewhere or did_you_mean(name, known)
            notes = () if helps or not 0 < len(known) <= FEW else (f"known here: {', '.join(sorted(known))}",)
            reporter.report(codes.UNKNOWN_NAME, f"unknown {kind} `{name}`", span, notes=notes, helps=helps)
        return None

    def _reach(self, unit: str) -> Iterable[tuple[str, tuple[str, ...]]]:
        """The file itself and every file it uses, directly or not, each once."""
        queue: list[tuple[str, tuple[str, ...]]] = [(unit, ())]
        seen: set[tuple[str, tuple[str, ...]]] = set(queue)
        while queue:
            key, names = queue.pop(0)
            yield key, names
            for used, wanted in self.units[key].uses:
                both = tuple(n for n in wanted if n in names) if wanted and names else wanted or names
                step = (used, both)
                if (both or not names) and step not in seen:
                    seen.add(step)
                    queue.append(step)


@cache
def _standard_names() -> dict[tuple[Kind, str], tuple[str, ...]]:
    """The standard packs that declare each name."""
    found: dict[tuple[Kind, str], tuple[str, ...]] = {}
    for key in standard_files():
        for d in tree(key).declarations:
            if not isinstance(d, nodes.Use | nodes.CheckDecl):
                slot = (KINDS[type(d)], d.name)
                found[slot] = (*found.get(slot, ()), key)
    return found


def load(path: Path, name: str | None = None) -> Workspace:
    """Read a rule file and everything it uses. Raises ScalecError with all that is wrong in them."""
    return _Loader().load_path(path, name or str(path))


def load_text(text: str, name: str = "<string>", folder: Path | None = None) -> Workspace:
    """The same for a text; relative paths in `use` start at `folder`."""
    return _Loader().load_source(Source(name, text), folder)


@cache
def load_standard() -> Workspace:
    """A workspace whose (empty) main file sees every standard pack."""
    workspace = load_text("\n".join(f"use {key}" for key in standard_files()), "<standard packs>")
    keep_trees()
    return workspace


class _Loader:
    def __init__(self) -> None:
        self.reporter = Reporter()
        self.units: dict[str, Unit] = {}
        self.named: list[tuple[nodes.Use, str]] = []
        self.standard = standard_files()

    def load_path(self, path: Path, name: str) -> Workspace:
        check_path(path)
        key = self._key(path)
        self._read(key, path, name)
        return self._finish(key)

    def load_source(self, source: Source, folder: Path | None) -> Workspace:
        self._add(source.name, parse(source), folder)
        return self._finish(source.name)

    def _finish(self, key: str) -> Workspace:
        self.reporter.stop_on_errors()
        workspace = Workspace(key, self.units)
        for use, used in self.named:
            self._check_names(use, used, workspace)
        self.reporter.stop_on_errors()
        return workspace

    def _key(self, path: Path) -> str:
        resolved = path.resolve()
        return next((k for k, p in self.standard.items() if p.resolve() == resolved), str(resolved))

    def _read(self, key: str, path: Path, name: str) -> None:
        if key in self.units:
            return
        if len(self.units) >= FILES:
            self.reporter.fail(codes.LIMIT, f"more than {FILES} files are used")
        try:
            standard = key in self.standard and name == shown(key)
            read = tree(key) if standard else parse(read_source(path, name))
        except ScalecError as error:
            self.reporter.diagnostics.extend(error.diagnostics)
            return
        self._add(key, read, path.parent)

    def _add(self, key: str, tree: nodes.File, folder: Path | None) -> None:
        own: dict[tuple[Kind, str], Named] = {}
        for declaration in tree.declarations:
            if isinstance(declaration, nodes.Use | nodes.CheckDecl):
                continue
            slot = (KINDS[type(declaration)], declaration.name)
            if slot in own:
                self.reporter.report(
                    codes.DUPLICATE_NAME,
                    f"{slot[0]} `{declaration.name}` is declared twice",
                    declaration.span,
                    labels=[(own[slot].span, "first declared here")],
                )
            else:
                own[slot] = declaration
        found = [(u, self._locate(u, folder)) for u in tree.declarations if isinstance(u, nodes.Use)]
        uses = [(used[0], tuple(n.text for n in u.names)) for u, used in found if used]
        self.units[key] = Unit(key, tree, own, tuple(uses))
        for use, used in found:
            if used:
                self._read(used[0], used[1], used[2])
                self.named.append((use, used[0]))

    def _check_names(self, use: nodes.Use, key: str, workspace: Workspace) -> None:
        """What a `use` asks a file for is declared there, or in what that file uses."""
        known = [name for kind in KINDS.values() for name in workspace.candidates(kind, key)]
        for wanted in use.names:
            if wanted.text not in known:
                self.reporter.report(
                    codes.UNKNOWN_NAME,
                    f"`{use.target}` declares nothing called `{wanted.text}`",
                    wanted.span,
                    helps=did_you_mean(wanted.text, known),
                )

    def _locate(self, use: nodes.Use, folder: Path | None) -> tuple[str, Path, str] | None:
        """Key, path and display name of the file that a `use` means; reports where there is none."""
        if not use.quoted:
            path = self.standard.get(use.target)
            if path is None:
                self.reporter.report(
                    codes.FILE_NOT_FOUND,
                    f"there is no standard pack `{use.target}`",
                    use.span,
                    helps=did_you_mean(use.target, self.standard) or (f"the packs are {', '.join(self.standard)}",),
                )
                return None
            return use.target, path, shown(use.target)
        path = (folder or Path()) / use.target
        reason = _wrong_path(path) or ("" if _is_there(path) and path.is_file() else "there is no such file")
        if not reason:
            return self._key(path), path, str(path)
        self.reporter.report(codes.FILE_NOT_FOUND, f"cannot use `{use.target}`: {reason}", use.span)
        return None


def check_path(path: Path, suffix: str = SUFFIX, kind: str = "rule file") -> None:
    """Raises ScalecError for a path that names no file of that kind: it is not even opened."""
    reason = _wrong_path(path, suffix)
    if reason:
        nothing = "" if _is_there(path) else ", and nothing is there"
        Reporter().fail(codes.FILE_NOT_FOUND, f"`{path}` is not a {kind}: {reason}{nothing}")


def _wrong_path(path: Path, suffix: str = SUFFIX) -> str:
    """Why a path names no such file, whatever stands there; links are followed. Empty where it may be one."""
    try:
        final = path.resolve()
    except (OSError, RuntimeError, ValueError):
        return "the path leads nowhere"
    return "" if path.suffix == final.suffix == suffix else f"its name does not end in `{suffix}`"


def _is_there(path: Path) -> bool:
    """Whether anything is called so; a name that the system refuses is none."""
    try:
        return path.exists()
    except OSError:
        return False
