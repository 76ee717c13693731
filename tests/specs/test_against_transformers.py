"""gpt2, bert, t5, llama and vit against `transformers`: one set of weights through the shipped maps, equal outputs and gradients."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.weights.api import put
from archc.runtime.weights.maps import weight_map
from archc.runtime.weights.matching import Matched

from .against_transformers import CASES, Case, Tensors, drawn, exact, held, theirs

PIECE = 2**24  # numbers that are compared at once: what a comparison makes on the side takes several times their memory


def called(network: nn.Module, given: Tensors) -> Tensors:
    outputs = network(*given)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def both(case: Case, small: bool, std: float) -> tuple[nn.Module, nn.Module, Matched]:
    """The network of the spec and that of `transformers`, with one set of weights; and what is made of what."""
    torch.manual_seed(0)
    other = exact(drawn(case.theirs(small), std))
    hypers: dict[str, Any] = dict(case.small if small else case.large or {})
    ours = archc.load(case.spec, case.root, **hypers).double().eval()
    return ours, other, put(ours, held(other), weight_map(case.spec))


def gradients(network: nn.Module) -> dict[str, Tensor]:
    named = network.named_parameters(remove_duplicate=False)
    return {name: torch.zeros_like(weight) if weight.grad is None else weight.grad for name, weight in named}


def compare(case: Case, small: bool, std: float) -> None:
    ours, network, found = both(case, small, std)
    given = case.given(small)
    exactly = tuple(t.double() if t.is_floating_point() else t for t in given)
    pairs = list(zip(called(ours, exactly), case.outputs(network, exactly), strict=True))
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
    for side in zip(*pairs, strict=True):
        torch.autograd.backward([output.square().mean() for output in side])
    wanted, own = gradients(network), gradients(ours)
    for key, recipe in found.recipes.items():
        pair = own[key], recipe.made(wanted.__getitem__)
        for mine, other in zip(*(gradient.flatten().split(PIECE) for gradient in pair), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)
    with torch.no_grad():
        pairs = list(zip(called(ours.float(), given), case.outputs(network.float(), given), strict=True))
        for mine, other in pairs:
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_same_weights_same_outputs_and_gradients(name: str) -> None:
    compare(CASES[name], small=True, std=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_as_large_as_published(name: str) -> None:
    compare(CASES[name], small=False, std=0.002)


@pytest.mark.parametrize("name", CASES)
def test_what_transformers_saves_can_be_loaded(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    network = drawn(case.theirs(True), 0.1)
    network.save_pretrained(tmp_path)  # type: ignore[operator]
    ours = archc.load_weights(case.spec, tmp_path, case.spec, model=case.root, **case.small)
    given = case.given(True)
    with torch.no_grad():
        for mine, other in zip(called(ours, given), case.outputs(network, given), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_the_balance_of_experts_is_that_of_the_literature() -> None:
    """The auxiliary loss of Switch transformers and Mixtral, of one layer."""
    case = CASES["moe"]
    ours, _, _ = both(case, True, 0.3)
    [balance] = theirs("mixtral.modeling_mixtral", "load_balancing_loss_func")
    given = case.given(True)
    one = archc.load("moe", **{**case.small, "depth": 1, "even": 0.5}).double()
    one.load_state_dict({key: tensor for key, tensor in ours.state_dict().items() if not key.startswith("stack1.1.")})
    _, penalties = one.with_penalties(*given)  # type: ignore[operator]
    scores = []
    router = one.get_submodule("stack1.0.mixture1.router")
    router.register_forward_hook(lambda module, inputs, output: scores.append(output.flatten(0, 1)))
    one(*given)
    torch.testing.assert_close(penalties["balance"].float(), 0.5 * balance(tuple(scores), 4, 2).float(), rtol=1e-6, atol=1e-6)


SCALED = {
    "linear": ('scaling="linear", factor=4', {"factor": 4.0}, 50, 0.0),
    "dynamic within its context": ('scaling="dynamic", factor=2, context=64', {"factor": 2.0}, 50, 0.0),
    "dynamic beyond it": ('scaling="dynamic", factor=2, context=64', {"factor": 2.0}, 150, 2e-5),
    "llama3": (
        'scaling="llama3", factor=8, context=32',
        {"factor": 8.0, "original_max_position_embeddings": 32, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
        150,
        0.0,
    ),
    "yarn": ('scaling="yarn", factor=4, context=64', {"factor": 4.0, "original_max_position_embeddings": 64}, 150, 1e-6),
}


@pytest.mark.parametrize("name", SCALED)
def test_the_scalings_of_rotary_positions(name: str, tmp_path: Path) -> None:
    [configured] = theirs("llama", "LlamaConfig")
    turning, apply = theirs("llama.modeling_llama", "LlamaRotaryEmbedding", "apply_rotary_pos_emb")
    written, parameters, steps, tolerance = SCALED[name]
    spec = tmp_path / "turned.arch"
    spec.write_text(f"model Turned(q: [B, H, T, 16]) {{\n    return q -> rotary({written})\n}}\n")
    kind = name.split()[0]
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "max_position_embeddings": 256 if kind == "yarn" else 64,
    }
    config = configured(**sizes, rope_parameters={"rope_type": kind, "rope_theta": 10000.0, **parameters})
    q = torch.randn(2, 3, steps, 16)
    wanted, _ = apply(q, q, *turning(config)(q, torch.arange(steps)[None]))
    torch.testing.assert_close(archc.load(spec)(q), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("spec", "root", "parameters"),
    [
        ("bert", None, 109_482_240),
        ("bert", "MaskedLM", 109_514_298),
        ("t5", None, 60_506_624),
        ("llama", None, 6_738_415_616),
        ("moe", None, 46_702_792_704),
    ],
)
def test_as_many_parameters_as_published(spec: str, root: str | None, parameters: int) -> None:
    """Counted by the compiler, which allocates none of them."""
    from archc.compiler.emit.summary import summarise

    before = process_time()
    found = summarise(archc.compile(spec, root).graph).parameters
    assert (found, process_time() - before < 10) == (parameters, True)


@pytest.mark.parametrize("spec", ["bert", "t5", "llama", "moe"])
def test_trains(spec: str, tmp_path: Path) -> None:
    assert archc.check(spec).diagnostics == []
    losses = archc.train(spec, steps=24, out=tmp_path / "run", progress=False, seed=0).losses
    assert sum(losses[-4:]) < 0.95 * sum(losses[:4])
