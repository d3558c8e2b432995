"""The closed set of operations. The calculus, the tracer and the verifier speak only of these.

Values are named (`block.attention.q.out`); each operation defines one value, `out`, from values
defined before it. Sizes are Formulas in dimensions; nothing here names a network, a rule or a role.
One transfer function per class lives in `calculus/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from scalec.symbolic.formula import Formula


@dataclass(frozen=True)
class Nonlinearity:
    """What the calculus needs of an elementwise function.

    `degree`: positively homogeneous of this degree at large and at typical inputs (relu 1, its
    square 2; gelu and silu count as 1: they tend to relu). `bounded`: the output stays of order 1
    (tanh, sigmoid). `constant`: f(0) is not 0 (sigmoid, softplus). `mean_derivative`: the mean of
    the derivative over a symmetric input is not 0 (false for an even function).
    """

    name: str
    degree: Fraction = Fraction(1)
    bounded: bool = False
    constant: bool = False
    mean_derivative: bool = True


@dataclass(frozen=True)
class Input:
    """What enters the network. `one_hot`: a token or class index; else a dense vector of order 1.

    `batch`: the number of samples in a step, where the network says that it may grow.
    """

    out: str
    length: Formula
    one_hot: bool
    batch: Formula | None = None


@dataclass(frozen=True)
class Constant:
    """A fixed vector of order 1 that depends on neither data nor weights (sin-cos positions)."""

    out: str
    length: Formula


@dataclass(frozen=True)
class Linear:
    """`out = scale * W x`; `tensor` is the path of W, `use` which of its uses (tied weights have two).

    The forward multiplier `scale` is the rule's attribute of that tensor. A one-hot `x` selects a
    row: fan_in counts as 1. `rows` names a replicated axis of which each output coordinate is one copy (a
    router's scores, one for each expert).
    """

    out: str
    x: str
    tensor: str
    use: int = 0
    rows: str | None = None


@dataclass(frozen=True)
class Bias:
    """`out = x + scale * b`, b trained, one entry per coordinate."""

    out: str
    x: str
    tensor: str


@dataclass(frozen=True)
class Gain:
    """`out = x * scale * g`, g trained, one entry per coordinate."""

    out: str
    x: str
    tensor: str


@dataclass(frozen=True)
class Scale:
    """`out = c * x` where c is attribute `attribute` (`scale` or `skip`) of the rule's site `site`."""

    out: str
    x: str
    site: str
    attribute: str = "scale"


@dataclass(frozen=True)
class Add:
    """Sum of vectors of one length (residual connections, parallel branches, positions)."""

    out: str
    xs: tuple[str, ...]


@dataclass(frozen=True)
class Normalise:
    """Divides by the RMS (after taking the mean away where `centred`) of `length` coordinates."""

    out: str
    x: str
    length: Formula
    centred: bool


@dataclass(frozen=True)
class Elementwise:
    out: str
    x: str
    function: Nonlinearity


@dataclass(frozen=True)
class Multiply:
    """Elementwise product of two vectors (gates, modulation).

    `mean_x`, `mean_y`: whether that factor has a nonzero mean over data (`1 + s`, a sigmoid, silu).
    """

    out: str
    x: str
    y: str
    mean_x: bool = False
    mean_y: bool = False


@dataclass(frozen=True)
class Dot:
    """A scalar per pair: the sum of x_i y_i over `length` coordinates (attention logits `q . k`)."""

    out: str
    x: str
    y: str
    length: Formula


@dataclass(frozen=True)
class Softmax:
    """Softmax over `count` scalars: positions of the data, or the copies along a replicated axis."""

    out: str
    x: str
    count: Formula
    axis: str | None = None


@dataclass(frozen=True)
class Share:
    """Positive scalars, one for each of `count` copies along a replicated axis, over the sum of them."""

    out: str
    x: str
    count: Formula
    axis: str


@dataclass(frozen=True)
class Mix:
    """Scalars times vectors, summed over `count` data positions: attention's weighted sum of values.

    `axis` names a replicated axis where the sum runs over copies with weights of their own
    (experts); None where it runs over positions of the data.
    """

    out: str
    weights: str
    x: str
    count: Formula
    axis: str | None = None


@dataclass(frozen=True)
class Reshape:
    """Regroups the coordinates into heads (or back): orders and words pass through unchanged.

    `axis` names the replicated axis that the coordinates are split into (`split` true) or merged
    from; it marks where a vector becomes one of `count` copies.
    """

    out: str
    x: str
    axis: str
    count: Formula
    split: bool


@dataclass(frozen=True)
class Gather:
    """A position's vector from those of several: laid side by side, `factor` of them, or their mean.

    Positions of one sample have much in common, and windows are fixed: orders and words pass through.
    """

    out: str
    x: str
    factor: Formula


@dataclass(frozen=True)
class Broadcast:
    """`x`, once for each of the `count` copies along `axis` that a sample meets (the experts it goes to)."""

    out: str
    x: str
    axis: str
    count: Formula


@dataclass(frozen=True)
class Balance:
    """A loss beside the network's: it is least where the copies along `axis` are met equally often.

    `among` times the sum, over that many copies, of the share of the samples that a copy meets and the mean of its
    `x`. A sample meets `met` of them. `everywhere`: there is an `x` for every copy, not only for those it meets. It
    sends gradients through `x` alone.
    """

    out: str
    x: str
    axis: str
    among: Formula
    met: Formula
    everywhere: bool


@dataclass(frozen=True)
class Repeat:
    """`count` copies of `body` in a row, each with weights of its own along axis `axis`.

    `x` enters the first copy, inside the body the carried value is called `carried`, its value after
    the body `carried_out`; `out` is the value after the last copy. Analysed once, to a fixed point.
    """

    out: str
    x: str
    axis: str
    count: Formula
    carried: str
    carried_out: str
    body: tuple[Operation, ...]


@dataclass(frozen=True)
class Output:
    """The logits: a bounded loss sends a gradient of order 1 into `x`."""

    out: str
    x: str
    length: Formula


Operation = (
    Input | Constant | Linear | Bias | Gain | Scale | Add | Normalise | Elementwise | Multiply
    | Dot | Softmax | Share | Mix | Reshape | Gather | Broadcast | Balance | Repeat | Output
)  # fmt: skip
