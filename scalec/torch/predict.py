"""The same terms by the calculus: an exponent each. Input: a Program and the laws of a rule. No training.

For some causes all other tensors are frozen in the calculus too, so that what is compared is the same run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction

from scalec.calculus import rows
from scalec.calculus.components import Vector, changed, initial, size
from scalec.calculus.forward import TermName
from scalec.calculus.observables import Carrier
from scalec.calculus.scaling import Scaling
from scalec.calculus.structure import Structure
from scalec.calculus.training import Step, train
from scalec.calculus.world import World
from scalec.program.ops import Dot, Linear, Mix, Output
from scalec.program.program import Program
from scalec.symbolic.dominance import Cell, Magnitude
from scalec.symbolic.order import Regime
from scalec.torch.mixtures import mixtures
from scalec.torch.terms import Term, at_sum

Prediction = dict[Term, Fraction | None]


def predict_terms(
    program: Program, scaling: Scaling, regime: Regime, steps: int, only: Collection[str] | None = None
) -> Prediction:
    """The exponent of every term in the regime's one scale, None for an absent one; none for what is not proved.

    Of a tensor that the rule leaves alone there is no gradient. `only`: the tensors that are trained. Raises
    what `train` raises, and ValueError for several scales.
    """
    if len(regime.scales) != 1:
        raise ValueError("a slope is over one size: give a regime with one scale")
    trained = scaling if only is None else scaling.training_only(*only)
    training = train(World(Structure(program), trained, Cell(regime)))
    found: Prediction = {}
    for index in range(1 if training.unproved else steps + 1):
        step = training.steps[min(index, len(training.steps) - 1)]
        found |= {term: None if m is None else m.growth[0] for term, m in _terms(step, index)}
    if training.unproved:
        return {term: order for term, order in found.items() if term.kind == "init"}
    rests = {path for path, tensor in scaling.tensors.items() if tensor.lr is None}
    return {term: order for term, order in found.items() if term.kind != "gradient" or term.subject not in rests}


def _terms(step: Step, index: int) -> Iterator[tuple[Term, Magnitude | None]]:
    cell, structure = step.forward.world.cell, step.forward.world.structure

    def order(vector: Vector) -> Magnitude | None:
        return size(cell, vector)

    for out, terms in step.forward.terms.items():
        if index == 0:
            yield Term(out, "init", 0), order(terms.init)
        else:
            yield Term(out, "effective", index), order(terms.effective)
            yield Term(out, "propagating", index), order(terms.propagating)
    for op, mix in sums(structure):
        kinds: tuple[TermName, ...] = ("effective", "propagating") if index else ("init",)
        for kind in kinds:
            reached = Carrier(step.forward).reached(op, kind)
            yield Term(at_sum(op.out, mix.out), kind, index), order(reached.get(mix.out, ()))
        if index:
            gates, copies = step.forward.values[mix.weights], step.forward.values[mix.x]
            yield (
                Term(mix.out, "gates", index),
                order(rows.mix(step.forward.world, mix, changed(gates), initial(copies))),
            )
    for op in (op for mixture in mixtures(structure) for op in mixture.maps):
        if index == 0:
            yield Term(op.out, "backward init", 0), order(step.backward.sent(op, "init"))
        else:
            yield Term(op.out, "backward effective", index), order(step.backward.sent(op, "effective"))
            yield Term(op.out, "backward propagating", index), order(step.backward.sent(op, "propagating"))
    for tensor, entry in step.gradient.items():
        yield Term(tensor, "gradient", index), entry
    watched = [op.out for op in structure.operations if isinstance(op, Dot | Output)]
    watched += [mix.out for _, mix in sums(structure)]
    for name in (*structure.stream, *watched):
        vector = step.forward.values[name]
        if index == 0:
            yield Term(name, "init", 0), order(initial(vector))
        else:
            yield Term(name, "delta", index), order(changed(vector))


def sums(structure: Structure) -> Iterator[tuple[Linear, Mix]]:
    """The maps whose copies are summed, each with the sum."""
    for op in structure.operations:
        made = structure.made_by[op.x] if isinstance(op, Mix) and op.axis else None
        if isinstance(op, Mix) and isinstance(made, Linear):
            yield made, op
