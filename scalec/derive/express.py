"""Orders as laws: monomials in the relative sizes that places share, in the fewest clauses.

Input: places with a target order each. Output: clauses, in order of precedence. The targets are exponents under
the regime; of several monomials that fit, the one with the fewest and first sizes is chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, zip_longest

from scalec.symbolic.linear import combination
from scalec.symbolic.order import ONE, Order

SIZES_IN_A_LAW = 3


@dataclass(frozen=True)
class Place:
    """A tensor or a site as selectors see it.

    `names`: the words that select it, the most general first; `within`: blocks around it; `sizes`: its relative
    sizes as exponents under the regime; `pattern`: what selects it alone. `elsewhere`: the network's dimensions, for
    laws that its own sizes cannot say.
    """

    path: str
    names: tuple[str, ...]
    within: tuple[str, ...]
    sizes: Mapping[str, Order] = field(hash=False)
    pattern: str = ""
    elsewhere: Mapping[str, Order] = field(default_factory=dict, hash=False)

    def with_dimensions(self) -> Place:
        return replace(self, sizes={**self.elsewhere, **self.sizes})


@dataclass(frozen=True)
class Selector:
    """`tensor matrix, output in repeat`: words, and a block that they stand in (or do not)."""

    words: tuple[str, ...]
    block: str = ""
    inside: bool = True

    def covers(self, place: Place) -> bool:
        named = any(w in ("*", *place.names) or w == f'"{place.pattern}"' for w in self.words)
        return named and (not self.block or (self.block in place.within) == self.inside)

    def __str__(self) -> str:
        where = f" {'in' if self.inside else 'not in'} {self.block}" if self.block else ""
        return f"{', '.join(self.words)}{where}"


@dataclass(frozen=True)
class Law:
    """One law for all places that a selector covers; a later clause may say otherwise of some of them."""

    selector: Selector
    law: Order


def laws(
    places: Sequence[Place], targets: Mapping[str, Order], taken: Sequence[Place] = (), said: Collection[str] = (),
    *, multiply: bool = False,
) -> tuple[Law, ...]:  # fmt: skip
    """Clauses that give every place its target and cover none of `taken`; those `said` are right without.

    A later clause overrides an earlier one, or multiplies what is there already.
    """
    right, left = set(said), dict(targets)
    selectors = _selectors(places, taken)
    known = _candidates(places, left, selectors)
    found: list[Law] = []
    while any(p.path not in right for p in places):
        best = max(_steps(places, left, selectors, known, right), key=lambda step: step[0], default=(0, None))[1]
        if best is None:
            places, known = _with_dimensions(places, left, selectors, right)
            continue
        found.append(best)
        covered = [p for p in places if best.selector.covers(p)]
        right |= {p.path for p in covered if _fits(best.law, p, left)}
        if multiply:
            left |= {p.path: left[p.path] / _value(best.law, p) for p in covered}
            known = _candidates(places, left, selectors)
    return tuple(_joined(found, places if multiply else ()))


def _with_dimensions(
    places: Sequence[Place], targets: Mapping[str, Order], selectors: Sequence[Selector], right: set[str]
) -> tuple[Sequence[Place], list[Order]]:
    """What to go on with where no law in a place's own sizes is left that puts it right."""
    wider = [p if p.path in right else p.with_dimensions() for p in places]
    assert wider != list(places), "a target that no size of the network can say"
    return wider, _candidates(wider, targets, selectors)


def _steps(
    places: Sequence[Place], targets: Mapping[str, Order], selectors: Sequence[Selector],
    known: Sequence[Order], right: set[str],
) -> Iterator[tuple[tuple[int, ...], Law]]:  # fmt: skip
    """What a next clause may be, with how good it is: how many places it puts right, then how simple it is."""
    for i, selector in enumerate(selectors):
        covered = [p for p in places if selector.covers(p)]
        for j, law in enumerate(known):
            fitting = {p.path for p in covered if _fits(law, p, targets)}
            spoiled = any(p.path in right and p.path not in fitting for p in covered)
            if fitting - right and not spoiled and all(_sayable(law, p) for p in covered):
                yield (len(fitting - right), -i, -len(law.powers), -j), Law(selector, law)


