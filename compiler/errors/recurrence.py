"""Faults of cells, their states, and `recur`."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.span import NOWHERE, Span
from .shapes import _from


class NoNextState(Fault):
    """Every state of a cell has a next value: `h' = …`, once, whatever the step computes."""

    code = "E1101"
    title = "a state is never given its next value"

    name: str
    cell: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"in the body of {self.cell}, say {self.name}' = …"),)
        return self.say(f"{self.cell} never says what {self.name} is at the next step", "no next value", helps=helps)


class StateChanges(Fault):
    """A state is of one type at all steps: its next value must have the shape and dtype that it was declared with."""

    code = "E1102"
    title = "a state changes its type over time"

    name: str
    declared: str
    got: str
    state: Span
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is {self.declared}, but its next value is {self.got}",
            f"gives {self.name}' its {self.got}",
            *_from(self.state, f"{self.name} is {self.declared}"),
            *(_from(self.origin, "this size is made here") if self.origin not in (self.span, self.state) else ()),
        )


class StateOutsideCell(Fault):
    """Only a cell has states: something that is kept from one step to the next. A stack carries values with `from h = x`."""

    code = "E1103"
    title = "a state stands outside of a cell"

    name: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("declare the part as a cell, or, in a stack, carry the value: stack … from h = x"),)
        return self.say(f"{self.name} is a state, but a {self.kind} has no steps to keep it for", "not in a cell", helps=helps)


class NeedsRecur(Fault):
    """A cell is one step of a recurrence. `recur(Cell(…))` takes it over the steps of its inputs; `bidirectional` in both directions."""

    code = "E1104"
    title = "a cell is used without recur"

    cell: str
    origin: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.cell} is a cell, one step of a recurrence: recur takes it over all steps",
            "is one step only",
            *_from(self.origin, f"{self.cell} is a cell"),
            helps=(Help(f"say recur({self.cell}(…))"),),
        )


class NotACell(Fault):
    """`recur` and `bidirectional` take a cell first; then their options and the tensors that are the same at all steps, by name."""

    code = "E1105"
    title = "recur wants a cell"

    kind: str
    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.kind} takes a cell over time, but was given {self.got}",
            "not a cell",
            helps=(Help(f"{self.kind}(LSTM(128)), with a cell that is declared here or imported"),),
        )


class OptionTaken(Fault):
    """The tensors of a cell that are the same at every step are given to `recur` by name, beside its options, so they need other names."""

    code = "E1106"
    title = "a tensor is named like an option of recur"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is an option of recur, so no tensor of a cell can be called {self.name}", "choose another name"
        )


class StartDepends(Fault):
    """A state starts before the first step, so its start can be made of the cell's constant inputs and parameters, not of the steps."""

    code = "E1107"
    title = "a state starts from what is not there yet"

    name: str
    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} starts before the first step, but its start is made of {self.what}, which each step has anew",
            f"needs {self.what}",
        )


class CellWithoutInput(Fault):
    """A cell takes something at every step: the tensors that `recur` steps through say how many steps there are."""

    code = "E1108"
    title = "a cell takes no tensor"

    cell: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"give {self.cell} a tensor: cell {self.cell}(…)(x: [B, D])"),)
        return self.say(
            f"{self.cell} takes no tensor, so there is nothing whose steps it could take", "no steps to keep it for", helps=helps
        )


class PastEnd(Fault):
    """A buffer is of all examples together, and so is the penalty of a block. A cell that sets the one or adds the other does so at every
    step, also where some examples have ended, whose steps would count as if they were data. So such a cell runs over sequences of one
    length. A penalty in the cell itself is a number for each example, and counts the steps inside their lengths alone."""

    code = "E1109"
    title = "steps past the end would count"

    cell: str
    does: str
    origin: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.cell} {self.does} at every step, also at those past the length of an example",
            "some examples end before others",
            *_from(self.origin, "this happens here"),
        )


class InnerStart(Fault):
    """A cell inside of a cell is one step of it, and its states are states of the outer one. They start from a number or are learned: what
    is computed from tensors of the inner cell is not there before the first step of the outer one."""

    code = "E1110"
    title = "a state of an inner cell starts from what is not there yet"

    cell: str
    name: str
    origin: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the state {self.name} of {self.cell} starts from what {self.cell} is given, which each step has anew",
            f"one step of {self.cell}",
            *_from(self.origin, f"{self.name} is a state of {self.cell}"),
        )
