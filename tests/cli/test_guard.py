"""Whatever happens, a sentence and an exit status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .tool import Archc


def failing(error: BaseException) -> object:
    def fail(*args: object, **options: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [RuntimeError("that was not foreseen"), RecursionError("too deep"), MemoryError(), KeyError("x")]
)
def test_a_bug_is_70_with_a_report(archc: Archc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException) -> None:
    monkeypatch.setattr("archc.runtime.compiling.check", failing(error))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = archc("check", "lenet")
    assert said.status == 70
    assert "archc has a bug" in said.err
    assert "Traceback" not in said.err
    [report] = tmp_path.glob("archc-bug-*.txt")
    assert str(report) in said.err
    assert "Please send it" in said.err
    text = report.read_text()
    assert "command: archc 'check' 'lenet'" in text
    assert type(error).__name__ in text
    assert "torch: " in text


def test_a_bug_where_nothing_can_be_written(archc: Archc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.runtime.compiling.check", failing(RuntimeError("that was not foreseen")))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", failing(PermissionError(13, "no")))
    said = archc("check", "lenet")
    assert said.status == 70
    assert "Traceback" in said.err
    assert "Please report it" in said.err


def test_ctrl_c_is_130(archc: Archc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.runtime.compiling.check", failing(KeyboardInterrupt()))
    said = archc("check", "lenet")
    assert said.status == 130
    assert "bug" not in said.err


def test_ctrl_c_in_training_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "archc", "train", "lenet", "--epochs", "2000", "--out", "run"]
    running = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "archc train --resume run" in err


def test_a_reader_that_goes_away_is_no_fault() -> None:
    script = f"{sys.executable} -m archc layers | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "0"


def test_the_status_counts_when_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "bad.arch").write_text("model M(x: [B]) { return y }\n" * 500)
    script = f"{sys.executable} -m archc check --json bad.arch | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ["chek"],
        ["check"],
        ["check", "--nonsense", "lenet"],
        ["train"],
        ["train", "lenet", "--epochs", "many"],
        ["train", "lenet", "--epochs", "0"],
        ["train", "lenet", "--epochs", "1", "--steps", "1"],
        ["train", "--resume", "nowhere"],
        ["train", "lenet", "--set", "classes"],
        ["train", "lenet", "--device", "tpu"],
        ["summary", "lenet", "--dim", "Q=3"],
        ["summary", "lenet", "--dim", "Q"],
        ["render", "lenet", "-o", "x.gif"],
        ["render", "lenet", "-o", "no/such/folder/x.svg"],
        ["compile", "lenet", "-o", "."],
        ["compile", "lenet", "--program", "-o", "net.py"],
        ["compile", "lenet", "--emit", "verse"],
        ["compile", "."],
        ["eval", "nowhere"],
        ["predict", "nowhere", "--data", "x.csv", "-o", "y.csv"],
        ["new", "lenett", "Mine"],
        ["new", "lenet", "3d!"],
        ["layers", "convv"],
        ["explain", "E9999"],
        ["specs", "lenett"],
    ],
)
def test_wrong_use_is_2(archc: Archc, words: list[str]) -> None:
    said = archc(*words)
    assert (said.status, said.out) == (2, "")
    assert "rror" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "words", [["train", "plain.arch"], ["train", "lenet", "--model", "Net"], ["compile", "lenet", "--set", "width=3"]]
)
def test_faults_of_the_input_are_1(archc: Archc, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "plain.arch").write_text("model M(x: [B, 8]) -> [B, 4] {\n    return x -> dense(4)\n}\n")
    said = archc(*words)
    assert (said.status, said.out) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_3(archc: Archc) -> None:
    said = archc("compile", "lenet", "-o", "/dev/full")
    assert said.status == 3
    assert "no space left" in said.err


def test_what_is_no_file_is_written_into_and_not_replaced(archc: Archc, tmp_path: Path) -> None:
    assert archc("compile", "lenet", "-o", os.devnull).status == 0
    assert not Path(os.devnull).is_file()
    (tmp_path / "real.py").write_text("old")
    (tmp_path / "real.py").chmod(0o640)
    (tmp_path / "link.py").symlink_to("real.py")
    assert archc("compile", "lenet", "-o", "link.py").status == 0
    assert (tmp_path / "link.py").is_symlink()
    assert "class LeNet" in (tmp_path / "real.py").read_text()
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o640


def test_help_is_plain_and_complete(archc: Archc) -> None:
    said = archc("--help")
    assert said.status == 0
    for command in (
        "check",
        "fmt",
        "compile",
        "summary",
        "render",
        "train",
        "eval",
        "predict",
        "export",
        "specs",
        "new",
        "layers",
        "explain",
    ):
        assert f"\n  {command} " in said.out
        assert archc(command, "--help").status == 0
    assert archc("--version").out.startswith("archc 0.")
