"""Faults of names: unknown, taken twice, not where they may stand."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.nearest import did_you_mean
from ...dsl.span import NOWHERE, Span

FOREIGN = {
    "None": "none",
    "True": "true",
    "False": "false",
    "cat": "concat",
    "view": "reshape",
    "Repeat": "stack",
    "repeat": "stack",
}

MODULES = frozenset({"nn", "F", "torch", "tf", "keras", "layers", "np", "jnp", "flax"})
"""What others write before the names of layers."""

ADVICE = {
    "causal": "a causal mask is an index function: mask[i, j] = j <= i, then attend(…, mask=mask)",
    "self": "values have names of their own here, without self",
    "nn": "layers are called by their own names: dense(10), conv(64, 3), relu",
    "torch": "layers and ops are called by their own names: concat, softmax, mean",
    "F": "layers and ops are called by their own names: relu, softmax, dropout",
    "Sequential": "let the tensor flow: x -> dense(64) -> relu",
    "print": "nothing is printed from a spec; archc summary shows the shapes",
}
"""What to say of names that nothing here is like."""

NUMBERS = {
    "float": ("float16", "float32", "float64", "bfloat16", "half", "double", "f32", "Tensor", "tensor"),
    "int": ("int32", "int64", "uint8", "long", "integer", "i64"),
    "bool": ("boolean", "mask"),
}
"""What others call the kinds of numbers."""


class UnknownName(Fault):
    """A name that nothing in scope bears.

    In scope are the parameters of the declaration and the dims of their types, what the lines before have named, the
    declarations and imports of
    the file, the layers and ops (`archc layers`), and the compile-time functions.
    """

    code = "E0201"
    title = "unknown name"

    name: str
    scope: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...] = ()
    shelved: tuple[str, Edit] | None = None  # the line that imports it, where the standard library has it

    def diagnostic(self) -> Diagnostic:
        if self.shelved is not None:
            line, edit = self.shelved
            return self.say(
                f"nothing here is called {self.name}", "not known", helps=(Help(f"the library has it: {line}", (edit,)),)
            )
        known = FOREIGN | dict(self.synonyms)
        advice = ADVICE.get(self.name)
        helps = did_you_mean(self.name, self.span, self.scope, known) if advice is None else (Help(advice),)
        return self.say(f"nothing here is called {self.name}", "not known", helps=helps)


class NameTaken(Fault):
    """Two things of one scope have one name.

    Dims, hyperparameters, tensors, parameters and players of a declaration share one namespace, and so do the declarations of a file.
    """

    code = "E0202"
    title = "a name is taken"

    name: str
    what: str
    first: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.first == NOWHERE else (Label(self.first, "the first one"),)
        return self.say(f"the name {self.name} is taken by {self.what} already", "the second one", *labels)


class UnknownDtype(Fault):
    """A type is of a kind of numbers that there is not.

    `[B, D]` is a tensor of floats, `int[B, T]` of whole numbers, `bool[B]` of truths, and `binary[B, D]` of floats from 0 to 1; the latent
    units of an energy are `binary`, `real` or `onehot`. How precisely floats are kept is said where a model is trained.
    """

    code = "E0209"
    title = "an unknown kind of tensor"

    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        synonyms = {name: kind for kind, names in NUMBERS.items() for name in names if kind in self.known}
        helps = did_you_mean(self.name, self.span, self.known, synonyms)
        return self.say(f"there are no tensors of {self.name}; there are {', '.join(self.known)}", "not known", helps=helps)


class BoundInOneBranch(Fault):
    """A name was given in one branch of an `if` only, and is used after it: in the other case there would be nothing to use."""

    code = "E0203"
    title = "a name is bound in one branch only"

    name: str
    branch: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is given in one branch of an if only, so it may be missing here",
            "may be missing",
            Label(self.branch, "given only here"),
        )


class ImportFailed(Fault):
    """An import names a file or a library module that cannot be read, or that has no declaration of that name."""

    code = "E0204"
    title = "an import fails"

    module: str
    reason: str
    wanted: str = ""
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.wanted, self.span, self.candidates) if self.wanted else ()
        return self.say(f"{self.module} {self.reason}", self.reason, helps=helps)


class ImportCycle(Fault):
    """Files import each other in a circle; each would have to be read before the other. Put what both need into a third file."""

    code = "E0205"
    title = "files import each other"

    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(f"these files import each other: {' -> '.join(self.chain)}", "closes the circle")


class ContainsItself(Fault):
    """A part uses itself, directly or through others, so it would never end. To repeat a part, use `stack`."""

    code = "E0206"
    title = "a part contains itself"

    name: str
    chain: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        way = " -> ".join(self.chain)
        return self.say(f"{self.name} contains itself: {way}", "contains itself", helps=(Help("to repeat a part, use stack"),))


class NoRoot(Fault):
    """The command needs a model (or a game), and the file declares none of that name; a `train` program names the one it trains."""

    code = "E0207"
    title = "there is no such model"

    wanted: str
    candidates: tuple[str, ...]
    kind: str = ""  # what the name stands for, where it is no model

    def diagnostic(self) -> Diagnostic:
        if not self.wanted:
            return self.say(
                "this file declares no model", "no model here", helps=(Help("declare one: model NAME(…)(tensors) { … }"),)
            )
        if self.kind:
            return self.say(f"{self.wanted} is {self.kind}, and a model is wanted", "not a model")
        there = f"; there {'is' if len(self.candidates) == 1 else 'are'} {', '.join(self.candidates)}" if self.candidates else ""
        helps = did_you_mean(self.wanted, self.span, self.candidates)
        return self.say(f"no model is called {self.wanted}{there}", "not declared", helps=helps)


class ReservedKey(Fault):
    """A layer has a name that its PyTorch module needs for itself, such as `forward` or `train`."""

    code = "E0208"
    title = "a layer's name is taken by PyTorch"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"no layer, step or parameter can be called {self.name}: the PyTorch module needs that name for itself",
            "choose another name",
        )
