"""`archc export`, as a shell calls it."""

import json
import struct
import subprocess
import sys
from pathlib import Path

from .tool import Archc


def test_a_file_is_written_and_told(archc: Archc, tmp_path: Path) -> None:
    said = archc("export", "lenet", "--set", "classes=4", "-o", "net.safetensors", "--json")
    assert said.status == 0, said.err
    told = json.loads(said.out)
    assert (told["format"], told["inputs"], told["outputs"]) == ("safetensors", {"image": ["B", 1, 8, 8]}, ["logits"])
    assert (tmp_path / "net.safetensors").stat().st_size == told["bytes"]


def test_standard_output_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.arch").write_text("model M(x: [B, 8]) -> [B, 4] {\n    return x -> dense(4)\n}\n")
    command = [sys.executable, "-m", "archc", "export", "tiny.arch", "--to", "safetensors", "-o", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    [length] = struct.unpack("<Q", done.stdout[:8])
    assert set(json.loads(done.stdout[8 : 8 + length])) == {"__metadata__", "dense1.weight", "dense1.bias"}


def test_wrong_use(archc: Archc) -> None:
    for words, hint in (
        (("export", "lenet", "-o", "net.onx"), "did you mean onnx?"),
        (("export", "lenett", "-o", "net.onnx"), "did you mean lenet?"),
        (("export", "lenet", "-o", "net.pt2", "--dim", "T=3"), "there is no free dim T in LeNet"),
        (("export", "lenet"), "Missing option"),
    ):
        said = archc(*words)
        assert (said.status, said.out) == (2, ""), said.err
        assert hint in said.err


def test_a_confusion_table_says_its_classes() -> None:
    from archc.runtime.cli.eval import confusion

    assert confusion("confusion", [[12, 0], [3, 104]], ["cat", "dog"]).splitlines() == [
        "confusion:",
        "is \\ said to be  cat  dog",
        "cat" + " " * 15 + "12    0",
        "dog" + " " * 16 + "3  104",
    ]
