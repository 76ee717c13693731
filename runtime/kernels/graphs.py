"""CUDA graphs: what a function launches on tensors of some shapes is recorded once, and replayed at once on later ones.

A graph reads and writes memory of its own, so tensors are copied in and out; it saves what a launch costs, thousands of times a call.
It has not run on a GPU yet; its rules are tested with recordings that only call the function again.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Body = Callable[[list[Tensor], list[Tensor]], None]
MOST = 8  # recordings that are kept: each has memory for all tensors of its shapes


def record(body: Callable[[], None]) -> Callable[[], None]:
    """What `body` launches, as a function that launches it again; raises RuntimeError where it cannot be recorded."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # a thread that reads batches ahead may go on
        body()
    return graph.replay


@dataclass(frozen=True)
class Recording:
    """The graph's own tensors, and what runs on them."""

    reads: list[Tensor]
    writes: list[Tensor]
    replay: Callable[[], None]


@dataclass
class Graphs:
    """Runs functions that read some tensors and write into others.

    The first time with some shapes it is called as it is, which also compiles and warms up; the second time it is recorded. What cannot
    be recorded is always called. A function must write all it gives, at each call.
    """

    record: Callable[[Callable[[], None]], Callable[[], None]] = record
    known: dict[Hashable, Recording | None] = field(default_factory=dict)  # none: seen, not recorded
    refused: bool = False

    def run(self, name: Hashable, body: Body, reads: list[Tensor], writes: list[Tensor]) -> None:
        """`body(reads, writes)`, or what it recorded for such shapes; `name` tells one function from another."""
        key = (name, *((tuple(x.shape), x.dtype, x.device) for x in (*reads, *writes)))
        with torch.cuda.device(reads[0].device if reads[0].is_cuda else -1):  # where Triton launches
            if self._may_record(key):
                self._record(key, body, reads, writes)
            recording = self.known.get(key)
            if recording is None:
                self._keep(key, None)
                body(reads, writes)
                return
            for own, x in zip(recording.reads, reads, strict=True):
                own.copy_(x)
            recording.replay()
            for x, own in zip(writes, recording.writes, strict=True):
                x.copy_(own)

    def _may_record(self, key: Hashable) -> bool:
        """Have such shapes come before, without a recording, and is none being made around this?"""
        seen = key in self.known and self.known[key] is None
        return seen and not self.refused and not (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing())

    def _record(self, key: Hashable, body: Body, reads: list[Tensor], writes: list[Tensor]) -> None:
        own = [x.detach().clone(memory_format=torch.contiguous_format) for x in (*reads, *writes)]
        mine, made = own[: len(reads)], own[len(reads) :]
        body(mine, made)  # what is compiled for such tensors is compiled before anything is recorded
        try:
            self._keep(key, Recording(mine, made, self.record(lambda: body(mine, made))))
        except RuntimeError:
            self.refused = True

    def _keep(self, key: Hashable, recording: Recording | None) -> None:
        self.known.pop(key, None)
        self.known[key] = recording
        if len(self.known) > MOST:
            del self.known[next(iter(self.known))]
