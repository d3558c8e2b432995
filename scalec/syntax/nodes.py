"""The syntax tree: frozen dataclasses, one per construct of `grammars/scalec.lark`.

Input: nothing. Output: plain data. Invariant: a span never takes part in equality, so printing a
tree and parsing it again gives an equal tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from scalec.source import Span

Op = Literal["=", "~", "*=", "*~"]
Kind = Literal["tensor", "site", "run"]


@dataclass(frozen=True, kw_only=True)
class Node:
    span: Span = field(compare=False, repr=False)


# ---- expressions -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Number(Node):
    """A decimal literal, exact; `text` is as written (`1e-8`, `0.02`, `4`)."""

    text: str

    @property
    def value(self) -> Fraction:
        return Fraction(self.text)


@dataclass(frozen=True)
class Name(Node):
    """`fan_in`, `run.lr`, `base.N`, `params.active`; dots join the parts."""

    text: str


@dataclass(frozen=True)
class Negate(Node):
    operand: Expr


@dataclass(frozen=True)
class Binary(Node):
    op: Literal["+", "-", "*", "/", "^"]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Call(Node):
    """`sqrt(x)`, `min(a, b)`; the function name is checked when the expression is evaluated."""

    function: str
    arguments: tuple[Expr, ...]


Expr = Number | Name | Negate | Binary | Call


# ---- conditions (where, require, valid) ------------------------------------------------------
@dataclass(frozen=True)
class Compare(Node):
    """`19 <= tokens/params <= 466`: one more operand than operators."""

    operands: tuple[Expr, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Not(Node):
    operand: Condition


@dataclass(frozen=True)
class Bool(Node):
    op: Literal["and", "or"]
    left: Condition
    right: Condition


Condition = Compare | Not | Bool


# ---- references ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Path(Node):
    """A dotted name used as a reference: `std.mup`, `torch.optim.AdamW`, `mlp.up`."""

    text: str


@dataclass(frozen=True)
class Argument(Node):
    """`name = value` or a positional value (`name` is None). A list is `[a, b]` of paths.

    A bare word is parsed as a positional `Name`; whether it is a flag is the block's business.
    """

    name: str | None
    value: Expr | tuple[Path, ...]


@dataclass(frozen=True)
class Ref(Node):
    """A reference with arguments: `completep(alpha = 1/2)`."""

    path: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Size(Node):
    """`N`, `H = N/64`: a name with an optional expression (dims, fixed, base, parameters, uses)."""

    name: str
    value: Expr | None = None


@dataclass(frozen=True)
class Joint(Node):
    """`width + depth`: several regimes at once, with independent scales."""

    parts: tuple[Path, ...]


# ---- declarations ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Use(Node):
    """`use std.mup`, `use "./mine.scale" (a, b)`; `quoted` tells a path from a dotted name."""

    target: str
    quoted: bool
    names: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Dim(Node):
    name: str
    fixed: bool
    doc: str | None


@dataclass(frozen=True)
class Growth(Node):
    dim: str
    order: Expr


@dataclass(frozen=True)
class RegimeDecl(Node):
    """`regime r { N ~ s }` (growths) or `regime r = width + depth` (joint)."""

    name: str
    growths: tuple[Growth, ...] = ()
    joint: Joint | None = None


@dataclass(frozen=True)
class Block(Node):
    """One block of a network: `attention(heads = H, causal) as self { ... }`.

    `repeat L as sparse { ... }` is a Block of kind `repeat` whose only argument is positional.
    `body` is None where no braces were written.
    """

    kind: str
    arguments: tuple[Argument, ...] = ()
    name: str | None = None
    body: tuple[Block | Let, ...] | None = None


@dataclass(frozen=True)
class Let(Node):
    name: str
    body: tuple[Block | Let, ...]


@dataclass(frozen=True)
class Dims(Node):
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class Fixed(Node):
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class NetworkDecl(Node):
    name: str
    params: tuple[Size, ...]
    extends: Ref | None
    items: tuple[Dims | Fixed | Block | Let, ...]


@dataclass(frozen=True)
class Setting(Node):
    """One clause of an optimizer: `update entrywise`, `decay torch` (word); `class P(args)`,
    `batched SCHEME(args)` (ref); `uses lr = 1e-3, eps` (sizes); `factor EXPR`, `effect EXPR` (expr)."""

    kind: Literal["update", "decay", "class", "batched", "uses", "factor", "effect"]
    word: str | None = None
    ref: Ref | None = None
    sizes: tuple[Size, ...] = ()
    expr: Expr | None = None


@dataclass(frozen=True)
class OptimizerDecl(Node):
    name: str
    extends: Path | None
    settings: tuple[Setting, ...]


# ---- rules -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pattern(Node):
    """A parameter-name pattern in quotes: `"blocks.*.wq.weight"`."""

    text: str


@dataclass(frozen=True)
class Everything(Node):
    """`*`."""


Selector = Path | Pattern | Everything


@dataclass(frozen=True)
class Qualifier(Node):
    """`in B`, `not in B` (path), `for o, p` (paths), `under r, a + b` (regimes), `where C` (condition)."""

    kind: Literal["in", "not in", "for", "under", "where"]
    paths: tuple[Path, ...] = ()
    regimes: tuple[Joint, ...] = ()
    condition: Condition | None = None


@dataclass(frozen=True)
class Set(Node):
    """`init.std *~ 1/fan_in`; `complement` for `1 - beta1 ~ ...`; words (`zero`, `yes`) are Names."""

    attribute: str
    op: Op
    value: Expr
    complement: bool = False


@dataclass(frozen=True)
class Solve(Node):
    attribute: str
    law: str
    order: Expr


@dataclass(frozen=True)
class Bound(Node):
    """`require lr ~ 1`: that it moves so, whatever other clauses say."""

    attribute: str
    order: Expr


Statement = Set | Solve | Bound


@dataclass(frozen=True)
class Clause(Node):
    """`tensor matrix except router in repeat { lr ~ 1/fan_in }`; `head` is the span of its first line."""

    kind: Kind
    selectors: tuple[Selector, ...]
    excluded: tuple[Selector, ...]
    qualifiers: tuple[Qualifier, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Section(Node):
    """`for sgd { ... }`, `under width { ... }`: qualifiers over several parts."""

    qualifiers: tuple[Qualifier, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Cite(Node):
    reference: str
    place: str | None = None


@dataclass(frozen=True)
class Base(Node):
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class Demand(Node):
    """`require COND` (an error when violated) or `valid COND` (a warning)."""

    kind: Literal["require", "valid"]
    condition: Condition


Part = Cite | Base | Demand | Section | Clause


@dataclass(frozen=True)
class RuleDecl(Node):
    name: str
    params: tuple[Size, ...]
    parents: tuple[Ref, ...]
    owners: tuple[Path, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Derived(Node):
    """`rule mine = derive GOALS for A, B + C on NETWORK under REGIMES keep RULE`: for A, and for B and C at once."""

    name: str
    goals: tuple[Path, ...]
    owners: tuple[Joint, ...]
    network: Ref
    regimes: tuple[Joint, ...]
    keep: Ref | None

    @property
    def as_rule(self) -> RuleDecl:
        """The rule without what is derived: what a rule extends and is for, as names are looked at."""
        owners = tuple(part for joint in self.owners for part in joint.parts)
        return RuleDecl(self.name, (), (self.keep,) if self.keep else (), owners, (), span=self.span)


@dataclass(frozen=True)
class LawDecl(Node):
    name: str
    value: Expr
    fitted: bool
    cite: Cite | None


# ---- checks ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class GoalDecl(Node):
    """`goal mine = stable_training + maximal_update`: desiderata, or other goals, under one name."""

    name: str
    joint: Joint


Miss = Literal["fails", "undetermined"]


@dataclass(frozen=True)
class Claim(Node):
    """`complete_depth`, `... fails at TERM and TERM`, `... undetermined`, or `readout.init at logits ~ N^(-1/2)`.

    `miss`: how a goal is missed, if it is. Terms are dotted paths that may hold `*`. With an order there is at most
    one place, an observable.
    """

    term: str
    miss: Miss | None = None
    places: tuple[str, ...] = ()
    order: Expr | None = None


@dataclass(frozen=True)
class CheckDecl(Node):
    """`check RULE on NETWORK for A, B + C under REGIMES { ... }`: for A, then for B and C at once."""

    rule: Ref
    network: Ref
    owners: tuple[Joint, ...]
    regimes: tuple[Joint, ...]
    claims: tuple[Claim, ...]


Declaration = Use | Dim | RegimeDecl | NetworkDecl | OptimizerDecl | RuleDecl | Derived | LawDecl | GoalDecl | CheckDecl


@dataclass(frozen=True)
class File(Node):
    declarations: tuple[Declaration, ...]
    comments: tuple[tuple[int, str], ...] = field(default=(), compare=False, repr=False)
