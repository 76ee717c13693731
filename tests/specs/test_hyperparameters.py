"""`load(path, **h)` and the constructor of the compiled file given the same h: the same network, or the constructor refuses."""

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.loader import load_module

DRAWN: dict[str, dict[str, list[Any]]] = {
    "mlp": {"widths": [[128, 64], [32], [16, 16, 16], [64, 8]], "classes": [2, 3, 10, 17]},
    "lenet": {"classes": list(range(1, 40))},
    "autoencoder": {"code": list(range(1, 40))},
    "resnet": {"depths": [[3, 4, 6, 3], [1, 1, 1, 1], [2, 1, 1, 2], [1, 2]], "classes": [2, 10, 1000], "channels": [1, 3, 4]},
}
INPUTS = {"mlp": (2, 64), "lenet": (2, 1, 8, 8), "autoencoder": (2, 30)}


@pytest.mark.parametrize("spec", DRAWN)
def test_the_constructor_agrees_with_load_or_refuses(spec: str) -> None:
    draw = random.Random(spec)
    constructor = getattr(load_module(archc.compile(spec)), archc.compile(spec).plan.model.class_name)
    agreed = 0
    for _ in range(20):
        chosen = {name: draw.choice(values) for name, values in DRAWN[spec].items() if draw.random() < 0.7}
        with torch.device("meta" if spec == "resnet" else "cpu"):
            loaded = archc.load(spec, **chosen)
            try:
                built = constructor(**chosen)
            except (TypeError, ValueError):
                continue
        agreed += 1
        assert [(name, tensor.shape) for name, tensor in loaded.state_dict().items()] == [
            (name, tensor.shape) for name, tensor in built.state_dict().items()
        ]
        if spec in INPUTS:
            assert _same_outputs(loaded, built, INPUTS[spec])
    assert agreed >= 3, "a test in which the constructor always refuses shows nothing"


def _same_outputs(loaded: nn.Module, built: nn.Module, shape: tuple[int, ...]) -> bool:
    built.load_state_dict(loaded.state_dict())
    x = torch.randn(shape)
    a, b = loaded(x), built(x)
    pairs = [(a, b)] if isinstance(a, Tensor) else list(zip(a, b, strict=True))
    return all(torch.equal(left, right) for left, right in pairs)
