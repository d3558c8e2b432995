"""Whether two rules are the same up to gauge. Input: two forms on a program. Output: where they differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scalec.derive.gauge import Form, Gauges, TensorForm
from scalec.derive.problem import FACTOR
from scalec.symbolic.formula import UNIT, ZERO, Formula, divide, evaluate, symbols
from scalec.symbolic.text import plain

FAR = 16  # times its base: where a difference is shown as a number
ORDER = ("init.std", "init.mean", "lr", "eps", "wd")


@dataclass(frozen=True)
class Difference:
    """`attribute` of `path` is `first` in one rule and `second` in the other, in the gauge of no factors.

    `theta`: the second rule's factors over the first's; `left`: the attribute is the same in both although theta
    should have moved it.
    """

    path: str
    attribute: str
    first: str
    second: str
    quotient: Formula | None = None
    theta: Formula = UNIT
    left: bool = False


def differences(gauges: Gauges, first: Form, second: Form) -> Iterator[Difference]:
    """Every number or word in which they differ after all factors were moved away."""
    one, other = gauges.like(first), gauges.like(second)
    for path in first.tensors:
        theta = divide(gauges.multiplier(second, path), gauges.multiplier(first, path))
        raw = first.tensors[path], second.tensors[path]
        yield from _of_tensor(path, one.tensors[path], other.tensors[path], theta, raw)
    for site, name in dict.fromkeys((*one.sites, *other.sites)):
        a, b = (form.sites.get((site, name), UNIT) for form in (one, other))
        if a != b:
            yield Difference(site, name, plain(a), plain(b), _quotient(a, b))


def _of_tensor(
    path: str, one: TensorForm, other: TensorForm, theta: Formula, raw: tuple[TensorForm, TensorForm]
) -> Iterator[Difference]:
    names = [n for n in (*ORDER, *one.numbers, *other.numbers) if n in one.numbers or n in other.numbers]
    for name in dict.fromkeys(names):
        a, b = one.numbers.get(name), other.numbers.get(name)
        if a != b:
            left = raw[0].numbers.get(name) == raw[1].numbers.get(name)
            quotient = _quotient(a, b) if a is not None and b is not None else None
            yield Difference(path, name, _said(a), _said(b), quotient, theta, left)
    for (name, word), (_, theirs) in zip(one.words, other.words, strict=True):
        if word != theirs:
            yield Difference(path, name, word or "not said", theirs or "not said")


def _said(value: Formula | None) -> str:
    return "nothing" if value is None else plain(value)


def _quotient(a: Formula, b: Formula) -> Formula | None:
    return None if ZERO in (a, b) else divide(b, a)


# ---- words -----------------------------------------------------------------------------------
def told(found: Difference, names: Sequence[str]) -> str:
    """`eps` of `readout`: what differs, and by how much far from the base."""
    first, second = names
    what = f"`{found.attribute}` of `{found.path}`"
    by = _by(found.quotient)
    if found.left and found.theta != UNIT:
        return f"{second}'s {what} is not moved with the gauge `{plain(found.theta)}`{by}"
    gauge = " without factors in the forward pass" if found.attribute != FACTOR and found.quotient else ""
    return f"{what}{gauge} is `{found.first}` in {first} and `{found.second}` in {second}{by}"


def _by(quotient: Formula | None) -> str:
    """`: where N is 16 times its base, they differ by 4x`."""
    if quotient is None:
        return ""
    moving = sorted({s.name for s in symbols(quotient) if s.kind in ("ratio", "size")})
    if not moving:
        return ""
    above, below = (_factor(quotient, by) for by in (FAR, 1 / FAR))
    where = f"{' and '.join(f'`{name}`' for name in moving)} {'is' if len(moving) == 1 else 'are'}"
    if above == 1:
        return f": where {where} a {FAR}th of the base, they differ by {below:.4g}x"
    return f": where {where} {FAR} times the base, they differ by {above:.4g}x"


def _factor(quotient: Formula, far: float) -> float:
    value = evaluate(quotient, lambda s: far if s.kind in ("ratio", "size") else 1.0)
    return max(value, 1 / value)
