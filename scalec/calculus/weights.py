"""Weights: multiplying by the initial ones, and what an optimizer's steps add to them.

Input: vectors. Output: vectors. calculus.md, "W_0 x" and "the effective update". Forward and
backward are one rule: `Matrix.transpose` exchanges fan-in and fan-out, forward and backward.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from scalec.calculus.components import ABSENT, Component, Vector, merged, size, sum_over, union
from scalec.calculus.scaling import Family
from scalec.calculus.words import NOWHERE, Copies, Deps, Letter, letter
from scalec.symbolic.dominance import Magnitude

Direction = Literal["forward", "backward"]
OPPOSITE: dict[Direction, Direction] = {"forward": "backward", "backward": "forward"}


@dataclass(frozen=True)
class Matrix:
    """One use of a weight, read in one direction: `n` coordinates summed over, `m` produced.

    Of a sparse weight they count kept entries alone, the share `density` of a row or a column.
    `sigma`: order of the initial entries as the forward pass sees them, None if they are zero.
    `scale`: the forward multiplier. `own`: axes along which the initial draw differs. `applied`: the
    directions in which training applies the weight at all (nothing goes back into the network's input).
    `made`: what the entries are; the vectors of a value are the rows of a matrix too. `sign`: its name in words, the
    tensor's unless said.
    """

    tensor: str
    direction: Direction
    n: Magnitude
    m: Magnitude
    scale: Magnitude
    sigma: Magnitude | None
    own: Deps = NOWHERE
    applied: tuple[Direction, ...] = ("forward", "backward")
    made: str = "initial weights"
    density: Magnitude | None = None
    sign: str = ""

    @cached_property
    def transpose(self) -> Matrix:
        return replace(self, direction=OPPOSITE[self.direction], n=self.m, m=self.n)

    @cached_property
    def gain(self) -> Magnitude:
        """What meeting this weight again brings over the central limit: `(m/n)^(1/2)`, for some weights less than 1."""
        return (self.m / self.n).root if self.met else self.n.cell.one

    @property
    def entries(self) -> Magnitude:
        """Parameters that are ever other than 0."""
        kept = self.n * self.m
        return kept if self.density is None else kept / self.density

    @property
    def dense(self) -> Magnitude:
        """Parameters, zeros included."""
        return self.entries if self.density is None else self.entries / self.density

    @property
    def met(self) -> bool:
        return OPPOSITE[self.direction] in self.applied

    # ---- W_0 x -------------------------------------------------------------------------------
    def initial(self, x: Iterable[Component]) -> Vector:
        """`W_0 x`."""
        if self.sigma is None:
            return ABSENT
        return union(*(self._once(c, self.sigma) for c in x))

    def _once(self, c: Component, sigma: Magnitude) -> Vector:
        found = self._products.get(c)
        if found is None:
            found = self._products[c] = self._initial(c, sigma)
        return found

    @cached_property
    def _products(self) -> dict[Component, Vector]:
        return {}

    def _initial(self, c: Component, sigma: Magnitude) -> Vector:
        apart = c.times(sigma * self.n.root, f"{self.made}, a sum over fan_in of independent terms", self.tensor)
        independent = apart.written((self._letter(c.deps), *c.word), c.deps | self.own)
        popped = self._coherent(c, sigma)
        if popped is None:
            return (independent,)
        # `W W^T v` with a coherent part that is not smaller acts on everything later as `v` does.
        shadowed = independent.order <= popped.order and popped.deps <= independent.deps
        return (popped,) if shadowed else (popped, independent)

    def coherent(self, x: Iterable[Component]) -> Vector:
        """The part of `W_0 x` along `v`, of vectors `x = W_0^T v`."""
        if self.sigma is None:
            return ABSENT
        return merged(popped for c in x if (popped := self._coherent(c, self.sigma)))

    def _coherent(self, c: Component, sigma: Magnitude) -> Component | None:
        top = c.word[0] if c.word else None
        if top is None or top.name != (self.sign or self.tensor, OPPOSITE[self.direction]):
            return None
        coherent = c.times(
            sigma * self.n / self.m.root, f"{self.made} that the vector points along: a coherent sum", self.tensor
        ).times(top.grown.inverse, "of the copies summed before, one meets its own weight", self.tensor)
        return coherent.written(c.word[1:], top.below)

    def _letter(self, below: Deps) -> Letter:
        return letter(self.sign or self.tensor, self.direction, self.n.cell.one, self.gain, self.met, self.own, below)


class Pass(NamedTuple):
    """One gradient: at this use, input `x` met output gradient `d`.

    `summed`: axes whose copies share the parameter, so that its gradient is their sum. `pointwise`: a
    gain or bias, whose gradient is `d * x` coordinate by coordinate.
    """

    use: Matrix
    x: Vector
    d: Vector
    summed: tuple[Copies, ...] = ()
    pointwise: bool = False

    def rows(self) -> Vector:
        """`d`, summed over the copies that share the parameter."""
        return self._sum(self.d, self.x)

    def columns(self) -> Vector:
        return self._sum(self.x, self.d)

    def _sum(self, vector: Vector, other: Vector) -> Vector:
        """Copies add up coherently unless either factor differs from copy to copy; pointwise, also if both agree."""
        known = {c.history.direction for c in other} if self.pointwise else set()
        for axis in self.summed:
            varies = frozenset({axis} if any(axis in c.deps for c in other) else ())
            vector = sum_over(
                axis,
                (c.gathered(axis) if c.history.direction in known else c.spread(varies) for c in vector),
                self.use.tensor,
            )
        return vector


@dataclass(frozen=True)
class Update:
    """`W_t - W_0` as a sum of outer products, its entries in units of the stored parameter.

    `out` points along output gradients, `inp` along inputs; each carries the order of the whole entry.
    `entry`: the largest gradient entry so far, the normaliser of an entrywise update.
    """

    out: Vector = ABSENT
    inp: Vector = ABSENT
    entry: Magnitude | None = None

    def effective(self, use: Matrix, x: Vector) -> Vector:
        """`(W_t - W_0) x`: each direction of the update, times the aligned sum over fan_in."""
        width = size(use.n.cell, x)
        if width is None:
            return ABSENT
        rows = self.out if use.direction == "forward" else self.inp
        return tuple(
            row.times(use.scale, "forward multiplier", use.tensor)
            .times(use.n, "the update points along its input: coherent sum over fan_in", use.tensor)
            .times(width, "size of the input", use.tensor)
            for row in rows
        )


@dataclass(frozen=True)
class Weight:
    """A tensor under a rule, its formulas resolved to orders. `uses`: one matrix for each use, forward.

    `floor`: the gradient entry that decay in the gradient (L2) adds, None where there is none.
    `eps`, `decay`: Adam's epsilon; decay per step. `copies`: how many there are; `share`: the part of them
    that one sample meets, which is the share of the samples that reach one copy. `parts`: the matrices that a step is
    made of, each for itself; None where it is one.
    """

    tensor: str
    uses: tuple[Matrix, ...]
    family: Family
    lr: Magnitude | None
    effect: Magnitude | None = None
    axes: Deps = NOWHERE
    floor: Magnitude | None = None
    eps: Magnitude | None = None
    decay: Magnitude | None = None
    copies: Magnitude | None = None
    share: Magnitude | None = None
    parts: Magnitude | None = None

    @cached_property
    def pointwise(self) -> Matrix:
        """The matrix of a gain or a bias: it sums over nothing, forward or backward."""
        one = self.uses[0].n.cell.one
        return replace(self.uses[0], n=one, m=one)

    @property
    def entries(self) -> Magnitude:
        """How many parameters the tensor has, all its copies together."""
        count = self.uses[0].entries
        return count if self.copies is None else count * self.copies

    def entry(self, passes: Iterable[Pass]) -> Magnitude | None:
        """Order of the gradient entry of the stored parameter: the largest over its uses; None if absent."""
        cell = self.uses[0].n.cell
        entries = []
        for p in passes:
            width, slope = size(cell, p.x), size(cell, p.rows())
            if width is not None and slope is not None:
                entries.append(self._shared(p.use.scale * width * slope))
        return cell.largest(entries)

    def _shared(self, gradient: Magnitude) -> Magnitude:
        return gradient if self.share is None else gradient * self.share

    def step(self, before: Update, passes: Iterable[Pass]) -> Update:
        """One more optimizer step. The union of what was and what is added, so orders never fall."""
        passes = tuple(passes)
        entry = self.entry(passes)
        if entry is None or self.lr is None:
            return before
        cell = entry.cell
        largest = cell.largest(e for e in (entry, before.entry) if e is not None)
        assert largest is not None
        normaliser = largest if self.floor is None else cell.larger(largest, self.floor)
        out, inp = [before.out], [before.inp]
        for p in passes:
            rows = self._along(p.rows(), p.x, p.use, normaliser)
            columns = self._along(p.columns(), p.d, p.use, normaliser)
            # A transposed use (direction backward) has the parameter's two sides exchanged.
            forward = p.use.direction == "forward"
            out.append(rows if forward else columns)
            inp.append(columns if forward else rows)
        return Update(union(*out), union(*inp), largest)

    def _along(self, vector: Vector, other: Vector, use: Matrix, normaliser: Magnitude) -> Vector:
        """The update's entries along the components of one side of the outer product."""
        opposite = size(normaliser.cell, other)
        if opposite is None:
            return ABSENT
        return merged(self._entry(k, use.scale * opposite, use, normaliser) for k in vector)

    def _entry(self, k: Component, rest: Magnitude, use: Matrix, normaliser: Magnitude) -> Component:
        """One table row per optimizer family. `k.order * rest` is this component's gradient entry."""
        assert self.lr is not None
        gradient = k.times(rest, "the rest of the gradient entry: multiplier and other side", self.tensor)
        if self.share is not None:
            gradient = gradient.times(self.share, "the share of the samples that reach this copy", self.tensor)
        share = gradient.times(normaliser.inverse, "divided by the largest gradient entry", self.tensor)
        match self.family:
            case "sgd":
                return gradient.times(self.lr, "learning rate", self.tensor).caused(self.tensor)
            case "entrywise":
                return share.times(self.lr, "learning rate", self.tensor).caused(self.tensor)
            case "spectral":
                # A direction of its own (another for each copy that shares the matrix) is a singular
                # direction of its own: orthogonalisation lifts it to full size.
                if k.deps - self.axes:
                    share = share.times(share.order.inverse, "lifted: a singular direction of its own", self.tensor)
                one = use.dense if self.parts is None else use.dense / self.parts
                share = share.times(one.root.inverse, "entries at unit operator norm", self.tensor)
                return share.times(self.lr, "learning rate", self.tensor).caused(self.tensor)
            case "other":
                assert self.effect is not None
                unit = share.times(self.effect, "declared effect of the optimizer", self.tensor)
                return unit.times(use.n.inverse, "per summed coordinate", self.tensor).caused(self.tensor)
