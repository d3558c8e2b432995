"""What a block of the language is: its options, and the function that makes operations of it. Plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scalec.program.program import Axis, OptionValue
from scalec.program.streaming import Value

if TYPE_CHECKING:
    from scalec.program.building import Block, Builder


@dataclass(frozen=True)
class Option:
    """One option of a block. `position` is its place among positional arguments, None if by name only.

    A `chance` is a number of [0, 1), `roles` a list of roles of tensors.
    `default` None means that it must be given, unless `optional`.
    """

    name: str
    kind: Literal["size", "word", "flag", "stream", "chance", "roles"]
    position: int | None = None
    words: tuple[str, ...] = ()
    default: OptionValue | None = None
    optional: bool = False


@dataclass(frozen=True)
class BlockSpec:
    """One block of the language.

    `body`: it takes braces. `opens`: an input enters there, so that it stands first, in the network or in a side
    stream; `inside`: in blocks that it holds. `side`: it stands first in a side stream only. `name`: what its path
    is called where the user names nothing, None for a composition that leaves no trace in paths; `stored`: what
    its module is called then, `name` if None. `modifier`: it stands nowhere in the forward
    pass and says something of other blocks' weights; `density` is its option, if any, for the share of their entries
    that is kept.
    """

    kind: str
    options: tuple[Option, ...]
    lower: Callable[[Builder, Block, Value], Value]
    name: str | None
    stored: str | None = None
    body: bool = False
    opens: Literal["no", "yes", "inside"] = "no"
    side: bool = False
    modifier: bool = False
    density: str | None = None


@dataclass(frozen=True)
class Place:
    """Where blocks stand: prefixes of paths and parameter names, enclosing blocks, layer axes."""

    path: str = ""
    stored: str = ""
    within: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