def _joined(found: Iterable[Law], apart: Sequence[Place]) -> Iterator[Law]:
    """Neighbours that say the same are one clause, unless both are meant for one of the places `apart`."""
    last: Law | None = None
    for law in found:
        twice = last and any(last.selector.covers(p) and law.selector.covers(p) for p in apart)
        if last and not twice and last.law == law.law and _place(last.selector) == _place(law.selector):
            last = replace(last, selector=replace(last.selector, words=(*last.selector.words, *law.selector.words)))
            continue
        if last:
            yield last
        last = law
    if last:
        yield last


def _place(selector: Selector) -> tuple[str, bool]:
    return selector.block, selector.inside


# ---- selectors -------------------------------------------------------------------------------
def _selectors(places: Sequence[Place], taken: Sequence[Place]) -> list[Selector]:
    """From the most general to the most special; of those that cover the same places the first. None covers `taken`."""
    ranks = zip_longest(*(p.names for p in places))
    words = ("*", *dict.fromkeys(name for rank in ranks for name in rank if name))
    blocks = tuple(dict.fromkeys(name for p in places for name in p.within))
    every = [Selector((word,)) for word in words]
    every += [Selector((w,), b, inside) for w in words for b in blocks for inside in (True, False)]
    every += [Selector((f'"{p.pattern}"',)) for p in places if p.pattern]
    distinct: dict[frozenset[str], Selector] = {}
    for selector in (s for s in every if not any(map(s.covers, taken))):
        distinct.setdefault(frozenset(p.path for p in places if selector.covers(p)), selector)
    return [selector for covered, selector in distinct.items() if covered]


# ---- monomials -------------------------------------------------------------------------------
def _candidates(places: Sequence[Place], targets: Mapping[str, Order], selectors: Iterable[Selector]) -> list[Order]:
    """Laws that fit all places of some selector, or of two words."""
    sets = [(s, tuple(p for p in places if s.covers(p))) for s in selectors]
    plain = [covered for s, covered in sets if not s.block and not s.words[0].startswith('"')]
    groups = [covered for _, covered in sets] + [(*a, *b) for a, b in combinations(plain, 2)]
    known: dict[tuple[object, ...], Order | None] = {}
    found = (_monomial(tuple({p.path: p for p in group}.values()), targets, known) for group in groups)
    return list(dict.fromkeys((ONE, *(law for law in found if law is not None))))


def _monomial(
    group: Sequence[Place], targets: Mapping[str, Order], known: dict[tuple[object, ...], Order | None]
) -> Order | None:
    """The simplest monomial in shared sizes that has every place's target as its order."""
    shared = [name for name in group[0].sizes if all(name in p.sizes for p in group)]
    rows = dict.fromkeys((tuple(p.sizes[name] for name in shared), targets[p.path]) for p in group)
    key = (tuple(shared), *rows)
    if key not in known:
        known[key] = _fitted(shared, list(rows))
    return known[key]


def _fitted(names: Sequence[str], rows: Sequence[tuple[tuple[Order, ...], Order]]) -> Order | None:
    scales = sorted({s for sizes, target in rows for order in (*sizes, target) for s, _ in order.powers})
    equations = [([size.exponent(s) for size in sizes], target.exponent(s)) for sizes, target in rows for s in scales]
    columns: dict[tuple[Fraction, ...], str] = {}
    for i, name in enumerate(names):
        columns.setdefault(tuple(left[i] for left, _ in equations), name)
    usable = [(column, name) for column, name in columns.items() if any(column)]
    wanted = [right for _, right in equations]
    for count in range(SIZES_IN_A_LAW + 1):
        for chosen in combinations(usable, count):
            exponents = combination([column for column, _ in chosen], wanted)
            if exponents is not None:
                return Order.of({name: e for (_, name), e in zip(chosen, exponents, strict=True)})
    return None


def _sayable(law: Order, place: Place) -> bool:
    return all(name in place.sizes for name, _ in law.powers)


def _fits(law: Order, place: Place, targets: Mapping[str, Order]) -> bool:
    return _sayable(law, place) and _value(law, place) == targets[place.path]


def _value(law: Order, place: Place) -> Order:
    value = ONE
    for name, exponent in law.powers:
        value = value * place.sizes[name] ** exponent
    return value
