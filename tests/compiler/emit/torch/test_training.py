"""Buffers with next values, penalties at any depth, and averages of layers: the generated modules beside ones written by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ...spec import compiled, keys, network

EXPERT = """
block Expert(x: [B, D]) -> [B, D] {
    y = x -> dense(D)
    penalty balance = y ** 2
    return y
}
"""


def made(text: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return network(compiled(text, **options))


# Buffers --------------------------------------------------------------------------------------------------------------

QUEUE = """
## The queue of momentum contrast (He et al., 2020): the keys of this batch go in, the oldest go out.
model Contrast(width = 8, slots = 12)(x: [4, 16]) -> [4, slots] {
    layer f = dense(width)
    layer t = ema(f, decay=0.9)
    buffer queue: [slots, width] = normal(std=1)
    similar = f(x) @ transpose(queue)
    queue'  = concat(t(x), queue, dim=0)[:slots]
    return similar
}
"""


class Contrast(nn.Module):
    """By hand, as the paper's code does it."""

    queue: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Linear(16, 8)
        self.t = nn.Linear(16, 8)
        self.register_buffer("queue", torch.zeros(12, 8))
        self.t.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        before = self.queue.clone()
        if self.training:
            with torch.no_grad():
                self.queue = torch.cat((self.t(x), before))[:12]
        similar: Tensor = self.f(x) @ before.T
        return similar

    @torch.no_grad()
    def follow(self) -> None:
        for average, weight in zip(self.t.parameters(), self.f.parameters(), strict=True):
            average.mul_(0.9).add_(weight * 0.1)


def test_a_queue_beside_one_by_hand() -> None:
    net, hand = made(QUEUE), Contrast()
    hand.load_state_dict(net.state_dict())
    assert torch.equal(net.t.weight, net.f.weight), "an average starts where it follows"
    optimizers = [torch.optim.SGD((p for p in m.parameters() if p.requires_grad), lr=0.1) for m in (net, hand)]
    for step in range(6):
        x = torch.randn(4, 16, generator=torch.Generator().manual_seed(step))
        outputs = []
        for module, optimizer in zip((net, hand), optimizers, strict=True):
            optimizer.zero_grad()
            out = module(x)
            out.square().mean().backward()
            optimizer.step()
            outputs.append(out)
        net.update_averages()
        hand.follow()
        torch.testing.assert_close(*outputs)
    torch.testing.assert_close(dict(net.state_dict()), dict(hand.state_dict()))
    assert not torch.equal(net.t.weight, net.f.weight)


def test_evaluation_leaves_buffers_alone() -> None:
    net = made(QUEUE).eval()
    before = net.queue.clone()
    net(torch.randn(4, 16))
    assert torch.equal(net.queue, before)
    assert net.t.weight.grad is None
    assert not any(p.requires_grad for p in net.t.parameters())


def test_two_forwards_before_one_backward() -> None:
    net = made(QUEUE)
    x = torch.randn(4, 16)
    (net(x).sum() + net(x).sum()).backward()
    assert net.f.weight.grad.isfinite().all()


SWAP = """
model Swap(x: [B, 3]) -> [B, 3] {
    buffer a: [3] = zeros
    buffer b: [3] = ones
    a' = b
    b' = a + 2 * mean(x, dim=0)
    return x + a - b
}
"""


def test_next_values_are_made_of_the_old_ones() -> None:
    net, x = made(SWAP), torch.ones(2, 3)
    a, b = torch.zeros(3), torch.ones(3)
    for _ in range(3):
        assert torch.equal(net(x), x + a - b)
        a, b = b, a + 2
        assert torch.equal(net.a, a)
        assert torch.equal(net.b, b)


def test_a_running_mean_in_the_levels_of_a_stack() -> None:
    part = """
block Centred(x: [B, D]) -> [B, D] {
    buffer middle: [D] = zeros
    middle' = 0.9 * middle + 0.1 * mean(x, dim=0)
    return x - middle
}
"""
    net = made(part + "model Net(x: [B, 3]) {\n    y = x -> stack 3 { Centred }\n    return y\n}\n")
    assert list(net.state_dict()) == [f"stack1.{i}.middle" for i in range(3)]
    x = torch.full((2, 3), 10.0)
    net(x)
    torch.testing.assert_close([level.middle[0].item() for level in net.stack1], [1.0, 1.0, 1.0])
    net(x)
    torch.testing.assert_close([level.middle[0].item() for level in net.stack1], [1.9, 1.8, 1.7])


