"""At which sizes a network can be run: of its free dims nothing is known but their names, so it is asked, on tensors without memory.

Comes in: a network and the plan of its inputs. Goes out: for each free dim a size that works and the step to the next one (16 where
`H % 16 == 0` is asserted), and tensors of any sizes that the network takes.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import InputPlan

BATCH = "B"
BASES = (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 24, 31, 32, 48, 63, 64, 75, 96, 128, 192, 224, 256, 299, 384, 512, 1024)
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64, 128)
BOUNDS = (50_000, 1000, 256, 64, 16, 10, 4, 2)
REFUSED = (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError, NotImplementedError, AssertionError)
Sizes = dict[str, int]
Runs = Callable[[Sizes], bool]


@dataclass(frozen=True)
class Free:
    """A free dim: its least size that was seen to work, and the distance to the next."""

    name: str
    least: int
    step: int = 1

    def at(self, steps: int) -> int:
        return self.least + steps * self.step


def free_dims(inputs: Sequence[InputPlan]) -> list[str]:
    """The names in the shapes of the inputs, in their order."""
    found: dict[str, None] = {}
    for item in inputs:
        for size in item.shape:
            if isinstance(size, str):
                found |= dict.fromkeys(sorted(node.id for node in ast.walk(ast.parse(size)) if isinstance(node, ast.Name)))
    return [name for name in found if name not in ("min", "max")]


def size_of(size: int | str, sizes: Mapping[str, int]) -> int:
    """A size of the plan, which the compiler wrote (`2 * T + 1`), as a number."""
    if isinstance(size, int):
        return size
    return int(_value(ast.parse(size, mode="eval").body, sizes))


def _value(node: ast.expr, sizes: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return sizes[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, sizes)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, sizes), _value(right, sizes))
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=args):
            return (min if name == "min" else max)(_value(arg, sizes) for arg in args)
    raise ValueError(f"{ast.unparse(node)} is no size")


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}


def shapes(inputs: Sequence[InputPlan], sizes: Sizes) -> list[tuple[int, ...]]:
    return [tuple(size_of(size, sizes) for size in item.shape) for item in inputs]


# Asking -----------------------------------------------------------------------------------------------------------------


def asked(model: nn.Module, inputs: Sequence[InputPlan]) -> Runs:
    """Whether the network runs at these sizes, found without computing anything."""
    kept: dict[int, object] = {id(tensor): tensor.to("meta") for tensor in model.buffers()}
    kept |= {id(tensor): nn.Parameter(tensor.detach().to("meta"), tensor.requires_grad) for tensor in model.parameters()}
    shell = copy.deepcopy(model, kept)  # the network without its numbers

    def runs(sizes: Sizes) -> bool:
        try:
            wanted = shapes(inputs, sizes)
            if any(size < 1 for shape in wanted for size in shape):
                return False
            given = [
                torch.empty(shape, dtype=DTYPES[item.dtype], device="meta") for item, shape in zip(inputs, wanted, strict=True)
            ]
            with torch.device("meta"), torch.no_grad():
                shell(*given)
        except REFUSED:
            return False
        return True

    return runs


def found(names: Sequence[str], fixed: Mapping[str, int], runs: Runs) -> list[Free] | None:
    """The free dims that are not fixed, with where they begin and how they go on; none where no sizes were found to work."""
    free = [name for name in names if name not in fixed and name != BATCH]
    batch = {} if BATCH in fixed or BATCH not in names else {BATCH: 2}
    base = next((sizes for sizes in _bases(free) if runs({**fixed, **batch, **sizes})), None)
    if base is None:
        return None
    known = {**fixed, **batch, **base}
    dims = [Free(name, base[name], _step(name, known, runs)) for name in free]
    return ([Free(BATCH, 1)] if batch else []) + dims


def _bases(free: Sequence[str]) -> Iterator[Sizes]:
    """Sizes to try: all alike, then each a little more or less than the one before it."""
    for base in BASES:
        yield dict.fromkeys(free, base)
    if len(free) > 1:
        for base in BASES:
            yield {name: base + i for i, name in enumerate(free)}
            yield {name: base + len(free) - i for i, name in enumerate(free)}


def _step(name: str, known: Sizes, runs: Runs) -> int:
    """The least distance to another size of the dim that works, the others as they are; 0 where there is none."""
    return next((step for step in STEPS if runs({**known, name: known[name] + step})), 0)


def spread(dims: Sequence[Free], fixed: Mapping[str, int], runs: Runs, steps: Sequence[int], batch: int) -> Sizes | None:
    """Sizes that work, each dim another number of steps from its least, as many as the first of `steps` that works says."""
    for count in steps:
        for sign in (1, -1, 0):  # in the order of the dims, against it, and all alike where only equal sizes fit
            sizes = dict(fixed)
            for i, dim in enumerate(d for d in dims if d.name != BATCH):
                sizes[dim.name] = dim.at(max(0, count + sign * i)) if dim.step else dim.least
            if any(dim.name == BATCH for dim in dims):
                sizes[BATCH] = batch
            if runs(sizes):
                return sizes
    return None


# Tensors ----------------------------------------------------------------------------------------------------------------

DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}


def tensors(inputs: Sequence[InputPlan], sizes: Sizes, bounds: Sequence[int], seed: int) -> list[Tensor]:
    """Values for the inputs; whole numbers are drawn from 0 to below the input's bound."""
    draw = torch.Generator().manual_seed(seed)
    made: list[Tensor] = []
    for item, shape, bound in zip(inputs, shapes(inputs, sizes), bounds, strict=True):
        match item.dtype:
            case "float":
                made.append(torch.randn(shape, generator=draw))
            case "int":
                made.append(torch.randint(bound, shape, generator=draw))
            case "bool":
                made.append(torch.rand(shape, generator=draw) < 0.5)
    return made


def bounds(model: Callable[..., Any], inputs: Sequence[InputPlan], sizes: Sizes) -> list[int]:
    """For each input of whole numbers the most values of them that the network takes, as far as the few that are tried tell."""
    limits = [2] * len(inputs)
    for i, item in enumerate(inputs):
        if item.dtype == "int":
            limits[i] = next((b for b in BOUNDS if _takes(model, inputs, sizes, [*limits[:i], b, *limits[i + 1 :]])), 2)
    return limits


def _takes(model: Callable[..., Any], inputs: Sequence[InputPlan], sizes: Sizes, limits: Sequence[int]) -> bool:
    given = tensors(inputs, sizes, limits, seed=0)
    for tensor, item, limit in zip(given, inputs, limits, strict=True):
        if item.dtype == "int" and tensor.numel():
            tensor.view(-1)[0] = limit - 1
    try:
        with torch.no_grad():
            model(*given)
    except REFUSED:
        return False
    return True
