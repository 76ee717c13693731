"""Between what people read and the numbers of tokens, as a run's data has them. Without torch."""

from functools import cached_property
from typing import Any, Protocol

from ...dsl.span import NOWHERE
from ..data.text import WORDS
from ..data.text import tokenizer as read_tokenizer
from ..faults.sampling import NoSuchToken
from ..run_folder import TOKENIZER, SavedRun
from ..stops import Misused


class Codec(Protocol):
    """How texts are written as tokens."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; raises `Misused` for what has none."""

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens; what is no token is shown as U+FFFD."""


class Characters:
    """Tokens are places in a list of characters."""

    def __init__(self, known: list[str]) -> None:
        self.known, self.numbers = known, {character: number for number, character in enumerate(known)}

    def encode(self, text: str) -> list[int]:
        if strange := next((c for c in text if c not in self.numbers), None):
            raise Misused(NoSuchToken(NOWHERE, strange, "the run's text has no such character", tuple(self.known)))
        return [self.numbers[c] for c in text]

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.known[t] if 0 <= t < len(self.known) else "\ufffd" for t in tokens)


class Bytes:
    """Tokens are the bytes of UTF-8."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode(errors="surrogateescape"))

    def decode(self, tokens: list[int]) -> str:
        return bytes(t if 0 <= t < 256 else 63 for t in tokens).decode(errors="replace")


class Tokenizer:
    """Tokens are those of the tokenizer file that the run keeps."""

    def __init__(self, saved: SavedRun) -> None:
        self.saved = saved

    @cached_property
    def own(self) -> Any:
        return read_tokenizer(NOWHERE, self.saved.folder / TOKENIZER)

    def encode(self, text: str) -> list[int]:
        found: list[int] = self.own.encode(text, add_special_tokens=False).ids
        return found

    def decode(self, tokens: list[int]) -> str:
        return str(self.own.decode(tokens))


class Numbers:
    """Tokens of data that are no text: whole numbers with blanks between them."""

    def encode(self, text: str) -> list[int]:
        words = text.replace(",", " ").split()
        if strange := next((w for w in words if not w.isdecimal()), None):
            raise Misused(
                NoSuchToken(NOWHERE, strange, "the run's data are no text, so a prompt is whole numbers: --prompt '3 14 1'")
            )
        return [int(w) for w in words]

    def decode(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


def codec(saved: SavedRun, column: str) -> Codec:
    """How the texts of an input are written as tokens, by the source that the run was trained on."""
    source = saved.plan.data.source
    if source.kind == "text":
        kind = source.kwargs.get("tokens", source.args[1] if len(source.args) > 1 else "char")
        if kind == "byte":
            return Bytes()
        if kind not in WORDS:
            return Tokenizer(saved)
    categories: dict[str, list[Any]] = saved.record["data"]["fitted"]["categories"]
    alphabets = {name: found for name, found in categories.items() if all(isinstance(c, str) and len(c) == 1 for c in found)}
    if column in alphabets:
        return Characters(alphabets[column])
    if alphabets and all(found == next(iter(alphabets.values())) for found in alphabets.values()):
        return Characters(next(iter(alphabets.values())))
    return Numbers()
