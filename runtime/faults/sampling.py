"""Faults of sampling: options that do not fit, and models that make nothing (E0890 to E0896, E0990)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import nearest
from .data import listed


class NothingToSample(Fault):
    """Some models make things: those that tell the next token make texts. What this one gives is no such thing; `archc predict` tells
    what it says of data."""

    code = "E0890"
    title = "the model makes nothing"
    model: str
    kinds: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        notes = (f"what can be made: {'; '.join(self.kinds)}",)
        return self.say(
            f"{self.model} is no model that makes something", notes=notes, helps=(Help("archc predict RUN --data SOURCE"),)
        )


class NoSuchToken(Fault):
    """A prompt is written in the tokens that the run was trained on: characters of its text, or numbers where its data are no text."""

    code = "E0891"
    title = "the prompt has something that is no token"
    text: str
    reason: str
    known: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        found = nearest(self.text, self.known) if self.known else None
        other = self.text.swapcase() if self.text.swapcase() in self.known else found
        notes = (f"it has {listed(tuple(repr(c) for c in self.known), 40)}",) if self.known else ()
        return self.say(
            f"{self.text!r} is no token: {self.reason}", notes=notes, helps=(Help(f"did you mean {other!r}?"),) if other else ()
        )


class BadSamplingOption(Fault):
    """Each option of `archc sample` has its range, some exclude each other, and some are for one kind of model alone."""

    code = "E0892"
    title = "an option of sample does not fit"
    option: str
    value: str
    rule: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.option} {self.value} does not fit: {self.rule}")


class PromptMissing(Fault):
    """An encoder-decoder answers a text: without one there is nothing to answer."""

    code = "E0893"
    title = "there is nothing to answer"
    model: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.model} answers what it reads, and it was given nothing to read", helps=(Help('--prompt "…"'),))


class TokenTooLarge(Fault):
    """A model knows as many tokens as its last layer has numbers, from 0 up."""

    code = "E0894"
    title = "a token that the model does not know"
    token: int
    vocabulary: int

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the prompt has the token {self.token}, and the model knows those from 0 to {self.vocabulary - 1}")


class LooksAhead(Fault):
    """Texts are written one token after another, by a model that says of each token what the next one will be, from those before it. In
    this one later tokens have a part in what is said of earlier ones, so it fills in texts and cannot write them. A causal mask,
    `mask[i, j] = j <= i`, makes attention look back only."""

    code = "E0895"
    title = "the model looks ahead"
    model: str

    def diagnostic(self) -> Diagnostic:
        mend = Help("a mask like mask[i, j] = j <= i in each attention makes it look back only")
        return self.say(f"{self.model} cannot write: what it says of a token depends on later tokens", helps=(mend,))


class NoChainOfEnergies(Fault):
    """What an energy dreams is drawn by a chain of its own, and a stack of energies hands it down: the visible units of each are the hidden
    ones of the one below. In a stack that needs one block of visible and one of hidden units in each, and nothing between them."""

    code = "E0896"
    title = "energies that do not stand one on another"
    model: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"nothing can be drawn from {self.model}: {self.reason}")


class DecoderOfAnotherVersion(Fault):
    """What a decoder is follows from the text of the model, and its weights are those of the run. This version of archc makes another
    network of that text than the version that trained it, so the weights may not fit."""

    code = "E0990"
    title = "the run is of another version of archc"
    model: str

    def diagnostic(self) -> Diagnostic:
        mend = Help("archc train it again, or sample with the version that is in its run.json")
        return self.say(f"the decoder of {self.model} cannot be told from its text", helps=(mend,))


class NotStepped(Fault):
    """`step(x, state)` computes a network with cells one step at a time, from the states that the step before left. Where what is said of a
    step depends on later ones (a recurrence in reverse, a convolution or a mean over the steps), or where the steps have a fixed number,
    there is nothing to go on from: the whole sequence is given to the network itself."""

    code = "E0992"
    title = "the network cannot be computed step by step"
    model: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.model} has no step: {self.reason}", helps=(Help("call the network with the whole sequence"),))


class BadState(Fault):
    """`initial_state(batch)` gives what the states are before the first step, and `step(x, state)` wants what it gave, or what the step
    before gave. Sizes that are free, and inputs that are the same at all steps, are given to `initial_state` by name."""

    code = "E0993"
    title = "a step that is wrongly called"
    model: str
    rule: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.model}: {self.rule}", helps=(Help("state = net.initial_state(batch); y, state = net.step(x, state)"),)
        )
