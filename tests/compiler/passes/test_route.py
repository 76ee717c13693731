"""Experts under a gate: found in whatever words, equal to the dense form in outputs and gradients, and run on the chosen rows alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.compiler.emit.summary import summarise
from archc.compiler.passes.route import routes
from archc.compiler.pipeline import Compiled, compile_source
from archc.dsl.source import Source

PARTS = """
block Expert(inner)(x: [..., D]) -> [..., D] {
    h = x -> layer_norm -> dense(inner) -> gelu -> stack 2 { dense(inner) -> tanh }
    return x + ((x -> dense(inner) -> silu) * h -> dense(D))
}
block Wide(x: [..., D]) { return x -> dense(20) }
block Normed(x: [B, T, D]) -> [B, T, D] { return transpose(transpose(x) -> batch_norm) }
block Mixing(x: [B, T, D]) -> [B, T, D] { return x + mean(x, dim=T, keepdim=true) -> dense(D) }
block Drawn(x: [..., D]) -> [..., D] {
    param scale: [D] = ones
    return x * scale -> dense(D) -> dropout(0.5)
}
"""
MARKS = "    value, place = score -> top_k(2)\n    marks = one_hot(place, 5)\n"
GATES = {
    "sums of what was chosen": MARKS + "    g = sum(marks * softmax(value)[..., none], dim=-2)\n",
    "in another order": MARKS + "    g = sum(sigmoid(value)[..., none] * marks, dim=2) * 3 / 2\n",
    "by a threshold": "    value, place = score -> top_k(2)\n    g = softmax(where(score >= value[..., -1:], score, -inf))\n",
    "where chosen": "    value, place = score -> top_k(3)\n    g = where(value[..., 2:] <= score, softmax(score), 0)\n",
    "the largest alone": "    g = one_hot(argmax(score, dim=-1), 5) * softmax(score)\n",
    "normed again": MARKS + "    m = sum(marks, dim=-2) * softmax(score)\n    g = m / sum(m, dim=-1, keepdim=true)\n",
    "truths as numbers": "    value, place = score -> top_k(2)\n    g = float(score >= value[..., 1:] and score > -100) * exp(score)\n",
}


def compiled(gate: str, expert: str = "Expert(12)", score: str = "x -> dense(5)") -> Compiled:
    body = f"    score = {score}\n{gate}    return weighted_sum(x -> parallel 5 {{ {expert} }}, g)\n"
    found, report = compile_source(Source("net.arch", f"{PARTS}\nmodel Net(x: [B, T, 8]) {{\n{body}}}\n"))
    assert found is not None, [str(diagnostic.message) for diagnostic in report.diagnostics]
    return found


def built(found: Compiled) -> nn.Module:
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(found.source, scope)
    network: nn.Module = scope["Net"]().double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.5)
    return network


def run(network: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    x = x.clone().requires_grad_()
    y: Tensor = network(x)
    return y, list(torch.autograd.grad(y.square().sum(), [x, *network.parameters()]))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("expert", ["Expert(12)", "Wide", "dense(8)"])
def test_routed_is_dense(gate: str, expert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    found = compiled(GATES[gate], expert)
    assert len(routes(found.graph)) == 1
    assert "each copy runs only on the rows where its weight is not zero" in found.source
    network, x = built(found), torch.randn(3, 7, 8, dtype=torch.float64)
    rows: list[int] = []
    hooks = [
        module.register_forward_hook(lambda module, given, output: rows.append(given[0].shape[:-1].numel()))
        for module in network.get_submodule("parallel1").children()
    ]
    sparse = run(network, x)
    chosen, given = sum(rows), {"the largest alone": 1, "where chosen": 3}.get(gate, 2) * 21
    assert (len(rows), chosen) == (5, given)
    for hook in hooks:
        hook.remove()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(sparse, run(network, x), rtol=1e-10, atol=1e-10)


def test_whole_examples_are_routed_too() -> None:
    found = compiled(GATES["sums of what was chosen"], score="mean(x, dim=T) -> dense(5)")
    assert len(routes(found.graph)) == 1
    network, x = built(found), torch.randn(4, 6, 8, dtype=torch.float64)
    whole = network(x)
    assert torch.allclose(torch.cat([network(row) for row in torch.split(x, 1)]), whole)


def test_an_expert_that_nothing_chose() -> None:
    network = built(compiled(GATES["sums of what was chosen"]))
    scores = network.get_submodule("dense1")
    assert isinstance(scores, nn.Linear)
    with torch.no_grad():
        scores.weight.zero_()
        scores.bias.copy_(torch.tensor([5.0, 4.0, 1.0, 1.0, 1.0]))
    _, gradients = run(network, torch.randn(2, 3, 8, dtype=torch.float64))
    names = ["x", *(name for name, _ in network.named_parameters())]
    assert all(not grad.any() for name, grad in zip(names, gradients, strict=True) if name.startswith("parallel1.3"))


@pytest.mark.parametrize(
    ("gate", "expert"),
    [
        ("    g = softmax(score)\n", "Expert(12)"),
        ("    g = where(score > 0, score, 0)\n", "Expert(12)"),
        ("    value, place = score -> top_k(5)\n    g = softmax(value)\n", "Expert(12)"),
        ("    value, place = score -> top_k(2)\n    g = softmax(where(score >= value[..., -1:], score, -5))\n", "Expert(12)"),
        (
            "    value, place = score -> top_k(2)\n    g = softmax(where(score >= value[..., -1:], score, -inf), dim=1)\n",
            "Expert(12)",
        ),
        (MARKS + "    g = sum(marks + softmax(value)[..., none], dim=-2)\n", "Expert(12)"),
        (GATES["sums of what was chosen"], "Normed"),
        (GATES["sums of what was chosen"], "Mixing"),
    ],
)
def test_what_is_not_a_choice_stays_dense(gate: str, expert: str) -> None:
    found = compiled(gate, expert)
    assert routes(found.graph) == {}
    assert "def routed" not in found.source
    assert built(found)(torch.randn(2, 3, 8, dtype=torch.float64)).shape == (2, 3, 8)


def test_experts_that_something_else_reads_stay_dense() -> None:
    gate = GATES["sums of what was chosen"]
    text = f"    score = x -> dense(5)\n{gate}    ys = x -> parallel 5 {{ Expert(4) }}\n    return weighted_sum(ys, g) + ys[0]\n"
    found, _ = compile_source(Source("net.arch", f"{PARTS}\nmodel Net(x: [B, T, 8]) {{\n{text}}}\n"))
    assert found is not None
    assert routes(found.graph) == {}


def test_dropout_draws_for_the_chosen_rows() -> None:
    network = built(compiled(GATES["sums of what was chosen"], "Drawn"))
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    assert torch.equal(network.eval()(x), network(x))
    assert not torch.equal(network.train()(x), network(x))


def test_it_can_be_traced() -> None:
    network, x = built(compiled(GATES["sums of what was chosen"])), torch.randn(2, 3, 8, dtype=torch.float64)
    traced: Callable[..., Tensor] = torch.export.export(network, (x,)).module()
    assert torch.allclose(traced(x), network(x))


def test_the_summary_counts_what_runs() -> None:
    """Two of five experts for each row, and the weights of all."""
    found = summarise(compiled(GATES["sums of what was chosen"], "dense(8)").graph).at({"B": 3, "T": 7})
    assert found.parameters == 5 * (8 * 8 + 8) + 8 * 5 + 5
    assert found.multiply_adds.constant == 3 * 7 * (2 * 8 * 8 + 8 * 5)
