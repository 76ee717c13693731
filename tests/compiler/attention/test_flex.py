"""FlexAttention by index functions, on a CPU, where it has no gradients and is not fused: what it gives is what the plain text gives."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import Tensor, nn

import archc
from archc.compiler.attention.flex import Flex, unfit
from archc.compiler.emit.torch.module import emit_module
from archc.compiler.layers.attention import Attend
from archc.compiler.passes.order import PASSES
from archc.compiler.pipeline import Compiled
from archc.runtime.kernels import attention
from archc.runtime.kernels.attention import OnDevice, attach
from archc.runtime.loader import build

from ..spec import compiled
from .equations import B, Case, S, T, cases

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.fixture(autouse=True)
def _untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """FlexAttention is called as it is, without tracing it first."""
    monkeypatch.setattr("torch.nn.attention.flex_attention._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


ANY = Flex(narrowest=1)
BLOCK = """attention Part(heads = 2, window = 3, cap = 30.0)(x: [B, T, D], segment: int[B, T]) {{
    q, k, v = x -> dense(3 * D) -> chunk(3)
{functions}
    return attend(q, k, v, heads=heads, {given})
}}
model Net(window = 3)(x: [B, T, {width}], segment: int[B, T]) -> [B, T, {width}] {{
    return (x, segment) -> Part(window=window)
}}
"""


def spec(*functions: str, more: str = "", width: int = 32) -> str:
    given = ", ".join(f"{name}={name}" for name in (function.partition("[")[0] for function in functions))
    return BLOCK.format(functions="\n".join(f"    {function}" for function in functions), given=given + more, width=width)


CASES = {
    "window": spec("mask[i, j] = j <= i and i - j < window"),
    "documents": spec("mask[b, h, i, j] = segment[b, i] == segment[b, j] and j <= i"),
    "alibi": spec("mask[i, j] = j <= i", "bias[h, i, j] = -(2 ** (-8 * (h + 1) / heads)) * (i - j)"),
    "capped": spec("mask[i, j] = j <= i", "score[s, h, i, j] = cap * tanh(s / cap)"),
    "all": spec(
        "mask[b, h, i, j] = segment[b, i] == segment[b, j] and i - j < window and j - h < i",
        "bias[h, i, j] = -(2 ** (-8 * (h + 1) / heads)) * (i - j)",
        "score[s, h, i, j] = cap * tanh(s / cap)",
    ),
}


def attend_of(text: str) -> str:
    """Why its attention is not for FlexAttention."""
    graph = PASSES.run(compiled(text).graph)
    parts = [graph, *(part for _, part in graph.children())]
    (found,) = [(part, node) for part in parts for node in part.nodes if isinstance(node.op, Attend)]
    part, node = found
    assert isinstance(node.op, Attend)
    return unfit(node.op, part.type_of(node.refs[0]), part.type_of(node.refs[1]))


def flexed(made: Compiled, dtype: torch.dtype, patch: pytest.MonkeyPatch) -> tuple[nn.Module, nn.Module, list[str]]:
    """The network as it is, and with FlexAttention in the place that it has on a GPU; and where."""
    patch.setattr(attention, "DTYPES", (torch.float64, torch.float32, torch.bfloat16))
    torch.manual_seed(0)
    plain = build(made).to(dtype)
    other = copy.deepcopy(plain)
    return plain, other, attach(other, made, flex=ANY, device="cpu")


@pytest.mark.parametrize("name", list(CASES))
def test_the_text(name: str, golden: Callable[[str, str], None]) -> None:
    text = emit_module(Flex().run(PASSES.run(compiled(CASES[name]).graph)), "net.arch").text
    golden(f"torch/flex_{name}.py.txt", text)


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_it_gives_what_the_plain_text_gives(name: str, dtype: torch.dtype, near: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, other, paths = flexed(compiled(CASES[name]), dtype, monkeypatch)
    assert paths == ["part1"]
    x, segment = torch.randn(2, 9, 32, dtype=dtype), torch.tensor([[0] * 4 + [1] * 5, [0] * 9])
    with torch.no_grad():
        for _ in range(2):  # the second time with the blocks that were kept
            torch.testing.assert_close(other(x, segment), plain(x, segment), rtol=near, atol=near)


def _drawn(case: Case) -> bool:
    """Compares one; was FlexAttention chosen?"""
    with pytest.MonkeyPatch.context() as patch:
        plain, other, paths = flexed(compiled(case.text), torch.float64, patch)
    torch.manual_seed(1)
    width = 3 if case.shared else 6
    q, k, v = (torch.randn(B, n, w, dtype=torch.float64) for n, w in ((T, 6), (S, width), (S, width)))
    rest = torch.rand(B, S) > 0.3, torch.randint(0, 2, (B, T)), torch.randint(0, 2, (B, S))
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "DTYPES", (torch.float64,))
        torch.testing.assert_close(other(q, k, v, *rest), plain(q, k, v, *rest), rtol=1e-9, atol=1e-9)
    return bool(paths)


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_drawn_index_functions(count: int) -> None:
    chosen = []

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(cases())
    def compare(case: Case) -> None:
        chosen.append(_drawn(case))

    compare()
    assert sum(chosen) >= 0.3 * len(chosen)


def test_where_it_is_not_the_way() -> None:
    for name, text in CASES.items():
        assert attend_of(text) == "", name
    assert "has a kernel" in attend_of(spec("mask[i, j] = j <= i"))
    assert "no dropout" in attend_of(spec("mask[i, j] = i - j < 3", more=", dropout=0.1"))
    assert "16 numbers" in attend_of(spec("mask[i, j] = i - j < 3", width=8))
    learned = spec("bias[h, i, j] = table[h]").replace("    q, k", "    param table: [heads]\n    q, k")
    assert "no fixed order" in attend_of(learned)


def test_elsewhere_it_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients on another device, copied, in another process, and exported."""
    made = compiled(CASES["capped"])
    plain = build(made)
    x, segment = torch.randn(2, 5, 32), torch.zeros(2, 5, dtype=torch.long)
    monkeypatch.setattr(attention, "_want_working", lambda: None)
    other = copy.deepcopy(plain)
    assert attach(other, made) == ["part1"]
    assert isinstance(other.get_submodule("part1").forward, OnDevice)

    def gradients(net: nn.Module) -> list[Tensor]:
        return list(torch.autograd.grad(net(x, segment).square().sum(), list(net.parameters())))

    for got, want in zip(gradients(other), gradients(plain), strict=True):
        assert torch.equal(got, want)
    for copied in (copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        forward: Any = copied.get_submodule("part1").forward
        assert forward.module is copied.get_submodule("part1")
        assert torch.equal(copied(x, segment), plain(x, segment))
    program = torch.export.export(other, (x, segment))
    torch.testing.assert_close(program.module()(x, segment), plain(x, segment))


def test_the_summary_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(CASES["capped"])
    from archc.compiler.emit.summary import summarise

    (row,) = [row for row in summarise(archc.compile(path).graph).rows if row.layer == "attend"]
    assert row.note.endswith("; on a GPU FlexAttention, which has not been run there yet")
