"""The text of a layer is what a person would have written, and computes what its formula says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from archc.compiler.emit.code import Code, Show, binary
from archc.compiler.graph import TensorType
from archc.compiler.layers import registry
from archc.compiler.layers.base import Layer, Refusal
from archc.compiler.layers.indexing import At, Mark, Slice
from archc.compiler.shapes import Dim, Size
from archc.compiler.values import AxisName, Real

from .checking import Alone
from .drawing import Draw, tensor
from .running import run

LAYERS = registry()


def symbols(text: str) -> TensorType:
    """`B 3 H W` as a type."""
    return TensorType("float", tuple(Size.of(int(part)) if part.isdigit() else Size.of(Dim.of(part)) for part in text.split()))


def build(name: str, **arguments: Any) -> Layer:
    return LAYERS[name](**arguments)


def forward(layer: Layer, *kinds: TensorType, codes: tuple[Code, ...] = ()) -> str:
    show = Show(lambda name: name, f"self.{layer.name}1", kinds)
    return str(layer.forward(show, *(codes or tuple(Code(name) for name in "xyzw"[: len(kinds)]))))


def module(layer: Layer, *kinds: TensorType) -> str:
    return layer.module(Show(lambda name: name), *kinds)


def out(layer: Layer, *kinds: TensorType) -> str:
    found = layer.infer(Alone(), *kinds)
    return ", ".join(map(str, found)) if isinstance(found, tuple) else str(found)


def sizes(*numbers: int) -> tuple[Size, ...]:
    return tuple(map(Size.of, numbers))


def test_modules() -> None:
    image = symbols("B 3 H W")
    width = Size(Dim.of(64), Dim.of("width"))
    assert module(build("conv", out_channels=width, kernel_size=3, padding=1), image) == "nn.Conv2d(3, width, 3, padding=1)"
    assert module(build("depthwise", kernel_size=3), image) == "nn.Conv2d(3, 3, 3, groups=3)"
    assert module(build("batch_norm"), image) == "nn.BatchNorm2d(3)"
    assert module(build("batch_norm"), symbols("B 8")) == "nn.BatchNorm1d(8)"
    assert module(build("layer_norm", eps=1e-6), symbols("B T 64")) == "nn.LayerNorm(64, eps=1e-6)"
    assert module(build("dropout", p=0.1), image) == "nn.Dropout(0.1)"
    wrapped = build("spectral_norm", layer=build("conv", out_channels=64, kernel_size=4))
    assert module(wrapped, image) == "nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 64, 4))"


def test_expressions() -> None:
    x = symbols("B T 64")
    assert forward(build("mean", dim=AxisName("T")), x) == "x.mean(dim=1)"
    assert forward(build("softmax"), x) == "F.softmax(x, dim=-1)"
    assert forward(build("transpose"), x) == "x.mT"
    assert forward(build("flatten"), x) == "x.flatten(1)"
    assert forward(build("chunk", chunks=3), x) == "x.chunk(3, dim=-1)"
    assert forward(build("reshape", sizes=sizes(1, 8, 8)), symbols("B 64")) == "x.unflatten(1, (1, 8, 8))"
    assert (
        forward(build("rearrange", pattern="b t (h d) -> b h t d", h=Size.of(4)), x) == "x.unflatten(2, (4, -1)).transpose(1, 2)"
    )
    assert forward(build("einsum", equation="b i d, b j d -> b i j"), x, x) == 'torch.einsum("bid, bjd -> bij", x, y)'
    assert forward(build("global_avg_pool"), symbols("B 8 H W")) == "x.mean(dim=(2, 3))"
    assert forward(build("index", items=(Slice(), At(place=Size.of(-1)))), x) == "x[:, -1]"
    assert forward(build("index", items=(Slice(stop=Size.of(Dim.of("T"))), Mark(kind="none"))), x) == "x[:T, None]"
    total = binary("+", Code("a"), Code("b"))
    assert forward(build("mean", dim=AxisName("T")), x, codes=(total,)) == "(a + b).mean(dim=1)"
    assert forward(build("*"), x, x, codes=(total, Code("c"))) == "(a + b) * c"


def test_symbolic_shapes() -> None:
    image = symbols("B 3 H W")
    assert out(build("conv", out_channels=16, kernel_size=3, padding=1), image) == "[B, 16, H, W]"
    assert out(build("conv", out_channels=16, kernel_size=3, stride=2, padding=1), image) == "[B, 16, (H + 1) // 2, (W + 1) // 2]"
    assert out(build("max_pool", kernel_size=2), image) == "[B, 3, H // 2, W // 2]"
    assert out(build("conv_transpose", out_channels=8, kernel_size=2, stride=2), image) == "[B, 8, 2 * H, 2 * W]"
    assert out(build("upsample", scale_factor=0.5), image) == "[B, 3, H // 2, W // 2]"
    assert out(build("upsample", scale_factor=1.5), image) == "[B, 3, (3 * H) // 2, (3 * W) // 2]"
    assert out(build("flatten"), image) == "[B, 3 * H * W]"
    assert out(build("index", items=(Slice(), Slice(), Slice(stop=Size.of(-1)))), image) == "[B, 3, H - 1, W]"
    assert out(build("index", items=(Slice(stop=Size.of(5)),)), image) == "[min(5, B), 3, H, W]"
    assert out(build("index", items=(Slice(start=Size.of(-5)),)), image) == "[min(5, B), 3, H, W]"
    assert out(build("concat", dim=Size.of(1)), image, symbols("B 5 H W")) == "[B, 8, H, W]"
    with pytest.raises(Refusal):
        build("+").infer(Alone(), symbols("B N"), symbols("B M"))


def test_padding_on_one_side_looks_only_back() -> None:
    layer = build("conv", out_channels=1, kernel_size=3, padding=[[2, 0]])
    assert out(layer, symbols("B 1 T")) == "[B, 1, T]"
    assert forward(layer, symbols("B 1 T")) == "self.conv1(F.pad(x, (2, 0)))"
    assert module(layer, symbols("B 1 T")) == "nn.Conv1d(1, 1, 3)"


def test_cross_entropy_of_classes_in_the_last_dim() -> None:
    logits, labels = torch.rand(2, 3, 5), torch.randint(0, 5, (2, 3))
    for reduction in ("mean", "sum", "none"):
        text = forward(build("cross_entropy", dim=Size.of(-1), reduction=reduction), tensor(2, 3, 5), tensor(2, 3, dtype="int"))
        found = eval(text, {"F": F}, {"x": logits, "y": labels})
        assert torch.allclose(found, F.cross_entropy(logits.mT, labels, reduction=reduction))
    with pytest.raises(Refusal) as caught:
        build("cross_entropy").infer(Alone(), tensor(2, 3, 5), tensor(2, 3, dtype="int"))
    assert "dim=-1" in caught.value.fault.diagnostic().helps[0].text


def test_weighted_sum() -> None:
    a, b, w = torch.rand(2, 3, 4), torch.rand(2, 3, 4), torch.rand(2, 2)
    text = forward(build("weighted_sum"), tensor(2, 3, 4), tensor(2, 3, 4), tensor(2, 2))
    found = eval(text, {"torch": torch}, {"x": a, "y": b, "z": w})
    assert torch.allclose(found, w[:, 0, None, None] * a + w[:, 1, None, None] * b)


def test_rearrange_moves_every_number_to_its_place() -> None:
    x = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    layer = build("rearrange", pattern="b c (h p) (w q) -> b (h w) (p q c)", p=Size.of(2), q=Size.of(3))
    found = eval(forward(layer, tensor(2, 3, 4, 6)), {}, {"x": x})
    assert torch.equal(found, x.reshape(2, 3, 2, 2, 2, 3).permute(0, 2, 4, 3, 5, 1).reshape(2, 4, 18))


def test_path_dropout_drops_whole_examples() -> None:
    torch.manual_seed(0)
    result = run(build("path_dropout", p=0.5), Draw((tensor(64, 3, 2),)), {})
    kept = result.outputs[0].flatten(1).ne(0)
    assert torch.equal(kept.all(1), kept.any(1))
    assert 0 < kept.all(1).sum() < 64


def test_sinusoidal_positions() -> None:
    layer = build("sinusoidal_positions")
    scope: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor}
    exec(type(layer).helper, scope)
    found = scope["sinusoidal_positions"](torch.zeros(1, 7, 5))
    for t in range(7):
        for d in range(5):
            angle = torch.tensor(t / 10000 ** ((d - d % 2) / 5))
            assert torch.allclose(found[0, t, d], angle.cos() if d % 2 else angle.sin(), atol=1e-6)


def test_cost_counts_multiply_adds() -> None:
    image = tensor(1, 3, 8, 8)
    conv = build("conv", out_channels=16, kernel_size=3, padding=1, groups=1)
    assert conv.cost((image,), (tensor(1, 16, 8, 8),)) == 16 * 64 * 27
    assert build("depthwise", kernel_size=3, padding=1).cost((image,), (image,)) == 3 * 64 * 9
    assert build("dense", out_features=10).cost((tensor(2, 5),), (tensor(2, 10),)) == 100
    assert build("@").cost((tensor(2, 3, 4), tensor(4, 5)), (tensor(2, 3, 5),)) == 2 * 3 * 4 * 5
    assert (
        build("einsum", equation="b i d, b j d -> b i j").cost((tensor(2, 3, 4), tensor(2, 5, 4)), (tensor(2, 3, 5),))
        == 2 * 3 * 5 * 4
    )
    up = build("conv_transpose", out_channels=8, kernel_size=2, stride=2)
    assert up.cost((image,), (tensor(1, 8, 16, 16),)) == 3 * 64 * 8 * 4
    assert build("relu").cost((image,), (image,)) == 0


def test_refusals_say_what_clashes() -> None:
    def message(name: str, *kinds: TensorType, **arguments: Any) -> str:
        with pytest.raises(Refusal) as caught:
            build(name, **arguments).infer(Alone(), *kinds)
        return caught.value.fault.diagnostic().message

    x = symbols("B T 64")
    assert message("+", x, symbols("B S 64")) == (
        "the two sides of + must have one shape, or broadcast, but the left is [B, T, 64] and the right is [B, S, 64]"
    )
    assert message("mean", x, dim=AxisName("H")) == "mean works on dim H, but [B, T, 64] has no such dim"
    assert (
        message("softmax", symbols("N N"), dim=AxisName("N"))
        == "softmax works on dim N, but [N, N] has it twice: give its number"
    )
    assert message("conv", symbols("B 64"), out_channels=8, kernel_size=3) == (
        "conv wants [B, C, *spatial] with one to three spatial dims, but was given [B, 64]"
    )
    assert message("conv", symbols("B 3 4 4"), out_channels=8, kernel_size=5) == (
        "conv slides a window of [5, 5] over [4, 4], which is too small: it was given [B, 3, 4, 4]"
    )
    assert message("@", x, symbols("32 10")) == (
        "the last dim of the left of a matrix product and the last but one of the right must be equal, "
        "but the left is [B, T, 64] and the right is [32, 10]"
    )
    assert message("reshape", symbols("B 60"), sizes=sizes(1, 8, 8)) == (
        "reshape makes [1, 8, 8] of each row, but [B, 60] has 60 numbers in each"
    )
    assert message("rearrange", x, pattern="b t (h d) -> b h t d") == (
        'the pattern "b t (h d) -> b h t d" of rearrange does not fit: of h and d only one can be found: give the others a size, h=…'
    )
    assert "is not a multiple of 5" in message("chunk", x, chunks=5)


def test_clip_keeps_whole_numbers_whole() -> None:
    assert out(build("clip", min=0), tensor(3, dtype="int")) == "int[3]"
    assert out(build("clip", min=Real.of(0.5)), tensor(3, dtype="int")) == "[3]"
