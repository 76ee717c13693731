"""model.safetensors and checkpoints as files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archc.runtime.train import checkpoints, weights


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3, bias=False)
        self.c = nn.Linear(3, 3, bias=False)
        self.b.weight = self.c.weight = self.a.weight
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("count", torch.tensor(3))


def test_tied_weights_are_kept_once(tmp_path: Path) -> None:
    model = Tied()
    twins = weights.tied(model)
    assert twins == {"b.weight": "a.weight", "c.weight": "a.weight"}
    kept = weights.snapshot(model, twins)
    weights.write(tmp_path / "w.safetensors", kept, twins)
    first = (tmp_path / "w.safetensors").read_bytes()
    for _ in range(5):
        weights.write(tmp_path / "w.safetensors", kept, twins)
        assert (tmp_path / "w.safetensors").read_bytes() == first
    other = Tied()
    weights.put(other, weights.read(tmp_path / "w.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    from safetensors.torch import load_model

    another = Tied()
    load_model(another, tmp_path / "w.safetensors")
    assert torch.equal(another.c.weight, model.a.weight)


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 5, 9):
        path = checkpoints.save(tmp_path, step, {"x": torch.rand(4)})
        assert torch.equal(torch.load(path, weights_only=True)["x"], checkpoints.latest(tmp_path, print)[0]["x"])  # type: ignore[index]
    assert [checkpoints.step_of(p) for p in checkpoints.listed(tmp_path)] == [5, 9]


def test_a_checkpoint_of_code_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("boo",))

    checkpoints.save(tmp_path, 1, {"x": torch.zeros(1)})
    checkpoints.save(tmp_path, 2, {"x": Evil()})
    notes: list[str] = []
    found, damaged = checkpoints.latest(tmp_path, notes.append)
    assert found is not None
    assert len(damaged) == 1
    assert "is damaged" in notes[0]


def test_writing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        checkpoints.save(tmp_path, 1, {"x": (i for i in range(3))})
    assert list(tmp_path.iterdir()) == []
