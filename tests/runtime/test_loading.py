"""`archc.load`: what it gives is a plain network, which torch, pickle and other people's loops take as they take any."""

import copy
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
from archc.runtime.export.api import export
from archc.runtime.run import Run


def stopped(*arguments: object, **options: object) -> str:
    with pytest.raises(archc.Stopped) as caught:
        archc.load(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_network_is_pickled_into_a_process_that_never_saw_the_spec(tmp_path: Path) -> None:
    net, x = archc.load("unet", widths=[4, 8], channels=1).eval(), torch.randn(2, 1, 8, 8)
    torch.save(net, tmp_path / "net.pt")
    torch.save((x, net(x)), tmp_path / "case.pt")
    script = (
        "import torch\n"
        "net = torch.load('net.pt', weights_only=False)\n"
        "x, y = torch.load('case.pt')\n"
        "print(type(net).__name__, net.training, torch.equal(net(x), y))\n"
        "try: net(torch.zeros(1, 1, 3, 3))\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "UNet False True\neach level halves the image: H = 3, W = 3\n", done.stderr


@pytest.mark.parametrize("spec", ["siamese", "autoencoder", "tcn"])
def test_copies_are_networks_of_their_own(spec: str) -> None:
    net = archc.load(spec)
    twin = copy.deepcopy(net)
    assert type(twin) is type(net)
    for one, two in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)
        assert one.data_ptr() != two.data_ptr()
    if spec != "tcn":  # torch pickles no module with a parametrization
        again = pickle.loads(pickle.dumps(net))
        assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_state_dict_goes_out_and_in() -> None:
    net, other, stream = archc.load("lenet"), archc.load("lenet"), io.BytesIO()
    torch.save(net.state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream))
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(net.eval()(x), other.eval()(x))


def test_torch_takes_it_as_any_other() -> None:
    net = archc.load("lenet").eval()
    x = torch.randn(4, 1, 8, 8)
    parallel = nn.DataParallel(net)
    assert torch.equal(parallel(x), net(x))
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(x), net(x))
    assert torch.equal(torch.func.vmap(lambda row: net(row[None])[0])(x).argmax(1), net(x).argmax(1))


def test_other_weights_are_put_in(tmp_path: Path) -> None:
    made = export("lenet", tmp_path / "a.safetensors", classes=4)
    assert made.format == "safetensors"
    net = archc.load("lenet", weights=tmp_path / "a.safetensors", classes=4)
    assert torch.equal(net.state_dict()["dense3.weight"], archc.load(tmp_path / "a.safetensors").state_dict()["dense3.weight"])
    assert "dense3.weight is [4, 84] in it and [10, 84] in the network" in stopped("lenet", weights=tmp_path / "a.safetensors")
    assert "E0767" in stopped("mlp", weights=tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"nonsense")
    assert "it is no safetensors file" in stopped("lenet", weights=tmp_path / "b.safetensors")
    assert "it is no safetensors file" in stopped(tmp_path / "b.safetensors")
    assert "a.safetensors" in stopped(tmp_path / "aa.safetensors")


def test_weights_that_do_not_say_their_network(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(1)}, tmp_path / "plain.safetensors")
    assert "E0768" in stopped(tmp_path / "plain.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "broken.safetensors", metadata={"archc_spec": json.dumps({"sources": []})})
    assert "what it says of its spec is broken" in stopped(tmp_path / "broken.safetensors")


def test_a_spec_of_several_files_comes_back_from_one(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "wide.arch").write_text(
        "block Wide(n)(x: [B, D]) -> [B, D] {\n    return x -> dense(n) -> relu -> dense(D)\n}\n"
    )
    (tmp_path / "net.arch").write_text(
        'from "./parts/wide.arch" import Wide\n\nmodel M(n = 3)(x: [B, 4]) -> [B, 4] {\n    return x -> stack 2 { Wide(n) }\n}\n'
    )
    export(tmp_path / "net.arch", tmp_path / "net.safetensors", n=5)
    (tmp_path / "net.arch").unlink()
    assert archc.load(tmp_path / "net.safetensors").state_dict()["stack1.0.dense1.weight"].shape == (5, 4)
    assert str(tmp_path).encode() not in (tmp_path / "net.safetensors").read_bytes(), "nothing of the machine is told"


def test_a_run_is_its_network(lenet_run: Run) -> None:
    x = torch.randn(2, 1, 8, 8)
    for path in (lenet_run.folder, lenet_run.folder / "model.safetensors"):
        net = archc.load(path)
        assert not net.training
        assert torch.equal(net(x), lenet_run.model()(x))
    assert "E0718" in stopped(lenet_run.folder, classes=3)


def test_a_run_shows_itself(lenet_run: Run) -> None:
    shown = lenet_run._repr_html_()
    assert shown.count("<svg") == len(lenet_run.history[0]["validation"]) == 2
    assert shown.count("<polyline") == 3, "the loss of both parts, the accuracy of one"
    assert f"{lenet_run.metrics['test']['accuracy']:.4g}" in shown
    assert "LeNet" in shown
