"""`std.attention` and `std.transformer` against torch.nn's own attention and encoder layers, or against them with a mask written out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import archc

WIDTH, HEADS, STEPS, KEYS = 24, 4, 7, 5
Given = dict[str, Tensor]
Named = dict[str, Tensor]


def net(tmp_path: Path, module: str, part: str, tensors: str = "x: [B, T, 24]", args: str = "x") -> nn.Module:
    spec = tmp_path / "net.arch"
    name = part.partition("(")[0]
    spec.write_text(f"from {module} import {name}\n\nmodel Net({tensors}) {{\n    return {part}({args})\n}}\n")
    report = archc.check(spec)
    assert report.diagnostics == []
    made: nn.Module = archc.load(spec).double().eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(std=0.3)
    return made


def weights(made: nn.Module) -> Named:
    """By the last two words of each name."""
    return {".".join(name.split(".")[-2:]): weight for name, weight in made.named_parameters()}


def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """q, k and v of any number of heads of one width, in float64; nn.MultiheadAttention's own formula."""
    width = WIDTH // HEADS
    q, k, v = (x.reshape(x.shape[0], x.shape[1], -1, width).transpose(1, 2) for x in (q, k, v))
    k, v = (x.repeat_interleave(HEADS // x.shape[1], dim=1) for x in (k, v))
    score = q @ k.mT / width**0.5 + (0 if bias is None else bias)
    if mask is not None:
        score = score.masked_fill(~mask, float("-inf"))
    together: Tensor = (score.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return together


def tokens(steps: int = STEPS, width: int = WIDTH) -> Tensor:
    return torch.randn(3, steps, width, dtype=torch.float64)


POSITIONS = torch.arange(STEPS)
BEFORE = POSITIONS[:, None] >= POSITIONS
NEAR = BEFORE & (POSITIONS[:, None] - POSITIONS < 3)
FALL = -(2 ** (-8 * (torch.arange(HEADS).double() + 1) / HEADS))[:, None, None] * (POSITIONS[:, None] - POSITIONS)


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head(tmp_path: Path, causal: bool) -> None:
    made = net(tmp_path, "std.attention", f"MultiHead(4, causal={str(causal).lower()})")
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double().eval()
    ours = weights(made)
    with torch.no_grad():
        for mine, other in (("qkv", "in_proj_"), ("proj", "out_proj.")):
            for kind in ("weight", "bias"):
                theirs.get_parameter(other + kind).copy_(ours[f"{mine}.{kind}"])
    x = tokens()
    torch.testing.assert_close(made(x), theirs(x, x, x, attn_mask=~BEFORE if causal else None, need_weights=False)[0])


@pytest.mark.parametrize(
    ("part", "mask", "bias"), [("SlidingWindow(4, window=3)", NEAR, None), ("ALiBi(4)", BEFORE, FALL)], ids=["window", "alibi"]
)
def test_masks_and_biases(tmp_path: Path, part: str, mask: Tensor, bias: Tensor | None) -> None:
    made = net(tmp_path, "std.attention", part)
    w, x = weights(made), tokens()
    q, k, v = F.linear(x, w["qkv.weight"], w["qkv.bias"]).chunk(3, dim=-1)
    torch.testing.assert_close(made(x), F.linear(by_hand(q, k, v, mask, bias), w["proj.weight"], w["proj.bias"]))


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_grouped_queries(tmp_path: Path, shared: int) -> None:
    made = net(tmp_path, "std.attention", f"GroupedQuery(4, kv_heads={shared})")
    w, x = weights(made), tokens()
    q, k, v = (x @ w[f"{name}.weight"].mT for name in ("query", "key", "value"))
    assert k.shape[-1] == WIDTH // HEADS * shared
    torch.testing.assert_close(made(x), by_hand(q, k, v, BEFORE) @ w["proj.weight"].mT)


def test_padded(tmp_path: Path) -> None:
    made = net(tmp_path, "std.attention", "Padded(4, causal=true)", "x: [B, T, 24], keep: bool[B, T]", "x, keep")
    w, x = weights(made), tokens()
    keep = torch.ones(3, STEPS, dtype=torch.bool)
    keep[0, 4:], keep[1, 2] = False, False
    q, k, v = F.linear(x, w["qkv.weight"], w["qkv.bias"]).chunk(3, dim=-1)
    y = by_hand(q, k, v, BEFORE & keep[:, None, None])
    torch.testing.assert_close(made(x, keep), F.linear(y, w["proj.weight"], w["proj.bias"]))


@pytest.mark.parametrize("masked", [False, True])
def test_cross(tmp_path: Path, masked: bool) -> None:
    tensors = "x: [B, T, 24], memory: [B, S, 10]" + (", keep: bool[B, S]" if masked else "")
    made = net(tmp_path, "std.attention", "Cross(4)", tensors, "x, memory" + (", keep" if masked else ""))
    w, x, memory = weights(made), tokens(), tokens(KEYS, 10)
    keep = torch.rand(3, KEYS) > 0.3
    keep[:, 0] = True
    k, v = F.linear(memory, w["key_value.weight"], w["key_value.bias"]).chunk(2, dim=-1)
    y = by_hand(F.linear(x, w["query.weight"], w["query.bias"]), k, v, keep[:, None, None] if masked else None)
    found = made(x, memory, keep) if masked else made(x, memory)
    torch.testing.assert_close(found, F.linear(y, w["proj.weight"], w["proj.bias"]))


ENCODER = {"qkv": "self_attn.in_proj_", "proj": "self_attn.out_proj.", "dense1": "linear1.", "dense2": "linear2."}


@pytest.mark.parametrize(("part", "first", "act"), [("PostNorm(4, 40)", False, "relu"), ("PreNorm(4, 40)", True, "gelu")])
def test_encoder_layers(tmp_path: Path, part: str, first: bool, act: str) -> None:
    made = net(tmp_path, "std.transformer", part)
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, 40, 0.1, act, batch_first=True, norm_first=first).double().eval()
    names = ENCODER | {"layer_norm1": "norm1.", "layer_norm2": "norm2."}
    with torch.no_grad():
        for name, weight in weights(made).items():
            layer, _, kind = name.partition(".")
            theirs.get_parameter(names[layer] + kind).copy_(weight)
    x = tokens().requires_grad_()  # the fast path of inference is not what is compared
    torch.testing.assert_close(made(x), theirs(x))


def test_parallel(tmp_path: Path) -> None:
    made = net(tmp_path, "std.transformer", "Parallel(4, 40)")
    w, x = weights(made), tokens()
    z = F.layer_norm(x, (WIDTH,), w["layer_norm1.weight"], w["layer_norm1.bias"])
    q, k, v = F.linear(z, w["qkv.weight"], w["qkv.bias"]).chunk(3, dim=-1)
    attended = F.linear(by_hand(q, k, v, BEFORE), w["proj.weight"], w["proj.bias"])
    fed = F.linear(F.gelu(F.linear(z, w["dense1.weight"], w["dense1.bias"])), w["dense2.weight"], w["dense2.bias"])
    torch.testing.assert_close(made(x), x + attended + fed)


ACTS: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "gelu": F.gelu, "relu": F.relu}


@pytest.mark.parametrize("act", ACTS)
def test_gated_feed_forward(tmp_path: Path, act: str) -> None:
    made = net(tmp_path, "std.transformer", f"GatedFeedForward(40, act={act})")
    w, x = weights(made), tokens()
    inside: Any = ACTS[act](x @ w["opening.weight"].mT) * (x @ w["content.weight"].mT)
    torch.testing.assert_close(made(x), inside @ w["proj.weight"].mT)
