"""Texts, token by token: models that give logits for each token, of the one after it.

Such a model has an input of whole numbers `[B, T]` and an output `[B, T, vocab]`; with a second input of whole numbers, of another length,
it is an encoder-decoder, which reads the prompt there and writes the other.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...compiler.plan import InputPlan
from ...dsl.span import NOWHERE
from ..faults.sampling import LooksAhead, PromptMissing, TokenTooLarge
from ..run_folder import SavedRun
from ..stops import InputFaults, Misused
from .tokens import Codec, codec
from .wanted import Wanted

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from .generating import Stepper
    from .streams import Stream

KIND = "a model of texts"
TOKENS = 200
TRIED = 8
FILL = 0
"""What fills up texts in a batch ends those that an encoder-decoder writes."""


@dataclass(frozen=True)
class Roles:
    """Which input is written and, of an encoder-decoder, which is read, by their places; how many tokens there are."""

    target: int
    source: int | None
    vocabulary: int


def roles(saved: SavedRun) -> Roles | None:
    """What the inputs of a model of texts are for; none where it is no such model."""
    plan = saved.exe.plan.model
    if not plan.output_shapes or len(plan.output_shapes[0]) != 3 or saved.exe.plan.train is None:
        return None
    batch, steps, width = plan.output_shapes[0]
    inputs = [i for i in plan.inputs if _is_tokens(i)]
    targets = [k for k, one in enumerate(plan.inputs) if one in inputs and one.shape == [batch, steps]]
    sources = [k for k, one in enumerate(plan.inputs) if one in inputs and one.shape[1] != steps]
    if not isinstance(width, int) or isinstance(steps, int) or len(targets) != 1 or len(sources) > 1:
        return None
    if len(inputs) != len(plan.inputs):
        return None
    return Roles(targets[0], sources[0] if sources else None, width)


def _is_tokens(given: InputPlan) -> bool:
    return given.dtype == "int" and given.batched and len(given.shape) == 2


def fits(saved: SavedRun) -> bool:
    """Is it a model of texts?"""
    return roles(saved) is not None


@dataclass(frozen=True)
class Text:
    """A text that was made, behind its prompt. `score` is its log-probability, where it was searched for."""

    prompt: str
    text: str
    tokens: list[int]
    score: float | None = None


class Texts:
    """What was made. `goes_on`: the text is the prompt's continuation, and is shown with it."""

    def __init__(self, made: list[Text], goes_on: bool, joint: str, notes: tuple[str, ...] = ()) -> None:
        self.made, self.goes_on, self.joint, self.notes = made, goes_on, joint, notes

    def said(self) -> str:
        shown = [f"{t.prompt}{self.joint if t.prompt else ''}{t.text}" if self.goes_on else t.text for t in self.made]
        return ("\n\n" if any("\n" in text for text in shown) else "\n").join(shown)

    def records(self) -> list[dict[str, Any]]:
        scores = [{} if t.score is None else {"score": t.score} for t in self.made]
        return [{"prompt": t.prompt, "text": t.text, "tokens": t.tokens, **s} for t, s in zip(self.made, scores, strict=True)]

    def file(self, ending: str) -> bytes:
        """Text, whatever the ending; in `.jsonl` an object a line."""
        lines = [json.dumps(r, ensure_ascii=False) for r in self.records()] if ending == ".jsonl" else [self.said()]
        return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def sample(saved: SavedRun, wanted: Wanted) -> Texts:
    """Texts that begin with the prompts, or that answer them."""
    from ..run import trained
    from ..train.determinism import evaluating, pinned
    from ..train.setup import device_of, faults_of

    wanted.refuse(KIND, "given", "steps")
    import torch

    where = device_of(wanted.device)
    with pinned(int(saved.record["threads"]), where), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        return Writer(saved, trained(saved).to(where), where).write(wanted)


