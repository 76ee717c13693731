"""Every lowering equals attention by plain loops, in outputs and gradients; and the one that was named is the one that runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
WHOLE = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), phases=DRAWN)


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


WAYS = {
    "plain": {},
    "whole": {"whole": 1},
    "causal": {"causal": 1},
    "blocks": {"masked": 1},
    "kept": {"masked": 1},
    "batch": {"masked": 1},
}


def attend_of(made: Compiled) -> Attend:
    return next(node.op for node in made.graph.nodes if isinstance(node.op, Attend))


def present(gradient: Tensor | None, source: Tensor) -> Tensor:
    """No gradient is zero."""
    return torch.zeros_like(source) if gradient is None else gradient


def small_blocks(made: Compiled) -> Compiled:
    """The same source with blocks of two queries, so that a short text has several."""
    sizes = "q.shape[2], k.shape[2], 128, 64\n"
    assert made.source.count(sizes) == 1
    return replace(made, source=made.source.replace(sizes, "q.shape[2], k.shape[2], 2, 1\n"))


def compare(case: Case) -> str:
    """The lowering that was chosen."""
    made = compiled(case.text)
    kind = lowering_of(attend_of(made)).kind
    ways = [(made, 1), (small_blocks(made), -(-T // 2))] if kind == "blocks" else [(made, 1)]
    inputs = operands(case)
    for way, times in ways:
        net = network(way)
        found, seen = ran(net, inputs)
        written_out = kind == "plain" or (kind == "blocks" and case.score is not None)
        assert dict(seen) == ({} if written_out else dict.fromkeys(WAYS[kind], times)), kind
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


@pytest.mark.parametrize("text", ["j < i", "j <= i + 1", "i <= j", "j <= i or j < 2", "j * j <= i", "j <= i and i - j < j"])
def test_what_is_not_causal(text: str) -> None:
    assert compare(case_of(text)) == "kept"


WINDOWS = [
    "j <= i and i - j < 3",
    "i - j < 3 and i >= j",
    "not (j > i or i - j >= 3)",
    "abs(i - j) <= 1",
    "1 >= abs(j - i)",
    "j - 2 <= i and i <= j",
]


@pytest.mark.parametrize("text", WINDOWS)
def test_windows_in_any_words(text: str) -> None:
    assert compare(case_of(text)) == "blocks"


@pytest.mark.parametrize(("before", "after", "shared"), [(20, 0, 4), (3, 5, 2), (70, 0, 1), (0, 0, 4)])
def test_a_window_is_computed_by_blocks(before: int, after: int, shared: int) -> None:
    width = 4 * shared
    text = f"""model Net(q: [B, T, 16], k: [B, S, {width}], v: [B, S, {width}]) {{
        mask[i, j] = i - j <= {before} and j <= i + {after}
        return attend(q, k, v, heads=4, kv_heads={shared}, mask=mask, scale=0.3)
    }}"""
    net = network(compiled(text))
    for steps, keys in ((300, 300), (333, 250), (290, 400), (7, 9)):
        sizes = ((steps, 16), (keys, width), (keys, width))
        inputs = [torch.randn(2, n, w, dtype=torch.float64, requires_grad=True) for n, w in sizes]
        found, seen = ran(net, dict(zip("qkv", inputs, strict=True)))
        assert dict(seen) == {"masked": -(-steps // 128) if steps > 256 else 1}
        q, k, v = (x.reshape(2, x.shape[1], -1, 4).transpose(1, 2) for x in inputs)
        k, v = (x.repeat_interleave(4 // shared, 1) for x in (k, v))
        i, j = torch.arange(steps)[:, None], torch.arange(keys)
        near = (i - j <= before) & (j - i <= after)
        weights = (q @ k.mT * 0.3).masked_fill(~near, -1e9).softmax(-1) * near
        wanted = (weights @ v).transpose(1, 2).flatten(2)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
        toward = torch.randn_like(wanted)
        ours, theirs = (torch.autograd.grad((y * toward).sum(), inputs) for y in (found, wanted))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


DOCUMENTS = [
    "first[b, i] == second[b, j]",
    "not (second[b, j] != first[b, i])",
    "first[b, i] - second[b, j] == 0 and i >= j",
    "not (j > i or first[b, i] + 1 != 1 + second[b, j])",
    "abs(i - j) < 3 and -second[b, j] == -first[b, i]",
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_documents_in_any_words(text: str) -> None:
    assert compare(case_of(text, indices="b, h, i, j")) == "blocks"


NEAR = [
    {"mask": "keep[b, j] and j <= i and i - j < 3"},
    {"mask": "j <= i and i - j < 3 and (i - j) % 2 == 0"},
    {"mask": "i == j + 1"},
    {"mask": "i // 2 == j // 2 and j <= i"},
    {"mask": "first[b, i] == second[b, j] and keep[b, j]"},
    {"mask": "abs(i - j) <= 1", "bias": "-(2 ** (-8 * (h + 1) / 2)) * (i - j)"},
    {"mask": "abs(i - j) <= 1 and keep[b, j]", "bias": "table[min(max(j - i, 0), 4), h]"},
    {"mask": "j <= i and i - j < 3", "score": "5 * tanh(s / 5)"},
    {"mask": "first[b, i] == second[b, j]", "bias": "0.5 * (i - j)", "score": "5 * tanh(s / 5) + table[min(i, 4), h]"},
    {"mask": "i - j >= 2 and i - j < 4"},
]


@pytest.mark.parametrize("equations", NEAR, ids=lambda equations: " / ".join(equations.values()))
def test_windows_and_documents_with_more_said(equations: dict[str, str]) -> None:
    """Padding, patterns, biases and scores leave a window a window."""
    assert compare(case_of(**equations, indices="b, h, i, j")) == "blocks"


@pytest.mark.parametrize(
    "text", ["first[b, i] == second[b, j] + 1", "first[b, i] == first[b, i]", "first[b, i] == second[b, j] or j <= i"]
)
def test_what_does_not_keep_documents_apart(text: str) -> None:
    assert compare(case_of(text, indices="b, h, i, j")) == "batch"


@pytest.mark.parametrize("more", ["", " and j <= i", " and i - j <= 40 and j <= i + 9"])
def test_documents_are_computed_by_blocks(more: str) -> None:
    """In order, in no order, and with queries whose document has no key; with shared keys."""
    shared = 1 if "40" in more else 2
    made = compiled(
        f"""model Net(q: [B, T, 8], k: [B, S, {4 * shared}], v: [B, S, {4 * shared}], mine: int[B, T], other: int[B, S]) {{
        mask[b, h, i, j] = mine[b, i] == other[b, j]{more}
        return attend(q, k, v, heads=2, kv_heads={shared}, mask=mask)
    }}"""
    )
    net = network(made)
    for steps, keys in ((515, 300), (270, 400)):
        for order in ("packed", "mixed", "absent"):
            mine, other = torch.randint(0, 6, (2, steps)), torch.randint(0, 6, (2, keys))
            if order != "mixed":
                mine, other = mine.sort(-1).values, other.sort(-1).values
            if order == "absent":
                mine[:, 300:] = 9
            q, k, v = (torch.randn(2, n, w).double().requires_grad_() for n, w in ((steps, 8), *(2 * ((keys, 4 * shared),))))
            found, seen = ran(net, {"q": q, "k": k, "v": v, "mine": mine, "other": other})
            assert seen == {"masked": -(-steps // 128)}
            heads = [t.reshape(2, t.shape[1], -1, 4).transpose(1, 2) for t in (q, k, v)]
            heads[1:] = [t.repeat_interleave(2 // shared, 1) for t in heads[1:]]
            i, j = torch.arange(steps)[:, None], torch.arange(keys)
            mask = mine[:, :, None] == other[:, None, :]
            if "j <= i" in more:
                mask = mask & (i - j <= 40) & (j <= i + 9) if "40" in more else mask & (j <= i)
            weights = (heads[0] @ heads[1].mT / 2).masked_fill(~mask[:, None], -1e9).softmax(-1) * mask[:, None]
            wanted = (weights @ heads[2]).transpose(1, 2).flatten(2)
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
            toward = torch.randn_like(wanted)
            ours, theirs = (torch.autograd.grad((y * toward).sum(), (q, k, v)) for y in (found, wanted))
            for one, its in zip(ours, theirs, strict=True):
                torch.testing.assert_close(one, its, rtol=1e-8, atol=1e-9)


def test_the_cost_of_documents_grows_with_them() -> None:
    """Twice as many documents of one length cost twice as many scores, not four times as many."""
    text = "model Net(x: [B, T, 8], of: int[B, T]) {\n    mask[b, h, i, j] = of[b, i] == of[b, j] and j <= i\n"
    net = network(compiled(f"{text}    return attend(x, x, x, heads=2, mask=mask)\n}}"))
    scores: list[int] = []
    plain = F.scaled_dot_product_attention

    def watched(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        scores[-1] += q.shape[:-1].numel() * k.shape[-2]
        return plain(q, k, v, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", watched)
        for documents in (8, 16):
            scores.append(0)
            net(torch.randn(1, 128 * documents, 8).double(), torch.arange(documents).repeat_interleave(128)[None])
    assert scores[0] == 2 * 8 * 128 * 128
    assert scores[1] == 2 * scores[0]


def test_the_blocks_of_a_window_are_small() -> None:
    """No product of all queries with all keys is made."""
    window = "mask[i, j] = j <= i and i - j < 16"
    made = compiled(f"model Net(x: [B, T, 8]) {{\n    {window}\n    return attend(x, x, x, heads=2, mask=mask)\n}}")
    largest = 0
    plain = F.scaled_dot_product_attention

    def watched(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        nonlocal largest
        largest = max(largest, q.shape[:-1].numel() * k.shape[-2])
        return plain(q, k, v, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", watched)
        network(made)(torch.randn(1, 2000, 8, dtype=torch.float64))
    assert 0 < largest < 2 * 2000 * 200


def test_a_query_with_nothing_to_attend_to_gets_zeros() -> None:
    for score in ("", "3 * tanh(s / 3)"):
        case = case_of("j < i", score=score)
        net, inputs = network(compiled(case.text)), operands(case)
        y = net(*inputs.values())
        assert (y[:, 0] == 0).all()
        y.square().sum().backward()
        assert all(inputs[name].grad is not None and inputs[name].grad.isfinite().all() for name in "qkv")  # type: ignore[union-attr]


@pytest.mark.parametrize("score", ["0", "0 * 0.5", "2.5"])
def test_a_score_of_one_number_weighs_all_keys_alike(score: str) -> None:
    assert compare(case_of(score=score)) == "plain"


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
    made = compiled(case_of("j <= i or j < 2").text)
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
        "model Net(x: [B, 6, 8]) {\n    mask[i, j] = j <= i or j < 2\n    return attend(x, x, x, heads=2, mask=mask)\n}"
    )
    net, x = network(made), torch.randn(3, 6, 8, dtype=torch.float64)
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), net(x))
    torch.testing.assert_close(net(x), network(made)(x))


@pytest.mark.parametrize(
    "mask", ["j <= i and i - j < 16", "j <= i and i - j < 16 and keep[b, j]", "of[b, i] == of[b, j] and j <= i"]
)
def test_blocks_export(mask: str) -> None:
    """What is exported for any length gives what the blocks give."""
    body = f"    mask[b, h, i, j] = {mask}\n    return attend(x, x, x, heads=2, mask=mask)\n"
    net = network(compiled(f"model Net(x: [B, T, 8], keep: bool[B, T], of: int[B, T]) {{\n{body}}}"))

    def given(steps: int) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(2, steps, 8, dtype=torch.float64)
        return x, torch.rand(2, steps) > 0.2, (torch.arange(steps) // 50).expand(2, -1).contiguous()

    free = torch.export.Dim("T", min=2, max=1000)
    exported = torch.export.export(net, given(300), dynamic_shapes=({1: free}, {1: free}, {1: free})).module()
    for inputs in (given(300), given(500)):
        found, seen = ran(net, dict(zip(("x", "keep", "of"), inputs, strict=True)))
        assert seen["masked"] > 1
        torch.testing.assert_close(exported(*inputs), found, rtol=1e-9, atol=1e-9)


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


def test_dropout_that_is_none_by_default_may_be_set() -> None:
    """A hyperparameter that is 0 in the spec drops when the constructor is given another number."""
    made = compiled("model Net(drop = 0.0)(x: [B, T, 8]) {\n    return attend(x, x, x, dropout=drop)\n}\n")
    scope: dict[str, Any] = {}
    exec(made.source, scope)
    x = torch.randn(2, 50, 8)
    still, dropping = scope["Net"]().train(), scope["Net"](drop=0.5)
    assert torch.equal(still(x), still(x))
    assert not torch.equal(dropping(x), dropping(x))
    assert torch.equal(dropping.eval()(x), still(x))


@pytest.mark.parametrize("mask", ["2 < 1", "1 < 2", "not (j <= i or 1 < 2)"])
@pytest.mark.parametrize("more", [{"bias": "0.5 * b"}, {"score": "tanh(s)"}, {}])
def test_a_mask_that_is_the_same_everywhere(mask: str, more: dict[str, str]) -> None:
    compare(case_of(mask, indices="b, h, i, j", **more))


@pytest.mark.parametrize("score", ["0.1 if j <= i else 1 / 3", "s + (i if j <= i else 1 / 3)", "s * (1 / 3 if j <= i else j)"])
def test_a_choice_of_numbers_is_made_in_the_dtype_of_the_queries(score: str) -> None:
    compare(case_of(score=score))
    compare(case_of(bias=score.removeprefix("s + ").removeprefix("s * "), mask="i - j < 3"))
