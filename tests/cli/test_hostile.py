"""Files made to break, stall or fill what reads them: each ends in a diagnostic, within a second, without a traceback.

(What asks the checker alone for too much is in tests/compiler/test_hostile.py, what is made by machine in tests/fuzz.)
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .tool import Archc

SECONDS = 5.0  # of the processor: half a second on a machine at rest, where what grows faster than its input takes minutes


def model(line: str, x: str = "B, 1000", more: str = "") -> str:
    return f"{more}model Net(x: [{x}]) {{\n    y = {line}\n    return y\n}}\n"


PART = "block Part(x: [B, D]) {{\n    return x -> {}\n}}\n"
MUTUAL = "block One(x: [B, D]) {\n    return x -> Two\n}\nblock Two(x: [B, D]) {\n    return x -> One\n}\n"
CHAIN = "".join(f"block P{i}(x: [B, D]) {{\n    return x -> {f'P{i + 1}' if i < 2000 else 'relu'}\n}}\n" for i in range(2001))
DOUBLING = "".join(
    f"block P{i}(x: [B, D]) {{\n    return x -> {f'P{i + 1} -> P{i + 1}' if i < 60 else 'dense(D)'}\n}}\n" for i in range(61)
)
ELSE_IF = "block P(k = 1)(x: [B]) {\n" + "    if k == 1 {\n    } else " * 5_000 + "{\n    }\n}\n"
LISTS = "    b0 = [1, 2]\n" + "".join(f"    b{i + 1} = b{i} + b{i}\n" for i in range(40))

CASES: dict[str, tuple[str | bytes, str]] = {
    "100,000 nested parentheses": (model("(" * 100_000 + "x" + ")" * 100_000), "E0112"),
    "100,000 parentheses never closed": (model("(" * 100_000), "E01"),
    "100,000 nested brackets": (model("[" * 100_000 + "]" * 100_000), "E0112"),
    "100,000 nested stacks": (model("x -> " + "stack 2 { " * 100_000 + "relu" + " }" * 100_000), "E0112"),
    "100,000 minus signs": (model("-" * 100_000 + "x"), "E0112"),
    "100,000 nots": (model("not " * 100_000 + "x"), "E0112"),
    "20,000 powers": (model("x * " + "2 ** " * 20_000 + "2"), "E0112"),
    "a long chain of else if": (model("x") + ELSE_IF, "E0112"),
    "weights past counting": (model("x -> dense(10 ** 30)"), "E0415"),
    "a billion levels": (model("x -> stack 1000000000 { dense(1000) }"), "E0415"),
    "2^40 weights in stacks of stacks": (model("x -> stack 1024 { stack 1024 { stack 1024 { dense(1000) } } }"), "E0415"),
    "a block that contains itself": (model("x -> Part", more=PART.format("Part")), "E0206"),
    "a block that contains itself in a stack": (model("x -> Part", more=PART.format("stack 3 { Part }")), "E0206"),
    "two blocks that contain each other": (model("x -> One", more=MUTUAL), "E0206"),
    "2,000 parts in one another": (model("x -> P0", more=CHAIN), "E0415"),
    "parts that double sixty times": (model("x -> P0", more=DOUBLING), "E0415"),
    "powers of powers": (model("x -> dense(2 ** 2 ** 2 ** 2 ** 2 ** 2)"), "E0415"),
    "powers of a dim": (model("x -> reshape(B ** 10 ** 9)"), "E0"),
    "a power of a sum of dims": (model("x -> reshape((A + B + C + D) ** 40)", "A, B, C, D"), "E0"),
    "products that grow": (model("x -> reshape(" + " * ".join(["(A + B + C + D)"] * 40) + ")", "A, B, C, D"), "E0"),
    "a range past counting": (model("x -> dense(len(range(10 ** 12)))"), "E0415"),
    "ranges in ranges": (model("x -> dense(len(zip(range(50000), range(50000))) ** 9)"), "E0415"),
    "lists that double": (model("x -> dense(len(b40))").replace("    y", LISTS + "    y", 1), "E0415"),
    "a text times a number": (model('x -> dense("a" * 10 ** 9)'), "E0409"),
    "a list times a number": (model("x -> dense([1] * 10 ** 9)"), "E0409"),
    "a number of a million digits": (model("x -> dense(" + "9" * 1_000_000 + ")"), "E0144"),
    "a name of a million letters": (model("a" * 1_000_000), "E0201"),
    "a line of a million characters": (model("x -> dense(64)" + " " * 1_000_000 + ")"), "E0"),
    "a text of a million characters": (model(f'x -> rearrange("{"b t " * 250_000}")'), "E0"),
    "a pattern of many names": (model(f'x -> rearrange("{" ".join(f"a{i}" for i in range(20_000))} -> b")'), "E0"),
    "a comment without an end": (b"#" * 1_000_000 + b"\n" + model("z").encode(), "E0201"),
    "nothing but new lines": (b"\n" * 1_000_000 + b"z", "E01"),
    "nothing but quotes": (b'"' * 200_001, "E01"),
    "nothing but closing braces": (b"}" * 100_000, "E01"),
    "zero bytes": (model("x").encode().replace(b"y", b"\0"), "E07"),
    "what is no UTF-8": (model("x").encode().replace(b"y", b"\xff"), "E07"),
    "half a character": (model("x # é").encode()[:-14] + b"\xc3", "E07"),
    "UTF-16": (model("x").encode("utf-16"), "E07"),
    "half of a surrogate pair": (model("x").replace("y", "\ud800").encode("utf-8", "surrogatepass"), "E07"),
    "a mark of byte order in the middle": (model("x").replace("y", "\ufeffz").encode(), "E01"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_a_diagnostic(case: str, archc: Archc, tmp_path: Path) -> None:
    given, code = CASES[case]
    file = tmp_path / "hostile.arch"
    file.write_bytes(given.encode() if isinstance(given, str) else given)
    start = time.process_time()
    said = archc("check", file)
    spent = time.process_time() - start
    assert said.status == 1, said.err[-2000:]
    assert f"error[{code}" in said.err
    assert len(said.err) < 100_000
    assert spent < SECONDS


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_formatted_or_left(case: str, archc: Archc, tmp_path: Path) -> None:
    given, _ = CASES[case]
    file = tmp_path / "hostile.arch"
    file.write_bytes(given.encode() if isinstance(given, str) else given)
    start = time.process_time()
    assert archc("fmt", file).status in (0, 1)
    assert time.process_time() - start < SECONDS


def test_marks_and_line_ends_of_other_systems_are_read(archc: Archc, tmp_path: Path) -> None:
    plain = model("x -> dense(3)")
    file = tmp_path / "windows.arch"
    file.write_bytes(b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode())
    assert archc("check", file).err == ""
    assert archc("fmt", file).status == 0
    assert file.read_bytes() == plain.encode()
    file.write_bytes(plain.replace("dense", "dnese").replace("\n", "\r\n").encode())
    assert "windows.arch:2:14" in archc("check", file).err


def test_two_files_that_import_each_other(archc: Archc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.arch").write_text('from "./two.arch" import Two\n' + PART.format("Two"))
    (tmp_path / "two.arch").write_text('from "./one.arch" import Part\nblock Two(x: [B, D]) {\n    return x -> Part\n}\n')
    assert "error[E0205]: these files import each other: one.arch -> two.arch -> one.arch" in archc("check", "one.arch").err


def test_a_chain_of_files_has_an_end(archc: Archc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(300):
        (tmp_path / f"f{i}.arch").write_text(
            f'from "./f{i + 1}.arch" import Part\n' + PART.format("relu").replace("Part", f"P{i}")
        )
    start = time.process_time()
    assert "is imported through more than 100 files" in archc("check", "f0.arch").err
    assert time.process_time() - start < SECONDS
