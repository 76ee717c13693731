"""What the fuzzing feeds to `check` and `fmt`: one input for each seed and number, always the same one.

Programs of the project (specs, tests, faults) with bytes or tokens changed, spliced, nested, or with odd characters; random trees of
syntax printed; programs that are nearly right (see `guesses`), correct ones with a few tokens changed; and noise.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from archc.compiler.layers import registry
from archc.compiler.layers.examples import example_block
from archc.dsl import ast
from archc.dsl.printer import print_file

from ..compiler.advice.drawn import Program
from ..dsl.programs import SMALL, Maker
from .guesses import Guess, layers

TESTS = Path(__file__).parent.parent
FOLDERS = (
    "../specs",
    "../specs/std",
    "compiler/programs",
    "dsl",
    "runtime/fixtures",
    "golden/faults",
    "golden/syntax",
    "golden/advice",
)
TOKEN = re.compile(r'\s+|#[^\n]*|"[^"\n]*"|[A-Za-z_]\w*\'?|\d+(?:\.\d+)?(?:e-?\d+)?|->|\*\*|//|[=!<>]=|\.\.\.?|.', re.DOTALL)
KEPT = frozenset("model block cell attention energy adversarial data train if else stack parallel from in as layer param".split())
NUMBERS = tuple(
    '0 -1 1 2 7 64 0.5 1e300 999999999999999999999 none true "text" [] [1,2] 1e-400 10**30 2**-1 0.0 B D H//2 [1]*10 inf x'.split()
)
SIGNS = tuple(
    "-> ( ) [ ] { } , : . .. ... = == + - * / // % @ ** ~ < > ' \" # ## \n stack parallel if else not and or as from return".split(
        " "
    )
)
ODD = [
    chr(int(code, 16))
    for code in (
        "0 feff 200b a0 2028 e9 3a9 2192 2212 bd 663 1d7db fb01 d7ff 1f600 7f 85 d 9 b c 301 202e 201c 201d 2019 3b 26 7c 21 5e 24 60 5c "
        "3f 131 130 df"
    ).split()
]
BRACKETS = (
    ("(", ")"), ("[", "]"), ("{a: ", "}"), ("f(", ")"), ("x[", "]"), ("stack 2 { ", " }"), ("parallel 2 { ", "}"), ("dense(3)(", ")"),
    ("-", ""), ("not ", ""), ("2 ** ", ""), ("x -> ", ""), ("1 + ", ""), ("x if a else ", ""), ("if a {\n", "\n}"),
)  # fmt: skip


@cache
def corpus() -> tuple[str, ...]:
    """The programs of the project, and the example of each layer."""
    files = sorted(path for folder in FOLDERS for path in (TESTS / folder).glob("*.arch"))
    examples = [example_block(registry()[name]) for name in sorted(registry())]
    return (*(path.read_bytes().decode("utf-8", "replace") for path in files), *examples)


def words(text: str) -> list[str]:
    return TOKEN.findall(text)


# Changes --------------------------------------------------------------------------------------------------------------


def tokens_changed(draw: random.Random, text: str) -> str:
    """One to three tokens changed: mostly names and numbers for others, so that it still parses; else anything."""
    tokens = words(text)
    solid = [i for i, token in enumerate(tokens) if not token.isspace() and not token.startswith("#")]
    names = [i for i in solid if tokens[i].isidentifier() and tokens[i] not in KEPT] or solid
    numbers = [i for i in solid if tokens[i][0].isdigit()] or names
    if not solid:
        return noise(draw)
    for _ in range(draw.randint(1, 3)):
        i, j = draw.choice(solid), draw.choice(solid)
        name, number, other = draw.choice(names), draw.choice(numbers), draw.choice(names)
        match draw.choices(range(9), (6, 4, 6, 4, 1, 1, 1, 1, 1))[0]:
            case 0:
                tokens[name] = tokens[other]
            case 1:
                tokens[name], tokens[other] = tokens[other], tokens[name]
            case 2:
                tokens[number] = draw.choice(NUMBERS)
            case 3:
                tokens[name] = draw.choice(layers())
            case 4:
                tokens[i] = ""
            case 5:
                tokens[i] += f" {tokens[i]}"
            case 6:
                tokens[i], tokens[j] = tokens[j], tokens[i]
            case 7:
                tokens[i] = tokens[j]
            case 8:
                tokens[i] = f" {draw.choice(SIGNS)} "
    return "".join(tokens)


def of_corpus(draw: random.Random) -> str:
    return tokens_changed(draw, draw.choice(corpus()))


def of_correct(draw: random.Random) -> str:
    return tokens_changed(draw, Program(draw.randrange(1 << 30)).text())


def of_guess(draw: random.Random) -> str:
    return Guess(draw).text()


def bytes_changed(draw: random.Random) -> bytes:
    data = bytearray(draw.choice(corpus()).encode("utf-8", "replace"))
    for _ in range(draw.choice((1, 1, 1, 2, 4, 8))):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(4):
            case 0:
                data[at : at + draw.randint(1, 40)] = b""
            case 1:
                data[at:at] = bytes(draw.choices(range(256) if draw.random() < 0.2 else range(32, 127), k=draw.randint(1, 4)))
            case 2:
                data[at : at + 1] = bytes([draw.choice(b"(){}[]\"'#\n\r ->=.,:*0123456789")])
            case 3:
                start = draw.randrange(len(data) + 1)
                data[at:at] = data[start : start + draw.randint(1, 200)]
    return bytes(data)


def spliced(draw: random.Random) -> str:
    """The head of one program and the tail of another, cut between tokens or lines."""
    one, other = draw.choice(corpus()), draw.choice(corpus())
    split = words if draw.random() < 0.5 else (lambda text: text.splitlines(keepends=True))
    first, second = split(one), split(other)
    return "".join(first[: draw.randrange(len(first) + 1)]) + "".join(second[draw.randrange(len(second) + 1) :])


def odd_characters(draw: random.Random) -> str:
    text = draw.choice(corpus())
    for _ in range(draw.randint(1, 5)):
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(ODD) * draw.choice((1, 1, 3)) + text[at + draw.randrange(2) :]
    return text


def nested(draw: random.Random) -> str:
    """Something opened many times in the middle of a program, and mostly closed again."""
    opener, closer = draw.choice(BRACKETS)
    depth = draw.choice((3, 20, 90, 190, 201, 250, 1000, 5000))
    inner = opener * depth + draw.choice(("x", "1", "relu", "")) + closer * (depth + draw.choice((0, 0, 0, -1, 1)))
    tokens = words(draw.choice(corpus()))
    at = draw.randrange(len(tokens) + 1)
    return "".join(tokens[:at]) + f" {inner} " + "".join(tokens[at + 1 :])


def numbers_grown(draw: random.Random) -> str:
    """Numbers of a program made large, negative or symbolic."""
    huge = (
        "10 ** 12",
        "2 ** 64",
        "1" + "0" * 30,
        "9" * 400,
        "1e308 * 10",
        "-3",
        "1000000000",
        "2 ** 2 ** 2 ** 2 ** 2",
        "B ** 9",
        "0",
    )

    def grown(match: re.Match[str]) -> str:
        return draw.choice(huge) if draw.random() < 0.15 else match[0]

    return re.sub(r"\b\d+\b", grown, draw.choice(corpus()))


def printed_tree(draw: random.Random) -> str:
    """A random tree of syntax, as the formatter prints it; small numbers and texts are drawn where hypothesis would."""
    bounds = {id(strategy): bound for bound, strategy in SMALL.items()}

    def drawn(strategy: Any) -> Any:
        bound = bounds.get(id(strategy))
        return draw.randint(0, bound) if bound is not None else "".join(draw.choices("ab é→'#\\", k=draw.randint(0, 6)))

    maker = Maker(drawn)
    return print_file(ast.File(maker.some(maker.item, 1, 3)))


def noise(draw: random.Random) -> str:
    letters = draw.choice(("xh10 ->()[]{}=,:.\n\"'#", "".join(ODD) + "ab(){}\n", "({[)]}"))
    return "".join(draw.choices(letters, k=draw.choice((0, 1, 10, 300))))


WAYS: dict[Callable[[random.Random], str | bytes], int] = {
    of_guess: 34,
    of_corpus: 24,
    of_correct: 10,
    spliced: 6,
    bytes_changed: 6,
    numbers_grown: 6,
    printed_tree: 5,
    odd_characters: 4,
    nested: 4,
    noise: 1,
}


def made(seed: int, number: int) -> tuple[str, bytes]:
    """Input `number` of the campaign `seed`: how it was made, and its bytes."""
    draw = random.Random(f"{seed}/{number}")
    way = draw.choices(list(WAYS), list(WAYS.values()))[0]
    found = way(draw)
    return way.__name__, found if isinstance(found, bytes) else found.encode("utf-8", "surrogatepass")
