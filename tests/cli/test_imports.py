"""Files of several parts, as people have them: the standard library, files beside the spec, faults in what is imported."""

from pathlib import Path

import pytest

import archc as package
from archc.runtime.run_folder import read

from .tool import Archc

MODEL = """from std.blocks import MLP
from "./parts/own.arch" import Own

model Net(classes = 3)(data: [B, 30]) -> [B, classes] {
    logits = data -> MLP(8) -> Own -> dense(classes)
    return logits
}

data cells = sklearn("breast_cancer") {
    data = standardize(data)
    label = target
}

train Net on cells {
    loss      cross_entropy(logits, label)
    optimizer adam(lr=1e-2)
    epochs    1
    batch     64
}
"""
OWN = "from std.blocks import ResidualMLP\n\nblock Own(x: [B, D]) -> [B, D] {\n    return x -> ResidualMLP(4)\n}\n"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "own.arch").write_text(OWN)
    (tmp_path / "net.arch").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_imports_from_the_library_and_from_beside_it(spec: Path, archc: Archc) -> None:
    assert archc("check", "net.arch").err == ""
    names = {name for name, _ in package.load(spec / "net.arch").named_modules()}
    assert {"mlp1.dense1", "own1.residual_mlp1.mlp1.dense2"} <= names


def test_a_fault_of_an_imported_file_is_told_in_that_file(spec: Path, archc: Archc) -> None:
    (spec / "parts" / "own.arch").write_text(OWN.replace("x -> ResidualMLP(4)", "x -> dense(D) -> rleu"))
    said = archc("check", "net.arch")
    assert said.status == 1
    assert "--> parts/own.arch:4:29" in said.err
    assert "did you mean relu?" in said.err


def test_a_wrong_use_of_a_part_of_the_library_is_told_at_the_use(spec: Path, archc: Archc) -> None:
    (spec / "net.arch").write_text(MODEL.replace("MLP(8)", "MLP(8, inside=3)"))
    said = archc("check", "net.arch").err
    assert "--> net.arch:5:" in said
    assert "MLP" in said


def test_a_file_outside_of_the_folder_is_not_read(spec: Path, archc: Archc) -> None:
    inner = spec / "parts" / "inner.arch"
    inner.write_text(MODEL.replace("./parts/own.arch", "../own.arch"))
    (spec / "own.arch").write_text(OWN)
    said = archc("check", "parts/inner.arch")
    assert said.status == 1
    assert "lies outside the folder of the spec, where nothing is read" in said.err


def test_a_run_keeps_what_its_spec_imports(spec: Path, archc: Archc) -> None:
    run = archc("train", "net.arch").out.strip()
    assert (spec / run / "spec.arch").read_text() == MODEL
    assert (spec / run / "parts" / "own.arch").read_text() == OWN
    assert "block MLP" in (spec / run / "std" / "blocks.arch").read_text()
    (spec / "parts" / "own.arch").unlink()
    assert "std:blocks.arch" in read(spec / run).exe.sources
    assert archc("eval", run, "--split", "train").status == 0
