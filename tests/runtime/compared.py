"""Two run folders compared bit by bit: weights, optimizer, random states, place, metrics, best weights."""

import json
from pathlib import Path
from typing import Any

import torch

from archc.runtime.train import checkpoints, weights


def state(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a run."""
    found, damaged = checkpoints.latest(folder / "checkpoints", print)
    assert found is not None
    assert not damaged
    return found


def differences(one: Any, two: Any, path: str = "") -> list[str]:
    """Where two values differ, down to the bits of tensors and floats."""
    if type(one) is not type(two):
        return [f"{path}: {type(one)} and {type(two)}"]
    if isinstance(one, torch.Tensor):
        same = one.dtype == two.dtype and one.shape == two.shape and one.numpy().tobytes() == two.numpy().tobytes()
        return [] if same else [f"{path}: tensors"]
    if isinstance(one, dict):
        if set(one) != set(two):
            return [f"{path}: keys {list(one)} and {list(two)}"]
        return [d for key in one for d in differences(one[key], two[key], f"{path}.{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(two):
            return [f"{path}: lengths {len(one)} and {len(two)}"]
        return [d for i, (a, b) in enumerate(zip(one, two, strict=True)) for d in differences(a, b, f"{path}[{i}]")]
    return [] if repr(one) == repr(two) else [f"{path}: {one!r} and {two!r}"]


def steps(folder: Path) -> list[int]:
    return [row["step"] for line in (folder / "metrics.jsonl").read_text().splitlines() if "step" in (row := json.loads(line))]


def assert_same(one: Path, two: Path) -> None:
    """The two finished runs are the same in everything that counts."""
    assert differences(state(one), state(two)) == []
    assert (one / "metrics.jsonl").read_bytes() == (two / "metrics.jsonl").read_bytes()
    assert steps(one) == list(range(1, len(steps(one)) + 1))
    assert differences(weights.read(one / "model.safetensors"), weights.read(two / "model.safetensors")) == []
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    results = [json.loads((f / "run.json").read_text()) for f in (one, two)]
    assert [r["status"] for r in results] == ["finished", "finished"]
    assert results[0]["result"] == results[1]["result"]
