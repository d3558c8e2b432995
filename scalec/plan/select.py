"""Which tensors and sites a clause selects. Pure matching; the words were checked by `resolve`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from scalec.program.program import Site, Tensor
from scalec.resolve.rules import RuleClause
from scalec.resolve.vocabulary import covers
from scalec.syntax import nodes


class Selection:
    """The clauses of a rule, asked place by place. Places that no clause can tell apart share the answer."""

    def __init__(self, clauses: Iterable[RuleClause]) -> None:
        self.clauses = tuple(clauses)
        self.matched: set[int] = set()
        self._blocks = {path.text for c in self.clauses for _, path in c.around.within}
        selectors = [s for c in self.clauses for s in (*c.node.selectors, *c.node.excluded)]
        self._patterns = any(isinstance(s, nodes.Pattern) for s in selectors)
        self._known: dict[object, list[RuleClause]] = {}

    def of(self, kind: nodes.Kind, place: Tensor | Site) -> list[RuleClause]:
        """The clauses that select a place, in order of precedence."""
        key = self._seen(place)
        if key not in self._known:
            self._known[key] = [c for c in self.clauses if c.node.kind == kind and selects(c, place)]
            self.matched.update(map(id, self._known[key]))
        return self._known[key]

    def _seen(self, place: Tensor | Site) -> tuple[object, ...]:
        """All that these clauses can see of a place."""
        within = tuple(name for name in place.within if name in self._blocks)
        if isinstance(place, Site):
            return (place.roles, within, place.path if self._patterns else "")
        return (place.role, place.shape_class, within, parameter_pattern(place) if self._patterns else "")


def selects(clause: RuleClause, place: Tensor | Site) -> bool:
    """Whether the clause speaks of this tensor or site, its owner aside."""
    match = _tensor if isinstance(place, Tensor) else _site
    node = clause.node
    return (
        any(match(s, place) for s in node.selectors)  # type: ignore[arg-type]
        and not any(match(s, place) for s in node.excluded)  # type: ignore[arg-type]
        and all((path.text in place.within) == wanted for wanted, path in clause.around.within)
    )


def _tensor(selector: nodes.Selector, tensor: Tensor) -> bool:
    match selector:
        case nodes.Everything():
            return True
        case nodes.Pattern(text):
            return fnmatchcase(parameter_pattern(tensor), text)
        case nodes.Path(text):
            return text == tensor.shape_class or covers(text, tensor.role)


def _site(selector: nodes.Selector, site: Site) -> bool:
    match selector:
        case nodes.Everything():
            return True
        case nodes.Pattern(text):
            return fnmatchcase(site.path, text)
        case nodes.Path(text):
            return text in site.roles


def parameter_pattern(tensor: Tensor) -> str:
    """The parameter's name with `*` for each layer index: `blocks.*.attention.q.weight`."""
    name = tensor.storage.name
    for axis in tensor.axes:
        name = name.replace(f"{{{axis.name}}}", "*")
    return name


def block_names(places: Iterable[Tensor | Site]) -> tuple[str, ...]:
    """Every name that `in BLOCK` can mean in a network."""
    return tuple(dict.fromkeys(name for place in places for name in place.within))


def called(name: str, place: Tensor | Site) -> bool:
    """Whether `--tune NAME.ATTR` means this place: a path, a role, a class, a site or a pattern."""
    if isinstance(place, Site):
        return name == place.path or name in place.roles
    return (
        name in (place.path, place.shape_class)
        or covers(name, place.role)
        or fnmatchcase(parameter_pattern(place), name)
    )
