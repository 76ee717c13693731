"""Programs that ask for too much end soon, in a diagnostic. (Those that are made by machine are in tests/fuzz.)"""

from __future__ import annotations

import time

import pytest

from archc.dsl.render import render_report

from .spec import body, check, messages

SECONDS = 5.0


def timed(text: str, files: dict[str, str] | None = None) -> float:
    start = time.process_time()
    render_report(check(text, files))
    return time.process_time() - start


RING = "block Ring(x: [B, D]) -> [B, D] {\n    return x -> dense(D) -> Ring\n}\n"
HOSTILE = {
    "weights past counting": body("y = x -> dense(10 ** 30)"),
    "powers on powers": body("y = x -> dense(2 ** 2 ** 2 ** 2 ** 2)"),
    "powers of a dim": body("y = x -> dense(10) -> reshape(N ** 2 ** 2 ** 2 ** 2)", x="[B, N]"),
    "a billion levels": body("y = x -> stack 1000000000 { dense(1000) }", x="[B, 1000]"),
    "a billion levels that differ": body("y = x -> stack i in 0..1000000000 { dense(64 + i) }"),
    "a billion levels that widen": body("y = stack 1000000000 from h = x {\n    h' = concat(h, h)\n}"),
    "levels in levels": body("y = x -> stack 100000 { stack 100000 { stack 100000 { stack 100000 { relu } } } }"),
    "a billion copies": body("y = concat(x -> parallel 1000000000 { dense(3) })"),
    "a block that contains itself": RING + body("y = x -> Ring"),
    "a list of lists": body("y = x -> dense(len(zip(range(20000), range(20000))))"),
    "a range in a range": body("y = x -> dense(len(range(10 ** 39)))"),
    "reals past all bounds": body("y = x * 1e308 * 1e308 * (1e308 * 1e308) ** 2 * (0.0 - 1) ** 0.5"),
    "a number of many digits": body(f"y = x -> dense({'9' * 4000})"),
    "a real of many digits": body(f"y = x * {'9' * 5000}.0"),
    "a real that is no number": body("y = x -> dropout(inf - inf) -> dense(floor(inf)) -> dense(ceil(inf * 0))"),
    "terms past bearing": body(
        "y = x -> reshape((A + C + D + E + F + G + H + I + J + K + L + M + N) ** 8)", x="[A, C, D, E, F, G, H, I, J, K, L, M, N]"
    ),
    "a billion collected": body("y, all = stack 1000000000 from h = x {\n    h' = h -> relu\n    return h\n}"),
    "terms past counting": body("y = x -> reshape((A + C + D + E + F + G + H + 1) ** 8)", x="[A, C, D, E, F, G, H]"),
    "nested floors": body("y = x" + " -> max_pool(2)" * 200, x="[B, 3, H, W]"),
    "nested floors that grow": body("y = x" + " -> conv(3, 2, stride=2, padding=1)" * 150, x="[B, 3, H, W]"),
    "a long sum of dims": body(f"y = x -> dense({' + '.join(['width'] * 5000)})", hypers="width = 1"),
    "many faults": body("\n".join(f"a{i} = x -> dens({i}) + b{i}" for i in range(150))),
    "outputs of outputs": body(
        "a, b = x -> chunk(2)\n" + "\n".join("a, b = concat(a, b) -> chunk(2)" for _ in range(300)) + "\ny = a"
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_asks_for_too_much_ends_soon(case: str) -> None:
    assert timed(HOSTILE[case]) < SECONDS


def test_too_much_is_a_diagnostic() -> None:
    assert messages(HOSTILE["weights past counting"])[0].startswith("E0415")
    assert messages(HOSTILE["powers on powers"])[0].startswith("E0415")
    assert messages(HOSTILE["a billion levels"])[0].startswith("E0415")
    assert messages(HOSTILE["a billion levels that differ"])[0].startswith("E0415")
    assert messages(HOSTILE["a block that contains itself"])[0].startswith("E0206")


def test_a_hundred_thousand_terms() -> None:
    assert timed(body(f"y = x -> dense({' + '.join(['1'] * 100_000)})")) < 8 * SECONDS


def test_levels_of_one_type_cost_nothing() -> None:
    block = "block Part(x: [B, D]) -> [B, D] {\n    return x + (x -> layer_norm -> dense(4 * D) -> gelu -> dense(D))\n}\n"
    few, many = (block + body(f"y = x -> stack {count} {{ Part }} -> dense(3)") for count in (10, 10_000))
    timed(few)
    assert min(timed(many) for _ in range(5)) < 1.3 * min(timed(few) for _ in range(5)) + 0.002


def test_files_in_a_circle() -> None:
    files = {
        "a.arch": 'from "b.arch" import B\nblock A(x: [B, D]) {\n    return x -> B\n}\n',
        "b.arch": 'from "c.arch" import C\nblock B(x: [B, D]) {\n    return x -> C\n}\n',
        "c.arch": 'from "a.arch" import A\nblock C(x: [B, D]) {\n    return x -> A\n}\n',
    }
    found = messages('from "a.arch" import A\n' + body("y = x -> A"), files)
    assert [message for message in found if message.startswith("E0205")] == [
        "E0205: these files import each other: a.arch -> b.arch -> c.arch -> a.arch"
    ]
    assert messages('from "spec.arch" import Net\n' + body("y = x")) == [
        "E0205: these files import each other: spec.arch -> spec.arch"
    ]
