"""What is exported runs elsewhere and gives the same; what cannot be exported is one diagnostic and no file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archc
from archc.runtime.executable import executable
from archc.runtime.export import elsewhere, formats
from archc.runtime.export.api import FORMATS, Exported, export, exported
from archc.runtime.export.folding import folded
from archc.runtime.loader import build
from archc.runtime.run import Run
from archc.runtime.specs import shipped

DRAWING = {"vae"}  # in evaluation too
SPECS = sorted(
    name for name, path in shipped().items() if "\nadversarial " not in path.read_text(encoding="utf-8") and name not in DRAWING
)
DEEP = {
    "convnext",
    "densenet",
    "efficientnet",
    "inception",
    "mobilenet_v2",
    "resnet",
    "resnext",
    "squeezenet",
    "vgg",
    "vit",
    "transformer",
    "bert",
    "llama",
    "moe",
    "t5",
}
EARLY = [pytest.param(name, marks=pytest.mark.slow if name in DEEP else ()) for name in SPECS]
"""Tracing a deep network takes long, however narrow it is."""
UNET: dict[str, Any] = {"widths": [4, 8], "channels": 1}


def small(name: str) -> dict[str, Any]:
    """The model of a spec's first train program with its hyperparameters: those of the digits. That of BERT draws what it hides."""
    compiled = archc.compile(name, program=True)
    given = dict(compiled.hyperparameters)
    if name == "bert":
        return {"model": "MaskedLM", "hyperparameters": {key: given[key] for key in given if key not in ("unknown", "hide")}}
    return {"model": compiled.name, "hyperparameters": given, **steps(compiled)}


def steps(compiled: archc.Compiled) -> dict[str, Any]:
    """How many steps a recurrence makes, which a file holds one by one."""
    return {"dims": {"T": 6}} if "def over_time" in compiled.source and "T" in compiled.graph.dims else {}


def stopped(what: str | Path, path: Path, **options: Any) -> archc.Stopped:
    with pytest.raises(archc.Stopped) as caught:
        export(what, path, **options)
    assert list(path.parent.glob(f"*{path.name}*")) == [], "no file is left"
    return caught.value


def test_what_draws_its_outputs_is_refused(tmp_path: Path) -> None:
    """And says which of them; the mean of the draw, which is one answer, is none of them."""
    said = str(stopped("vae", tmp_path / "vae.onnx"))
    assert "E0991" in said
    assert "rebuilt, logits, weight" in said
    assert "mu" not in said.split("weight")[1].split("depend")[0]


