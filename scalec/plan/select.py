"""Which tensors and sites a clause selects. Pure matching; the words were checked by `resolve`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from scalec.program.program import Site, Tensor
from scalec.resolve.rules import RuleClause
from scalec.resolve.vocabulary import covers
from scalec.syntax import nodes


def selects(clause: RuleClause, place: Tensor | Site) -> bool:
    """Whether the clause speaks of this tensor or site, its owner aside."""
    match = _tensor if isinstance(place, Tensor) else _site
    node = clause.node
    return (
        any(match(s, place) for s in node.selectors)  # type: ignore[arg-type]
        and not any(match(s, place) for s in node.excluded)  # type: ignore[arg-type]
        and all((path.text in place.within) == wanted for wanted, path in clause.within)
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
