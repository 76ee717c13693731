"""Faults of callables as values, of records, and of tensors given by name."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span


class CallableReadsTensor(Fault):
    """A composed callable or a stack is given to a part, which knows numbers and layers of where it was written, but no tensors of it."""

    code = "E0421"
    title = "a callable that is given away reads a tensor"

    name: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.origin == NOWHERE else (Label(self.origin, f"{self.name} comes from here"),)
        return self.say(
            f"a callable that is given to a part cannot take the tensor {self.name} along",
            f"it reads {self.name}",
            *labels,
            helps=(Help(f"give {self.name} to the part as a tensor of its own"),),
        )


class MixedArguments(Fault):
    """A layer or part is built from its arguments and then applied to tensors; a call does one of the two.

    `dense(10)(x)` and `x -> dense(10)` are the ways to say it. A part's tensors may be given by their names: `Part(heads=4)(x, memory=m)`.
    """

    code = "E0422"
    title = "arguments and tensors in one call"

    what: str
    mend: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"build it, then apply it: {self.mend}", (Edit(self.span, self.mend),)),) if self.mend else ()
        return self.say(f"{self.what} is given tensors and what it is built from in one call", "one or the other", helps=helps)


class OverTakes(Fault):
    """`over(T, f)` maps a callable over a dim, which it is told by its name or its number; what comes out is a callable."""

    code = "E0423"
    title = "over takes a dim and a callable"

    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"over takes a dim and a callable, but was given {self.got}", "", helps=(Help("x -> over(T, dense(64))"),)
        )


class MixesExamples(Fault):
    """`over(T, f)` runs f once, with the dim folded into the batch; so f has to treat each example of a batch by itself.

    What looks at several examples (a mean over dim 0, a loss, `x[0]`) would look at several places of the dim too. `batch_norm` is the
    exception: its statistics are over the batch and the dim together, as in PyTorch where time is folded into the batch.
    """

    code = "E0424"
    title = "what is mapped over a dim mixes examples"

    what: str
    got: str
    wanted: str
    place: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.place == NOWHERE else (Label(self.place, "here the examples of a batch meet, or move"),)
        rule = f"{self.what} is {self.got}, not {self.wanted}" if self.got else f"{self.what} does not keep the examples apart"
        return self.say(f"over maps what treats each example by itself, but {rule}", "", *labels)


class NotAGate(Fault):
    """A gate multiplies, so what is declared one must be bounded (sigmoid, tanh, softmax, clip) or never negative (exp, relu, softplus).

    That is found by interval arithmetic over the steps it is made of: sums and products of what is bounded are bounded, and so is `1 - z`.
    """

    code = "E0425"
    title = "a gate that is not bounded"

    gate: str
    term: str
    declared: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the gate {self.gate} must be bounded or never negative, but {self.term} may be any number",
            "not bounded",
            Label(self.declared, "declared a gate here"),
            helps=(Help("let it flow into sigmoid, tanh, softmax, relu, exp or clip"),),
        )
