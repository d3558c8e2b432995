"""Text of one `nn.Module`. Input: what block emitters say. Output: the class, and classes it needs.

Invariant: an expression handed around stands for a value and is evaluated once; whoever reads a value
twice names it first (`named`), and only names at the outermost level are assigned again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import wrap

from scalec import catalogue as codes
from scalec.diagnostics import Reporter
from scalec.emit.code import Reader, size_text
from scalec.emit.names import LINE, provenance
from scalec.plan.model import Plan, Quantity
from scalec.program.program import Region, Tensor
from scalec.symbolic.formula import Formula, as_number, symbols
from scalec.symbolic.text import python

LONG = LINE - 15  # an expression longer than this gets a name


@dataclass(frozen=True)
class Expr:
    """Text of a value. `loose`: a sum at the top, which needs parentheses as a factor."""

    text: str
    loose: bool = False

    @property
    def factor(self) -> str:
        return f"({self.text})" if self.loose else self.text


@dataclass
class Library:
    """The classes of a file, each text once, in order of definition; imports follow from their text."""

    plan: Plan
    reporter: Reporter
    reader: Reader = field(default_factory=Reader)
    classes: dict[str, str] = field(default_factory=dict)  # text with a hole for its name -> name
    layered: set[str] = field(default_factory=set)  # classes that are built knowing their layer

    def define(self, name: str, text: str) -> str:
        """The name of the class with this text: `name`, or with a number where that is taken."""
        if text not in self.classes:
            free, count = name, 1
            while free in self.classes.values():
                count += 1
                free = f"{name}{count}"
            self.classes[text] = free
        return self.classes[text]

    def text(self) -> str:
        return "\n\n\n".join(text.replace("{name}", name, 1) for text, name in self.classes.items())


class ModuleWriter:
    """Collects `__init__` and `forward` of one module."""

    def __init__(self, library: Library, *arguments: str) -> None:
        self.library = library
        self.arguments = list(arguments)
        self.bound: set[str] = set()
        self.returns = "Tensor"
        self.gates: list[str] = []
        self.doc = ""
        self.taken: set[str] = set()
        self.init: list[str] = []
        self.body: list[str] = []
        self.methods: list[str] = []
        self.depth = 0
        self.counts: Counter[str] = Counter()
        self.repeated = False  # whether it is the body of a repeat
        self.layered = False  # whether it is built knowing its layer

    # ---- values and sizes --------------------------------------------------------------------
    def size(self, region: Region, option: str) -> str:
        value = region.option(option)
        assert isinstance(value, Formula)
        return self.whole(value)

    def whole(self, formula: Formula) -> str:
        return size_text(self.library.reader, formula, self.library.reporter)

    def number(self, formula: Formula) -> str:
        return python(formula, self.library.reader)

    def tensor(self, region: Region, local: str) -> Tensor:
        return self.library.plan.program.tensor[dict(region.tensors)[local]]

    def tensor_factor(self, region: Region, local: str, name: str, use: int = 0) -> str:
        """`self.NAME * ` for the forward multiplier of a tensor's use, nothing where it is 1 at every size."""
        planned = self.library.plan.tensor[dict(region.tensors)[local]]
        return self._factor(planned.numbers, planned.tensor.uses[use].scale, name)

    def site_factor(self, region: Region, local: str, name: str, attribute: str = "scale") -> str:
        return self._factor(self._site(region, local), attribute, name)

    def site_value(self, region: Region, local: str, name: str) -> str:
        """`self.NAME`, also where it is 1: for a function that would put in a factor of its own."""
        return self.constant(name, self._site(region, local)["scale"])

    def constant(self, name: str, quantity: Quantity) -> str:
        """A multiplier as a constant of the module, with the clauses that made it."""
        value = self.library.reader.value(quantity)
        self.layered |= any(s.kind == "layer" for s in symbols(quantity.formula))
        self.init += provenance(quantity.origins, LINE - 8)
        return self.attribute(name, value)

    def _site(self, region: Region, local: str) -> Mapping[str, Quantity]:
        return self.library.plan.site[dict(region.sites)[local]].numbers

    def _factor(self, numbers: Mapping[str, Quantity], attribute: str, name: str) -> str:
        quantity = numbers.get(attribute)
        if quantity is None or (as_number(quantity.formula) == 1 and not quantity.complement):
            return ""
        return f"{self.constant(name, quantity)} * "

    # ---- side streams ------------------------------------------------------------------------
    @property
    def argument(self) -> str:
        """What the stream is called when it comes in."""
        return self.arguments[0] if self.arguments else ""

    def read(self, name: str) -> str:
        """A side stream or a further input: computed in this `forward`, or an argument of it."""
        if name not in self.bound and name not in self.arguments:
            self.arguments.append(name)
        return name

    @property
    def beside(self) -> list[str]:
        """What is read besides the stream."""
        return self.arguments[1:]

    # ---- code --------------------------------------------------------------------------------
    def attribute(self, name: str, value: str) -> str:
        """`self.NAME`, assigned once."""
        if name in self.taken:
            self.library.reporter.report(
                codes.RESERVED_NAME,
                f"a block called `{name}` meets something else of that name in emitted code",
                helps=("give it another name",),
            )
        self.taken.add(name)
        self.init += statement(f"self.{name} = {value}", 8)
        return f"self.{name}"

    def statements(self, *lines: str) -> None:
        self.body += lines

    def named(self, x: Expr) -> str:
        """A name for a value that is read more than once."""
        return x.text if self.depth and x.text.isidentifier() else self.own(x)

    def own(self, x: Expr) -> str:
        """A name that may be assigned again: the stream's at the outermost level, else a fresh one."""
        name = "x" if not self.depth else self.fresh()
        if x.text != name:
            self.body += statement(f"{name} = {x.text}", 8)
        return name

    def short(self, x: Expr) -> Expr:
        return x if len(x.text) <= LONG else Expr(self.own(x))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is assigned here must not touch the stream outside, which is still needed."""
        self.depth += 1
        yield
        self.depth -= 1

    def fresh(self, name: str = "h") -> str:
        self.counts[name] += 1
        return name if self.counts[name] == 1 else f"{name}{self.counts[name]}"

    def gate(self) -> str:
        """A name for what multiplies the branch of the residual around it."""
        self.gates.append(self.fresh("gate"))
        return self.gates[-1]

    @contextmanager
    def gated(self) -> Iterator[list[str]]:
        """A residual's branch, and the gates that blocks inside ask for."""
        outer, self.gates = self.gates, []
        with self.inside():
            yield self.gates
        self.gates = outer

    def child(self) -> ModuleWriter:
        return ModuleWriter(self.library, "x")

    def define(self, name: str, result: Expr) -> str:
        """Write the class; `result` is what `forward` returns. Gives the name that the class got."""
        name = self.library.define(name, self.text(result))
        if self.layered:
            self.library.layered.add(name)
        return name

    def built(self, name: str) -> str:
        """The call that builds a module of a class of the file."""
        if name not in self.library.layered:
            return f"{name}(config)"
        self.layered = True
        return f"{name}(config, layer)"

    def text(self, result: Expr) -> str:
        """The class, with a hole for its name."""
        return "\n".join(self._lines(result))

    def _lines(self, result: Expr) -> Iterable[str]:
        yield "class {name}(nn.Module):"
        if self.doc:
            yield from (f'    """{self.doc}"""', "")
        yield f"    def __init__(self, config: Config{', layer: int' if self.layered else ''}) -> None:"
        yield "        super().__init__()"
        yield from (f"        {line}" for line in self.init)
        yield ""
        yield from self._signature()
        yield from (f"        {line}" for line in (*self.body, *statement(f"return {result.text}", 8)))
        yield from self.methods

    def _signature(self) -> Iterable[str]:
        arguments = ["self", *(f"{name}: Tensor" for name in self.arguments)]
        line = f"    def forward({', '.join(arguments)}) -> {self.returns}:"
        if len(line) <= LINE:
            return [line]
        return ["    def forward(", *(f"        {a}," for a in arguments), f"    ) -> {self.returns}:"]


def statement(text: str, indent: int) -> list[str]:
    """An assignment or a `return`; a value that is too long stands in parentheses, on several lines."""
    if len(text) + indent <= LINE:
        return [text]
    target, is_assignment, value = text.partition(" = ")
    if not is_assignment:
        target, value = "return", text.removeprefix("return ")
    parts = wrap(value, LINE - indent - 4, break_on_hyphens=False, break_long_words=False)
    return [f"{target} = (" if is_assignment else "return (", *(f"    {p}" for p in parts), ")  # fmt: skip"]