class Writer:
    """A trained model of texts at work."""

    def __init__(self, saved: SavedRun, model: "nn.Module", device: "torch.device") -> None:
        found = roles(saved)
        assert found is not None
        self.saved, self.model, self.device, self.roles = saved, model, device, found
        names = [i.name for i in saved.exe.plan.model.inputs]
        self.written = codec(saved, names[found.target])
        self.read: Codec | None = None if found.source is None else codec(saved, names[found.source])
        self.notes: list[str] = []
        self.begins: int | None = saved.record.get("begins", {}).get(names[found.target])

    def write(self, wanted: Wanted) -> Texts:
        self.refuse_what_looks_ahead()
        prompts = [prompt for prompt in (wanted.prompts or self.usual()) for _ in range(1 if wanted.beam else wanted.count)]
        heads = [self.head(prompt) for prompt in prompts]
        found = self.searched(prompts, heads, wanted) if wanted.beam else self.drawn(prompts, heads, wanted)
        joint = " " if self.written.decode([0, 0]).count(" ") == 1 and self.written.decode([0, 0])[0] == "0" else ""
        return Texts(found, self.read is None, joint, tuple(self.notes))

    def usual(self) -> tuple[str, ...]:
        """The prompt where none is given; an encoder has to have one."""
        if self.read is not None:
            raise Misused(PromptMissing(NOWHERE, self.saved.exe.plan.model.class_name))
        return ("",)

    def head(self, prompt: str) -> list[int]:
        """The tokens that a text begins with: those of the prompt, or of an encoder-decoder the one that all texts begin with."""
        found = [] if self.read is not None else self.checked(self.written.encode(prompt))
        if found:
            return found
        return [self.begins if self.begins is not None else self.first()]

    def first(self) -> int:
        """What a text begins with where nothing says it: a new line where there is one."""
        if self.read is not None:
            return FILL
        try:
            return self.written.encode("\n")[0]
        except (Misused, IndexError):
            return 0

    def checked(self, tokens: list[int]) -> list[int]:
        """Tokens that the model knows."""
        if tokens and max(tokens) >= self.roles.vocabulary:
            raise Misused(TokenTooLarge(NOWHERE, max(tokens), self.roles.vocabulary))
        return tokens

    def drawn(self, prompts: list[str], heads: list[list[int]], wanted: Wanted) -> list[Text]:
        from .choosing import drawing, greedy
        from .generating import generate

        count, stop = wanted.tokens or TOKENS, None if self.read is None else FILL
        choose = greedy if wanted.greedy else drawing(wanted.temperature, wanted.top_k, wanted.top_p, wanted.seed, self.device)
        stepper = self.stepper(prompts, max(map(len, heads)) + count, wanted.cache)
        last = wanted.stop
        finished = None if last is None else lambda row: last in self.written.decode(row)
        made = generate(stepper, heads, count, choose, self.device, stop, finished)
        made = made if last is None else [self.before(last, row) for row in made]
        texts = [self.written.decode(row) for row in made]
        if last is not None:
            texts = [text.partition(last)[0] for text in texts]
        return [Text(prompt, text, row) for prompt, text, row in zip(prompts, texts, made, strict=True)]

    def before(self, last: str, row: list[int]) -> list[int]:
        """The tokens of a text up to the one that completes `last`."""
        return row[: bisect_left(range(len(row)), True, key=lambda length: last in self.written.decode(row[:length]))]

    def searched(self, prompts: list[str], heads: list[list[int]], wanted: Wanted) -> list[Text]:
        from .generating import beams

        assert wanted.beam is not None
        count, stop, found = wanted.tokens or TOKENS, None if self.read is None else FILL, []
        for prompt, head in zip(prompts, heads, strict=True):
            stepper = self.stepper([prompt], len(head) + count, wanted.cache)
            best = beams(stepper, head, count, wanted.beam, self.device, stop)[: wanted.count]
            found += [Text(prompt, self.written.decode(row), row, score) for row, score in best]
        return found

    # The model --------------------------------------------------------------------------------------------------------

    def stepper(self, prompts: list[str], length: int, cache: bool) -> "Stepper":
        """The model as one that reads tokens as they come, for texts of up to `length` tokens."""
        from .steppers import Cached, Recomputed

        source = self.sources(prompts)
        limit = self.context(source, length)
        if cache and (stream := self.stream) is not None:
            return Cached(stream.step, stream.given(source), stream.fresh, limit)
        return Recomputed(self.forward, source, limit)

    @cached_property
    def stream(self) -> "Stream | None":
        """The model in steps, where that gives the same: it is tried on a short text. Else `notes` tell why not."""
        from ...compiler.streaming.rewrite import NotStreamed
        from .streams import stream_of

        try:
            found = stream_of(self.saved, self.model, self.saved.exe.plan.model.inputs[self.roles.target].name)
        except NotStreamed as refused:
            self.notes.append(f"all tokens are computed anew at each step: {refused}")
            return None
        if not self.agrees(found):
            self.notes.append("all tokens are computed anew at each step: in steps this model gives something else")
            return None
        return found

    def agrees(self, stream: "Stream") -> bool:
        """Are the logits of a short text the same in steps as at once?"""
        import torch

        from .steppers import Cached

        source = None if self.read is None else torch.arange(2 * TRIED, device=self.device).view(2, TRIED) % self.roles.vocabulary
        count = self.context(source, TRIED) or TRIED
        tokens = torch.arange(1, 2 * count + 1, device=self.device).view(2, count) % self.roles.vocabulary
        whole = self.forward(tokens, source)
        steps = Cached(stream.step, stream.given(source), stream.fresh, None)
        first = max(1, count // 2)
        found = torch.cat([steps.feed(part) for part in (tokens[:, :first], *torch.split(tokens[:, first:], 1, dim=1))], dim=1)
        return bool((whole - found).abs().max() <= 1e-3 * whole.abs().max().clamp(min=1e-6))

    def sources(self, prompts: list[str]) -> "Tensor | None":
        """What the encoder reads, filled up to one length."""
        import torch

        if self.read is None:
            return None
        rows = [self.checked(self.read.encode(prompt)) for prompt in prompts]
        if any(not row for row in rows):
            raise Misused(PromptMissing(NOWHERE, self.saved.exe.plan.model.class_name))
        longest = max(map(len, rows))
        return torch.tensor([row + [FILL] * (longest - len(row)) for row in rows], device=self.device)

    def inputs(self, tokens: "Tensor", source: "Tensor | None") -> "tuple[Tensor, ...]":
        """The model's inputs, in its order."""
        if source is None:
            return (tokens,)
        return (source, tokens) if self.roles.target else (tokens, source)

    def forward(self, tokens: "Tensor", source: "Tensor | None") -> "Tensor":
        found = self.model(*self.inputs(tokens, source))
        logits: Tensor = found[0] if isinstance(found, tuple) else found
        return logits

    def context(self, source: "Tensor | None", length: int) -> int | None:
        """How many tokens the model can see at once, where that is fewer than `length`."""
        import torch

        from .steppers import context_of

        def shaped(count: int) -> "tuple[Tensor, ...]":
            return self.inputs(torch.zeros(1, count, dtype=torch.long), None if source is None else source[:1])

        return context_of(self.model, shaped, length)

    def refuse_what_looks_ahead(self) -> None:
        """A model in which a token has a part in what is said of earlier ones cannot write: it was trained to fill in."""
        import torch

        tokens = torch.arange(6, device=self.device)[None] % self.roles.vocabulary
        other = tokens.clone()
        other[:, -1] = (other[:, -1] + 1) % self.roles.vocabulary
        source = None if self.read is None else torch.ones(1, 4, dtype=torch.long, device=self.device)
        one, two = (self.forward(t, source)[:, :-1] for t in (tokens, other))
        if self.roles.vocabulary > 1 and not torch.allclose(one, two, rtol=1e-3, atol=1e-4):
            raise InputFaults(LooksAhead(NOWHERE, self.saved.exe.plan.model.class_name))
