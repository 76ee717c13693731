"""`text(file)`: a text cut into sequences of `length` tokens, each with the tokens that come next.

Columns: `tokens` and `next`, both int [length]; `next` is `tokens` one place further on. Tokens are characters (numbered in the
order of their code points, all that the text has), bytes, or those of a `tokenizers` file. `stride` is how far apart sequences begin; by
default each token is in one sequence. `std:help_topics` is the help of Python's standard library, in English, as this Python carries it.
"""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import SourceCall
from ...dsl.span import Span
from ..faults.data import EmptyData, NoPackage, UnreadableFile
from ..faults.files import NoTokenizer, TextTooShort
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, Wanted, located, told, undecodable
from .memory import Growing, refuse_too_large
from .table import Array, Field, Rows, Schema, Table

SIGNATURE = Signature(
    "text",
    (
        Parameter("file", (str,), required=True),
        Parameter("tokens", (str,), "char"),
        Parameter("length", (int,), 128),
        Parameter("stride", (int,), None),
        Parameter("encoding", (str,), "utf-8"),
    ),
    'text("file.txt", tokens="char" or "byte" or "tokenizer.json", length=128, stride=none, encoding="utf-8")',
)
WORDS = ("char", "byte")
HELP = "std:help_topics"
PIECE = 2**20  # characters, or bytes


class Windows:
    """Rows that overlap or follow each other in one long array."""

    def __init__(self, values: Array, length: int, stride: int, shift: int) -> None:
        self.values, self.length, self.stride, self.shift = values, length, stride, shift

    @property
    def field(self) -> Field:
        return Field("int", (self.length,))

    def __len__(self) -> int:
        return (len(self.values) - 1 - self.length) // self.stride + 1

    def __getitem__(self, rows: Rows) -> Array:
        found: Array = self.values[(rows * self.stride + self.shift)[:, None] + np.arange(self.length)]
        return found

    def identity(self) -> bytes:
        digest = blake2b(f"{len(self.values)}:{self.length}:{self.stride}:{self.shift};".encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.values[:PIECE]).tobytes() + np.ascontiguousarray(self.values[-PIECE:]).tobytes())
        return digest.digest()


class Tokens:
    """A checked call."""

    def __init__(self, call: SourceCall, base: Path) -> None:
        arguments = SIGNATURE.bind(call)
        self.span, self.name = span_of(call.place, len(call.kind)), told(str(arguments["file"]))
        self.kind, self.length = str(arguments["tokens"]), int(arguments["length"])
        self.stride = self.length if arguments["stride"] is None else int(arguments["stride"])
        self.encoding = str(arguments["encoding"])
        if self.length < 1 or self.stride < 1:
            SIGNATURE.refuse(call, "length and stride are at least 1")
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            SIGNATURE.refuse(call, f'there is no encoding "{self.encoding}"')
        self.path = located(call, str(arguments["file"]), base) if arguments["file"] != HELP else None
        self.tokenizer: Any = tokenizer(self.span, located(call, self.kind, base)) if self.kind not in WORDS else None

    def pieces(self) -> Iterator[str]:
        """The text, a piece at a time."""
        if self.path is None:
            from pydoc_data.topics import topics

            yield from (f"{text}\n" for text in topics.values())
            return
        encoding = "utf-8-sig" if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else self.encoding
        try:
            with self.path.open(encoding=encoding) as file:
                while piece := file.read(PIECE):
                    yield piece
        except UnicodeError:
            raise InputFaults(undecodable(self.span, "text", self.path, self.name, self.encoding)) from None
        except OSError as error:
            raise InputFaults(UnreadableFile(self.span, self.name, error.strerror or str(error))) from None

    def bytes(self) -> Array:
        if self.path is None:
            return np.frombuffer("".join(self.pieces()).encode(), np.uint8)
        return np.memmap(self.path, np.uint8, "r") if self.path.stat().st_size else np.zeros(0, np.uint8)

    def characters(self) -> tuple[Array, list[str]]:
        """Code points, and the characters that there are."""
        growing, seen = Growing(), np.zeros(0, np.uint32)
        growing.add(seen)
        for piece in self.pieces():
            points = np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)
            seen = np.union1d(seen, points)
            growing.add(points)
        return growing.whole(), [chr(p) for p in seen.tolist()]

    def numbered(self) -> Array:
        """The tokens of a tokenizer; text is handed to it in pieces that end with a line where they can."""
        growing, rest = Growing(), ""
        growing.add(np.zeros(0, np.int32))
        for piece in self.pieces():
            head, newline, rest = (rest + piece).rpartition("\n")
            if newline:
                growing.add(np.array(self.tokenizer.encode(head + newline).ids, np.int32))
        if rest:
            growing.add(np.array(self.tokenizer.encode(rest).ids, np.int32))
        return growing.whole()


def tokenizer(span: Span, path: Path) -> Any:
    from importlib.util import find_spec

    if find_spec("tokenizers") is None:
        raise InputFaults(NoPackage(span, "tokenizers", "text with a tokenizer file", "pip install 'archc[text]'"))
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 — tokenizers raises bare exceptions
        raise InputFaults(NoTokenizer(span, told(str(path)), str(error))) from None


def schema(call: SourceCall, base: Path) -> Schema:
    """`tokens` and `next`."""
    tokens = Tokens(call, base)
    return {"tokens": Field("int", (tokens.length,)), "next": Field("int", (tokens.length,))}


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    tokens = Tokens(call, base)
    refuse_too_large(tokens.span, tokens.name, tokens.path.stat().st_size if tokens.path is not None else 0)
    alphabet: list[str] = []
    if tokens.kind == "byte":
        values = tokens.bytes()
    elif tokens.kind == "char":
        values, alphabet = tokens.characters()
    else:
        values = tokens.numbered()
    if not len(values):
        raise InputFaults(EmptyData(tokens.span, tokens.name))
    if len(values) <= tokens.length:
        raise InputFaults(TextTooShort(tokens.span, tokens.name, len(values), tokens.length))
    shifts = {"tokens": 0, "next": 1}
    columns = {name: Windows(values, tokens.length, tokens.stride, shifts[name]) for name in wanted.names}
    return Table(tokens.name, columns, alphabets=dict.fromkeys(wanted.names, alphabet) if alphabet else {})
