"""`archc check`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archc.dsl.diagnostic import Diagnostic, Label, Report
from archc.dsl.source import Source
from archc.dsl.span import Loc, Span

from .tool import BAD, GOOD, Archc, process

HEAVY = (
    "torch",
    "importlib.metadata",
    "email",
    "sklearn",
    "rich",
    "networkx",
    "numpy",
    "scipy",
    "lark",
    "graphviz",
    "safetensors",
    "archc.compiler.emit.torch",
)


def test_silent_and_0_when_all_is_well(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "good.arch").write_text(GOOD)
    said = archc("check", "good.arch", "lenet", "mlp")
    assert (said.status, said.out, said.err) == (0, "", "")


def test_a_fault_goes_to_standard_error_with_its_place(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "bad.arch").write_text(BAD)
    said = archc("check", "bad.arch")
    assert (said.status, said.out) == (1, "")
    assert "--> bad.arch:2:23" in said.err
    assert "did you mean width?" in said.err
    assert "\x1b" not in said.err


def test_a_folder_is_all_its_specs(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.hidden").mkdir()
    for name in ("a/1.arch", "a/b/2.arch", "a/.hidden/3.arch", "a/notes.txt"):
        (tmp_path / name).write_text(BAD)
    said = archc("check", "a", "--json")
    assert said.status == 1
    assert [json.loads(line)["file"] for line in said.out.splitlines()] == ["a/1.arch", "a/b/2.arch"]


def test_a_folder_without_specs_is_wrong_use(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = archc("check", "empty")
    assert (said.status, said.err) == (2, "error[E0754]: no file in empty ends in .arch\n --> empty:1:1\n\n")


def test_json_has_an_object_a_line(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "bad.arch").write_text(BAD + BAD.replace("Tiny", "Other"))
    said = archc("check", "bad.arch", "missing.arch", "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.status == 2
    assert said.err == ""
    assert [(d["code"], d["line"]) for d in found] == [("E0201", 2), ("E0201", 5), ("E0750", 1)]
    assert set(found[0]) >= {"code", "severity", "message", "file", "line", "column", "end", "labels", "helps"}
    assert found[0]["helps"][0]["edits"][0]["text"] == "width"


def test_what_is_imported_twice_is_told_once(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "part.arch").write_text("block Part(x: [B, 8]) {\n    return x -> dens(4)\n}\n")
    for name in ("a", "b"):
        text = GOOD.replace("x -> dense(width)", "x -> Part -> dense(width)")
        (tmp_path / f"{name}.arch").write_text(f'from "./part.arch" import Part\n{text}')
    said = archc("check", ".", "--json")
    assert len(said.out.splitlines()) == 1


def test_warnings_count_with_strict(archc: Archc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warned(source: Source, *, data: bool = False) -> Report:
        place = Label(Span(source.name, Loc(1, 1), Loc(1, 6)), "here")
        report = Report({source.name: source})
        report.add(Diagnostic("W9999", "warning", "this could be better", (place,)))
        return report

    monkeypatch.setattr("archc.runtime.compiling.check", warned)
    (tmp_path / "warned.arch").write_text(GOOD)
    said = archc("check", "warned.arch")
    assert said.status == 0
    assert "warning[W9999]: this could be better" in said.err
    assert archc("check", "--strict", "warned.arch").status == 1


def test_standard_input(archc: Archc) -> None:
    assert archc("check", "-", given=GOOD).status == 0
    said = archc("check", "-", given=BAD)
    assert said.status == 1
    assert "--> <stdin>:2:23" in said.err


def test_data_opens_the_sources(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,y\n1.5,2,0\n3,4,1\n5,6,0\n")
    spec = (
        "model M(x: [B, 1]) -> [B, 2] {\n    out = x -> dense(2)\n    return out\n}\n"
        'data rows = csv("rows.csv") {\n    x = a -> reshape(1)\n    label = COLUMN\n}\n'
        "train M on rows {\n    loss cross_entropy(out, label)\n    optimizer adam(lr=1e-3)\n    epochs 1\n}\n"
    )
    (tmp_path / "right.arch").write_text(spec.replace("COLUMN", "y"))
    (tmp_path / "wrong.arch").write_text(spec.replace("COLUMN", "z"))
    assert archc("check", "right.arch").status == archc("check", "wrong.arch").status == 0
    said = archc("check", "--data", "right.arch")
    assert (said.status, said.err) == (0, "")
    assert archc("check", "--data", "wrong.arch").status == 1
    (tmp_path / "rows.csv").unlink()
    said = archc("check", "--data", "right.arch")
    assert said.status == 1
    assert "rows.csv" in said.err


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("zero.arch", b"model M\0", 1, "zero byte"),
        ("utf16.arch", "model M".encode("utf-16"), 1, "UTF-16"),
        ("latin.arch", b"# fine\n# caf\xe9\n", 1, "byte 0xe9 in line 2"),
        ("bom.arch", b"\xef\xbb\xbf" + GOOD.encode(), 0, ""),
        ("crlf.arch", GOOD.replace("\n", "\r\n").encode(), 0, ""),
        ("empty.arch", b"", 0, ""),
        ("long.arch", b"# \n" * (6 << 20), 1, "longer than 16 MiB"),
    ],
)
def test_files_that_are_hardly_text(archc: Archc, tmp_path: Path, name: str, content: bytes, status: int, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = archc("check", name)
    assert said.status == status
    assert words in said.err
    assert said.err.count("error[") == status


def test_files_that_are_none(archc: Archc, tmp_path: Path) -> None:
    for name in ("missing.arch", "a/b/missing.arch", "/dev/null/x.arch", "", "a\0b", "x" * 5000):
        said = archc("check", name)
        assert (said.status, said.err.count("error[")) == (2, 1), name
    (tmp_path / "loop.arch").symlink_to("loop.arch")
    assert archc("check", "loop.arch").status == 2
    assert archc("check", "/dev/zero").status == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions bind no administrator")
def test_a_file_that_may_not_be_read(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "secret.arch").write_text(GOOD)
    (tmp_path / "secret.arch").chmod(0)
    said = archc("check", "secret.arch")
    assert said.status == 2
    assert "permission denied" in said.err


def test_a_pipe_is_read(tmp_path: Path) -> None:
    command = f"{sys.executable} -m archc check <(printf 'model M(x: [B, 8]) {{\\n    return x -> dense(2)\\n}}\\n')"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_near_name_is_named(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "transformer.arch").write_text(GOOD)
    assert "did you mean transformer.arch?" in archc("check", "transfomer.arch").err
    assert "did you mean lenet?" in archc("check", "lent").err


def test_an_existing_path_wins_over_a_shipped_name(archc: Archc, tmp_path: Path) -> None:
    (tmp_path / "lenet").write_text(BAD)
    assert archc("check", "lenet").status == 1


@pytest.mark.parametrize("content", [GOOD, BAD])
@pytest.mark.parametrize(("more", "heavy"), [(["lenet"], HEAVY), ([], (*HEAVY, "pydantic"))])
def test_nothing_heavy_is_imported(tmp_path: Path, content: str, more: list[str], heavy: tuple[str, ...]) -> None:
    """A model alone needs no pydantic either, which takes as long to import as all else."""
    (tmp_path / "spec.arch").write_text(content)
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print([m for m in {heavy!r} if m in sys.modules]))\n"
        f"from archc.runtime.cli import main\nmain(['check', 'spec.arch', *{more!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[]\n"


def test_python_m_archc(tmp_path: Path) -> None:
    done = process("check", "lenet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", [("summary", "llama"), ("render", "gan", "-o", "-")])
def test_to_sum_up_or_draw_a_model_writes_no_source(tmp_path: Path, command: tuple[str, ...]) -> None:
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print([m for m in ('torch', 'archc.compiler.emit.torch') if m in sys.modules], file=sys.stderr))\n"
        f"from archc.runtime.cli import main\nmain({[*command]!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "[]\n"
