"""Diagnostic -> terminal: gutters, carets, several labels and files, tabs, wide characters, long lines, colour."""

import re

from archc.dsl.diagnostic import Diagnostic, Edit, Help, Label
from archc.dsl.render import one_line, render, to_json
from archc.dsl.source import Source
from archc.dsl.span import Loc, Span

GPT = Source(
    "gpt.arch", "\n" * 9 + "\n    k = x -> dense(D / 2)\n    y = attend(q, k, v, heads=heads)\n" + "\n" * 20 + "    z = k\n"
)


def at(line: int, column: int, length: int = 1, name: str = "gpt.arch", end: int | None = None) -> Span:
    return Span(name, Loc(line, column), Loc(end or line, column + length))


def shown(
    *labels: Label, source: Source = GPT, message: str = "it is so", notes: tuple[str, ...] = (), helps: tuple[Help, ...] = ()
) -> str:
    return render(Diagnostic("E0304", "error", message, labels, notes, helps), {source.name: source})


def test_the_form_of_the_language_page() -> None:
    found = shown(
        Label(at(12, 16)),
        Label(at(12, 19)),
        Label(at(11, 14, 12), "k gets its 384 here"),
        message="q and k must have one width to be compared, but q is [B, T, 768] and k is [B, T, 384]",
        helps=(Help("to share key heads between query heads, say attend(…, kv_heads=heads / 2)"),),
    )
    assert (
        found
        == """\
error[E0304]: q and k must have one width to be compared, but q is [B, T, 768] and k is [B, T, 384]
  --> gpt.arch:12:16
   |
11 |     k = x -> dense(D / 2)
   |              ------------ k gets its 384 here
12 |     y = attend(q, k, v, heads=heads)
   |                ^  ^
   = help: to share key heads between query heads, say attend(…, kv_heads=heads / 2)"""
    )


def test_several_texts_on_one_line_and_lines_far_apart() -> None:
    found = shown(
        Label(at(12, 16), "this"),
        Label(at(12, 19), "that"),
        Label(at(12, 22), "those"),
        Label(at(33, 9), "there"),
        notes=("one\ntwo",),
    )
    assert (
        found
        == """\
error[E0304]: it is so
  --> gpt.arch:12:16
   |
12 |     y = attend(q, k, v, heads=heads)
   |                ^  -  - those
   |                |  |
   |                |  that
   |                this
...
33 |     z = k
   |         - there
   = note: one
           two"""
    )


def test_a_line_between_two_is_shown() -> None:
    source = Source("gpt.arch", "a\nb\nc\n")
    assert "2 | b" in shown(Label(at(1, 1)), Label(at(3, 1), "c"), source=source)


def test_other_files() -> None:
    other = Source("blocks.arch", "block F(x: [B]) {\n}\n")
    diagnostic = Diagnostic(
        "E0304",
        "warning",
        "it is so",
        (Label(at(12, 5)), Label(at(1, 7, 1, "blocks.arch"), "declared here"), Label(at(1, 1, 1, "gone"), "gone")),
    )
    found = render(diagnostic, {"gpt.arch": GPT, "blocks.arch": other})
    assert (
        found
        == """\
warning[E0304]: it is so
  --> gpt.arch:12:5
   |
12 |     y = attend(q, k, v, heads=heads)
   |     ^
  ::: blocks.arch:1:7
   |
 1 | block F(x: [B]) {
   |       - declared here
  ::: gone:1:1"""
    )


def test_several_lines() -> None:
    source = Source("t", "y = f(\n    a,\n    b,\n    c\n) + 1\n")
    assert (
        shown(Label(Span("t", Loc(1, 5), Loc(5, 2)), "all of this"), source=source)
        == """\
error[E0304]: it is so
 --> t:1:5
  |
1 | y = f(
  |     ^^
...
5 | ) + 1
  | ^ all of this"""
    )


def test_tabs_wide_and_combining_characters_keep_the_columns() -> None:
    source = Source("t", "\ta = 面白 + e\u0301 + x\u202ey\n")
    line, carets = shown(Label(at(1, 14, 1, "t")), Label(at(1, 6, 2, "t"), "wide"), source=source).split("\n")[3:5]
    assert line == "1 |     a = 面白 + e\u0301 + x\ufffdy"
    assert carets.startswith("  |         ----     ^")


def test_a_long_line_is_cut_around_its_place() -> None:
    source = Source("t", "x" * 300 + "!" + "y" * 1_000_000 + "\n")
    line, carets = shown(Label(at(1, 301, 1, "t")), source=source).split("\n")[3:5]
    assert len(line) < 130
    assert line.count("…") == 2
    assert line[carets.index("^")] == "!"
    first = shown(Label(at(1, 1, 1, "t")), source=source).split("\n")[3]
    assert first.startswith("1 | xxx")


def test_places_past_the_end() -> None:
    for span in (at(1, 40, 0, "t"), at(9, 1, 5, "t"), at(1, 1, 0, "t"), Span("t", Loc(2, 5), Loc(1, 1))):
        assert "it is so" in shown(Label(span), source=Source("t", "abc"))
    assert (
        render(Diagnostic("E0001", "error", "nowhere", (Label(Span("", Loc(1, 1), Loc(1, 1))),)), {}) == "error[E0001]: nowhere"
    )


def test_colour_changes_nothing_else() -> None:
    labels = (Label(at(12, 16), "this"), Label(at(12, 19), "that"), Label(at(33, 9), "there"))
    diagnostic = Diagnostic("E0304", "error", "it is so", labels, ("a note",), (Help("a help"),))
    coloured = render(diagnostic, {GPT.name: GPT}, colour=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(diagnostic, {GPT.name: GPT})


def test_a_terminal_obeys_nothing_in_a_source() -> None:
    source = Source("t", "a \x1b[31m b\n")
    assert "\x1b" not in shown(Label(at(1, 1, 1, "t"), "\x1b[2J"), source=source, message="\x1b[2J")


def test_one_line_and_json() -> None:
    edit = Edit(at(12, 16), "k")
    diagnostic = Diagnostic(
        "E0304", "error", "it is\nso", (Label(at(12, 16, 3)), Label(at(11, 5), "here")), (), (Help("say k", (edit,)),)
    )
    assert one_line(diagnostic) == "gpt.arch:12:16: error[E0304]: it is so"
    data = to_json(diagnostic)
    assert {k: data[k] for k in ("code", "severity", "file", "line", "column", "end")} == {
        "code": "E0304",
        "severity": "error",
        "file": "gpt.arch",
        "line": 12,
        "column": 16,
        "end": {"line": 12, "column": 19},
    }
    assert data["labels"][1]["text"] == "here"
    assert data["helps"] == [
        {
            "text": "say k",
            "edits": [{"file": "gpt.arch", "line": 12, "column": 16, "end": {"line": 12, "column": 17}, "text": "k"}],
        }
    ]
