"""Weights as values: snapshots of a model, and `model.safetensors`.

Tensors that are one parameter under several keys are kept once; the file's metadata maps each other key to the one that is kept,
as safetensors' own `save_model` does.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import write_whole

Snapshot = dict[str, Tensor]


def tied(model: nn.Module) -> dict[str, str]:
    """Keys that name a tensor which an earlier key names already, and that key."""
    first: dict[tuple[object, ...], str] = {}
    twins: dict[str, str] = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if tensor.numel():
            same = first.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype), key)
            if same != key:
                twins[key] = same
    return twins


def snapshot(model: nn.Module, twins: dict[str, str]) -> Snapshot:
    """A copy of all weights and buffers, tied ones once."""
    state = model.state_dict()
    return {k: t.detach().clone(memory_format=torch.contiguous_format) for k, t in state.items() if k not in twins}


def put(model: nn.Module, weights: Snapshot) -> None:
    """Sets the weights of a model from a snapshot."""
    twins = tied(model)
    model.load_state_dict({**weights, **{key: weights[first] for key, first in twins.items() if first in weights}})


def write(path: Path, weights: Snapshot, twins: dict[str, str], notes: Mapping[str, str] | None = None) -> None:
    """The snapshot as a safetensors file, whole; with `notes` in its metadata."""
    write_whole(path, packed(weights, twins, notes))


def packed(weights: Snapshot, twins: dict[str, str], notes: Mapping[str, str] | None = None) -> bytes:
    """The bytes of that file."""
    from safetensors.torch import save

    return _in_order(save({k: t.cpu() for k, t in weights.items()}, metadata={"format": "pt", **(notes or {}), **twins}))


def _in_order(data: bytes) -> bytes:
    """The same file with its metadata sorted, which safetensors writes in an order of its own each time: equal weights, equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def read(path: Path) -> Snapshot:
    """The tensors of a safetensors file; raises `ValueError` where it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(str(error)) from None
