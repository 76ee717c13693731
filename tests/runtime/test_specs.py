"""Which files are read, and which never are."""

from pathlib import Path

import pytest

from archc.dsl.source import Source
from archc.runtime.specs import STDIN, expand, read_spec, reader, shipped
from archc.runtime.stops import Misused

PART = "block Part(x: [B, 8]) -> [B, 8] {\n    return x\n}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home/sub").mkdir(parents=True)
    for name in ("home/spec.arch", "home/part.arch", "home/sub/deep.arch", "outside.arch", "home/part.txt"):
        (tmp_path / name).write_text(PART)
    return tmp_path / "home"


def imported(home: Path, module: str, importer: str = "spec.arch") -> Source | str:
    return reader(read_spec(home / "spec.arch"))(module, True, str(home / importer))


@pytest.mark.parametrize(
    ("module", "importer"), [("./part.arch", "spec.arch"), ("sub/deep.arch", "spec.arch"), ("../part.arch", "sub/deep.arch")]
)
def test_a_file_beside_the_spec_is_read(home: Path, module: str, importer: str) -> None:
    found = imported(home, module, importer)
    assert isinstance(found, Source)
    assert found.text == PART


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("../outside.arch", "outside the folder"),
        ("./sub/../../outside.arch", "outside the folder"),
        ("/etc/passwd", "not beside"),
        ("/etc/x.arch", "not beside"),
        ("C:\\x.arch", "not beside"),
        ("C:x.arch", "not beside"),
        ("~/x.arch", "is not there"),
        ("./part.txt", "does not end in .arch"),
        ("./prat.arch", "is not there; part.arch is"),
        ("./sub", "does not end"),
        ("", "no path"),
        ("./a\0b.arch", "no path"),
        ("./" + "x" * 5000 + ".arch", "is not there"),
    ],
)
def test_nothing_else_is_read(home: Path, module: str, words: str) -> None:
    found = imported(home, module)
    assert isinstance(found, str)
    assert words in found


def test_links_are_followed_before_one_looks(home: Path) -> None:
    (home / "link.arch").symlink_to(home.parent / "outside.arch")
    (home / "near.arch").symlink_to("part.arch")
    (home / "away").symlink_to(home.parent)
    assert imported(home, "./link.arch") == "lies outside the folder of the spec, where nothing is read"
    assert imported(home, "./away/outside.arch") == "lies outside the folder of the spec, where nothing is read"
    assert isinstance(imported(home, "./near.arch"), Source)


def test_a_broken_neighbour_is_a_sentence(home: Path) -> None:
    (home / "binary.arch").write_bytes(b"\0")
    found = imported(home, "./binary.arch")
    assert found == "is no text in UTF-8: it holds a zero byte, as binary files do"


def test_standard_input_has_the_neighbours_of_the_working_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert isinstance(reader(Source(STDIN, ""))("./part.arch", True, STDIN), Source)
    assert isinstance(reader(Source(STDIN, ""))("../outside.arch", True, STDIN), str)


def test_a_module_that_is_not_in_the_library(home: Path) -> None:
    found = reader(read_spec(home / "spec.arch"))("std.recurent", False, str(home / "spec.arch"))
    assert isinstance(found, str)
    assert "standard library" in found


def test_names_are_shown_as_they_were_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert read_spec("./part.arch").name == "part.arch"
    assert read_spec("sub/deep.arch").name == "sub/deep.arch"
    assert read_spec(home / "part.arch").name == "part.arch"
    assert read_spec(home.parent / "outside.arch").name == str(home.parent / "outside.arch")
    assert read_spec("../outside.arch").name == "../outside.arch"


def test_a_shipped_name_hidden_by_a_folder_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (home / "lenet").mkdir()
    with pytest.raises(Misused, match="it hides the shipped spec of that name"):
        read_spec("lenet")


def test_folders_are_walked_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert expand(".") == ["./part.arch", "./spec.arch", "./sub/deep.arch"]
    assert expand("part.arch") == ["part.arch"]


def test_specs_ship() -> None:
    assert {"lenet", "mlp", "resnet", "autoencoder"} <= set(shipped())
