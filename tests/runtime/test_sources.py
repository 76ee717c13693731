"""Each source: what it gives of a good file, and what it says of a broken one."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc.compiler.plan import Argument, Place, SourceCall
from archc.runtime.data import embedded, memory
from archc.runtime.data.calls import from_command_line
from archc.runtime.data.sources import Schema, Table, absolute, read, schema
from archc.runtime.data.table import Field
from archc.runtime.stops import InputFaults

PLACE = Place(file="a.arch", line=3, column=8)


def call(kind: str, *args: Argument, **kwargs: Argument) -> SourceCall:
    return SourceCall(kind=kind, args=list(args), kwargs=kwargs, place=PLACE)


def table(source: SourceCall, *wanted: str, categories: list[str] | None = None) -> Table:
    return read(source, Path(), list(wanted), categories or [])


def fault(source: SourceCall, *wanted: str, categories: list[str] | None = None) -> str:
    """What is said of it: code and message."""
    with pytest.raises(InputFaults) as caught:
        table(source, *wanted, categories=categories)
    (diagnostic, *_) = caught.value.report.diagnostics
    assert diagnostic.span.start.line == 3
    return f"{diagnostic.code} {diagnostic.message}"


def csv(text: str | bytes, **options: Argument) -> SourceCall:
    Path("d.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return call("csv", "d.csv", **options)


def saved(**arrays: Any) -> SourceCall:
    np.savez("d.npz", **arrays)
    return call("npz", "d.npz")


@pytest.mark.parametrize("name", embedded.SCHEMAS)
def test_sklearn_gives_what_scikit_learn_gives(name: str) -> None:
    from sklearn import datasets

    fields = schema(call("sklearn", name), Path())
    found = table(call("sklearn", name), *fields)
    bunch = getattr(datasets, f"load_{name}")()
    for column in fields:
        assert np.array_equal(found.columns[column], bunch[column].astype(found.columns[column].dtype))
    assert found.schema() == fields


def test_schemas_need_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from pathlib import Path; from archc.runtime.data.sources import schema; from archc.compiler.plan import *;"
        "schema(SourceCall(kind='sklearn', args=['digits'], place=Place(file='', line=1, column=1)), Path());"
        "print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_csv(here: Path) -> None:
    source = csv('a,b,c,"d e"\n1,2.5,true,x\n-2,1e3,false,"y, z"\n\n3,4,true,x\n')
    expected: Schema = {"a": Field("int", ()), "b": Field("float", ()), "c": Field("bool", ()), "d e": Field("text", ())}
    assert schema(source, Path()) == expected
    found = table(source, "a", "b", "c", "d e", categories=["d e"])
    assert found.columns["a"].tolist() == [1, -2, 3]
    assert found.columns["b"].tolist() == [2.5, 1000.0, 4.0]
    assert found.columns["c"].tolist() == [True, False, True]
    assert found.columns["d e"].tolist() == ["x", "y, z", "x"]
    assert found.place(2) == "line 5"


def test_a_bad_cell_does_not_make_a_column_of_words(here: Path) -> None:
    source = csv("a\n1\nx\n3.5\n")
    assert schema(source, Path()) == {"a": Field("float", ())}
    assert fault(source, "a") == 'E0610 d.csv, line 3, column a: "x" is not a finite number'


def test_csv_without_a_header_and_with_a_byte_order_mark(here: Path) -> None:
    assert list(schema(csv("1;2\n3;4\n", header=False, delimiter=";"), Path())) == ["c1", "c2"]
    assert list(schema(csv("1,2\n", header=False, columns=["u", "v"]), Path())) == ["u", "v"]
    assert list(schema(csv("\ufeffa,b\n1,2\n"), Path())) == ["a", "b"]
    assert table(csv("größe\n1\n".encode("latin-1"), encoding="latin-1"), "größe").columns["größe"].tolist() == [1]


def test_csv_columns_that_nobody_reads_may_hold_anything(here: Path) -> None:
    assert table(csv("a,b\n1,\n2,x\n"), "a").columns["a"].tolist() == [1, 2]


def test_csv_missing_values(here: Path) -> None:
    text = "a,b\n1,2\n,3\n4,nan\n5,6\n"
    assert fault(csv(text), "a", "b") == "E0611 d.csv, line 3, column a: the value is missing"
    dropped = table(csv(text, missing="drop"), "a", "b")
    assert (dropped.columns["a"].tolist(), dropped.columns["b"].tolist()) == ([1, 5], [2.0, 6.0])
    assert dropped.place(1) == "line 5"
    assert table(csv(text, missing=0), "a", "b").columns["b"].tolist() == [2, 3, 0, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "E0607 d.csv has no rows"),
        ("a,b\n", "E0607 d.csv has no rows"),
        ("a,b\n1,2\n3\n", "E0609 d.csv, line 3: 1 cells where 2 are expected"),
        ("a,b\n1,2\n3,4,5\n", "E0609 d.csv, line 3: 3 cells where 2 are expected"),
        ("a,b\n1,2\n3x,4\n", 'E0610 d.csv, line 3, column a: "3x" is not a finite number'),
        ("a,b\n1,2\ninf,4\n", 'E0610 d.csv, line 3, column a: "inf" is not a finite number'),
        ("a,b\n1,2\n1e300,4\n", 'E0610 d.csv, line 3, column a: "1e300" is not a finite number'),
        ("a,b\nx,2\ny,4\n", 'E0612 column a of d.csv holds words ("x"), not numbers'),
        ("a,a\n1,2\n", 'E0622 the header of d.csv names "a" twice'),
        ("b,c\n1,2\n", "E0608 d.csv has no column a; it has b, c"),
        ("b,a\n1,\xff\n".encode("latin-1"), "E0606 d.csv is not utf-8: line 2 holds bytes that it cannot mean"),
        ('a,b\n"1,2\n', "E0609 d.csv, line 2: 1 cells where 2 are expected"),
        ("a\n" + "1" * 200_000 + "\n", "E0605 d.csv cannot be read: field larger than field limit (131072)"),
    ],
)
def test_csv_broken(here: Path, text: str | bytes, said: str) -> None:
    assert fault(csv(text), "a") == said


def test_files_that_are_not_there(here: Path) -> None:
    Path("iris.csv").write_text("a\n1\n")
    with pytest.raises(InputFaults) as caught:
        table(call("csv", "irs.csv"), "a")
    assert "there is no file irs.csv" in str(caught.value)
    assert "that folder holds iris.csv" in str(caught.value)
    Path("folder.csv").mkdir()
    assert fault(call("csv", "folder.csv"), "a") == "E0605 folder.csv cannot be read: it is a folder"


def test_npz(here: Path) -> None:
    source = saved(x=np.arange(6.0).reshape(3, 2), y=np.array([1, 2, 3], np.uint8), z=np.array(["a", "b", "a"]), s=np.float64(1))
    assert schema(source, Path()) == {"x": Field("float", (2,)), "y": Field("int", ()), "z": Field("text", ())}
    found = table(source, "x", "y", "z", categories=["z"])
    assert found.columns["x"].dtype == np.float32
    assert found.columns["y"].dtype == np.uint8
    assert found.columns["x"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.place(1) == "row 1"
    np.savez_compressed("d.npz", x=np.asfortranarray(np.arange(6.0).reshape(3, 2)))
    assert table(source, "x").columns["x"].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_npz_broken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(x=np.zeros((3, 2)), y=np.zeros(2), o=np.array([{}], dtype=object), c=np.zeros(3, complex), e=np.zeros(0))
    assert fault(source, "x", "y") == "E0615 the columns of d.npz differ in rows: x 3, y 2"
    assert fault(source, "o") == "E0613 array o of d.npz is of objects; numbers, truth values and words are read"
    assert fault(source, "c").startswith("E0613 array c of d.npz is of complex128")
    assert fault(source, "e") == "E0607 d.npz has no rows"
    with monkeypatch.context() as small:
        small.setattr(memory, "room", lambda: 40)
        assert fault(source, "x").startswith("E0614 d.npz unpacks to")
    whole = Path("d.npz").read_bytes()
    Path("d.npz").write_bytes(whole[: len(whole) // 2])
    assert fault(source, "x").startswith("E0605 d.npz cannot be read: it is no npz archive, or it was cut short")
    Path("d.npz").write_text("hello")
    assert fault(source, "x").startswith("E0605")
    assert fault(saved(x=np.array([1.0, np.nan, 2.0])), "x") == "E0611 d.npz, row 1, column x: the value is missing"
    assert table(call("npz", "d.npz", missing="drop"), "x").columns["x"].tolist() == [1, 2]


def test_npz_whose_header_promises_more_than_there_is(here: Path) -> None:
    saved(x=np.zeros(4))
    with zipfile.ZipFile("d.npz") as archive:
        member = archive.read("x.npy")
    with zipfile.ZipFile("d.npz", "w") as archive:
        archive.writestr("x.npy", member.replace(b"(4,)", b"(9,)"))
    assert fault(call("npz", "d.npz"), "x") == "E0605 d.npz cannot be read: array x is not as long as its header says"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            call("sklern", "digits"),
            "E0601 there is no data source sklern; there are sklearn, csv, npz, json, parquet, idx, images, text, hf, numerals",
        ),
        (call("sklearn", "digit"), 'E0603 there is no data set "digit"; there are digits, iris, wine, breast_cancer, diabetes'),
        (call("sklearn"), "E0602 sklearn: name is missing"),
        (call("sklearn", 3), "E0602 sklearn: name cannot be 3"),
        (call("csv", "d.csv", heder=True), "E0602 csv: it has no argument heder; did you mean header?"),
        (call("csv", "d.csv", header=1), "E0602 csv: header cannot be 1"),
        (call("csv", "d.csv", delimiter="ab"), "E0602 csv: delimiter is one character"),
        (call("csv", "d.csv", encoding="utf-99"), 'E0602 csv: there is no encoding "utf-99"'),
        (call("csv", "d.csv", missing="skip"), 'E0602 csv: missing is "error", "drop" or a number'),
        (call("csv", "d.csv", file="e.csv"), "E0602 csv: file is given twice"),
    ],
)
def test_calls_that_do_not_fit(here: Path, source: SourceCall, said: str) -> None:
    assert fault(source, "a") == said


def test_data_on_the_command_line() -> None:
    given = from_command_line('csv("x.csv", header=false, missing=-1.5, columns=["a", "b"])')
    assert (given.kind, given.args) == ("csv", ["x.csv"])
    assert given.kwargs == {"header": False, "missing": -1.5, "columns": ["a", "b"]}
    assert from_command_line("some/x.npz").kind == "npz"
    assert from_command_line("x.tsv").kwargs == {"delimiter": "\t"}
    assert absolute(from_command_line("x.csv"), Path("/data")).args == ["/data/x.csv"]


@pytest.mark.parametrize(
    "text", ["", "x", "x.pt", "csv(", "csv(a)", "csv(**{})", "csv(__import__('os'))", "(" * 5000, "csv(" + "[" * 500]
)
def test_data_on_the_command_line_that_is_not_understood(text: str) -> None:
    with pytest.raises(InputFaults) as caught:
        from_command_line(text)
    assert [d.code for d in caught.value.report.diagnostics] == ["E0621"]
