"""Checking is linear in what is written, and blind to how often a stack repeats: counted in calls of functions, which no load changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from .spec import body, check

BLOCK = "block Part(x: [B, D]) -> [B, D] {\n    return x + (x -> layer_norm -> dense(4 * D) -> gelu -> dense(D))\n}\n"
SHAPES: dict[str, Callable[[int], str]] = {
    "layers": lambda n: body("\n".join(f"x = x -> dense({16 + i % 7}) -> relu" for i in range(n)) + "\ny = x"),
    "convolutions": lambda n: body(
        "\n".join("x = x -> conv(8, 3, padding=1) -> relu" for _ in range(n)) + "\ny = x", x="[B, 8, H, W]"
    ),
    "names": lambda n: body("h0 = x\n" + "\n".join(f"h{i + 1} = h{i} + h{i // 2}" for i in range(n)) + f"\ny = h{n}"),
    "blocks": lambda n: (
        "".join(BLOCK.replace("Part", f"Part{i}") for i in range(n))
        + body("\n".join(f"x = x -> Part{i}" for i in range(n)) + "\ny = x")
    ),
    "uses of a block": lambda n: BLOCK + body("\n".join("x = x -> Part" for _ in range(n)) + "\ny = x"),
    "shared layers": lambda n: body(
        "\n".join(f"layer f{i} = dense(64)\nx = x + f{i}(x) * f{i}(tanh(x))" for i in range(n)) + "\ny = x"
    ),
    "a long flow": lambda n: body("y = x" + " -> dense(64) -> relu" * n),
    "levels that differ": lambda n: body(f"y = x -> stack i in 0..{n} {{ dense(64 + i) -> relu }}"),
    "what is collected": lambda n: body(
        f"h, all = stack {n} from u = x {{\n    u' = u -> dense(64) -> relu\n    return u'\n}}\ny = sum(all)"
    ),
}


def calls(text: str) -> int:
    """How many functions, of Python or of C, a check calls."""
    count = 0

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        report = check(text)
    finally:
        sys.setprofile(None)
    assert report.ok, report.errors[0]
    return count


@pytest.mark.parametrize("what", SHAPES)
def test_twice_as_much_text_is_twice_the_work(what: str) -> None:
    make = SHAPES[what]
    check(make(3))  # what is done once in a process
    small, large = calls(make(40)), calls(make(160))
    assert large < 5 * small


def test_ten_thousand_levels_are_the_work_of_ten() -> None:
    few, many = (BLOCK + body(f"y = x -> stack {count} {{ Part }} -> dense(3)") for count in (10, 10_000))
    check(few)
    assert calls(many) <= 1.05 * calls(few)