# Penalties ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "runs"),
    [
        ("y = x -> Expert", ["expert1"]),
        ("y = x -> stack 3 { Expert }", ["stack1.0", "stack1.1", "stack1.2"]),
        ("y = x -> stack 1 { Expert }", ["stack1.0"]),
        ("y = x -> Expert -> stack 2 { Expert }", ["expert1", "stack1.0", "stack1.1"]),
        ("y = sum(x -> parallel 3 { Expert })", ["parallel1.0", "parallel1.1", "parallel1.2"]),
        ("layer e = Expert\ny = e(x) + e(x)", ["e", "e"]),
        ("y = x -> stack 2 { Twice }", ["stack1.0.expert1", "stack1.0.expert2", "stack1.1.expert1", "stack1.1.expert2"]),
        ("y = stack i in [0, 1] from h = x { h' = (h -> Expert) if i == 1 else (h -> dense(4)) }", ["stack1.1"]),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_penalties_from_any_depth(body: str, runs: list[str]) -> None:
    twice = "block Twice(x: [B, D]) -> [B, D] {\n    return x -> Expert -> Expert\n}\n"
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    text = f"{EXPERT}{twice}model Net(x: [B, 4]) {{\n{lines}    return y\n}}\n"
    text = text.replace("{ h' =", "{\n        h' =").replace("dense(4)) }", "dense(4))\n    }")
    result = compiled(text)
    assert result.plan.model.penalties == ["balance"]
    net = network(result)
    squares: list[Tensor] = []
    modules = dict(net.named_modules())
    for name in dict.fromkeys(runs):
        modules[f"{name}.dense1"].register_forward_hook(lambda _m, _i, out: squares.append((out**2).mean()))
    x = torch.randn(5, 4)
    outputs, penalties = net.with_penalties(x)
    assert len(squares) == len(runs)
    torch.testing.assert_close(penalties, {"balance": sum(squares)})
    assert torch.equal(net(x), outputs)


def test_penalties_of_several_names_and_outputs() -> None:
    text = EXPERT + (
        "model Net(depth = 3)(x: [B, 4]) -> ([B, 4], [B]) {\n    y = x -> stack depth { Expert }\n"
        "    penalty size = abs(y)\n    s = sum(y, dim=-1)\n    return y, s\n}\n"
    )
    result = compiled(text)
    assert result.plan.model.penalties == ["balance", "size"]
    assert result.plan.model.outputs == ["y", "s"]
    net = network(result, depth=2)
    (y, s), penalties = net.with_penalties(torch.randn(5, 4))
    torch.testing.assert_close(penalties["size"], y.abs().mean())
    torch.testing.assert_close(s, y.sum(-1))
    assert [t.shape for t in net(torch.randn(5, 4))] == [(5, 4), (5,)]
    sum(penalties.values()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_model_with_penalties_is_exported_without() -> None:
    net = made(f"{EXPERT}model Net(x: [B, 4]) {{\n    return x -> stack 2 {{ Expert }}\n}}\n").eval()
    x = torch.randn(3, 4)
    exported = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(exported.module()(torch.ones(5, 4)), net(torch.ones(5, 4)))


# Averages -------------------------------------------------------------------------------------------------------------

TEACHER = """
block Encoder(width)(x: [B, D]) -> [B, width] {
    return x -> dense(width) -> batch_norm -> relu -> dense(width)
}

block Student(width)(x: [B, D]) -> [B, width] {
    layer f = Encoder(width)
    layer t = ema(f)
    return f(x) - t(x)
}

model Net(x: [B, 4]) {
    y = x -> stack 2 { Student(4) }
    return y
}
"""


def test_averages_of_parts_at_any_depth() -> None:
    result = compiled(TEACHER)
    net = network(result)
    assert {key.split(".")[3] for key in net.state_dict()} == {"dense1", "dense2", "batch_norm1"}
    for level in net.stack1:
        assert all(torch.equal(a, b) for a, b in zip(level.t.state_dict().values(), level.f.state_dict().values(), strict=True))
    before = [level.t.dense1.weight.clone() for level in net.stack1]
    with torch.no_grad():
        for level in net.stack1:
            level.f.dense1.weight.add_(1)
    net(torch.randn(6, 4))
    net.update_averages()
    for level, old in zip(net.stack1, before, strict=True):
        torch.testing.assert_close(level.t.dense1.weight, old + 0.004, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(level.t.batch_norm1.running_mean, level.f.batch_norm1.running_mean)
    assert keys(result.graph)
