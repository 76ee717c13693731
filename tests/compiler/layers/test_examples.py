"""The reference of each layer is whole, and its example compiles and runs as the shapes say."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from archc.compiler.graph import TensorType
from archc.compiler.layers import registry
from archc.compiler.layers.base import Layer, positional
from archc.compiler.layers.examples import example_block
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

LAYERS = registry()
DIMS = {"B": 2, "T": 3, "S": 5, "H": 8, "W": 8, "D": 6}


def operand(kind: TensorType) -> torch.Tensor:
    sizes = [size.value.substitute({}).constant or DIMS[str(size)] for size in kind.shape]
    if kind.dtype == "float":
        return torch.rand(sizes)
    return torch.randint(0, 2, sizes) if kind.dtype == "int" else torch.rand(sizes) > 0.5


@pytest.mark.parametrize("name", [name for name in LAYERS if LAYERS[name].family not in ("column", "energy") and name != "ctc"])
def test_example(name: str) -> None:
    text = example_block(LAYERS[name]).replace("block ", "model ", 1)
    compiled, report = compile_source(Source("example.arch", text))
    assert compiled is not None, [diagnostic.message for diagnostic in report.diagnostics]
    scope: dict[str, Any] = {}
    exec(compiled.source, scope)
    found = scope["Example"]()(*(operand(node.type) for node in compiled.graph.inputs))
    outputs = [compiled.graph.type_of(output.ref) for output in compiled.graph.outputs]
    shapes = [[size.value.constant or DIMS.get(str(size)) for size in kind.shape] for kind in outputs]
    if len(shapes) == 1 and all(None not in one for one in shapes):
        assert list(found.shape) == shapes[0]


@pytest.mark.parametrize("name", list(LAYERS))
def test_reference(name: str) -> None:
    layer = LAYERS[name]
    assert layer.name == name
    assert (layer.__doc__ or "").split("\n")[0].rstrip().endswith((".", "?", ":")), "the first line is a sentence"
    assert re.fullmatch(r"[a-z][a-z0-9_]*|[^\w\s]+", name)
    assert layer.example
    assert layer.tensors is None or layer.tensors >= 0
    assert not (layer.owns and layer.stateful)
    for argument in (layer.variadic, layer.further):
        assert not argument or argument in layer.model_fields


def test_a_synonym_means_one_layer() -> None:
    seen: dict[str, str] = {}
    for name, layer in LAYERS.items():
        for other in layer.synonyms:
            assert other not in seen, f"{other} is {seen[other]} and {name}"
            seen[other] = name
    assert {"Linear", "Conv2d", "BatchNorm2d", "cat", "ReLU", "Embedding", "CrossEntropyLoss"} <= LAYERS.synonyms().keys()


def test_arguments_come_in_the_order_of_pytorch() -> None:
    def order(name: str) -> list[str]:
        return list(positional(LAYERS[name]))

    assert order("dense") == ["out_features", "bias"]
    assert order("conv") == ["out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode"]
    assert order("conv_transpose")[:5] == ["out_channels", "kernel_size", "stride", "padding", "output_padding"]
    assert order("max_pool")[:3] == ["kernel_size", "stride", "padding"]
    assert order("norm") == ["p", "dim", "keepdim"]
    assert order("var") == ["dim", "correction", "keepdim"]
    assert order("spectral_norm") == ["layer", "n_power_iterations", "eps"]
    assert order("rearrange") == ["pattern"]


def test_a_family_file_is_read_when_it_is_asked_for() -> None:
    from archc.compiler.layers import Registry

    assert isinstance(LAYERS, Registry)
    assert "dense" in LAYERS
    assert "Dense" not in LAYERS
    with pytest.raises(KeyError):
        LAYERS["Dense"]
    assert all(issubclass(layer, Layer) for layer in LAYERS.values())
    assert len(LAYERS) == len(set(LAYERS))
