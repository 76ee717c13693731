"""A model in steps gives what it gives at once, whatever its attentions, positions and cells are; what cannot be is refused."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.compiler.streaming.rewrite import NotStreamed
from archc.compiler.streaming.source import streamed_source
from archc.dsl.source import Source
from archc.runtime.compiling import Compiled, compile_spec, compiled
from archc.runtime.compiling import Wanted as Asked
from archc.runtime.loader import build, load_text

HEAD = """from std.attention import MultiHead, GroupedQuery, SlidingWindow, ALiBi, Rotary, Padded
from std.recurrent import GRU, LSTM
"""
LAYER = """
block Layer(x: [B, T, D]) -> [B, T, D] {
    h = x + (x -> layer_norm -> ATTENTION)
    return h + (h -> layer_norm -> dense(2 * D) -> gelu -> dense(D))
}
model Net(tokens: int[B, T]) -> [B, T, 11] {
    return tokens -> embedding(11, 16) -> stack 2 { Layer } -> dense(11)
}
"""
OWN = """
attention Own(x: [B, T, D]) -> [B, T, D] {
    q, k, v = x -> dense(3 * D) as qkv -> chunk(3)
    param table: [64, 2] = normal(std=1)
    param rate: [64] = normal(std=1)
    FUNCTIONS
    return attend(q, k, v, heads=2, GIVEN) -> dense(D)
}
"""


def own(functions: str, given: str) -> str:
    return OWN.replace("FUNCTIONS", functions).replace("GIVEN", given) + LAYER.replace("ATTENTION", "Own")


def net(body: str) -> str:
    return f"model Net(tokens: int[B, T]) -> [B, T, 11] {{\n    h = tokens -> embedding(11, 16)\n    {body}\n}}\n"


FILLED = """
attention Filled(x: [B, T, D], keep: bool[B, T]) -> [B, T, D] {
    mask[b, h, i, j] = keep[b, j] and j <= i and i - j < 4
    score[s, h, i, j] = 2 * tanh(s / 2) - 0.1 * (i - j)
    return attend(x -> dense(D), x, x, heads=2, mask=mask, score=score) -> dense(D)
}
"""
CAUSAL = "mask[i, j] = j <= i"
NETS = {
    "causal": LAYER.replace("ATTENTION", "MultiHead(2, causal=true)"),
    "grouped": LAYER.replace("ATTENTION", "GroupedQuery(4, kv_heads=2)"),
    "window": LAYER.replace("ATTENTION", "SlidingWindow(2, window=4)"),
    "alibi": LAYER.replace("ATTENTION", "ALiBi(2)"),
    "rotary": LAYER.replace("ATTENTION", "Rotary(4, kv_heads=2)"),
    "rotary, slowed": LAYER.replace("ATTENTION", 'Rotary(2, scaling="llama3", factor=8.0, context=8)'),
    "a table of distances": own(CAUSAL + "\n    bias[h, i, j] = table[min(max(i - j, 0), 63), h]", "mask=mask, bias=bias"),
    "a table of places": own(CAUSAL + "\n    bias[i, j] = rate[i] * rate[j]", "mask=mask, bias=bias"),
    "a capped score": own(CAUSAL + "\n    score[s, h, i, j] = 2 * tanh(s / 2) + table[j, h]", "mask=mask, score=score"),
    "blocks": own("mask[i, j] = j <= i and i // 4 == j // 4", "mask=mask"),
    "a prefix of two": own("mask[i, j] = j <= i and (j < 2 or i - j < 3)", "mask=mask"),
    "a window of filled texts": FILLED + net("return Filled(Filled(h, tokens != 0), tokens != 0) -> dense(11)"),
    "padded": net("return Padded(2, causal=true)(h, tokens != 0) -> dense(11)"),
    "learned positions": "model Net(tokens: int[B, T]) -> [B, T, 11] {\n    assert T <= 64\n    param place: [64, 16] = normal(std=1)\n"
    "    h = (tokens -> embedding(11, 16)) + place[:T]\n    return h -> MultiHead(2, causal=true) -> dense(11)\n}\n",
    "sines": net("return h -> sinusoidal_positions -> MultiHead(2, causal=true) -> dense(11)"),
    "tied": net("return h -> stack 3 tied { MultiHead(2, causal=true) } -> dense(11)"),
    "gru": net("return h -> recur(GRU(16)) -> dense(11)"),
    "deep lstm": net("return h -> stack 2 { recur(LSTM(16)) } -> dense(11)"),
    "lstm and attention": net("y, last = h -> recur(LSTM(16))\n    return y + MultiHead(2, causal=true)(h) -> dense(11)"),
}
FED = (3, 1, 1, 4, 1, 7, 1)


def spec(text: str) -> Compiled:
    return compiled(Source("net.arch", HEAD + text), Asked())


def steps_of(found: Compiled, model: nn.Module, target: str) -> tuple[Callable[..., Any], Callable[..., Any] | None, Any]:
    """A step, what comes before all steps, and a fresh cache: with the weights of `model`."""
    texts = streamed_source(found.graph, target, "net.arch")
    made: list[nn.Module | None] = []
    for text in (texts.step, texts.before):
        if text is None:
            made.append(None)
            continue
        hypers = {text.keywords.get(name, name): found.hyperparameters[name] for name in text.parameters}
        one = getattr(load_text(found, text.text, text.spans), text.class_name)(**hypers)
        own = model.state_dict()
        one.load_state_dict({name: own[name] for name in one.state_dict()})
        made.append(one.to(next(model.parameters()).dtype).eval())
    step, before = made
    assert step is not None
    return step, before, load_text(found, texts.step.text, texts.step.spans).Cache()


@torch.no_grad()
def fed(step: Callable[..., Any], cache: Any, given: tuple[Tensor, ...], tokens: Tensor, parts: Sequence[int] = FED) -> Tensor:
    found = []
    for part in torch.split(tokens, list(parts), dim=1):
        found.append(step(*given, part, cache))
        cache.advance(part.shape[1])
    return torch.cat(found, dim=1)


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
def test_steps_give_what_the_whole_gives(name: str) -> None:
    torch.manual_seed(0)
    found = spec(NETS[name])
    model = build(found).double().eval()
    step, before, cache = steps_of(found, model, "tokens")
    assert before is None
    tokens = torch.randint(1, 11, (3, sum(FED)))
    torch.testing.assert_close(fed(step, cache, (), tokens), model(tokens), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", ["transformer", "t5"])
def test_a_decoder_in_steps_reads_what_was_encoded_once(name: str) -> None:
    torch.manual_seed(0)
    small: dict[str, Any] = {"head_width": 8} if name == "t5" else {}
    found = compile_spec(name, vocab=11, width=16, depth=2, heads=2, inner=32, **small)
    model = build(found).double().eval()
    step, before, cache = steps_of(found, model, "target")
    assert before is not None
    source, tokens = torch.randint(1, 11, (3, 6)), torch.randint(1, 11, (3, sum(FED)))
    source[0, 4:] = 0
    given = before(source)
    torch.testing.assert_close(fed(step, cache, given, tokens), model(source, tokens), rtol=1e-9, atol=1e-9)
    encoder = {key for key in model.state_dict() if key.startswith("stack1.")}
    assert encoder
    assert not encoder & set(step.state_dict())  # type: ignore[attr-defined]


@torch.no_grad()
@pytest.mark.parametrize("name", ["window", "a window of filled texts"])
def test_what_a_window_dropped_costs_nothing(name: str) -> None:
    found = spec(NETS[name])
    model = build(found).double().eval()
    step, _, cache = steps_of(found, model, "tokens")
    tokens = torch.randint(0, 11, (2, 60))
    whole = fed(step, cache, (), tokens, (20,) + (1,) * 40)
    torch.testing.assert_close(whole, model(tokens), rtol=1e-9, atol=1e-9)
    assert {tuple(t.shape) for kept in cache.kept for t in kept} == {(2, 2, 3, 8)} | ({(2, 3)} if name != "window" else set())
    assert all(t.untyped_storage().nbytes() == t.nbytes for kept in cache.kept for t in kept)


@torch.no_grad()
def test_a_cache_goes_on_with_other_examples() -> None:
    found = spec(NETS["causal"])
    model = build(found).double().eval()
    step, _, cache = steps_of(found, model, "tokens")
    tokens = torch.randint(1, 11, (3, 8))
    fed(step, cache, (), tokens[:, :5], (5,))
    rows = torch.tensor([2, 0, 2])
    cache.keep(rows)
    torch.testing.assert_close(step(tokens[rows, 5:], cache), model(tokens[rows])[:, 5:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return h -> transpose(1, 2) -> conv(11, 3, padding=1) -> transpose(1, 2)", "conv mixes"),
        ("return h + mean(h, dim=1, keepdim=true) -> dense(11)", "mean"),
        ("return h -> cumsum(dim=1) -> dense(11)", "cumsum"),
        ("return h -> softmax(dim=1) -> dense(11)", "softmax runs over all tokens"),
        ("return h -> softmax(dim=T) -> dense(11)", "softmax runs over all tokens"),
        ("return h -> flip(dims=1) -> dense(11)", "flip"),
        ("return h -> bidirectional(GRU(8)) -> dense(11)", "begins at the end"),
        ("return h -> recur(GRU(16), reverse=true) -> dense(11)", "begins at the end"),
        ("return h @ transpose(h) @ h -> dense(11)", "more than one place"),
        ("return h -> dense(11)", "nothing|no attention"),
    ],
)
def test_what_takes_all_tokens_at_once_is_refused(body: str, said: str) -> None:
    with pytest.raises(NotStreamed, match=said):
        streamed_source(spec(net(body)).graph, "tokens", "net.arch")


def test_the_text_of_a_step(golden: Callable[[str, str], None]) -> None:
    golden("torch/steps_of_gpt2.py.txt", streamed_source(compile_spec("gpt2").graph, "tokens", "gpt2.arch").step.text)
    texts = streamed_source(compile_spec("transformer").graph, "target", "transformer.arch")
    assert texts.before is not None
    golden("torch/steps_of_transformer.py.txt", texts.step.text)
    golden("torch/before_steps_of_transformer.py.txt", texts.before.text)
