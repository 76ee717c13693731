"""A class of the generated source: its constructor and its `forward`.

Comes in: a plan, in which it is settled what each name is. Goes out: lines on a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ....dsl.span import Span
from ...attention.lowering import said_of
from ...graph import Game, Graph, Hyper, Input, Machine, Node, Parameter, Repeat, State, Use
from ...keys import RESERVED_KEYS
from ...layers.attention import Attend
from ...layers.base import Layer
from ...passes.route import REASON
from ...recurrence.hoist import hoisted
from ...shapes import Size
from ...values import Real
from ..code import Show
from .averages import method_lines, start_lines
from .cells import over_time_lines, starts, step_lines
from .checks import check_lines
from .construct import Entry, Made, entries, fillings, goes_both_ways, layer_call, operand_types, stack_lines, tensor_lines
from .forward import Setting, Writer
from .games import methods
from .lines import Line, Page, docstring
from .machines import chain_lines, described
from .names import Names, checked_key, identifier
from .parts import lent_names
from .scope import Plan, extras
from .wiring import Purity


class ClassWriter:
    """Writes one class; for the root `fixed` tells the hyperparameters that are no arguments."""

    def __init__(
        self,
        plan: Plan,
        purity: Purity,
        fixed: Mapping[str, str] | None,
        reserved: frozenset[str],
        penalties: tuple[str, ...] = (),
        averaging: list[str] | None = None,
    ) -> None:
        self.penalties = penalties  # of the root
        self._plain_forward: list[Line] = []  # of a root with penalties: the outputs alone
        self.averaging = averaging or []  # for the root, the classes that keep averages
        self.reserved = reserved  # names of classes and helper functions
        self.plan, self.purity, self.root, self.fixed = plan, purity, fixed is not None, fixed
        self.graph = plan.graph
        self.span: Span = plan.graph.span
        self.entries = entries(plan.graph)
        _check_built(plan, {entry.key for entry in self.entries})
        names, hypers = Names(reserved), {hyper.name for hyper in plan.graph.hypers}
        given = [*(n for n in plan.parameters if n in hypers), *(n for n in plan.parameters if n not in hypers)]
        found = {n: names.new(n if n in hypers or n not in self._dims() else n.lower()) for n in given}
        self.arguments = {n: found[n] for n in plan.parameters}
        attributes = Names({*RESERVED_KEYS, *(entry.key for entry in self.entries)})
        self.attributes = {n: attributes.new(self.arguments[n]) for n in plan.stored}

    def _dims(self) -> set[str]:
        """Names that are dims of some signature: capitals."""
        return {n for n in self.plan.parameters if n[0].isupper() and all(n != hyper.name for hyper in self.graph.hypers)}

    def write(self, page: Page) -> None:
        page.add(Line(f"class {self.plan.part.name}(nn.Module):", self.span))
        doc = docstring(self._paragraphs())
        for text in doc:
            page.raw(f"    {text}" if text else "")
        init = self._init()
        if doc:
            page.blank()
        written = [*self._bodies()]
        further = {name: lines for _, methods in written for name, lines in methods.items()}
        averages = method_lines(self.graph, {entry.key for entry in self.entries}, self.averaging)
        ready = [init, *further.values(), self._plain_forward, *(body for body, _ in written), averages]
        methods = [lines for lines in ready if lines]
        for i, lines in enumerate(methods):
            if i:
                page.blank()
            page.add(*(line.moved(1) for line in lines))

    def _paragraphs(self) -> list[str]:
        """What the spec says of it, and what was decided in all its instances."""
        members = self.plan.part.members
        decided = [fact for fact in members[0].decided if all(fact in member.decided for member in members)]
        fixed = self.fixed or {}
        facts = [f"Fixed: {', '.join(f'{name}={value}' for name, value in fixed.items())}."] if fixed else []
        facts += [f"Where {fact}." for fact in decided if not _words(fact) <= {*fixed, *_WORDS}]
        facts += [f"{said}." for node in self.graph.nodes if (said := _lowering(self.graph, node))]
        facts += [f"Channels last in memory, since {self.graph.channels_last}."] if self.graph.channels_last else []
        return [self.graph.doc or "", "\n".join(facts)]

    # Constructor ------------------------------------------------------------------------------------------------------

    def _init(self) -> list[Line]:
        plan, span = self.plan, self.span
        show = Show(lambda name: self.arguments[name])
        body = [line for assertion in plan.checks for line in check_lines(assertion, show)]
        body += [Line(f"self.{self.attributes[n]} = {self.arguments[n]}", span) for n in plan.stored]
        body += [line for entry in self.entries for line in self._entry(entry, show)]
        body += start_lines(self.graph, {entry.key for entry in self.entries})
        body += [Line("self.to(memory_format=torch.channels_last)", span)] if self.graph.channels_last else []
        if not body and not self.arguments and not self.root:
            return []
        signature = ["self", *self._parameters()]
        return [
            Line(f"def __init__({', '.join(signature)}):", span),
            Line("super().__init__()", span, 1),
            *(line.moved(1) for line in body),
        ]

    def _parameters(self) -> list[str]:
        if not self.root:
            return [f"{name}: {'float' if n in self.plan.real else 'int'}" for n, name in self.arguments.items()]
        parameters: list[str] = []
        defaulted = named = False
        for hyper in self.graph.hypers:
            given = _default(hyper)
            if given is None and defaulted and not named:
                parameters.append("*")
                named = True
            defaulted = defaulted or given is not None
            kind = "float" if hyper.name in self.plan.real else "int"
            parameters.append(f"{self.arguments[hyper.name]}: {kind}{'' if given is None else f' = {given}'}")
        return parameters

    def _entry(self, entry: Entry, show: Show) -> list[Line]:
        op, span = entry.node.op, entry.node.span
        if isinstance(op, Parameter):
            return tensor_lines(entry, show)
        key = checked_key(entry.key)
        if isinstance(op, Use):
            return [Line(f"self.{key} = {self._made(entry.site, show, entry.node).text}", span)]
        if isinstance(op, Layer):
            texts = [f"self.{key} = {layer_call(entry.graph, entry.node, show)}", *fillings(op, show, f"self.{key}")]
            return [Line(text, span) for text in texts]
        assert isinstance(op, Repeat)
        sites = [entry.level_site(run) for run in range(len(op.levels))]
        made = {run: self._made(site, show, entry.node, run) for run, site in enumerate(sites) if site in self.plan.kids}
        return stack_lines(entry, made, show, self.reserved | set(self.arguments.values()))

    def _made(self, site: tuple[int, int], show: Show, node: Node, run: int = -1) -> Made:
        kid, given = self.plan.kids[site], self.plan.arguments[site]
        arguments = tuple(show.text(given[name]).text for name in kid.parameters)
        count = node.op.levels[run].count if isinstance(node.op, Repeat) else Size.of(1)
        both = goes_both_ways(node, run)
        return Made(kid.part.name, arguments, tuple(kid.parameters), count, count.text == 1, both)

    # Forward ----------------------------------------------------------------------------------------------------------

    def _bodies(self) -> Iterator[tuple[list[Line], dict[str, list[Line]]]]:
        """The methods that compute, each with further ones that it calls."""
        if self.graph.kind == "cell":
            yield from self._cell()
        elif isinstance(self.graph, Machine):
            for name, graph in self.graph.derived.items():
                lines, further = self._method(name, graph)
                yield [lines[0], Line(f'"""{described(name, self.graph)}"""', self.span, 1), *lines[1:]], further
            yield from ((lines, {}) for lines in chain_lines(self.graph, self.span))
        else:
            yield self._method("forward", self.graph)
        if isinstance(self.graph, Game):
            for made in methods(self.graph):
                lines, further = self._method(made.name, made.graph, places=made.places)
                yield [lines[0], Line(f'"""{made.doc}"""', self.span, 1), *lines[1:]], further

    def _cell(self) -> Iterator[tuple[list[Line], dict[str, list[Line]]]]:
        """The methods of a cell: one step, what the states are before the first, and all steps."""
        split = hoisted(self.graph)
        if split is not None:
            yield step_lines(split, self.graph, self._further(), returns(self.graph), self.span), {}
            lines, further = self._method("gates", split.gates)
            words = Line('"""The step, given the products of its inputs and its states with their weights."""', self.span, 1)
            yield [lines[0], words, *lines[1:]], further
        else:
            yield self._method("step", self.graph)
        yield self._method("initial_state", starts(self.graph), states=False)
        yield over_time_lines(self.graph, self._further(), self.span), {}

    def _further(self) -> dict[str, str]:
        """What `forward` is given beside its tensors: numbers known only at run time, then modules it is lent, with their types."""
        plan = self.plan
        numbers = {identifier(name): "float" if name in plan.real else "int" for name in plan.runtime}
        return numbers | dict.fromkeys(lent_names(plan.part.lent).values(), "nn.Module")

    def _method(
        self, name: str, graph: Graph, *, states: bool = True, places: tuple[int, ...] | None = None
    ) -> tuple[list[Line], dict[str, list[Line]]]:
        """A body as a method, and further ones that it calls. `states`: what a cell keeps is among its parameters.

        `places`: where its nodes stand in the graph of the class, if not where they stand in its own.
        """
        plan, span = self.plan, self.span
        local = {n: identifier(n) for n in (*plan.read, *plan.runtime)}
        lent = lent_names(plan.part.lent)
        names = local | {n: f"self.{attribute}" for n, attribute in self.attributes.items()}
        read: set[str] = set()

        def word(n: str) -> str:
            read.add(n)
            return names[n]

        show = Show(word)
        taken = self.reserved | {*local.values(), *lent.values()}
        given_to = extras(plan, show)
        further_of = given_to if places is None else lambda node, level: given_to(places[node], level)
        several = not states or (places is not None and not name.startswith("objective_"))
        setting = Setting(word, further_of, lent, taken=taken, vague=plan.part.vague, several=several)
        setting = replace(setting, penalties=self.penalties)
        writer = Writer(graph, setting, self.purity)
        body = writer.write()
        checks = [line for assertion in plan.running_checks for line in check_lines(assertion, show)] if states else []
        dims = dim_lines(graph, [n for n in plan.read if n in read and n in graph.dims], local, writer.parameters)
        kept = [isinstance(node.op, State) for node in graph.inputs]
        kinds = [node.op.annotation for node in graph.inputs if isinstance(node.op, Input)]
        tensors = {n: kind for n, kind, state in zip(writer.parameters, kinds, kept, strict=True) if not state}
        held = {known: "Tensor" for known, state in zip(writer.parameters, kept, strict=True) if state and states}
        given = [f"{n}: {kind}" for n, kind in (tensors | self._further() | held).items()]
        result = returns(graph, len(self.penalties)) if not several or len(graph.outputs) > 1 else "tuple[Tensor]"
        doc: list[Line] = []
        if self.penalties:
            self._plain_forward = [
                Line(f"def forward({', '.join(['self', *given])}) -> {result}:", span),
                Line(f"return self.with_penalties({', '.join(writer.parameters)})[0]", span, 1),
            ]
            name, result = "with_penalties", f"tuple[{result}, dict[str, Tensor]]"
            doc = [Line('"""The outputs, and what is added to the loss, by name."""', span, 1)]
        head = Line(f"def {name}({', '.join(['self', *given])}) -> {result}:", span)
        lines = [*dims, *checks, *body]
        first = next(number for number, line in enumerate(lines) if line.text)  # no blank line under the head
        return [head, *doc, *(line.moved(1) for line in lines[first:])], writer.methods


def _check_built(plan: Plan, built: set[str]) -> None:
    """Every submodule that `forward` names is made by the constructor; anything else is a mistake of the passes before."""
    wanted = {
        node.key for node in plan.graph.nodes if node.key is not None and not node.owner and not isinstance(node.op, Repeat)
    }
    wanted |= {key for kid in plan.kids.values() for key, far in kid.part.lent if far == 1}
    if missing := sorted(key for key in wanted if key is not None and key not in built):
        raise ValueError(f"{plan.graph.name} has no submodule {', '.join(missing)}")


def _lowering(graph: Graph, node: Node) -> str:
    """What was chosen to compute a step, where there was a choice."""
    if isinstance(node.op, Repeat) and node.op.routed:
        return f"Of {node.key} {REASON}"
    reason = node.op.lowering(*operand_types(graph, node)) if isinstance(node.op, Layer) else ""
    return f"{said_of(node.op)} {reason}" if isinstance(node.op, Attend) and reason else reason


_WORDS = ("not", "and", "or", "none", "true", "false")


def _words(fact: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", fact))


def _default(hyper: Hyper) -> str | None:
    """The default of a root's hyperparameter as it stands in the signature."""
    if hyper.required or hyper.default is None:
        return None
    show: Callable[[object], str] = Show({})
    if isinstance(hyper.default, Size):
        return show(hyper.default.number)
    return show(hyper.default.value) if isinstance(hyper.default, Real) else show(hyper.default)


def dim_lines(graph: Graph, read: list[str], local: dict[str, str], parameters: tuple[str, ...]) -> list[Line]:
    """`T = tokens.shape[1]` for the dims that are wanted; neighbours up to the last together."""
    lines = []
    for number, node in enumerate(graph.inputs):
        axes = sorted((graph.dims[name].axis, name) for name in read if graph.dims[name].input == number)
        if not axes:
            continue
        me, first = parameters[number], axes[0][0]
        if len(axes) > 1 and [axis for axis, _ in axes] == list(range(first, node.type.rank)):
            tail = f"[{first}:]" if first else ""
            lines.append(Line(f"{', '.join(local[name] for _, name in axes)} = {me}.shape{tail}", node.span))
        else:
            lines += [Line(f"{local[name]} = {me}.shape[{axis}]", node.span) for axis, name in axes]
    return lines


def returns(graph: Graph, without: int = 0) -> str:
    """The annotation of what `forward` gives, `without` so many last outputs."""
    count = len(graph.outputs) - without
    return "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
