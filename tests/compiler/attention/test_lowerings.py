"""Every lowering equals attention by plain loops, in outputs and gradients; and the one that was named is the one that runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archc.compiler.attention.lowering import lowering_of
from archc.compiler.layers.attention import Attend
from archc.compiler.pipeline import Compiled

from ..spec import compiled
from .equations import B, Case, Drawn, S, T, by_loops, cases

DRAWN = (Phase.explicit, Phase.generate)  # what fails is small enough to read
QUICK = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=DRAWN)
WHOLE = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))


def network(made: Compiled) -> nn.Module:
    scope: dict[str, Any] = {}
    exec(made.source, scope)
    torch.manual_seed(0)
    net: nn.Module = scope["Net"]().double()
    return net


def operands(case: Case, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    width = 3 if case.shared else 6
    q, k, v = (torch.randn(B, n, w, dtype=torch.float64, requires_grad=True) for n, w in ((T, 6), (S, width), (S, width)))
    keep = torch.rand(B, S) > 0.3
    return {"q": q, "k": k, "v": v, "keep": keep, "first": torch.randint(0, 2, (B, T)), "second": torch.randint(0, 2, (B, S))}


def ran(net: nn.Module, inputs: dict[str, Tensor]) -> tuple[Tensor, Counter[str]]:
    """What comes out, and how often each way was taken."""
    seen: Counter[str] = Counter()
    plain = F.scaled_dot_product_attention

    def watched(*args: Any, **options: Any) -> Tensor:
        seen["causal" if options.get("is_causal") else "masked" if "attn_mask" in options else "whole"] += 1
        return plain(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", watched)
        return net(*inputs.values()), seen


WAYS = {"plain": {}, "whole": {"whole": 1}, "causal": {"causal": 1}, "kept": {"masked": 1}, "batch": {"masked": 1}}


def attend_of(made: Compiled) -> Attend:
    return next(node.op for node in made.graph.nodes if isinstance(node.op, Attend))


def present(gradient: Tensor | None, source: Tensor) -> Tensor:
    """No gradient is zero."""
    return torch.zeros_like(source) if gradient is None else gradient


def compare(case: Case) -> str:
    """The lowering that was chosen."""
    made = compiled(case.text)
    net = network(made)
    kind = lowering_of(attend_of(made)).kind
    inputs = operands(case)
    found, seen = ran(net, inputs)
    assert dict(seen) == WAYS[kind], kind
    table = net.get_parameter("table") if "table" in dict(net.named_parameters()) else torch.zeros(5, 2, dtype=torch.float64)
    wanted = by_loops(case, inputs, table) + 0 * inputs["q"].sum()
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    sources = [inputs["q"], inputs["k"], inputs["v"], *([table] if table.requires_grad else [])]
    weights = torch.randn_like(wanted)
    gradients = [torch.autograd.grad((one * weights).sum(), sources, allow_unused=True) for one in (found, wanted)]
    for source, ours, theirs in zip(sources, *gradients, strict=True):
        torch.testing.assert_close(present(ours, source), present(theirs, source), rtol=1e-8, atol=1e-9)
    return kind


@given(cases())
@QUICK
def test_random_index_functions(case: Case) -> None:
    compare(case)


@pytest.mark.slow
@given(cases())
@WHOLE
def test_many_random_index_functions(case: Case) -> None:
    compare(case)


def case_of(mask: str = "", bias: str = "", score: str = "", indices: str = "i, j") -> Case:
    """A case in words that Python reads as we do."""

    def drawn(text: str) -> Drawn:
        def value(env: dict[str, Any]) -> Any:
            def tensors(e: dict[str, Any]) -> dict[str, Any]:
                return {**e, "tanh": lambda x: torch.tanh(torch.as_tensor(x, dtype=torch.float64))}

            return eval(text, {"min": min, "max": max, "abs": abs}, tensors(env))

        return Drawn(text, value)

    names = tuple(indices.split(", "))
    return Case(
        (names, drawn(mask)) if mask else None,
        (names, drawn(bias)) if bias else None,
        drawn(score) if score else None,
        None,
        False,
    )


CAUSAL = [
    "j <= i",
    "i >= j",
    "not (j > i)",
    "not j > i",
    "i - j >= 0",
    "j - i < 1",
    "j < i + 1",
    "0 <= i - j",
    "-(j - i) >= 0",
    "2 * i - j - i > -1",
]


@pytest.mark.parametrize("text", CAUSAL)
def test_causal_in_any_words(text: str) -> None:
    assert compare(case_of(text)) == "causal"


@pytest.mark.parametrize("text", ["j < i", "j <= i + 1", "i <= j", "j <= i and i - j < 3", "j <= i or j < 2", "j * j <= i"])
def test_what_is_not_causal(text: str) -> None:
    assert compare(case_of(text)) == "kept"


def test_a_query_with_nothing_to_attend_to_gets_zeros() -> None:
    for score in ("", "3 * tanh(s / 3)"):
        case = case_of("j < i", score=score)
        net, inputs = network(compiled(case.text)), operands(case)
        y = net(*inputs.values())
        assert (y[:, 0] == 0).all()
        y.square().sum().backward()
        assert all(inputs[name].grad is not None and inputs[name].grad.isfinite().all() for name in "qkv")  # type: ignore[union-attr]


def test_what_says_nothing_is_left_out() -> None:
    made = compiled(case_of("i - i == 0 and true", "0.5").text)
    assert lowering_of(attend_of(made)).kind == "kept"
    everything = compiled(
        "model Net(x: [B, T, 8], on = true) {\n}".replace("model Net(x: [B, T, 8], on = true) {\n}", EVERYTHING)
    )
    assert attend_of(everything).mask is None
    assert attend_of(everything).bias is None


EVERYTHING = """model Net(window = none, alibi = false)(x: [B, T, 8]) {
    mask[i, j] = window == none or i - j < window
    bias[h, i, j] = -(2 ** (-8 * (h + 1) / 2)) * (i - j) if alibi else 0
    return attend(x, x, x, heads=2, mask=mask, bias=bias)
}
"""


def test_a_kept_mask_is_built_once_for_each_length() -> None:
    made = compiled(case_of("abs(i - j) <= 1").text)
    net, inputs = network(made), operands(case_of("j <= i"))
    calls = 0
    arange = torch.arange

    def counted(*args: Any, **options: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return arange(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "arange", counted)
        with torch.inference_mode():
            net(*(tensor.detach() for tensor in inputs.values()))
        first = calls
        net(*inputs.values()).sum().backward()  # a mask that was made without gradients serves training
        assert calls == first > 0
        inputs["q"] = inputs["q"][:, :3]
        inputs["first"] = inputs["first"][:, :3]
        net(*inputs.values())
        assert calls > first


def test_a_kept_mask_exports() -> None:
    made = compiled(
        "model Net(x: [B, 6, 8]) {\n    mask[i, j] = abs(i - j) <= 1\n    return attend(x, x, x, heads=2, mask=mask)\n}"
    )
    net, x = network(made), torch.randn(3, 6, 8, dtype=torch.float64)
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), net(x))
    torch.testing.assert_close(net(x), network(made)(x))


def test_dropout_draws_in_training_alone() -> None:
    for score in ("", ", score=score"):
        text = f"""model Net(x: [B, 6, 8]) {{
            score[s, h, i, j] = 2 * s
            return attend(x, x, x, heads=2, dropout=0.5, scale=0.5{score})
        }}"""
        net, x = network(compiled(text)), torch.randn(3, 6, 8, dtype=torch.float64)
        assert not torch.equal(net(x), net(x))
        net.eval()
        assert torch.equal(net(x), net(x))


@given(st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=6, deadline=None)
def test_heads_that_are_split_already(shared: int, each: int) -> None:
    heads = shared * each
    text = f"model Net(q: [B, {heads}, T, 4], k: [B, {shared}, S, 4], v: [B, {shared}, S, 5]) {{\n    return attend(q, k, v)\n}}"
    q, k, v = (torch.randn(2, h, n, d).double() for h, n, d in ((heads, 3, 4), (shared, 5, 4), (shared, 5, 5)))
    found = network(compiled(text))(q, k, v)
    weights = (q @ k.repeat_interleave(each, 1).mT / 2).softmax(-1)
    torch.testing.assert_close(found, weights @ v.repeat_interleave(each, 1))
