"""Batches on their way to a GPU, and what is said of operations that differ from time to time there. With no GPU it is stood in for."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.runtime.data import onto
from archc.runtime.data.batches import Batch, Batches
from archc.runtime.data.held import Made, Ready
from archc.runtime.train import determinism
from archc.runtime.train.api import train

from . import hand
from .compared import assert_same

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
CUDA = torch.device("cuda")


def counted(events: list[str], n: int) -> Iterator[Batch]:
    for i in range(n):
        events.append(f"made {i}")
        yield (torch.full((2,), i),)


class Stream:
    """What a stream is asked for, written down."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def wait_stream(self, other: "Stream") -> None:
        self.events.append("waited")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A GPU that only says what is asked of it."""
    found: list[str] = []

    def sent(batches: Iterator[Batch], device: torch.device, stream: Stream) -> Batch | None:
        batch = next(batches, None)
        if batch is not None:
            found.append(f"sent {int(batch[0][0])}")
        return batch

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(found))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(found))
    monkeypatch.setattr(Tensor, "record_stream", lambda self, stream: found.append("kept"))
    monkeypatch.setattr(onto, "_sent", sent)
    return found


def test_one_batch_is_on_its_way_while_the_one_before_it_is_used(events: list[str]) -> None:
    events.extend(f"used {int(batch[0][0])}" for batch in onto.onto(counted(events, 3), CUDA))
    assert events == [
        *("made 0", "sent 0", "waited", "kept", "made 1", "sent 1", "used 0"),
        *("waited", "kept", "made 2", "sent 2", "used 1", "waited", "kept", "used 2"),
    ]


def test_what_goes_to_a_gpu_is_pinned_by_those_who_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []

    def pin(column: Tensor) -> Tensor:
        pinned.append(len(column))
        return column

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    made = onto.page_locked(lambda rows: (torch.zeros(len(rows)),), CUDA)
    assert made(range(3))[0].shape == (3,)  # type: ignore[arg-type]
    assert pinned == [3]
    assert onto.page_locked(counted, torch.device("cpu")) is counted  # type: ignore[arg-type, comparison-overlap]


def test_on_a_processor_nothing_moves() -> None:
    batches = [(torch.arange(3),), (torch.arange(2),)]
    found = list(onto.onto(iter(batches), torch.device("cpu")))
    assert all(a[0] is b[0] for a, b in zip(found, batches, strict=True))


def test_an_operation_that_differs_from_time_to_time_is_told_once() -> None:
    told: list[str] = []
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        with determinism.telling_drift(told.append):
            for name in ("cumsum_cuda_kernel", "put_", "cumsum_cuda_kernel"):
                text = f"{name} does not have a deterministic implementation, but you set 'warn_only=True'."
                warnings.warn(text, UserWarning, stacklevel=1)
            warnings.warn("something else", UserWarning, stacklevel=1)
    assert told == [
        f"{name} has no deterministic form on this device, so a resumed run may differ in its last bits"
        for name in ("cumsum_cuda_kernel", "put_")
    ]
    assert [str(w.message) for w in others] == ["something else"]


def test_on_a_gpu_such_operations_run() -> None:
    with determinism.pinned(device=CUDA):
        assert torch.get_deterministic_debug_mode() == 1
    with determinism.pinned():
        assert torch.get_deterministic_debug_mode() == 2


@GPU
@pytest.mark.parametrize("made", [False, True])
def test_batches_on_a_gpu_are_those_on_a_processor(monkeypatch: pytest.MonkeyPatch, made: bool) -> None:
    monkeypatch.setattr("archc.runtime.data.batches.RESIDENT", 0)
    column = torch.arange(100.0)
    held: Any = Ready([column])
    if made:
        import numpy as np

        held = Made(np.arange(100), lambda rows, epoch: (column[torch.from_numpy(rows)],), workers=2)
    there = [b[0].cpu().clone() for b in Batches(held, 8, 0, CUDA).epoch(1)]
    here = [b[0] for b in Batches(held, 8, 0, torch.device("cpu")).epoch(1)]
    assert all(torch.equal(a, b) for a, b in zip(there, here, strict=True))


@GPU
@pytest.mark.parametrize("settings", [{}, {"precision": "bf16"}, {"precision": "fp16"}])
def test_a_run_on_a_gpu_twice_is_one_run(tmp_path: Any, settings: dict[str, Any]) -> None:
    for name in ("one", "other"):
        train(hand.lenet(), out=tmp_path / name, device="cuda", progress=False, **settings)
    assert_same(tmp_path / "one", tmp_path / "other")
