"""Generated source as text, and what holds for all of it: it runs, imports torch alone, is formatted, and is the same each time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.compiler.emit.torch import Emitted, emit_module
from archc.compiler.graph import Graph

from .running import GOLDEN, SPECS, graph_of, inputs, network, outputs, sizes

FILES = sorted([*GOLDEN.glob("*.arch"), *(SPECS / f"{name}.arch" for name in ("autoencoder", "lenet", "mlp", "resnet"))])


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def spec(request: pytest.FixtureRequest) -> tuple[Path, Graph, Emitted]:
    file: Path = request.param
    graph = graph_of(file.read_text(), file.name)
    return file, graph, emit_module(graph, file.name)


def test_text(spec: tuple[Path, Graph, Emitted], golden: Callable[[str, str], None]) -> None:
    golden(f"torch/{spec[0].stem}.py.txt", spec[2].text)


def test_shapes_are_those_of_the_graph(spec: tuple[Path, Graph, Emitted]) -> None:
    graph = spec[1]
    if spec[0].stem == "resnet":
        pytest.skip("compared with one written by hand instead")
    module = network(graph)
    for mode in (True, False):
        found = outputs(module.train(mode), inputs(graph))
        assert [list(t.shape) for t in found] == [sizes(graph.type_of(output.ref).shape) for output in graph.outputs]


def test_imports_torch_alone(spec: tuple[Path, Graph, Emitted]) -> None:
    for node in ast.walk(ast.parse(spec[2].text)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= {"torch", "math"}
        elif isinstance(node, ast.ImportFrom):
            assert node.module in ("torch", "torch.nn")
            assert node.level == 0


def test_same_text_for_the_same_spec(spec: tuple[Path, Graph, Emitted]) -> None:
    again = graph_of(spec[0].read_text(), spec[0].name)
    assert emit_module(again, spec[0].name).text == spec[2].text


def test_lines_know_their_place(spec: tuple[Path, Graph, Emitted]) -> None:
    lines = spec[2].text.splitlines()
    source = spec[0].read_text().splitlines()
    first = min(spec[2].spans)  # helpers stand before it
    own = [number for number, line in enumerate(lines, 1) if "self." in line and number >= first]
    assert all(spec[2].spans[number].source == spec[0].name for number in own)
    number = next(number for number, line in enumerate(lines, 1) if " = nn.Linear(" in line or " = nn.Conv2d(" in line)
    span = spec[2].spans[number]
    assert any(word in "".join(source[span.start.line - 1 : span.end.line]) for word in ("dense", "conv"))


def test_formatted(tmp_path: Path) -> None:
    for file in FILES:
        text = emit_module(graph_of(file.read_text(), file.name), file.name).text
        (tmp_path / f"{file.stem}.py").write_text(text)
    for command in (["format", "--isolated", "--diff", "--line-length", "120"], ["check", "--isolated"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
