"""What is asked of `archc sample`, and what comes back. Without torch."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption
from ..stops import Misused


@dataclass(frozen=True)
class Wanted:
    """The options of `archc sample`; a kind refuses those that mean nothing to it, see `refuse`.

    `prompts` are what texts begin with, or what an encoder reads. `count` samples of each. `cache` is false where all tokens are computed
    anew at each step. `steps` are those of a Gibbs chain. A text ends before
    `stop`. `given` are inputs by name, for models that are told what to make.
    """

    prompts: tuple[str, ...] = ()
    count: int = 1
    tokens: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    beam: int | None = None
    greedy: bool = False
    seed: int = 0
    cache: bool = True
    given: tuple[tuple[str, str], ...] = ()
    steps: int | None = None
    device: str = "auto"
    stop: str | None = None

    def check(self) -> None:
        """Raises `Misused` for the first option that is out of its range, or that another one contradicts."""
        for name, value, low in (
            ("-n", self.count, 1),
            ("--tokens", self.tokens, 1),
            ("--top-k", self.top_k, 1),
            ("--steps", self.steps, 1),
            ("--beam", self.beam, 1),
        ):
            if value is not None and value < low:
                raise Misused(BadSamplingOption(NOWHERE, name, str(value), f"it is a whole number from {low} up"))
        if self.stop == "":
            raise Misused(BadSamplingOption(NOWHERE, "--stop", "''", "each text has it before its first letter"))
        if self.stop is not None and self.beam is not None:
            raise Misused(
                BadSamplingOption(NOWHERE, "--stop", self.stop, "beams are compared at one length; give one of the two")
            )
        if not 0 <= self.temperature < math.inf:
            rule = "it is a number from 0 up; at 0 the likeliest token is taken"
            raise Misused(BadSamplingOption(NOWHERE, "--temperature", str(self.temperature), rule))
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise Misused(BadSamplingOption(NOWHERE, "--top-p", str(self.top_p), "it is a probability, above 0 and up to 1"))
        if self.greedy and self.beam is not None:
            raise Misused(BadSamplingOption(NOWHERE, "--beam", str(self.beam), "--greedy keeps one beam; give one of the two"))
        if self.beam is not None and self.count > self.beam:
            rule = f"{self.count} samples are wanted of each prompt, and no more than that many beams end"
            raise Misused(BadSamplingOption(NOWHERE, "--beam", str(self.beam), rule))

    def refuse(self, kind: str, *names: str) -> None:
        """Raises `Misused` where an option was given that a kind of model has no use for."""
        plain = Wanted()
        for name in names:
            if (value := getattr(self, name)) != getattr(plain, name):
                option = {"prompts": "--prompt", "count": "-n", "top_k": "--top-k", "top_p": "--top-p"}.get(name, f"--{name}")
                shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
                raise Misused(BadSamplingOption(NOWHERE, option, shown, f"it means nothing for {kind}"))


class Sampled(Protocol):
    """Samples of one kind."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person should know of how they were made."""

    def said(self) -> str:
        """What stands on standard output where no file is asked for."""

    def records(self) -> list[dict[str, Any]]:
        """An object for each sample, for `--json`."""

    def file(self, ending: str) -> bytes:
        """What stands in a file of that ending (`.png`, or nothing); raises `Misused` for one that does not fit."""
