"""What `--given NAME=VALUE` says: inputs of whatever makes the samples, one example of each, the same for all of them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption
from ..stops import Misused

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def told(
    given: Sequence[tuple[str, str]],
    kind: str,
    shapes: "Mapping[str, tuple[int, ...]]",
    dtypes: "Mapping[str, torch.dtype]",
    where: "torch.device",
) -> "dict[str, Tensor]":
    """One example of each input in `shapes`, its numbers separated by commas; raises `Misused` where one is missing or has others."""
    import torch

    values = dict(given)
    for name, text in values.items():
        if name not in shapes:
            rule = f"it takes {', '.join(shapes)}" if shapes else f"{kind} without further tensors is given nothing"
            raise Misused(BadSamplingOption(NOWHERE, "--given", f"{name}={text}", rule))
    found = {}
    for name, shape in shapes.items():
        count, whole = math.prod(shape), not dtypes[name].is_floating_point
        rule = f"{name} is {_numbers(count, whole)}: --given {name}={','.join(['0'] * min(count, 3))}{',…' if count > 3 else ''}"
        try:
            numbers = [float(word) for word in values[name].split(",")] if name in values else []
        except ValueError:
            numbers = []
        if len(numbers) != count or not all(math.isfinite(x) and (x.is_integer() or not whole) for x in numbers):
            raise Misused(BadSamplingOption(NOWHERE, "--given", f"{name}={values[name]}" if name in values else "", rule))
        found[name] = torch.tensor(numbers, dtype=torch.float64).to(dtypes[name]).to(where).reshape(shape)
    return found


def _numbers(count: int, whole: bool) -> str:
    if not whole:
        return f"{count} numbers"
    return "a whole number" if count == 1 else f"{count} whole numbers"
