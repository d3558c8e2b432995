"""Which optimizer owns a tensor, and what its class wants to be told. Input: optimizers, clauses. Output: choices.

One optimizer owns everything. Of several, the last `optimizer = NAME` that selects a tensor decides, before
anything that is said `for` one of them. Invariant: a factor that a class brings along is divided out of `lr`, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.plan.decay import Decay, convert_decay, divide_factor
from scalec.plan.leftovers import listed
from scalec.plan.model import BatchedStep, Choice, OptimizerClass, Origin, PlannedTensor, Quantity
from scalec.plan.values import origin_of
from scalec.resolve.optimizers import Batched, Optimizer
from scalec.resolve.rules import Around, RuleClause
from scalec.resolve.vocabulary import OWNER, UNSPLIT
from scalec.source import Span
from scalec.symbolic import formula as f
from scalec.symbolic.evaluate import to_formula, to_number
from scalec.symbolic.formula import UNIT, Formula
from scalec.syntax import nodes
from scalec.syntax.printer import setting_text

MOST_STEPS = 100
FANS = ("fan_in", "fan_out")
SIZE_IN = "size_in"


class Owners:
    """The optimizers of a plan, by name."""

    def __init__(self, optimizers: Sequence[Optimizer], reporter: Reporter) -> None:
        self.optimizers = {o.name: o for o in optimizers}
        self.reporter = reporter
        self.classes = {name: self._class_of(o) for name, o in self.optimizers.items()}

    @property
    def several(self) -> bool:
        return len(self.optimizers) > 1

    def concerned(self, around: Around) -> tuple[str, ...]:
        """Whose tensors a part of a rule speaks of."""
        return tuple(name for name in self.optimizers if around.owners is None or name in around.owners)

    def of(self, clauses: Iterable[RuleClause]) -> Choice:
        """The owner that the clauses about a tensor name; "" where they name none."""
        if not self.several:
            return Choice(next(iter(self.optimizers)))
        said = [(c, s) for c in clauses for s in c.node.statements if isinstance(s, nodes.Set) and s.attribute == OWNER]
        if not said:
            return Choice("")
        origins = tuple(origin_of(clause, statement) for clause, statement in said)
        value = said[-1][1].value
        assert isinstance(value, nodes.Name)
        return Choice(value.text, origins[-1:], origins[:-1])

    def uses(self, owner: str | None) -> tuple[str, ...]:
        return self.classes[owner].uses if owner in self.classes else ()

    def decay(self, owner: str) -> str:
        return self.classes[owner].decay if owner in self.classes else "none"

    def run_symbols(self, owner: str, others: bool = False) -> dict[str, Formula]:
        """The run's values as an expression calls them: the owner's as `lr`, and all by name (`others`)."""
        everyone = [self.run_name(o, n) for o in self.classes for n in self.uses(o)] if others else []
        own = {n: self.run_name(owner, n) for n in self.uses(owner)}
        return {n: f.symbol("run", name) for n, name in (dict(zip(everyone, everyone, strict=True)) | own).items()}

    def run_name(self, owner: str, attribute: str) -> str:
        """What the run's value for an optimizer is called: `lr`, or `muon.lr` where there are several."""
        return f"{owner}.{attribute}" if self.several else attribute

    # ---- what a class brings along -----------------------------------------------------------
    def factor(self, planned: PlannedTensor) -> tuple[Formula, Origin] | None:
        """What the class multiplies the update of a tensor, or of each of its parts, by itself, if that is not 1."""
        owner, use, parts = planned.owner.word, planned.tensor.uses[0], planned.parts
        optimizer = self.optimizers[owner]
        if optimizer.factor is None:
            return None
        fans = dict(zip(FANS, (use.fan_in, use.fan_out), strict=True))
        if parts:
            fans[parts.side] = f.divide(fans[parts.side], parts.count)
        factor = to_formula(optimizer.factor, fans.get, FANS, self.reporter)
        setting = nodes.Setting("factor", expr=optimizer.factor, span=optimizer.factor.span)
        return None if factor == UNIT else (factor, Origin(owner, setting_text(setting), setting.span))

    def told(
        self, planned: PlannedTensor, is_zero: Callable[[Quantity], bool]
    ) -> tuple[Mapping[str, Quantity], Quantity | None]:
        """The numbers as the owner's class takes them, and decay per step."""
        if planned.owner.word not in self.classes:
            return planned.said, None
        owner = self.classes[planned.owner.word]
        decay = Decay(planned.wd_kind.word, owner.decay, owner.family)
        numbers, per_step = convert_decay(dict(planned.said), decay, is_zero, self.reporter)
        factor = self.factor(planned)
        return divide_factor(numbers, *factor, decay) if factor else numbers, per_step

    def _class_of(self, optimizer: Optimizer) -> OptimizerClass:
        fans = {name: f.symbol("size", name) for name in FANS}
        factor = optimizer.factor
        return OptimizerClass(
            optimizer.name,
            optimizer.path,
            optimizer.arguments,
            optimizer.family,
            tuple(name for name, _ in optimizer.uses),
            optimizer.decay,
            UNIT if factor is None else to_formula(factor, fans.get, FANS, self.reporter),
            self._batched(optimizer.batched) if optimizer.batched else None,
            self._effect(optimizer.effect) if optimizer.effect else None,
        )

    def _effect(self, effect: nodes.Expr) -> Formula:
        """For an input of size 1. A change is linear in the input, so where its size is said it is a factor."""
        names = {name: f.symbol("size", name) for name in (*FANS, "lr", SIZE_IN)}
        said = to_formula(effect, names.get, tuple(names), self.reporter)
        size = f.symbol("size", SIZE_IN)
        unit = f.substitute(said, lambda symbol: UNIT if symbol.name == SIZE_IN else None)
        if said not in (unit, f.mul(size, unit)):
            self.reporter.fail(
                codes.OPTIMIZER, f"a change is linear in the input: `{SIZE_IN}` is a factor", effect.span
            )
        return unit

    def _batched(self, batched: Batched) -> BatchedStep:
        numbers = {name: to_number(value, self.reporter) for name, value in batched.arguments}
        steps = numbers["steps"]
        if steps.denominator != 1 or not 0 < steps < MOST_STEPS:
            span = dict(batched.arguments)["steps"].span
            self.reporter.fail(codes.OPTIMIZER, f"`steps` is a whole number below {MOST_STEPS}", span)
        return BatchedStep(batched.scheme, tuple(numbers.items()))

    # ---- mistakes ----------------------------------------------------------------------------
    def report(self, rule: Span, tensors: Sequence[PlannedTensor]) -> None:
        """Tensors that nobody owns, that an optimizer owns which is not there, or cannot work on."""
        trained = [t for t in tensors if t.frozen.word != "yes"]
        orphans = [t for t in trained if not t.owner.word]
        if orphans:
            first = next(iter(self.optimizers))
            self.reporter.report(
                codes.OWNER, f"no optimizer owns {_listed(orphans)}", rule,
                helps=[f"`tensor * {{ {OWNER} = {first} }}`, and clauses after it for the others"],
            )  # fmt: skip
        for name in dict.fromkeys(t.owner.word for t in trained if t.owner.word):
            theirs = [t for t in trained if t.owner.word == name]
            said = {o.span: "given here" for t in theirs for o in t.owner.origins if o.span}
            if name not in self.optimizers:
                self.reporter.report(
                    codes.OWNER, f"`{name}`, which owns {_listed(theirs)}, is not among the optimizers", rule,
                    labels=said.items(), helps=[f"`--optimizer {'+'.join((*self.optimizers, name))}`"],
                )  # fmt: skip
            elif self.optimizers[name].family == "spectral" and (odd := [t for t in theirs if not _is_matrix(t)]):
                self.reporter.report(
                    codes.OWNER, f"`{name}` orthogonalises matrices, and there is none in {_listed(odd)}", rule,
                    labels=said.items(), helps=["give them to another optimizer"],
                )  # fmt: skip
        self._report_split(trained)

    def _report_split(self, trained: Sequence[PlannedTensor]) -> None:
        """Tensors that have no such parts, or whose optimizer takes them whole whatever the rule says."""
        by_clause: dict[Span | None, list[PlannedTensor]] = {}
        for t in trained:
            if t.split.word != UNSPLIT:
                by_clause.setdefault(t.split.origins[-1].span, []).append(t)
        for span, theirs in by_clause.items():
            word = theirs[0].split.word
            if whole := [t for t in theirs if not t.parts]:
                roles = dict.fromkeys(t.tensor.role for t in trained if t.tensor.parts and t.tensor.parts.word == word)
                self.reporter.report(
                    codes.SPLIT, f"{_listed(whole)} has no {word} to be split into", span,
                    notes=[f"in this network {listed(roles)} have them" if roles else f"nothing here has {word}"],
                )  # fmt: skip
            odd = [t for t in theirs if t.parts and t.owner.word in self.classes]
            for name in dict.fromkeys(t.owner.word for t in odd if not self.classes[t.owner.word].batched):
                self.reporter.report(
                    codes.SPLIT, f"`{name}` does not take {_listed([t for t in odd if t.owner.word == name])} apart",
                    span, helps=["say it `for` an optimizer whose steps are written out, `batched`"],
                )  # fmt: skip


def _is_matrix(t: PlannedTensor) -> bool:
    """Whether what a class sees is the matrix that the fans speak of: rows out, columns in."""
    return len(t.tensor.shape) == 2 and t.tensor.storage.layout == "out_in"


def _listed(tensors: Sequence[PlannedTensor]) -> str:
    return listed(t.tensor.path for t in tensors)
