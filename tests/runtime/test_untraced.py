"""Optimizers without what torch puts around them: nothing is imported for it, nothing stays behind, and they compute the same."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.runtime.train.optimizers import OPTIMIZERS
from archc.runtime.train.untraced import METHODS, AdamAlone, step_of, untraced

SCRIPT = """
import sys
import archc
import torch
run = archc.train("mlp", steps=3, out="run", progress=False)
assert "torch._dynamo" not in sys.modules, "a run imports torch._dynamo"
optimizer = torch.optim.Adam(run.model().parameters())
assert "torch._dynamo" in sys.modules, "after a run torch's optimizers are not as they were"
optimizer.zero_grad()
optimizer.step()
"""


def test_a_run_does_not_import_the_compiler(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "lbfgs"])
def test_the_step_is_that_of_the_optimizer(name: str) -> None:
    weights: list[torch.Tensor] = []
    for plain in (False, True):
        torch.manual_seed(0)
        net = torch.nn.Linear(5, 3)
        with untraced():
            make: Any = OPTIMIZERS[name]
            optimizer = make(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.ones(2, 5)).square().sum().backward()
            with torch.no_grad():
                (step_of(optimizer) if plain else optimizer.step)()
        weights.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("arguments", [{}, {"weight_decay": 0.1}, {"maximize": True}, {"momentum": 0.9}])
def test_descent_by_the_kernel_alone_is_that_of_the_optimizer(arguments: dict[str, Any]) -> None:
    """With fused kernels, a parameter without a gradient and a rate that moves; with momentum it is the optimizer's own step."""
    weights, calls = [], []
    for alone in (False, True):
        torch.manual_seed(0)
        net, other = torch.nn.Linear(5, 3), torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD([*net.parameters(), *other.parameters()], lr=0.1, fused=True, **arguments)
        step = step_of(optimizer) if alone else optimizer.step
        calls.append(getattr(getattr(step, "func", None), "__name__", ""))
        for rate in (0.1, 0.05, 0.2):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            net(torch.ones(2, 5)).square().sum().backward()
            with torch.no_grad():
                step()
        weights.append(torch.cat([p.detach().flatten() for p in (*net.parameters(), *other.parameters())]))
    assert torch.equal(*weights)
    assert calls[1] == ("step" if "momentum" in arguments else "_plain_descent")


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("arguments", [{}, {"weight_decay": 0.1}, {"maximize": True}, {"betas": (0.0, 0.9)}, {"amsgrad": True}])
def test_adam_by_the_kernel_alone_is_that_of_the_optimizer(kind: Any, arguments: dict[str, Any]) -> None:
    """With two groups, a rate that moves, a parameter that has no gradient now and then, and a state that is loaded in between."""
    weights, kernels = [], []
    for alone in (False, True):
        torch.manual_seed(0)
        net, other = torch.nn.Linear(5, 3), torch.nn.Linear(2, 2)
        groups = [{"params": list(net.parameters())}, {"params": list(other.parameters()), "lr": 0.01}]
        optimizer = kind(groups, lr=0.1, fused=True, **arguments)
        step = step_of(optimizer) if alone else optimizer.step
        kernels.append(isinstance(step, AdamAlone))
        for turn in range(8):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + turn)
            optimizer.zero_grad()
            net(torch.ones(2, 5)).square().sum().backward()
            if turn not in (0, 4):
                other(torch.ones(2, 2)).square().sum().backward()
            if turn == 6:
                optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
            with torch.no_grad():
                step()
        weights.append(torch.cat([p.detach().flatten() for p in (*net.parameters(), *other.parameters())]))
    assert torch.equal(*weights)
    assert kernels[1] == ("amsgrad" not in arguments)


def test_nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    functions = [getattr(torch.optim.Optimizer, method).__wrapped__ for method in METHODS]
    for function in functions:
        vars(function).pop("__dynamo_disable", None)
    with untraced():
        assert all(vars(function)["__dynamo_disable"] is function for function in functions)
    assert not any("__dynamo_disable" in vars(function) for function in functions)
