"""`std.attention` and `std.transformer` against torch.nn's own attention and encoder layers, or against them with a mask written out."""

from __future__ import annotations

import math
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
    torch.testing.assert_close(made(x := tokens()), packed(weights(made), x, mask, bias))


def packed(w: Named, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
    """Attention with q, k and v in one layer, by hand."""
    q, k, v = F.linear(x, w["qkv.weight"], w["qkv.bias"]).chunk(3, dim=-1)
    return F.linear(by_hand(q, k, v, mask, bias), w["proj.weight"], w["proj.bias"])


def test_alibi_between_powers_of_two(tmp_path: Path) -> None:
    """The rates of the authors' code: those of four heads, then every other one of eight."""
    made = net(tmp_path, "std.attention", "ALiBi(6)")
    rates = torch.tensor([2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3], dtype=torch.float64)
    w, x = weights(made), tokens()
    q, k, v = (t.reshape(3, STEPS, 6, -1).transpose(1, 2) for t in F.linear(x, w["qkv.weight"], w["qkv.bias"]).chunk(3, dim=-1))
    score = q @ k.mT / 2 - rates[:, None, None] * (POSITIONS[:, None] - POSITIONS)
    y = (score.masked_fill(~BEFORE, float("-inf")).softmax(-1) @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(made(x), F.linear(y, w["proj.weight"], w["proj.bias"]))


def bucket(distance: int, causal: bool, buckets: int, far: int) -> int:
    """Raffel et al. (2020), as in the authors' code; positive where the key is after the query."""
    first = 0 if causal or distance <= 0 else buckets // 2
    side = buckets if causal else buckets // 2
    steps = max(-distance, 0) if causal else abs(distance)
    if steps < side // 2:
        return first + steps
    share = math.log(steps / (side // 2)) / math.log(far / (side // 2))
    return first + min(side // 2 + int(share * (side - side // 2)), side - 1)


@pytest.mark.parametrize("causal", [False, True])
def test_relative(tmp_path: Path, causal: bool) -> None:
    made = net(tmp_path, "std.attention", f"Relative(4, causal={str(causal).lower()}, buckets=8, far=20)")
    steps = 30
    x, w = tokens(steps), weights(made)
    [table] = [weight for name, weight in w.items() if name.endswith("table")]
    places = [[bucket(j - i, causal, 8, 20) for j in range(steps)] for i in range(steps)]
    mask = torch.ones(steps, steps, dtype=torch.bool).tril() if causal else None
    torch.testing.assert_close(made(x), packed(w, x, mask, table[torch.tensor(places)].permute(2, 0, 1)))


def turned(x: Tensor) -> Tensor:
    """Heads of six numbers as three complex ones, each turned by its angle."""
    pairs = torch.complex(*x.reshape(3, STEPS, -1, WIDTH // HEADS).chunk(2, dim=-1))
    rate = 1.0 / 10000.0 ** (torch.arange(0, 6, 2) / 6)
    angle = (POSITIONS[:, None] * rate).double()  # [T, 3]
    pairs = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
    return torch.cat([pairs.real, pairs.imag], dim=-1).flatten(2)


@pytest.mark.parametrize(("arguments", "mask"), [("", BEFORE), (", window=3", NEAR)])
def test_rotary(tmp_path: Path, arguments: str, mask: Tensor) -> None:
    made = net(tmp_path, "std.attention", f"Rotary(4, kv_heads=2{arguments})")
    w, x = weights(made), tokens()
    q, k, v = (x @ w[f"{name}.weight"].mT for name in ("query", "key", "value"))
    wanted = by_hand(turned(q), turned(k), v, mask) @ w["proj.weight"].mT
    torch.testing.assert_close(made(x), wanted, rtol=1e-6, atol=1e-6)  # angles are float32


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
    names = ENCODER | {"norm1": "norm1.", "norm2": "norm2."}
    with torch.no_grad():
        for name, weight in weights(made).items():
            layer, _, kind = name.partition(".")
            theirs.get_parameter(names[layer] + kind).copy_(weight)
    x = tokens().requires_grad_()  # the fast path of inference is not what is compared
    torch.testing.assert_close(made(x), theirs(x))


def test_parallel(tmp_path: Path) -> None:
    made = net(tmp_path, "std.transformer", "Parallel(4, 40)")
    w, x = weights(made), tokens()
    z = F.layer_norm(x, (WIDTH,), w["norm1.weight"], w["norm1.bias"])
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


def test_norms_without_a_mean(tmp_path: Path) -> None:
    made = net(tmp_path, "std.transformer", "PreNorm(4, 40, norm=rms_norm)")
    w, x = weights(made), tokens()
    h = x + packed(w, F.rms_norm(x, (WIDTH,), w["norm1.weight"]), None, None)
    z = F.rms_norm(h, (WIDTH,), w["norm2.weight"])
    fed = F.linear(F.gelu(F.linear(z, w["dense1.weight"], w["dense1.bias"])), w["dense2.weight"], w["dense2.bias"])
    torch.testing.assert_close(made(x), h + fed)


def test_modern(tmp_path: Path) -> None:
    made = net(tmp_path, "std.transformer", "Modern(4, 40, kv_heads=2)")
    w, x = dict(made.named_parameters()), tokens()
    first, second, part = (f"modern1.{name}" for name in ("rotary1", "gated_feed_forward1", "rms_norm"))
    z = F.rms_norm(x, (WIDTH,), w[f"{part}1.weight"], 1e-5)
    q, k, v = (z @ w[f"{first}.{name}.weight"].mT for name in ("query", "key", "value"))
    h = x + by_hand(turned(q), turned(k), v, BEFORE) @ w[f"{first}.proj.weight"].mT
    z = F.rms_norm(h, (WIDTH,), w[f"{part}2.weight"], 1e-5)
    inside = F.silu(z @ w[f"{second}.opening.weight"].mT) * (z @ w[f"{second}.content.weight"].mT)
    torch.testing.assert_close(made(x), h + inside @ w[f"{second}.proj.weight"].mT, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("chosen", [1, 2])
def test_mixture(tmp_path: Path, chosen: int) -> None:
    """Every expert on every row, then the weights: what is not chosen is multiplied by zero."""
    made = net(tmp_path, "std.transformer", f"Mixture(16, experts=5, chosen={chosen}, even=0.5)")
    w, x = {name.removeprefix("mixture1."): weight for name, weight in made.named_parameters()}, tokens()
    share = (x @ w["router.weight"].mT).softmax(-1)
    value, place = share.topk(chosen, dim=-1)
    marks = torch.zeros_like(share).scatter(-1, place, 1.0)
    weight = marks * share / (value.sum(-1, keepdim=True) if chosen > 1 else 1.0)

    def expert(e: int) -> Tensor:
        opening, content, proj = (w[f"parallel1.{e}.{name}.weight"].mT for name in ("opening", "content", "proj"))
        done: Tensor = (F.silu(x @ opening) * (x @ content)) @ proj
        return done

    wanted = sum(weight[..., e, None] * expert(e) for e in range(5))
    found, penalties = made.with_penalties(x)  # type: ignore[operator]
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(penalties["balance"], 0.5 * 5 * (marks.mean((0, 1)) * share.mean((0, 1))).sum())
