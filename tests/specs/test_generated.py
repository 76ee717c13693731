"""The generated files as strangers use them: outside of the project, without archc, with nothing but torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import archc

SPECS = ("mlp", "lenet", "autoencoder", "resnet")


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_but_torch_is_imported(spec: str) -> None:
    for text in (archc.compile(spec).source, archc.compile(spec, program=True).program):
        assert text is not None
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] in ("torch", "math") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                assert str(node.module).split(".")[0] == "torch"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("exec", "eval", "__import__", "compile", "open", "getattr")


SHAPES = {"LeNet": "3, 1, 8, 8", "ResNet": "3, 3, 48, 80"}


@pytest.mark.parametrize("spec", ["lenet", "resnet"])
def test_the_file_runs_where_archc_is_not_there(spec: str, tmp_path: Path) -> None:
    compiled = archc.compile(spec)
    (tmp_path / "model.py").write_text(compiled.source)
    (tmp_path / "use.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'archc':\n"
        "            raise ImportError('archc is not here')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import torch\n"
        f"from model import {compiled.plan.model.class_name} as Model\n"
        f"for training in (True, False):\n"
        f"    print(tuple(Model().train(training)(torch.randn({SHAPES[compiled.plan.model.class_name]})).shape))\n"
        "assert 'archc' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split("\n")) - {""}) == 1
