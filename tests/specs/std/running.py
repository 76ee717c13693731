"""What the tests of recurrences share: cells of the standard library, and of a text, as networks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import archc

Model = Any


def of(use: str, frames: str = "[B, T, 3]", returns: str = "y", given: str = "", cells: str = "", before: str = "") -> Model:
    """A float64 network that runs `use` over `frames`, with lengths.

    `cells` are of the library, `before` is text of one's own; `given` are further tensors.
    """
    imports = f"from std.recurrent import {cells}\n\n" if cells else ""
    head = f"model Net(x: {frames}, length: int[B]{', ' + given if given else ''})"
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "net.arch"
        spec.write_text(f"{imports}{before}{head} {{\n    {use}\n    return {returns}\n}}\n", encoding="utf-8")
        torch.manual_seed(0)
        return archc.load(spec).double()


def cell_of(net: nn.Module) -> Any:
    """The one cell of a network."""
    (cell,) = (module for name, module in net.named_modules() if name in ("recur1", "bidirectional1"))
    return cell


def sequences(*shape: int, batch: int = 5, steps: int = 7) -> tuple[Tensor, Tensor]:
    """Random frames and lengths: one full, one of a single step."""
    x = torch.randn(batch, steps, *shape, dtype=torch.float64)
    return x, torch.tensor([steps, 1, 3, steps - 1, 4][:batch])


def gradients(outputs: tuple[Tensor, ...], wanted: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a fixed mixture of all outputs."""
    torch.manual_seed(1)
    total = sum((output * torch.randn_like(output)).sum() for output in outputs)
    return torch.autograd.grad(total, wanted)  # type: ignore[arg-type]
