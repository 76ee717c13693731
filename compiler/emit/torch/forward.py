"""The body of a `forward`, as its author would have written it.

Comes in: a graph, and what its names stand for where it is written. Goes out: lines. A value with a name in the spec keeps it; one without
stands inside its reader, or takes the name of what it becomes.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ...graph import (
    Graph,
    Input,
    Next,
    Node,
    Parameter,
    Recur,
    Ref,
    Repeat,
    SlopePenalty,
    Start,
    Stepped,
    TensorType,
    Use,
    Weight,
)
from ...layers.base import Layer
from ...shapes import Dim
from ..code import Code, Show, call
from .cells import recur_call, start_code, step_call
from .fuse import Fusion
from .lines import Line, quoted
from .names import checked_key, identifier
from .updates import late_steps
from .wiring import RETURN, Purity, Wiring, stands_alone

LETTERS = {(3, 1): "T", (4, 2): "H", (4, 3): "W", (5, 2): "D", (5, 3): "H", (5, 4): "W"}  # by rank and axis
USUAL = ("x", "y", "z", "u", "v", "w")


@dataclass(frozen=True)
class Setting:
    """What the words of a body stand for in the place where it is written."""

    names: Callable[[str], str]  # hyperparameters and dims
    extras: Callable[[int, int], tuple[str, ...]] = lambda node, level: ()  # further arguments of the part at a node (and level)
    lent: Mapping[tuple[str, int], str] = field(default_factory=dict)  # modules of bodies further out, by key and distance
    inputs: Mapping[str, str] = field(default_factory=dict)  # inputs that are no parameters of the function
    taken: frozenset[str] = frozenset()  # names that no value may have
    several: bool = False  # a tuple is returned, though it be of one
    labels: bool = False  # the outputs are returned in a dict, by their names
    penalties: tuple[str, ...] = ()  # the last outputs are these, returned in a dict behind the others
    vague: frozenset[Ref] = frozenset()  # outputs whose shape differs between users, so that no comment can tell it


class Writer:
    """Writes one body; `lines` holds it."""

    def __init__(self, graph: Graph, setting: Setting, purity: Purity) -> None:
        self.graph, self.setting = graph, setting
        self.wiring = Wiring(graph, purity)
        self.lines: list[Line] = []
        self.methods: dict[str, list[Line]] = {}  # further functions of the class, by name
        self.variables: dict[Ref, str] = {}  # a collected list has the number -1 - k
        self.holders: dict[str, Ref] = {}
        self.fates: dict[Ref, str | None] = {}  # names of what values become
        self.named = {identifier(edge.name) for node in graph.nodes for edge in node.outputs if edge.name}
        self.fusion = Fusion(self.wiring, self.express)
        self.last = self._last_reads()
        self.letters = letters_of(graph)
        self.parameters = tuple(self._parameter(i, node) for i, node in enumerate(graph.nodes) if isinstance(node.op, Input))

    def write(self) -> list[Line]:
        from .loops import write_repeat

        nexts = [i for i in self.wiring.steps() if isinstance(self.wiring.nodes[i].op, Next)]
        late = late_steps(self.graph) if nexts else set()
        self._keep_old(nexts, late)
        for i in self.wiring.steps():
            if i in self.fusion.inside or i in late:
                continue
            if isinstance(self.wiring.nodes[i].op, Repeat):
                write_repeat(self, i)
            elif stands_alone(self.wiring.nodes[i]):
                from .attention import write_attend

                write_attend(self, i)
            else:
                self._statement(i)
        if nexts:
            self._set_next(sorted(late - self.fusion.inside), self.wiring.nodes[nexts[0]])
        self._return()
        return self.lines

    # Buffers ----------------------------------------------------------------------------------------------------------

    def _keep_old(self, nexts: list[int], late: set[int]) -> None:
        """What reads a buffer that is about to be set reads a copy, which setting it leaves alone."""
        keys = {self.wiring.nodes[i].key for i in nexts}
        for i, node in enumerate(self.wiring.nodes):
            readers = {user for user, _ in self.wiring.readers.get(Ref(i), ())}
            if not isinstance(node.op, Parameter) or node.key not in keys or not readers:
                continue
            if len(nexts) > 1 or not readers <= late:
                name = self.hold(self._free(identifier(node.op.name), -1), Ref(i))
                self.lines.append(Line(f"{name} = self.{checked_key(node.key or '')}.clone()", node.span))

    def _set_next(self, steps: list[int], first: Node) -> None:
        """`if self.training`, the next values of buffers, and what is computed for them alone."""
        before, self.lines = self.lines, []
        for i in steps:
            if i in self.wiring.live:
                self._statement(i)
        heads = [Line("if self.training:", first.span), Line("with torch.no_grad():", first.span, 1)]
        self.lines = [*before, *heads, *(line.moved(2) for line in self.lines)]

    def _parameter(self, i: int, node: Node) -> str:
        assert isinstance(node.op, Input)
        given = self.setting.inputs.get(node.op.name)
        name = given or self._free(identifier(node.op.name), 0)
        self.variables[Ref(i)] = name
        if given is None:
            self.holders[name] = Ref(i)
        return name

    # Steps ------------------------------------------------------------------------------------------------------------

    def module(self, node: Node) -> str:
        """The text of a node's submodule."""
        if node.key is None:
            return ""
        return self.setting.lent[node.key, node.owner] if node.owner else f"self.{checked_key(node.key)}"

    def express(self, node: int, operands: tuple[Code, ...]) -> Code:
        at = self.wiring.nodes[node]
        return self.applied(at, self.module(at), operands, self.wiring.operands[node], self.setting.extras(node, -1))

    def applied(
        self, node: Node, me: str, codes: tuple[Code, ...], operands: tuple[object, ...], extras: tuple[str, ...]
    ) -> Code:
        """A layer or part at work. `operands` tell the types of `codes`."""
        if isinstance(node.op, Recur):
            return recur_call(node.op, me, codes, extras, self.setting.names)
        if isinstance(node.op, Stepped):
            return step_call(node.op, me, codes, extras)
        if isinstance(node.op, SlopePenalty):
            score = me if len(node.op.graph.outputs) == 1 else f"lambda *given: {me}(*given)[0]"  # without its penalties
            return call("gradient_penalty", score, *codes, *extras)
        if isinstance(node.op, Use):
            return call(me, *codes, *extras)
        if isinstance(node.op, Next):
            return call(f"self.{checked_key(node.key or '')}.copy_", *codes)
        assert isinstance(node.op, Layer | Start)
        types = tuple(self.graph.type_of(operand) if isinstance(operand, Ref) else operand for operand in operands)
        show = Show(self.setting.names, me, types, tuple(edge.type for edge in node.outputs))
        return start_code(node.op, show, *codes) if isinstance(node.op, Start) else node.op.forward(show, *codes)

    def code(self, operand: object) -> Code:
        """An operand: a number, something that is there, a variable, or the expression of a step that stands here."""
        if not isinstance(operand, Ref):
            return Show(self.setting.names).code(operand)
        node = self.wiring.nodes[operand.node]
        if isinstance(node.op, Parameter) and operand not in self.variables:
            return Code(f"self.{checked_key(node.key or node.op.name)}")
        if isinstance(node.op, Weight):
            return Code(f"{self.module(node)}.{checked_key(node.op.attribute)}")
        if operand.node in self.fusion.inside:
            return self.selected(operand.node, operand.output)
        slot, item = self.slot(operand)
        name = self.variables[slot]
        return Code(name if item is None else f"{name}[{item}]")

    def selected(self, i: int, output: int) -> Code:
        """One output of a step, as an expression."""
        code = self.tree(i)
        return Code(f"{code.at(16)}[{output}]") if len(self.wiring.nodes[i].outputs) > 1 else code

    def tree(self, i: int) -> Code:
        """The expression of a step with all that stands inside it."""
        operands = self.wiring.operands[i]
        return self._spread(i, operands) or self.express(i, tuple(self.code(operand) for operand in operands))

    def slot(self, ref: Ref) -> tuple[Ref, int | None]:
        """The variable that holds an output, and its place in it where it is a list that levels gave."""
        op = self.wiring.nodes[ref.node].op
        if not isinstance(op, Repeat) or op.routed:
            return ref, None
        first = 0 if op.kind == "parallel" else op.carried
        if ref.output < first:
            return ref, None
        level, which = divmod(ref.output - first, op.collects)
        return Ref(ref.node, -1 - which), level

    def whole_list(self, refs: tuple[object, ...]) -> tuple[Ref, bool] | None:
        """The collected list that `refs` are all items of, and whether backwards."""
        slots = [self.slot(ref) for ref in refs if isinstance(ref, Ref) and ref.node not in self.fusion.inside]
        if len(slots) < 2 or len(slots) != len(refs) or len({slot for slot, _ in slots}) > 1 or slots[0][1] is None:
            return None
        op = self.wiring.nodes[slots[0][0].node].op
        assert isinstance(op, Repeat)
        first = 0 if op.kind == "parallel" else op.carried
        total = (len(self.wiring.nodes[slots[0][0].node].outputs) - first) // op.collects
        items = [item for _, item in slots]
        if items == list(range(total)):
            return slots[0][0], False
        return (slots[0][0], True) if items == list(range(total))[::-1] else None

    def _spread(self, i: int, operands: tuple[object, ...]) -> Code | None:
        """A step over all items of a list, written over the list."""
        found = self.whole_list(operands)
        if found is None:
            return None
        name = self.variables[found[0]] + ("[::-1]" if found[1] else "")
        try:
            code = self.express(i, (Code(f"*{name}"),))
            text = re.sub(rf"(?<![\w\])])\(\*{re.escape(name)},?\)", name, code.text)
            ast.parse(text, mode="eval")
        except (ValueError, IndexError, TypeError, SyntaxError):
            return None
        return Code(text, code.level) if name in text else None

    # Statements -------------------------------------------------------------------------------------------------------

    def _statement(self, i: int) -> None:
        node, used = self.wiring.nodes[i], self.wiring.used(i)
        refs = [Ref(i, k) for k in used]
        if not used:
            self.lines.append(Line(self.tree(i).text, node.span))
        elif len(node.outputs) == 1 or len(used) == 1:
            code = self.selected(i, used[0])
            target = self.assign(refs[0])
            self.lines.append(Line(f"{target} = {code}", node.span, comment=self.comment(i, refs)))
        else:
            code = self.tree(i)
            targets = [self.assign(Ref(i, k)) if k in used else "_" for k in range(len(node.outputs))]
            self.lines.append(Line(f"{', '.join(targets)} = {code}", node.span, comment=self.comment(i, refs)))

    def _return(self) -> None:
        codes = [self.code(ref) for ref in self.wiring.returned]
        refs = list(dict.fromkeys(self.wiring.returned))
        inside = [ref for ref in refs if ref.node in self.fusion.inside]
        alone = len(refs) == 1 and inside and not self.setting.labels and not self.setting.penalties
        comment = self.comment(inside[0].node, inside) if alone else ""
        span = self.wiring.nodes[refs[-1].node].span if refs else self.graph.span
        count = len(codes) - len(self.setting.penalties)
        returned = ", ".join(code.text for code in codes[:count])
        if self.setting.penalties:
            added = zip(self.setting.penalties, codes[count:], strict=True)
            given = f"({returned})" if count > 1 else returned
            returned = f"{given}, {{{', '.join(f'{quoted(name)}: {code}' for name, code in added)}}}"
        if self.setting.several and len(codes) == 1:
            returned = f"({returned},)"
        if self.setting.labels:
            pairs = zip(self.graph.outputs, codes, strict=True)
            returned = f"{{{', '.join(f'{quoted(output.name)}: {code}' for output, code in pairs)}}}"
        self.lines.append(Line(f"return {returned}", span, comment=comment))

    def comment(self, i: int, refs: list[Ref]) -> str:
        """The shape that comes out, where it is none of those that went in."""
        if any(ref in self.setting.vague for ref in refs):
            return ""
        shapes = [shape(self.graph.type_of(ref), self.letters) for ref in refs]
        read = [ref for ref in self.reads(i) if not isinstance(self.wiring.nodes[ref.node].op, Parameter)]
        before = {shape(self.graph.type_of(ref), self.letters) for ref in read}
        told = list(dict.fromkeys(shapes))
        return ", ".join(told) if any(s not in before and s != "[]" for s in told) else ""

    # Variables --------------------------------------------------------------------------------------------------------

    def reads(self, i: int) -> list[Ref]:
        """What is read by a step and all that stands inside it."""
        found: list[Ref] = []
        pending = [i]
        while pending:
            for operand in self.wiring.operands[pending.pop()]:
                if not isinstance(operand, Ref):
                    continue
                if operand.node in self.fusion.inside:
                    pending.append(operand.node)
                else:
                    found.append(operand)
        return found

    def _last_reads(self) -> dict[Ref, int]:
        last: dict[Ref, int] = {}
        for i in self.wiring.steps():
            if i not in self.fusion.inside:
                for ref in self.reads(i):
                    last[self.slot(ref)[0]] = i
        for ref in self.wiring.returned:
            for read in self.reads(ref.node) if ref.node in self.fusion.inside else [ref]:
                last[self.slot(read)[0]] = self.wiring.end
        return last

    def is_free(self, name: str, at: int) -> bool:
        """May step `at` give `name` a new value?"""
        holder = self.holders.get(name)
        return name not in self.setting.taken and (holder is None or self.last.get(holder, -1) <= at)

    def _free(self, name: str, at: int) -> str:
        number, found = 1, name
        while not self.is_free(found, at):
            number += 1
            found = f"{name}{'_' if name[-1].isdigit() else ''}{number}"
        return found

    def hold(self, name: str, slot: Ref) -> str:
        self.variables[slot] = name
        self.holders[name] = slot
        return name

    def assign(self, ref: Ref) -> str:
        """A variable for an output of a step that is about to be written."""
        own = self.wiring.nodes[ref.node].outputs[ref.output].name
        if own is not None:
            return self.hold(self._free(identifier(own), ref.node), ref)
        return self.hold(self.name_for(ref, lambda name: self.is_free(name, ref.node)), ref)

    def name_for(self, ref: Ref, free: Callable[[str], bool]) -> str:
        """A name for a value without one: of what it becomes, of what it was made from, or a usual one."""
        becomes = self.becomes(ref)
        candidates = [identifier(becomes)] if becomes else []
        candidates += [name for name in map(self._spent, self.reads(ref.node), itertools.repeat(ref.node)) if 0 < len(name) <= 2]
        candidates += [name for name in USUAL if name not in self.named]
        return next((name for name in candidates if free(name)), None) or self._first_free("t", free)

    def _spent(self, ref: Ref, at: int) -> str:
        """The variable of a value that step `at` reads last, unless the spec named it in the body."""
        node, slot = self.wiring.nodes[ref.node], self.slot(ref)[0]
        given = isinstance(node.op, Input) or (ref.output < len(node.outputs) and node.outputs[ref.output].name is None)
        return self.variables.get(slot, "") if given and self.last.get(slot, -1) <= at else ""

    def _first_free(self, stem: str, free: Callable[[str], bool]) -> str:
        number = 1
        while not free(f"{stem}{number}"):
            number += 1
        return f"{stem}{number}"

    def becomes(self, ref: Ref) -> str | None:
        """The name of the value that this one flows on into."""
        passed = []
        while ref not in self.fates:
            passed.append(ref)
            name, after = self._next(ref)
            if after is None or name is not None:
                self.fates[ref] = name
                break
            ref = after
        for before in passed:
            self.fates[before] = self.fates[ref]
        return self.fates[ref]

    def _next(self, ref: Ref) -> tuple[str | None, Ref | None]:
        """What the only reader of a value makes of it, with its name, where it is the same flow."""
        readers = self.wiring.readers.get(ref, [])
        if len(readers) != 1 or readers[0][0] == RETURN:
            return None, None
        user, place = readers[0]
        node = self.wiring.nodes[user]
        carries = isinstance(node.op, Repeat) and node.op.kind == "stack" and place < node.op.carried
        if not carries and (place != 0 or isinstance(node.op, Repeat)):
            return None, None
        return node.outputs[place].name, Ref(user, place)


def letters_of(graph: Graph) -> dict[str, Dim]:
    """What comments call the dims that have no name in the spec, which the levels of a stack have: B, H, W, T as everybody does."""
    found: dict[str, Dim] = {}
    for name, axis in graph.dims.items():
        rank = graph.inputs[axis.input].type.rank if axis.input < len(graph.inputs) else 0
        unnamed = re.fullmatch(r"(\w+_)?(?:batch|dim\d)\d*", name)
        if unnamed is None or (axis.axis and (rank, axis.axis) not in LETTERS):
            continue
        called = f"{unnamed[1] or ''}{LETTERS[rank, axis.axis]}" if axis.axis else "B"
        if called not in graph.dims:
            found[name] = Dim.of(called)
    return found


def shape(type_: TensorType, letters: Mapping[str, Dim] = MappingProxyType({})) -> str:
    """`[B, T, D]` in the names of the body; `int[B, T]`."""
    dims = ", ".join(str(size.rename(letters).text) for size in type_.shape)
    return f"[{dims}]" if type_.dtype == "float" else f"{type_.dtype}[{dims}]"
