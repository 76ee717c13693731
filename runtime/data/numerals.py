"""`numerals()`: the whole numbers from 0 up, in digits and in English words, written when they are read.

Columns, of characters by their places in `ALPHABET`, filled up with 0:

- `digits`, int [W]: 4711 as its digits;
- `words`, int [L]: four thousand seven hundred eleven, with as many places as the longest has and one more, so that each ends in a 0;
- `number`, int: the number itself;
- `part`, int: 2 for the fifth that is kept for tests, 1 for the fiftieth that settings are chosen on, else 0. Which those are is drawn
  from the number alone by BLAKE2, so that it is the same on each machine and for each count.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ...compiler.plan import SourceCall
from .calls import Parameter, Signature, Wanted
from .table import Array, Field, Schema, Table

SIGNATURE = Signature("numerals", (Parameter("count", (int,), 100_000),), "numerals(count=100000)")
MOST = 1_000_000
ALPHABET = ["\0", "\n", " ", "-", *"0123456789", *"abcdefghijklmnopqrstuvwxyz"]
"""In the order of their code points. 0 fills up; the new line, 1, is there for a program to begin a text with."""
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelled(number: int) -> str:
    """A number below a million in words."""
    if number >= 1000:
        rest = number % 1000
        return f"{spelled(number // 1000)} thousand{f' {spelled(rest)}' if rest else ''}"
    if number >= 100:
        rest = number % 100
        return f"{ONES[number // 100]} hundred{f' {spelled(rest)}' if rest else ''}"
    if number >= 20:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    return ONES[number]


def part_of(number: int) -> int:
    """0 for training, 1 for validation, 2 for tests."""
    drawn = int.from_bytes(blake2b(str(number).encode(), digest_size=4).digest()) % 50
    return 2 if drawn < 10 else 1 if drawn == 10 else 0


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns. How long the longest words are follows from those below a thousand: more words stand before them."""
    count = _count(call)
    rest, thousands = max(len(spelled(n)) for n in range(min(count, 1000))), (count - 1) // 1000
    longest = rest if not thousands else rest + len(" thousand ") + max(len(spelled(n)) for n in range(1, thousands + 1))
    digits, words = Field("int", (len(str(count - 1)),)), Field("int", (longest + 1,))
    return {"digits": digits, "words": words, "number": Field("int", ()), "part": Field("int", ())}


def _count(call: SourceCall) -> int:
    count = int(SIGNATURE.bind(call)["count"])
    if not 1 <= count <= MOST:
        SIGNATURE.refuse(call, f"count is from 1 to {MOST}")
    return count


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    count, fields = _count(call), schema(call, base)
    made: dict[str, Callable[[], Array]] = {
        "digits": lambda: _points([str(n) for n in range(count)], int(fields["digits"].shape[0])),
        "words": lambda: _points([spelled(n) for n in range(count)], int(fields["words"].shape[0])),
        "number": lambda: np.arange(count),
        "part": lambda: np.array([part_of(n) for n in range(count)]),
    }
    texts = [name for name in ("digits", "words") if name in wanted.names]
    columns: dict[str, Array] = {name: made[name]() for name in wanted.names}
    return Table("numerals", columns, alphabets=dict.fromkeys(texts, ALPHABET))


def _points(texts: list[str], width: int) -> Array:
    """Texts as code points, a row each."""
    letters = "".join(text.ljust(width, ALPHABET[0]) for text in texts)
    return np.frombuffer(letters.encode("utf-32-le"), np.uint32).reshape(len(texts), width)
