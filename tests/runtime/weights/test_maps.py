"""Maps: what their lines make of tensors, and what is said where a line, a file or a network does not fit the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import archc
from archc.dsl.render import render_report
from archc.runtime.weights.maps import shipped, weight_map
from archc.runtime.weights.patterns import BadPattern, Pattern
from archc.runtime.weights.recipes import read

SPEC = """model Net(depth = 2)(x: [B, 4]) -> [B, 6] {
    param scale: [4] = ones
    h = x * scale -> stack depth { dense(4) }
    return h -> dense(6) as head
}
"""
MAP: dict[str, Any] = {
    "tensors": {
        "scale": "item(body.scales, 0)",
        "stack1.{i}.{kind}": "{net.|}layers.{i}.{kind}",
        "head.weight": "join(transpose(head.a), part(head.b, 0, 2), part(head.b, 1, 2))",
        "head.bias": "head.bias",
    },
    "same": {"copy": "head.bias"},
    "ignore": ["counter.*"],
}


def tensors() -> dict[str, Tensor]:
    layers = {
        f"net.layers.{i}.{kind}": torch.randn(4, 4) if kind == "weight" else torch.randn(4)
        for i in (0, 1)
        for kind in ("weight", "bias")
    }
    head = {"head.a": torch.randn(4, 2), "head.b": torch.randn(4, 4), "head.bias": torch.randn(6)}
    rest = {"body.scales": torch.randn(1, 4), "counter.steps": torch.tensor([3])}
    return {**layers, **head, **rest, "copy": head["head.bias"].clone()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, a map and a file that fits them; the current one."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    (tmp_path / "net.arch").write_text(SPEC)
    write(tmp_path, MAP, tensors())
    return tmp_path


def write(home: Path, map: Any, file: dict[str, Tensor]) -> None:
    (home / "map.json").write_text(map if isinstance(map, str) else json.dumps(map, indent=2))
    save_file(file, home / "theirs.safetensors")


def test_every_step_makes_what_it_says(home: Path) -> None:
    theirs = tensors()
    write(home, MAP, theirs)
    net = archc.load_weights("net.arch", "theirs.safetensors", "map.json")
    state = net.state_dict()
    assert not net.training
    assert torch.equal(state["scale"], theirs["body.scales"][0])
    assert torch.equal(state["stack1.1.bias"], theirs["net.layers.1.bias"])
    assert torch.equal(state["head.weight"], torch.cat([theirs["head.a"].T, theirs["head.b"]]))


@pytest.mark.parametrize("way", ["pickled", "index", "folder", "state_dict"])
def test_weights_are_read_in_every_form(home: Path, way: str) -> None:
    theirs, path = tensors(), home / "other"
    if way == "folder":
        path.mkdir()
        save_file(theirs, path / "model.safetensors")
    elif way == "index":
        names = sorted(theirs)
        path = home / "model.safetensors.index.json"
        parts = {name: f"model-{place % 2}.safetensors" for place, name in enumerate(names)}
        for part in set(parts.values()):
            save_file({name: theirs[name] for name in names if parts[name] == part}, home / part)
        path.write_text(json.dumps({"weight_map": parts}))
    else:
        path = home / "model.bin"
        torch.save({"state_dict": theirs} if way == "state_dict" else theirs, path)
    state = archc.load_weights("net.arch", path, "map.json").state_dict()
    assert torch.equal(state["head.bias"], theirs["head.bias"])


def test_by_name_where_there_is_no_map(home: Path) -> None:
    net = archc.load("net.arch")
    save_file(net.state_dict(), home / "same.safetensors")
    again = archc.load_weights("net.arch", "same.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_half_precision_takes_the_precision_of_the_network(home: Path) -> None:
    theirs = {name: t.half() if t.is_floating_point() else t for name, t in tensors().items()}
    write(home, MAP, theirs)
    state = archc.load_weights("net.arch", "theirs.safetensors", "map.json").state_dict()
    assert state["head.bias"].dtype == torch.float32
    assert torch.equal(state["head.bias"], theirs["head.bias"].float())


def test_a_run_begins_with_them(home: Path) -> None:
    spec = SPEC + (
        'data iris = sklearn("iris") {\n    x = data\n    label = target\n}\n'
        "train Net on iris {\n    loss cross_entropy(head, label)\n    optimizer sgd(lr=1e-30)\n"
        '    init checkpoint("ours.safetensors")\n    epochs 1\n}\n'
    )
    (home / "trained.arch").write_text(spec)
    from archc.runtime.cli.guard import guarded

    assert (
        guarded(["load-weights", "net.arch", "--from", "theirs.safetensors", "--map", "map.json", "-o", "ours.safetensors"]) == 0
    )
    ours = archc.load("ours.safetensors").state_dict()
    run = archc.train("trained.arch", out=home / "run", progress=False)
    assert all(torch.equal(tensor, ours[key]) for key, tensor in run.model().state_dict().items())

    other = tensors()  # and the network of a run takes them
    write(home, MAP, other)
    again = archc.load_weights(run.folder, "theirs.safetensors", "map.json").state_dict()
    assert torch.equal(again["head.bias"], other["head.bias"])
    with pytest.raises(archc.Stopped, match="a run has its model and its hyperparameters"):
        archc.load_weights(run.folder, "theirs.safetensors", "map.json", depth=3)


def test_the_command_tells_what_it_did(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from archc.runtime.cli.guard import guarded

    words = ["load-weights", "net.arch", "--from", "theirs.safetensors", "--map", "map.json", "-o", "ours.safetensors"]
    assert guarded([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": "ours.safetensors", "tensors": 7, "used": 8, "unused": 2}
    assert guarded(words) == 0
    said = capsys.readouterr()
    assert said.err.endswith("7 tensors of Net, from 8 of theirs.safetensors; 2 more are copies or not needed\n")
    assert guarded([*words[:5], "nap.json", *words[6:]]) == 2
    assert "no map of that name" not in capsys.readouterr().out


# What does not fit -------------------------------------------------------------------------------------------------------


def changed(map: dict[str, Any] | None = None, drop: tuple[str, ...] = (), **more: Tensor) -> tuple[Any, dict[str, Tensor]]:
    torch.manual_seed(0)
    file = {name: tensor for name, tensor in tensors().items() if name not in drop} | more
    return MAP if map is None else map, file


def lines(**tensors: str) -> dict[str, Any]:
    """The map with other lines."""
    return {**MAP, "tensors": {**MAP["tensors"], **tensors}}


def without(key: str) -> dict[str, Any]:
    return {**MAP, "tensors": {name: value for name, value in MAP["tensors"].items() if name != key}}


FAULTS: dict[str, Callable[[], tuple[Any, dict[str, Tensor]]]] = {
    "a_map_that_is_no_json": lambda: changed('{"tensors": {"a": }}'),  # type: ignore[arg-type]
    "a_map_with_an_unknown_section": lambda: changed({**MAP, "ignored": []}),
    "a_map_that_says_a_line_twice": lambda: changed('{"tensors": {"a": "b", "a": "c"}}'),  # type: ignore[arg-type]
    "a_step_that_is_none": lambda: changed(lines(**{"head.bias": "transposed(head.bias)"})),
    "a_gap_that_nothing_fills": lambda: changed(lines(**{"head.bias": "head.{k}"})),
    "a_choice_on_the_left": lambda: changed({"tensors": {"{a|b}.weight": "c"}}),
    "a_call_without_an_end": lambda: changed(lines(**{"head.bias": "join(head.bias"})),
    "a_part_without_numbers": lambda: changed(lines(**{"head.bias": "part(head.bias)"})),
    "a_tensor_of_the_network_without_a_line": lambda: changed(without("head.bias")),
    "a_tensor_with_two_lines": lambda: changed(lines(**{"stack1.{i}.bias": "net.layers.{i}.bias"})),
    "a_tensor_that_the_file_lacks": lambda: changed(
        None, ("net.layers.1.weight", "net.layers.1.bias"), **{"net.layer.1.weight": torch.zeros(4, 4)}
    ),
    "tensors_that_are_left_over": lambda: changed(None, (), **{"pooler.weight": torch.zeros(2), "pooler.bias": torch.zeros(2)}),
    "a_tensor_used_twice": lambda: changed(
        lines(**{"stack1.{i}.bias": "body.bias", "stack1.{i}.{kind}": "{net.|}layers.{i}.{kind}"} | {"scale": "head.bias"})
    ),
    "a_part_that_is_missing": lambda: changed(
        lines(**{"head.weight": "join(transpose(head.a), part(head.b, 0, 2), part(head.b, 0, 2))"})
    ),
    "a_shape_that_differs": lambda: changed(None, ("head.bias", "copy"), **{"head.bias": torch.zeros(5)}),
    "a_weight_that_lies_on_its_side": lambda: changed(
        lines(**{"head.weight": "head.t"}), ("head.a", "head.b"), **{"head.t": torch.zeros(4, 6)}
    ),
    "whole_numbers_for_floats": lambda: changed(None, ("head.bias", "copy"), **{"head.bias": torch.zeros(6, dtype=torch.int64)}),
    "copies_that_differ": lambda: changed(None, ("copy",), copy=torch.zeros(6)),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_does_not_fit_is_named(case: str, home: Path, golden: Callable[[str, str], None]) -> None:
    write(home, *FAULTS[case]())
    with pytest.raises(archc.Stopped) as caught:
        archc.load_weights("net.arch", "theirs.safetensors", "map.json")
    assert caught.value.exit_code == 1
    golden(f"weights/{case}.txt", render_report(caught.value.report) + "\n")


@pytest.mark.parametrize(
    ("weights", "map", "said"),
    [
        ("gone.safetensors", None, "E0870.*gone.safetensors has no weights that can be read: no such file"),
        ("net.arch", None, "E0870.*net.arch.*no safetensors file"),
        ("pickled.bin", None, "E0870.*pickled.bin"),
        ("list.pt", None, "E0870.*it holds no tensors by their names"),
        ("outside.index.json", None, "E0870.*names no files that lie beside it"),
        ("broken.index.json", None, "E0870.*no index"),
        ("empty", None, "E0870.*the folder has none of model.safetensors"),
        ("theirs.safetensors", "gpt3", "(?s)E0860.*did you mean gpt2"),
        ("theirs.safetensors", "latin.json", "E0861.*no text in UTF-8"),
        ("theirs.safetensors", None, "(?s)E0863.*the file has no scale.*--map FILE"),
    ],
)
def test_files_that_cannot_be_read(home: Path, weights: str, map: str | None, said: str) -> None:
    (home / "pickled.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    torch.save([torch.zeros(2)], home / "list.pt")
    (home / "outside.index.json").write_text('{"weight_map": {"a": "../theirs.safetensors"}}')
    (home / "broken.index.json").write_text('{"weight_map": 3}')
    (home / "empty").mkdir()
    (home / "latin.json").write_bytes(b'{"tensors": {"\xe4": "b"}}')
    with pytest.raises(archc.Stopped, match=said):
        archc.load_weights("net.arch", weights, map)
    assert not (home / "ran").exists()


def test_nothing_is_written_where_something_is_left_over(home: Path) -> None:
    from archc.runtime.cli.guard import guarded

    write(home, *changed(None, (), more=torch.zeros(2)))
    words = ["load-weights", "net.arch", "--from", "theirs.safetensors", "--map", "map.json", "-o", "ours.safetensors"]
    assert guarded(words) == 1
    assert not (home / "ours.safetensors").exists()
    assert guarded([*words, "--ignore", "more"]) == 0
    assert (home / "ours.safetensors").exists()


# Patterns ----------------------------------------------------------------------------------------------------------------


def test_patterns() -> None:
    pattern = Pattern.of("{a.|}h.{i}.{weight|gamma}")
    assert pattern.names({"i": "3"}) == ["a.h.3.weight", "a.h.3.gamma", "h.3.weight", "h.3.gamma"]
    assert pattern.match("a.h.12.gamma") == {"i": "12"}
    assert pattern.match("h.1.2.gamma") is None
    assert Pattern.of("x.{i}.y.{i}").match("x.1.y.2") is None
    assert Pattern.of("cls.*").match("cls.a.b") == {}
    for text in ("", "a b", "{", "{a|b", "{a}{", "(x)", "{" + "|".join("abcdefgh") + "}" * 1 + "{a|b|c|d|e|f|g|h|i}"):
        with pytest.raises(BadPattern):
            Pattern.of(text)


def test_no_pattern_takes_long() -> None:
    """Such as `{a}{b}{c}…`, for which there are as many ways to match as ways to cut a name."""
    for text in ("{a}{b}{c}", "{a}_{b}-{c}", "*a*b*", "{a}" * 50, "a" * 5000):
        with pytest.raises(BadPattern):
            Pattern.of(text)
    before = process_time()
    assert Pattern.of("{a}_{b}x.*_*y").match("_" * 500 + "." + "_" * 499) is None
    assert process_time() - before < 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "join()",
        "join(a,)",
        "part(a, b, c)",
        "part(join(a, b), 0, 2)",
        "a b",
        "f(a)",
        "item(a, -1)",
        "(" * 99,
        "transpose(" * 99 + "a" + ")" * 99,
    ],
)
def test_what_is_no_recipe(text: str) -> None:
    with pytest.raises(BadPattern):
        read(text)


@pytest.mark.parametrize("name", shipped())
def test_shipped_maps_are_read(name: str) -> None:
    found = weight_map(name)
    assert found.tensors
    assert found.source is not None
    assert found.source.name == f"std:{name}.json"
