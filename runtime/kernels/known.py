"""PyTorch's own LSTM, GRU and RNN in place of a cell that is one of them: on a GPU that is cuDNN, on a CPU PyTorch's loop.

The functions are called with the cell's weights, joined as they are wanted; the gradients go back to the cell's own. It has not run on a
GPU yet.
"""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import rnn

from ...compiler.recurrence.known import Known

FUNCTIONS = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu}
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk of memory")


class Weights(NamedTuple):
    """[gates * H, D], [gates * H, H], [gates * H] and [gates * H]: of the inputs, of the state, and what is added to each."""

    inputs: Tensor
    state: Tensor
    bias: Tensor
    beside: Tensor


def identity(known: Known) -> str:
    """That from which its bits follow."""
    return f"{known.kind} of torch {torch.__version__}, cuda {torch.version.cuda}"


def over_time(
    known: Known, x: Tensor, weights: Weights, start: Sequence[Tensor], length: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """All steps of x, [B, T, D], from states [B, H] in the order of the cell: the hidden state of each, [B, T, H], zeros past the length,
    and the last states."""
    places = [known.hidden] if known.memory < 0 else [known.hidden, known.memory]
    states = [start[place][None].contiguous() for place in places]
    if length is None:
        y, last = _run(known, states, weights, x.contiguous(), None)
    else:
        y, last = _packed(known, states, weights, x, length)
    found = list(start)
    for place, state in zip(places, last, strict=True):
        found[place] = state[0]
    return y, found


def _packed(known: Known, states: list[Tensor], weights: Weights, x: Tensor, length: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Examples of different length; those of none, which PyTorch refuses, go one step, and that is taken back."""
    packed = rnn.pack_padded_sequence(x, length.clamp(1, x.shape[1]).cpu(), batch_first=True, enforce_sorted=False)
    made, last = _run(known, [s[:, packed.sorted_indices] for s in states], weights, packed.data, packed.batch_sizes)
    whole = rnn.PackedSequence(made, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    y, _ = rnn.pad_packed_sequence(whole, batch_first=True, total_length=x.shape[1])
    some = (length > 0)[:, None]
    last = [torch.where(some, new[:, packed.unsorted_indices], old) for new, old in zip(last, states, strict=True)]
    return torch.where(some[:, None], y, 0.0), last


def _run(known: Known, states: list[Tensor], weights: Weights, x: Tensor, sizes: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    function: Any = FUNCTIONS[known.kind]
    start: Any = states if known.memory >= 0 else states[0]
    learning = torch.is_grad_enabled()  # only then is there anything to go back by
    where: tuple[Any, ...] = (x, start) if sizes is None else (x, sizes, start)
    further = (True,) if sizes is None else ()  # batch first
    y, *last = function(*where, list(weights), True, 1, 0.0, learning, False, *further)
    return y, last
