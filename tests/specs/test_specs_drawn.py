"""Autoencoders that draw, and networks that learn from two views, beside the same by hand: outputs, and training step by step.

Both see the same batches and the same draws, so the losses of all steps agree, and so do weights, averages and codebooks at the end.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from math import isfinite
from typing import Any

import pytest
import torch
from torch import Tensor

import archc
from archc.runtime.data.batches import Batch
from archc.runtime.data.sources import read_data
from archc.runtime.train.api import changed, dry_run, found, plan_of
from archc.runtime.train.determinism import pinned
from archc.runtime.train.phases import Phase
from archc.runtime.train.setup import settle

from . import by_hand_drawn as by_hand
from .independent import carry_over

BY_HAND: dict[str, Callable[[], by_hand.Learner]] = {
    "vae": by_hand.VAE,
    "denoising_autoencoder": by_hand.Denoising,
    "vqvae": by_hand.VQVAE,
    "simclr": by_hand.SimCLR,
    "byol": by_hand.BYOL,
}
RATES = {"vae": 2e-3, "vqvae": 2e-3}
STEPS = 5
SMALL = {"simclr": 12, "byol": 32}  # rows of a batch; by hand SimCLR goes through all pairs


SINGLE = {"vqvae"}  # one_hot is of single precision, and a matrix product takes one precision alone


def kind(spec: str) -> torch.dtype:
    return torch.float32 if spec in SINGLE else torch.float64


def phases(spec: str) -> list[Phase]:
    """The phases of a shipped spec, none of them begun."""
    exe = found(spec, None, {}) if spec in SINGLE else changed(found(spec, None, {}), {"precision": "float64"})
    plan = plan_of(exe)
    setting, _, _ = settle(exe, plan, read_data(plan.data, exe.base), torch.device("cpu"))
    return setting.phases


def batches(phase: Phase, rows: int | None = None) -> Iterator[Batch]:
    """Batches for a few steps."""
    seen = 0
    while seen < STEPS:
        for batch in phase.batches.epoch(0):
            seen += 1
            yield tuple(column[:rows] for column in batch)


def agree(spec: str, ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    rtol, atol = (1e-3, 2e-4) if spec in SINGLE else (1e-6, 1e-7)
    for (name, mine), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=rtol, atol=atol, msg=name)


def trained(model: by_hand.Learner, data: list[Batch], optimizer: torch.optim.Optimizer) -> list[float]:
    losses = []
    for batch in data:
        optimizer.zero_grad()
        precise = next(model.parameters()).dtype
        loss = model.loss(*(column.to(precise) if column.is_floating_point() else column for column in batch))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        model.after()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("spec", BY_HAND)
def test_trains_as_the_loop_by_hand(spec: str) -> None:
    with pinned():
        (phase,) = phases(spec)
        phase.begin()
        theirs = BY_HAND[spec]().to(kind(spec))
        carry_over(phase.model, theirs)
        before = [p.clone() for p in theirs.parameters()]
        torch.manual_seed(7)
        seen = list(islice(batches(phase, SMALL.get(spec)), STEPS))
        told = [phase.updates[0]((batch,)).reshape(-1)[0].item() for batch in seen]
        torch.manual_seed(7)
        optimizer = torch.optim.Adam(theirs.parameters(), lr=RATES.get(spec, 1e-3))
        losses = trained(theirs, seen, optimizer)
    assert told == pytest.approx(losses, rel=2e-4 if spec in SINGLE else 1e-6)
    agree(spec, phase.model, theirs)
    assert any(not torch.equal(p, start) for p, start in zip(theirs.parameters(), before, strict=True))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("spec", [*BY_HAND, "stacked_autoencoder"])
def test_gives_what_the_network_by_hand_gives(spec: str, train: bool) -> None:
    """In training too, where both draw the same."""
    with pinned():
        torch.manual_seed(0)
        ours = archc.load(spec).to(kind(spec)).train(train)
        theirs = {**BY_HAND, "stacked_autoencoder": by_hand.Stacked}[spec]().to(kind(spec)).train(train)
        carry_over(ours, theirs)
        shape = {"vqvae": (5, 1, 8, 8), "simclr": (5, 1, 8, 8), "byol": (5, 1, 8, 8)}.get(spec, (5, 64))
        inputs = [torch.rand(shape, dtype=kind(spec)) for _ in range(2 if spec in ("simclr", "byol") else 1)]
        outputs: list[tuple[Tensor, ...]] = []
        for network in (ours, theirs):
            torch.manual_seed(2)
            outputs.append(network(*inputs))
    for mine, other in zip(*outputs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4 if spec in SINGLE else 1e-6, atol=1e-5 if spec in SINGLE else 1e-8)


def test_layers_are_trained_greedily_then_all_together() -> None:
    spec = "stacked_autoencoder"
    with pinned():
        theirs = by_hand.Stacked().double()
        for number, phase in enumerate(phases(spec)):
            phase.begin()
            ours: Any = getattr(phase, "whole", phase.model)
            learner: by_hand.Learner = theirs if number == 2 else theirs.layers[number]  # type: ignore[assignment]
            if number == 0:
                carry_over(ours, theirs)
            frozen = [p.clone() for p in theirs.parameters()]
            seen = list(islice(batches(phase), STEPS))
            torch.manual_seed(number)
            told = [phase.updates[0]((batch,)).item() for batch in seen]
            optimizer: torch.optim.Optimizer = torch.optim.Adam(learner.parameters(), lr=2e-3)
            if number == 2:
                optimizer = torch.optim.AdamW(learner.parameters(), lr=2e-3, weight_decay=0.01)
            else:
                x = seen[0][0]
                assert x.shape[1] == (64, 256)[number]
            torch.manual_seed(number)
            theirs.train(number == 2)
            learner.train()
            assert told == pytest.approx(trained(learner, seen, optimizer), rel=1e-6)
            agree(spec, ours, theirs)
            others = {id(p) for p in theirs.parameters()} - {id(p) for p in learner.parameters()}
            assert all(torch.equal(p, before) for p, before in zip(theirs.parameters(), frozen, strict=True) if id(p) in others)


@pytest.mark.parametrize("spec", [*BY_HAND, "stacked_autoencoder"])
def test_says_nothing_and_takes_a_batch(spec: str) -> None:
    assert archc.check(spec).diagnostics == []
    assert isfinite(dry_run(spec).loss)
