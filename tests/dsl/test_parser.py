"""Text -> AST: what is read, where each node stands, and that reading goes on after a fault."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.dsl import ast
from archc.dsl.depth import room
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.dsl.printer import format_source
from archc.dsl.render import render_report, to_json
from archc.dsl.source import Source
from archc.dsl.walk import children

EVERYTHING = Path(__file__).with_name("everything.arch").read_text(encoding="utf-8")
SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.arch"))


def read(text: str) -> ast.File:
    report = Report()
    file = parse(Source("t.arch", text), report)
    assert not report.diagnostics, render_report(report)
    return file


def body(*lines: str) -> tuple[ast.Statement, ...]:
    text = "\n".join(["block F(x: [B, D]) {", *lines, "}"])
    (item,) = read(text).items
    assert isinstance(item, ast.Declaration)
    return item.body


def value(text: str) -> Any:
    (statement,) = body(f"y = {text}")
    assert isinstance(statement, ast.Assign)
    return statement.value


def faults(text: str) -> list[tuple[str, int, int]]:
    report = Report()
    parse(Source("t.arch", text), report)
    return [(d.code, d.span.start.line, d.span.start.column) for d in report.ordered()]


def walk(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in children(node):
        yield from walk(child)


# What is read ---------------------------------------------------------------------------------------------------------


def test_every_form_is_read() -> None:
    used = {type(node) for node in walk(read(EVERYTHING))}
    forms = {t for t in vars(ast).values() if isinstance(t, type) and issubclass(t, ast.Node) and t is not ast.Node}
    assert forms <= used, forms - used


@pytest.mark.parametrize("spec", SPECS, ids=lambda p: p.stem)
def test_shipped_specs_are_read_and_canonical(spec: Path) -> None:
    text = spec.read_text(encoding="utf-8")
    read(text)
    assert format_source(Source(spec.name, text)) == text


def test_every_form_is_canonical() -> None:
    assert format_source(Source("everything.arch", EVERYTHING)) == EVERYTHING


def test_precedence() -> None:
    x, y = ast.Name("x"), ast.Name("y")
    assert value("x + y -> f") == ast.Flow((ast.Binary("+", x, y), ast.Name("f")))
    assert value("x -> f if x else y") == ast.Ternary(x, ast.Flow((x, ast.Name("f"))), y)
    assert value("-x ** -y") == ast.Unary("-", ast.Binary("**", x, ast.Unary("-", y)))
    assert value("x ** y ** x") == ast.Binary("**", x, ast.Binary("**", y, x))
    assert value("x - y - x") == ast.Binary("-", ast.Binary("-", x, y), x)
    assert value("not x == y") == ast.Unary("not", ast.Compare(x, (("==", y),)))
    assert value("x < y <= x") == ast.Compare(x, (("<", y), ("<=", x)))
    assert value("x or y and x") == ast.Binary("or", x, ast.Binary("and", y, x))
    assert value("x..y + x") == ast.Binary("..", x, ast.Binary("+", y, x))
    assert value("x -> y as x -> y") == ast.Flow((x, ast.As(y, ast.Ident("x")), y))


def test_words_of_the_grammar_are_names_elsewhere() -> None:
    lines = (
        "gate = layer",
        "layer layer = state",
        "state[model, block] = gate",
        "param ~ data",
        "penalty, phase = on",
        "by = train_where",
    )
    assert [type(s).__name__ for s in body(*lines)] == ["Assign", "LayerDef", "IndexFunction", "Draw", "Assign", "Assign"]
    assert body("gate minimizes player", "player minimizes = x") == (
        ast.Minimizes((ast.Ident("gate"),), ast.Name("player")),
        ast.PlayerDef(ast.Ident("minimizes"), ast.Name("x")),
    )
    (train,) = read("train on: on(on=on) on on {\n on on\n}").items
    assert isinstance(train, ast.Train)
    assert train.data == ast.Ident("on")


def test_a_line_goes_on_before_an_operator() -> None:
    one = body("y = x -> f + 1 if a or b else c and d .. e")
    parts = ("y = x", "  -> f", "", "# a comment", "  + 1 if a", "or b # more", "  else c", "and d", ".. e")
    assert body(*parts) == one
    assert body("y = f(", "x", "# no", ",", "z)") == body("y = f(x, z)")
    assert body("if a { y = x }", "else { y = z }") == body("if a { y = x } else { y = z }")


def test_two_pairs_of_parentheses_are_told_apart() -> None:
    def names(head: str) -> tuple[list[str], list[str]]:
        (item,) = read(f"block F{head} {{ }}").items
        assert isinstance(item, ast.Declaration)
        return [p.name.text for p in item.hypers], [p.name.text for p in item.tensors]

    assert names("(a, b)") == (["a", "b"], [])
    assert names("(a: [B], b: int[B])") == ([], ["a", "b"])
    assert names("(a: int)") == (["a"], [])
    assert names("()") == ([], [])
    assert names("()(a: [B])") == ([], ["a"])
    assert names("(a)(b: [B] = none)") == (["a"], ["b"])


def test_doc_comments_belong_to_the_next_declaration() -> None:
    file = read(
        "## one\n##\n##  two\n# three\nblock A() { }\n\n### ruler\n## four\nfrom m import x\n## five\n\ndata d = f()\n## six\n"
    )
    assert [getattr(item, "doc", None) for item in file.items] == ["one\n\n two", None, "five"]
    assert [c.text for c in file.comments] == ["# three", "### ruler", "## four", "## six"]
    (block,) = read("## a\nblock A() {\n    ## not a doc\n    y = 1 ## nor this\n}").items
    assert isinstance(block, ast.Declaration)
    assert block.doc == "a"


def test_line_ends_and_marks_of_other_systems() -> None:
    plain = "model M(x: [B]) {\n    y = x\n    return y\n}\n"
    for text in (
        plain.replace("\n", "\r\n"),
        "\ufeff" + plain,
        plain.replace("    ", "\t"),
        plain.rstrip("\n"),
        plain + "\n\n# end",
    ):
        assert read(text) == read(plain)


# Places ---------------------------------------------------------------------------------------------------------------


def test_places_are_exact() -> None:
    source = Source("t.arch", EVERYTHING)
    file = read(EVERYTHING)
    for node in walk(file):
        text = source.slice(node.span)
        match node:
            case ast.Name() | ast.Primed():
                assert text == node.id + "'" * isinstance(node, ast.Primed)
            case ast.Ident() | ast.Number():
                assert text == node.text
            case ast.String():
                assert text == f'"{node.value}"'
            case ast.TensorType():
                assert text.endswith("]")
            case ast.Declaration() | ast.Train():
                assert text.startswith(node.kind if isinstance(node, ast.Declaration) else "train")
                assert text.endswith("}")
            case (
                ast.Call()
                | ast.Index()
                | ast.Attribute()
                | ast.Flow()
                | ast.Binary()
                | ast.Compare()
                | ast.Ternary()
                | ast.Unary()
                | ast.As()
            ):
                assert value(f"({text})") == node
            case ast.Stack() | ast.List() | ast.Tuple() | ast.Record():
                assert value(text) == node
            case (
                ast.Assign() | ast.IndexFunction() | ast.Draw() | ast.LayerDef() | ast.GateDef() | ast.ParamDef() | ast.StateDef()
            ):
                assert body(text) == (node,)
            case ast.If() | ast.Return() | ast.Assert() | ast.PenaltyDef() | ast.PlayerDef() | ast.Minimizes() | ast.LatentDef():
                assert body(text) == (node,)


def test_children_stand_inside_of_their_parents() -> None:
    for node in walk(read(EVERYTHING)):
        last = None
        for child in children(node):
            if not isinstance(node, ast.File):
                assert node.span.start <= child.span.start <= child.span.end <= node.span.end
            if last is not None and not isinstance(node, ast.Ternary | ast.File | ast.Arg):
                assert last.span.start <= child.span.start
            last = child


# Going on after a fault -----------------------------------------------------------------------------------------------


def test_all_faults_of_a_file_are_reported() -> None:
    lines = [
        "model A(x: [B]) {",
        "y = ",
        "z = x y",
        "return z",
        "}",
        "model B(x [B]) {",
        "}",
        "data d = f(",
        "model C(x: [B]) {",
        "= 3",
        "}",
    ]
    found = [(code, line) for code, line, _ in faults("\n".join(lines))]
    assert found == [("E0117", 2), ("E0118", 3), ("E0120", 6), ("E0113", 8), ("E0120", 10)]


def test_what_is_whole_stays() -> None:
    report = Report()
    file = parse(
        Source("t", "model A(x: [B]) {\n  a = x\n  b = = 3\n  c = x\n}\nmodl B(x: [B]) { }\nmodel C(x: [B]) { }"), report
    )
    assert [item.name.text for item in file.items if isinstance(item, ast.Declaration)] == ["A", "C"]
    first = file.items[0]
    assert isinstance(first, ast.Declaration)
    assert [s.targets[0].id for s in first.body if isinstance(s, ast.Assign)] == ["a", "c"]


def test_faults_with_one_mend_are_mended_and_read() -> None:
    report = Report()
    file = parse(Source("t", "block F(x: [B]) {\n  y = f('a') & 1_0 if x = 3 else True;\n  return y\n}"), report)
    assert [d.code for d in report.ordered()] == ["E0103", "E0106", "E0104", "E0121", "E0124", "E0107"]
    assert file == read('block F(x: [B]) {\n  y = f("a") and 10 if x == 3 else true\n  return y\n}')


# Any input ------------------------------------------------------------------------------------------------------------


def survives(text: str) -> list[str]:
    """Reads `text`, and shows what was found in every form."""
    report = Report()
    file = parse(Source("any", text), report)
    render_report(report).encode()
    render_report(report, colour=True).encode()
    for diagnostic in report.diagnostics:
        str(to_json(diagnostic)).encode()
    with room():
        assert parse(Source("any", text), Report()) == file
        repr(file)
    return [d.code for d in report.diagnostics]


def within(expression: str) -> str:
    return f"model M(x: [B]) {{\n    y = {expression}\n    return y\n}}\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (within("(" * 100_000 + "x" + ")" * 100_000), ["E0112"]),
        ("(" * 100_000, ["E0112"]),
        (within("-" * 20_000 + "x"), ["E0112"]),
        (within("not " * 20_000 + "x"), ["E0112"]),
        (within("**".join(["x"] * 20_000)), ["E0112"]),
        (within("+".join(["x"] * 20_000)), ["E0112"]),
        (within("x if c else " * 20_000 + "x"), ["E0112"]),
        (within("f" + "(x)" * 20_000), ["E0112"]),
        (within("(" * 190 + "x" + ")" * 190), []),
        (within("f(" * 190 + "x" + ")" * 190), []),
        (within("x -> " + "stack 2 { " * 190 + "f" + " }" * 190), []),
        (within(" -> ".join(["f"] * 5_000)), []),
        ("model M(x: [B]) {\nif a { }" + "else if a { }" * 5_000 + "\n}", ["E0112"]),
        ("a" * 1_000_000, ["E0119"]),
        ('"' + "a" * 1_000_000, ["E0102", "E0119"]),
        ("\x00" * 1_000_000, ["E0101"]),
        ("\ud800", ["E0101"]),
        ("", []),
        ("\n \t\r\n", []),
        ("# only this", []),
    ],
    ids=lambda v: f"{v[:12]!r} of {len(v)}" if isinstance(v, str) else "",
)
def test_nothing_is_too_much(text: str, codes: list[str]) -> None:
    assert survives(text) == codes


@pytest.mark.parametrize(
    "piece", ["}", ")", "'", ";", "\x00 ", "x x\n", "model A\n", "model A(\n", "([)]", '"\n', "\ud800 ", "if x\n", "= "]
)
def test_no_more_than_a_hundred_faults_are_listed(piece: str) -> None:
    assert len(survives(piece * 5_000)) <= 101


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("xB0 \n\t()[]{}=->.,:'\"#*~_é\x00\ud800"))))
def test_random_characters(text: str) -> None:
    survives(text)


WORDS = """( ) { } [ ] -> = == ' " ; : ... .. . ~ not - ** + && -> , # ## stack if else from gate model block train data return
phase each minimizes tied in as 1_0 é elif for lambda import"""
PIECES = [*WORDS.split(), "\n", "\r\n", "\x00", "\ud800", "\t", "model A(", "\ufeff"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 5, 20]))
def test_random_changes_of_a_spec(seed: int, changes: int) -> None:
    chosen, text = random.Random(seed), EVERYTHING
    for _ in range(changes):
        i = chosen.randrange(len(text) + 1)
        cut = chosen.choice([0, 0, 1, 10])
        text = text[:i] + chosen.choice(["", f" {chosen.choice(PIECES)} ", chosen.choice(PIECES)]) + text[i + cut :]
    survives(text)


def test_ten_thousand_lines_are_read_quickly() -> None:
    text = EVERYTHING * (10_000 // EVERYTHING.count("\n") + 1)
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 5  # 0.8 s when nothing else runs
