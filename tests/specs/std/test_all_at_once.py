"""A step in two: with the products of the inputs taken for all steps at once, a cell is what its steps are one after another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from .running import Model, cell_of, gradients, of, sequences

STATES = "    state h: [B, 4]\n    state c: [B, 4]\n"
CELLS = {
    "one of an input and a state": "    state h: [B, 4]\n    h' = dense(4)(x, h) -> tanh\n    return h'\n",
    "of an input, of a state, and of both": (
        f"{STATES}    gate f = sigmoid(dense(4)(x, h) + dense(4, bias=false)(c))\n    c' = f * c + dense(4)(x)\n"
        "    h' = tanh(c') * sigmoid(dense(4)(h))\n    return h'\n"
    ),
    "without biases": "    state h: [B, 4]\n    h' = tanh(dense(4, bias=false)(x, h) * dense(4, bias=false)(x))\n    return h'\n",
    "of different widths": (
        f"{STATES}    gate f = dense(1)(x, h) -> sigmoid\n    c' = f * c + dense(4)(x, h)\n    h' = tanh(c')\n    return h', f\n"
    ),
    "beside the input itself": "    state h: [B, 3]\n    h' = tanh(dense(3)(x, h) + x * h)\n    return h'\n",
    "after another": "    state h: [B, 4]\n    h' = tanh(dense(4)(dense(4)(x, h) -> relu))\n    return h'\n",
    "of a gated state": "    state h: [B, 4]\n    gate r = dense(4)(x, h) -> sigmoid\n    h' = dense(4)(x, r * h) -> tanh\n    return h'\n",
    "with one layer used twice": (
        "    state h: [B, 4]\n    layer f = dense(4)\n    h' = tanh(f(h) + f(tanh(h)) + dense(4)(x))\n    return h'\n"
    ),
}


def net(name: str) -> Model:
    outputs = ", g" if "h', f" in CELLS[name] else ""
    own = f"cell Own(x: [B, 3]) {{\n{CELLS[name]}}}\n\n"
    use = f"y{outputs}, last = x -> recur(Own(), length=length)"
    return of(use, returns=f"y{outputs}, last.h", before=own)


def one_by_one(cell: Model, x: Tensor, length: Tensor) -> tuple[Tensor, ...]:
    """The outputs of a cell from its steps alone, then its last states; past its length an example stays as it is."""
    state, steps = cell.initial_state(x[:, 0]), []
    for t in range(x.shape[1]):
        made = cell.step(x[:, t], *state)
        here = (t < length)[:, None]
        state = tuple(torch.where(here, new, old) for new, old in zip(made[-len(state) :], state, strict=True))
        steps.append([torch.where(here, y, 0.0) for y in made[: -len(state)]])
    return (*(torch.stack(ys, dim=1) for ys in zip(*steps, strict=True)), *state)


@pytest.mark.parametrize("name", CELLS)
def test_all_at_once_is_one_by_one(name: str) -> None:
    model = net(name)
    cell = cell_of(model)
    assert hasattr(cell, "gates")
    x, length = sequences(3)
    x.requires_grad_()
    wanted = [x, *cell.parameters()]
    found, expected = cell(x, length=length), one_by_one(cell, x, length)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(found, wanted), gradients(expected, wanted), rtol=1e-10, atol=1e-10)


def test_a_second_derivative() -> None:
    """The plain form is differentiable twice, as penalties on gradients want it."""
    cell = cell_of(net("of an input, of a state, and of both"))
    x, length = sequences(3, batch=2, steps=4)
    assert torch.autograd.gradgradcheck(lambda z: cell(z, length=length[:2])[0], x.requires_grad_())
