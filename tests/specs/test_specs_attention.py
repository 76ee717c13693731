"""The specs with attention against the same networks over torch.nn's own attention: outputs, gradients, counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.train.api import dry_run

from . import by_hand_attention as by_hand

SMALL_VIT: dict[str, Any] = {
    "height": 8,
    "width": 12,
    "patch": 4,
    "hidden": 24,
    "layers": 2,
    "heads": 4,
    "inner": 20,
    "classes": 5,
}
SMALL_GPT: dict[str, Any] = {"vocab": 19, "width": 24, "depth": 2, "heads": 4, "context": 9, "drop": 0.0}
SMALL_TRANSFORMER: dict[str, Any] = {"vocab": 19, "width": 24, "depth": 2, "heads": 4, "inner": 20, "drop": 0.0}


def pixels() -> tuple[Tensor, ...]:
    return (torch.randn(3, 3, 8, 12, dtype=torch.float64),)


def text() -> tuple[Tensor, ...]:
    return (torch.randint(0, 19, (3, 7)),)


def texts() -> tuple[Tensor, ...]:
    """Filled up with zeros."""
    source, target = torch.randint(1, 19, (3, 6)), torch.randint(1, 19, (3, 5))
    source[0, 4:], target[1, 2:] = 0, 0
    return source, target


Renames = tuple[tuple[str, str], ...]
NORMS_AND_LINEARS: Renames = ((r"\.layer_norm(\d)", r".norm\1"), (r"\.(?:feed_forward1\.)?dense(\d)", r".linear\1"))
APART: Renames = (
    (r"\.multi_head(\d)\.dense([123])\.(\w+)$", r".attention\1.in_proj_\3#\2"),
    (r"\.multi_head(\d)\.dense4", r".attention\1.out_proj"),
    (r"\.attention1", ".self_attn"),
    (r"\.attention2", ".multihead_attn"),
)
NAMES: dict[
    str, Renames
] = {  # from the keys of the specs to those of the networks by hand; #2 is the second third of a packed weight
    "vit": (
        (r"^stack1\.(\d+)\.self1\.qkv\.(\w+)", r"layers.\1.self_attn.in_proj_\2"),
        (r"^stack1\.(\d+)\.self1\.proj", r"layers.\1.self_attn.out_proj"),
        (r"^stack1", "layers"),
        *NORMS_AND_LINEARS,
        ("^conv1", "patches"),
        ("^layer_norm1", "norm"),
        ("^dense1", "head"),
    ),
    "gpt2": (
        (r"^stack1\.(\d+)\.causal_self_attention1\.qkv\.(\w+)", r"blocks.\1.1.in_proj_\2"),
        (r"^stack1\.(\d+)\.causal_self_attention1\.proj", r"blocks.\1.1.out_proj"),
        (r"^stack1\.(\d+)\.layer_norm1", r"blocks.\1.0"),
        (r"^stack1\.(\d+)\.layer_norm2", r"blocks.\1.2"),
        (r"^stack1\.(\d+)\.dense1", r"blocks.\1.3"),
        (r"^stack1\.(\d+)\.dense2", r"blocks.\1.4"),
        ("^layer_norm1", "norm"),
    ),
    "transformer": ((r"^stack1", "encoder"), (r"^stack2", "decoder"), *APART, *NORMS_AND_LINEARS),
}


def theirs_of(spec: str, key: str) -> tuple[str, int]:
    """The name by hand of one of our keys, and which third of it, or -1."""
    for pattern, replacement in NAMES[spec]:
        key = re.sub(pattern, replacement, key)
    name, _, part = key.partition("#")
    return name, int(part) - 1 if part else -1


def part_of(tensor: Tensor, part: int) -> Tensor:
    return tensor if part < 0 else tensor.chunk(3)[part]


CASES: list[tuple[str, dict[str, Any], Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = [
    ("vit", SMALL_VIT, partial(by_hand.ViT, (8, 12), 4, 24, 2, 4, 20, 5), pixels),
    ("gpt2", SMALL_GPT, partial(by_hand.GPT2, 19, 24, 2, 4, 9), text),
    ("transformer", SMALL_TRANSFORMER, partial(by_hand.Transformer, 19, 24, 2, 4, 20), texts),
]


@pytest.mark.parametrize(
    ("spec", "hyperparameters", "hand", "given"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_equals_the_network_written_by_hand(
    spec: str, hyperparameters: dict[str, Any], hand: Callable[[], nn.Module], given: Callable[[], tuple[Tensor, ...]]
) -> None:
    torch.manual_seed(0)
    ours, theirs = archc.load(spec, **hyperparameters).double().train(), hand().double().train()
    others = dict(theirs.named_parameters())
    used = set()
    with torch.no_grad():
        for weight in others.values():
            weight.normal_(std=0.3)
        for key, weight in ours.named_parameters():
            name, part = theirs_of(spec, key)
            used.add(name)
            weight.copy_(part_of(others[name], part))
    assert used == set(others)
    inputs = given()
    outputs = [network(*inputs) for network in (ours, theirs)]
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-9)
    for output in outputs:
        output.square().mean().backward()
    for key, weight in ours.named_parameters():
        name, part = theirs_of(spec, key)
        wanted = others[name].grad
        assert wanted is not None
        torch.testing.assert_close(weight.grad, part_of(wanted, part), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("spec", "hand", "parameters"),
    [("vit", by_hand.ViT, 86_567_656), ("gpt2", by_hand.GPT2, 124_439_808), ("transformer", by_hand.Transformer, 63_082_496)],
)
def test_has_as_many_parameters_as_published(spec: str, hand: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        networks = archc.load(spec), hand()
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [parameters] * 2


@pytest.mark.parametrize("spec", ["vit", "gpt2", "transformer"])
def test_says_nothing_and_trains(spec: str) -> None:
    assert archc.check(spec).diagnostics == []
    assert isfinite(dry_run(spec).loss)


def test_the_second_program_of_gpt2_reads_a_text() -> None:
    assert isfinite(dry_run(archc.compile("gpt2", program="topics")).loss)
