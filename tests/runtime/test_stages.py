"""Parts that are trained one after another: against loops by hand, and stopped and resumed anywhere."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archc.dsl.source import Source
from archc.runtime.compiling import Compiled, Wanted, compiled
from archc.runtime.run import Run
from archc.runtime.stops import Interrupted
from archc.runtime.train import staged
from archc.runtime.train.api import train
from archc.runtime.train.updates import Update

from .compared import assert_same, steps

SPEC = """\
block Module(hidden, classes)(x: [B, D]) -> [B, classes] {
    layer out = dense(classes, bias=BIAS)
    h = x -> dense(hidden) -> sigmoid
    y = out(h)
    return y
}

model Net(depth = 3)(pixels: [B, 64]) -> [B, 10] {
    _, ys = stack depth from u = pixels {
        y  = u -> Module(20, 10)
        u' = concat(u, y)
        return y
    }
    scores = ys[-1]
    return scores
}

data digits = sklearn("digits") {
    pixels = data / 16
    label  = target
    split  = [0.8, 0.1, 0.1]
}

train Net on digits {
    metric accuracy(scores, label)
    batch  64
PHASES
}
"""
SOLVE = "    phase solve { each Module solves out by METHOD }"
TUNE = """\
    phase tune {
        each Module minimizes mse(y, one_hot(label, 10))
        optimizer adam(lr=1e-2)
        epochs    1
    }"""


def spec(*phases: str, bias: bool = False, method: str = "ridge(one_hot(label, 10), l2=1e-3)") -> Compiled:
    text = SPEC.replace("PHASES", "\n".join(phases)).replace("BIAS", str(bias).lower()).replace("METHOD", method)
    return compiled(Source("net.arch", text), Wanted(training=True))


def data() -> tuple[Tensor, Tensor]:
    """The training part, as the spec splits it: that of the run's own columns."""
    from archc.runtime.data.parts import ColumnProgram
    from archc.runtime.data.sources import read_data
    from archc.runtime.executable import executable
    from archc.runtime.loader import load_program

    exe = executable(spec(SOLVE))
    assert exe.plan.train is not None
    table = read_data(exe.plan.train.data, exe.base)
    parts, _ = ColumnProgram(exe, load_program(exe), exe.plan.train.data, 0).prepare(table, 0)
    return parts["train"].columns["pixels"], parts["train"].columns["label"]


def modules(run: Run) -> list[nn.Module]:
    return [run.model().get_submodule(f"stack1.{i}.module1") for i in range(3)]


def features(modules: list[nn.Module], x: Tensor) -> list[Tensor]:
    """What goes into the upper layer of each module."""
    found = []
    for module in modules:
        lower, upper = module.get_submodule("dense2"), module.get_submodule("out")
        found.append(torch.sigmoid(lower(x)))
        x = torch.cat((x, upper(found[-1])), 1)
    return found


@pytest.mark.parametrize("bias", [False, True])
def test_ridge_is_that_of_scikit_learn(tmp_path: Path, bias: bool) -> None:
    from sklearn.linear_model import Ridge

    run = train(spec(SOLVE, bias=bias), out=tmp_path / "run", progress=False)
    x, label = data()
    parts = modules(run)
    losses = []
    with torch.no_grad():
        for part, h in zip(parts, features(parts, x), strict=True):
            y = np.eye(10)[label.numpy()]
            by_hand = Ridge(alpha=1e-3, fit_intercept=bias).fit(h.double().numpy(), y)
            weight = part.get_parameter("out.weight").numpy()
            np.testing.assert_allclose(weight, by_hand.coef_, rtol=1e-4, atol=1e-4)
            losses.append(float(((by_hand.predict(h.double().numpy()) - y) ** 2).mean()))
    assert run.losses == pytest.approx(losses, rel=1e-5)


def test_logistic_is_that_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    run = train(spec(SOLVE, bias=True, method="logistic(label, l2=0.1)"), out=tmp_path / "run", progress=False)
    x, label = data()
    parts = modules(run)
    with torch.no_grad():
        h = features(parts, x)[0].double().numpy()
    by_hand = LogisticRegression(C=10, tol=1e-10, max_iter=5000).fit(h, label.numpy())
    weight = parts[0].get_parameter("out.weight").detach().numpy()
    np.testing.assert_allclose(weight, by_hand.coef_, rtol=1e-3, atol=1e-3)


def test_each_moves_one_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the flow, and whatever was trained before stays, to the bit."""
    seen: list[tuple[str, dict[str, Tensor]]] = []
    begin = staged.Staged.begin

    def noted(self: staged.Staged) -> None:
        seen.append((self.instance.path, {k: t.clone() for k, t in self.whole.state_dict().items()}))
        begin(self)

    monkeypatch.setattr(staged.Staged, "begin", noted)
    run = train(spec(TUNE), out=tmp_path / "run", progress=False)
    assert [path for path, _ in seen] == [f"stack1.{i}.module1" for i in range(3)]
    states = [*(state for _, state in seen), run.model().state_dict()]
    for (path, _), before, after in zip(seen, states[:-1], states[1:], strict=True):
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {name for name in before if name.startswith(path)}


def test_a_part_is_trained_as_a_network_by_hand(tmp_path: Path) -> None:
    """The first module alone, with PyTorch's own optimizer and the engine's batches."""
    from archc.runtime.data.batches import Batches
    from archc.runtime.loader import build

    untrained = spec("    phase tune {\n each Module minimizes mse(y, one_hot(label, 10))\n optimizer sgd(lr=0.5)\n steps 23\n }")
    run = train(untrained, out=tmp_path / "run", progress=False, seed=3)
    torch.manual_seed(3)
    part = build(untrained).get_submodule("stack1.0.module1")
    optimizer = torch.optim.SGD(part.parameters(), lr=0.5)
    for x, label in Batches(list(data()), 64, 3, torch.device("cpu")).epoch(0):
        optimizer.zero_grad()
        (part(x) - nn.functional.one_hot(label, 10).float()).square().mean().backward()
        optimizer.step()
    for name, tensor in modules(run)[0].state_dict().items():
        torch.testing.assert_close(tensor, part.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_stopped_again_and_again_in_any_phase_and_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = spec(SOLVE, TUNE)
    whole = train(program, out=tmp_path / "whole", progress=False)
    assert len(steps(tmp_path / "whole")) == 3 + 3 * 23
    backward, blocks = Update.backward, staged.Staged.blocks
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls % 9 == 2:
            os.kill(os.getpid(), signal.SIGINT)

    def stopping(self: Update, *args: Any) -> Any:
        stop()
        return backward(self, *args)

    def solving(self: staged.Staged, *args: Any) -> Any:
        stop()
        return blocks(self, *args)

    at: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(Update, "backward", stopping)
        patched.setattr(staged.Staged, "blocks", solving)
        given: dict[str, Any] = {"out": tmp_path / "run"}
        while len(at) < 40:
            try:
                train(*([program] if "out" in given else []), **given, progress=False)
                break
            except Interrupted as stopped:
                at.append(stopped.step)
                given = {"resume": tmp_path / "run"}
    assert len(at) > 6
    assert min(at) < 3  # while solving
    assert_same(whole.folder, tmp_path / "run")