def in_onnxruntime(made: Exported, *given: torch.Tensor) -> list[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(made.data, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return list(session.run(None, {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}))


def near(one: Any, two: Any) -> bool:
    return elsewhere.distance(np.asarray(one), np.asarray(two)) <= 1e-5


# Every shipped spec ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EARLY)
def test_every_shipped_spec_runs_elsewhere(name: str) -> None:
    """In another process, where archc cannot be imported, at a batch of one and of five and at sizes that were not traced."""
    made = exported(name, *FORMATS, **small(name))
    assert [item.format for item in made] == list(FORMATS)
    assert max(item.difference for item in made) <= 1e-5
    assert all(shape[0] == "B" for item in made for shape in item.inputs.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("llama", "moe")])  # which no machine of ours holds
def test_every_shipped_spec_at_its_defaults(name: str) -> None:
    assert max(item.difference for item in exported(name, *FORMATS, **steps(archc.compile(name)))) <= 1e-5


def test_a_game_is_no_network_for_others(tmp_path: Path) -> None:
    assert "E0758" in str(stopped("gan", tmp_path / "gan.onnx"))


# The three formats -------------------------------------------------------------------------------------------------------


def test_onnx_has_the_names_and_the_sizes_of_the_spec(tmp_path: Path) -> None:
    import onnx

    made = export("unet", tmp_path / "net.onnx", **UNET)
    proto = onnx.load_from_string(made.data)
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {"image": ["B", 1, "H", "W"], "logits": ["B", 2, "H", "W"]}
    assert [o.version for o in proto.opset_import if o.domain == ""] == [formats.OPSET] == [made.opset]
    notes = {item.key: item.value for item in proto.metadata_props}
    assert notes["archc_version"] == archc.__version__
    assert notes["archc_spec_hash"] == archc.compile("unet", **UNET).graph_hash
    assert json.loads(notes["archc_config"])["hyperparameters"]["widths"] == [4, 8]


def test_onnx_at_many_sizes(tmp_path: Path) -> None:
    made = export("unet", tmp_path / "net.onnx", seed=3, **UNET)
    torch.manual_seed(3)
    net = archc.load("unet", **UNET).eval()
    for sizes in ((1, 4, 4), (2, 8, 12), (7, 20, 4)):
        x = torch.randn(sizes[0], 1, *sizes[1:])
        assert near(in_onnxruntime(made, x)[0], net(x).detach())


def test_pt2_loads_where_archc_cannot_be_imported(tmp_path: Path) -> None:
    export("tcn", tmp_path / "net.pt2", widths=[4, 4])
    script = (
        "import sys, json; sys.modules['archc'] = None\n"
        "import torch\n"
        "extra = {'archc.json': ''}\n"
        "net = torch.export.load('net.pt2', extra_files=extra).module()\n"
        "print(list(net(torch.zeros(1, 1, 9)).shape), list(net(torch.zeros(6, 1, 31)).shape))\n"
        "print(json.loads(extra['archc.json'])['archc_version'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == f"[1, 10] [6, 10]\n{archc.__version__}\n", done.stderr


TIED = """model Tied(width = 6)(x: [B, width]) -> [B, width] {
    layer f = dense(width)
    return x -> f -> tanh -> stack 3 tied { dense(width) -> relu } -> f
}
"""


def test_safetensors_of_tied_weights(tmp_path: Path) -> None:
    (tmp_path / "tied.arch").write_text(TIED)
    made = export(tmp_path / "tied.arch", tmp_path / "net.safetensors", width=5)
    assert made.difference == 0
    torch.manual_seed(0)
    net, x = archc.load(tmp_path / "tied.arch", width=5).eval(), torch.randn(3, 5)
    again = archc.load(tmp_path / "net.safetensors")
    assert not again.training
    assert torch.equal(again(x), net(x))


def test_a_run_is_exported_with_its_best_weights(lenet_run: Run, tmp_path: Path) -> None:
    x = torch.randn(4, 1, 8, 8)
    made = export(lenet_run.folder, tmp_path / "net.onnx")
    assert near(in_onnxruntime(made, x)[0], lenet_run.model()(x).detach())
    assert stopped(lenet_run.folder, tmp_path / "other.onnx", classes=3).report.diagnostics[0].code == "E0718"


# Sizes -------------------------------------------------------------------------------------------------------------------


def spec(tmp_path: Path, signature: str, *body: str) -> Path:
    path = tmp_path / "net.arch"
    path.write_text(f"model M{signature} {{\n" + "".join(f"    {line}\n" for line in body) + "}\n")
    return path


def test_a_dim_may_be_fixed(tmp_path: Path) -> None:
    made = export("unet", tmp_path / "net.onnx", dims={"H": 8}, **UNET)
    assert made.inputs == {"image": ["B", 1, 8, "W"]}
    assert "nothing" not in made.least
    report = stopped("unet", tmp_path / "other.onnx", dims={"h": 8}, **UNET).report
    assert "did you mean H?" in str([h.text for h in report.diagnostics[0].helps])


def test_two_inputs_share_a_length_and_another_is_derived_of_it(tmp_path: Path) -> None:
    path = spec(tmp_path, "(a: [B, T, 3], b: [B, T, 3], c: [B, 2 * T, 3])", "return concat(a, b, dim=1) + c")
    made = export(path, tmp_path / "net.onnx")
    assert made.inputs == {"a": ["B", "T", 3], "b": ["B", "T", 3], "c": ["B", "2 * T", 3]}


def test_whole_numbers_and_truths_go_in(tmp_path: Path) -> None:
    path = spec(
        tmp_path,
        "(ids: int[B, T], keep: bool[B, T]) -> [B, 4]",
        "x = ids -> embedding(11, 4)",
        "return mean(where(unsqueeze(keep, -1), x, 0), dim=1)",
    )
    for to in ("onnx", "pt2"):
        assert export(path, tmp_path / f"net.{to}").difference <= 1e-5


def test_an_output_that_is_called_as_the_input(tmp_path: Path) -> None:
    made = export(spec(tmp_path, "(x: [B, 4])", "x = x -> dense(4)", "return x"), tmp_path / "net.onnx")
    assert made.outputs == ["x_2"]


def test_adaptive_pools_are_for_all_sizes(tmp_path: Path) -> None:
    """torch itself writes them for the traced sizes only."""
    calls = [f"x -> {pool}({cells})" for pool in ("adaptive_avg_pool", "adaptive_max_pool") for cells in ("3", "[2, 5]", "1")]
    names = [f"y{i}" for i in range(len(calls))]
    lines = [f"{name} = {call}" for name, call in zip(names, calls, strict=True)]
    path = spec(tmp_path, "(x: [B, 2, H, W])", *lines, f"return {', '.join(names)}")
    made, net = export(path, tmp_path / "net.onnx"), archc.load(path)
    for height, width in ((5, 6), (7, 11), (13, 5), (16, 24)):
        x = torch.randn(2, 2, height, width)
        assert all(near(ours, theirs) for ours, theirs in zip(in_onnxruntime(made, x), net(x), strict=True))


# What cannot be ----------------------------------------------------------------------------------------------------------


def test_what_onnx_cannot_say_is_named_with_its_line(tmp_path: Path) -> None:
    path = spec(tmp_path, "(x: [B, 6]) -> [B, 6]", "h = x -> dense(6)", "return h -> cumprod(dim=1)")
    said = str(stopped(path, tmp_path / "net.onnx"))
    assert "net.arch:3:5: error[E0759]: ONNX has no form of cumprod" in said
    assert export(path, tmp_path / "net.pt2").difference <= 1e-5


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = formats.write_onnx

    def wrong(traced: Any, model: torch.nn.Module, *rest: Any) -> None:
        with torch.no_grad():
            next(iter(traced.program.state_dict.values())).add_(1e-2)
        whole(traced, model, *rest)

    monkeypatch.setattr(formats, "write_onnx", wrong)
    stop = stopped("lenet", tmp_path / "net.onnx")
    assert stop.exit_code == 3
    assert "error[E0760]: the onnx file gives another logits at B = 1" in str(stop)


def test_a_file_that_does_not_run_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "write_pt2", lambda traced, exe, path: path.write_bytes(b"nonsense"))
    assert "error[E0761]: the pt2 file does not run in another process" in str(stopped("lenet", tmp_path / "net.pt2"))


def test_what_is_missing_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = str(stopped("lenet", tmp_path / "net.onnx"))
    assert "error[E0762]: export to ONNX needs onnx, which is not installed" in said
    assert "pip install 'archc[onnx]'" in said


def test_no_sizes(tmp_path: Path) -> None:
    path = spec(tmp_path, "(x: [B, T]) -> [B, T]", 'assert T % 5000 == 0, "long"', "return relu(x)")
    assert "error[E0765]: no sizes of T were found that M takes" in str(stopped(path, tmp_path / "net.onnx"))
    assert export(path, tmp_path / "net.onnx", dims={"T": 5000}).inputs == {"x": ["B", 5000]}


def test_formats_are_asked_for_by_name_or_ending(tmp_path: Path) -> None:
    assert "did you mean onnx?" in str(stopped("lenet", tmp_path / "net.onx"))
    assert "error[E0763]: the ending of the file names no format" in str(stopped("lenet", tmp_path / "net"))
    assert export("lenet", tmp_path / "net", to="safetensors").format == "safetensors"


def test_an_old_file_stays_when_the_new_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pt2").write_bytes(b"old")
    monkeypatch.setattr(formats, "write_pt2", lambda traced, exe, path: path.write_bytes(b"nonsense"))
    with pytest.raises(archc.Stopped):
        export("lenet", tmp_path / "net.pt2")
    assert (tmp_path / "net.pt2").read_bytes() == b"old"


def test_norms_are_folded_where_that_is_asked() -> None:
    """The same outputs of a trained network, though no norm is left; and the file is proved as any other."""
    exe = executable(archc.compile("unet", **UNET))
    torch.manual_seed(0)
    trained = build(exe).eval()
    for name, tensor in trained.state_dict().items():
        if "norm" in name and tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    _, short = folded(exe, trained)
    assert any("norm" in name for name in trained.state_dict())
    assert not any("norm" in name for name in short.state_dict())
    image = torch.randn(2, 1, 8, 12)
    torch.testing.assert_close(short(image), trained(image), rtol=1e-4, atol=1e-5)
    made = exported("unet", "pt2", hyperparameters=UNET, fold=True)[0]
    assert made.difference <= 1e-5


def test_safetensors_are_not_folded(tmp_path: Path) -> None:
    assert "nothing is folded" in str(stopped("lenet", tmp_path / "a.safetensors", fold=True))
