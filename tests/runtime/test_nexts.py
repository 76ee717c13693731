"""The next value of a buffer is its value after a training step, however often the model is looked at within it."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.data.sources import read_data
from archc.runtime.executable import executable
from archc.runtime.run import Run
from archc.runtime.train import checkpoints
from archc.runtime.train.api import train
from archc.runtime.train.setup import settle

from .texts import NET, spec

COUNTING = """\
block Counting(x: [B, 16]) -> [B, 16] {
    buffer steps: [1]
    buffer last: [16]
    steps' = steps + 1
    last'  = mean(x, dim=0)
    return x
}

""" + NET.replace("stack 2 { dense(16) -> tanh }", "stack 2 { dense(16) -> Counting -> tanh }").replace(
    "hidden = x -> Body as body",
    "layer shared = Counting\n    hidden = x -> Body as body\n    looked = hidden -> stack 3 { shared }",
)
GAME = """\
block Watched(x: [B, D]) -> [B, D] {
    buffer uses: [1]
    uses' = uses + 1
    return x
}

block Maker(z: [B, D]) -> [B, 64] {
    return z -> dense(8) -> dense(64) -> Watched
}

block Judge(x: [B, D]) -> [B, 1] {
    return x -> dense(8) -> Watched -> dense(1)
}

adversarial Net(x: [B, 64]) {
    player G = Maker
    player D = Judge
    z ~ normal(0, 1)[B, 4]
    fake = G(z)
    D minimizes softplus(-D(x)) + softplus(D(fake))
    G minimizes softplus(-D(fake))
}

data digits = sklearn("digits") {
    x = data / 16
}

train Net on digits {
    optimizer adam(lr=1e-3)
    rounds D: 3
    batch  64
    steps  5
}
"""


def kept(run: Run) -> dict[str, float]:
    """The buffers at the end of a run, as its last checkpoint has them."""
    state, _ = checkpoints.latest(run.folder / "checkpoints", print)
    assert state is not None
    names = ("steps", "last", "uses")
    return {k: float(t[5 % len(t)]) for k, t in state["model"].items() if k.rpartition(".")[2] in names}


@pytest.mark.parametrize("clause", ["accumulate 1", "accumulate 4", "optimizer lbfgs", "optimizer lbfgs\naccumulate 2"])
def test_once_a_step(tmp_path: Path, clause: str) -> None:
    run = train(spec(*clause.split("\n"), "steps 5", net=COUNTING), out=tmp_path / "run", progress=False)
    found = {k: v for k, v in kept(run).items() if k.endswith(".steps")}
    used = {"shared.steps": 5 * 3}  # a part that is used three times in a pass sets it at each use
    assert found == {"middle.0.counting1.steps": 5, "middle.1.counting1.steps": 5, **used}


def test_the_last_batch_of_a_step_gives_it(tmp_path: Path) -> None:
    """With no learning, what is left is the mean over the last batch alone."""
    net = COUNTING.replace("hidden -> stack", "x[:, :16] -> stack").replace("dense(16) -> Counting", "Counting")
    text = spec("optimizer sgd(lr=1e-30)", "accumulate 3", "steps 1", net=net)
    run = train(text, out=tmp_path / "run", progress=False)
    exe = executable(text)
    assert exe.plan.train is not None
    setting, _, _ = settle(exe, exe.plan.train, read_data(exe.plan.train.data, Path()), torch.device("cpu"))
    third = [*islice(setting.phases[0].batches.epoch(0), 3)][-1][0]
    assert kept(run)["middle.0.counting1.last"] == pytest.approx(float(third[:, 5].mean()), rel=1e-6)


def test_a_player_sets_its_own_in_its_own_updates(tmp_path: Path) -> None:
    """Five rounds: three updates of D, which uses its part twice in each; one of G, on which D stands still."""
    run = train(compiled(Source("game.arch", GAME), Wanted(training=True)), out=tmp_path / "run", progress=False)
    assert kept(run) == {"D.watched1.uses": 5 * 3 * 2, "G.watched1.uses": 5}
