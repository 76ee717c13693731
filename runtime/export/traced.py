"""The network as a torch.export program with its free dims free, traced once for all formats.

Comes in: a network in evaluation mode, its plan, and the sizes to trace it at. Goes out: the program, and the least of each free dim.
"""

import contextlib
import itertools
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config

from ...compiler.plan import InputPlan
from .both_ways import named_apart
from .rewrites import ForAllSizes
from .sizes import BATCH, REFUSED, Free


@dataclass(frozen=True)
class Traced:
    """`symbols` are the program's own names for sizes with ours (`s77`: `H`); `least` is the least size of each free dim that it takes."""

    program: ExportedProgram
    symbols: dict[str, str]
    least: dict[str, int]

    def takes(self, given: Sequence[Tensor]) -> bool:
        """Whether the program runs on these."""
        try:
            with quiet(), torch.no_grad():
                self.program.module()(*given)
        except REFUSED:
            return False
        return True


config: Any = _config


def trace(model: nn.Module, inputs: Sequence[InputPlan], dims: Sequence[Free], given: Sequence[Tensor]) -> Traced:
    """Raises what torch raises: of the network's own text, or that a dim cannot be free."""
    # Where channels lie last, torch asks of a size whether it is 1, to tell how a tensor lies.
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    plain = [item for item in dims if item.step]
    best, problem = None, None
    for oblivious, shapes in itertools.product((True, False), (_named(inputs, plain), _inferred(inputs, plain))):
        # torch takes sizes that come out as 1 on the way for special, unless it is told not to; some layouts want it so
        with quiet(), torch.no_grad(), config.patch(backed_size_oblivious=oblivious):
            try:
                program = _exported(model, given, shapes)
            except Exception as error:  # noqa: BLE001 - of the network's own faults the first is told, after all was tried
                problem = problem or error
                continue
        made = Traced(program, *_symbols(program, inputs))
        best = best or made
        if made.takes(_one(inputs, given)):
            return made
    if best is None:
        raise problem or AssertionError("nothing was tried")
    return best


def _one(inputs: Sequence[InputPlan], given: Sequence[Tensor]) -> list[Tensor]:
    """The first example of the batch."""
    return [t.narrow(item.shape.index(BATCH), 0, 1) if BATCH in item.shape else t for item, t in zip(inputs, given, strict=True)]


def _exported(model: nn.Module, given: Sequence[Tensor], dims: tuple[Any, ...]) -> ExportedProgram:
    with ForAllSizes(), named_apart(model):
        return torch.export.export(model, tuple(given), dynamic_shapes=dims, strict=False)


def _named(inputs: Sequence[InputPlan], dims: Sequence[Free]) -> tuple[Any, ...]:
    """Each dim by its name, one with a step as so many times another; sizes that are formulas are for torch to find out."""
    known = {item.name: _dim(item) for item in dims}
    names = {item.name for item in dims}
    return tuple(
        {axis: known.get(str(size), Dim.DYNAMIC) if _free(size, names) else Dim.STATIC for axis, size in enumerate(item.shape)}
        for item in inputs
    )


def _dim(item: Free) -> Any:
    """A dim from its least size on, or as many times another as its step is."""
    if item.step == 1:
        return Dim(item.name, min=item.least if item.name != BATCH else None)
    return item.step * Dim(f"{item.name}_{item.step}", min=item.least // item.step)


def _inferred(inputs: Sequence[InputPlan], dims: Sequence[Free]) -> tuple[Any, ...]:
    """The batch by its name; of the others torch finds out what holds."""
    names = {item.name for item in dims}
    return tuple(
        {
            axis: Dim(BATCH) if size == BATCH and BATCH in names else Dim.DYNAMIC if _free(size, names) else Dim.STATIC
            for axis, size in enumerate(item.shape)
        }
        for item in inputs
    )


def _free(size: int | str, names: set[str]) -> bool:
    return isinstance(size, str) and bool(names & set(re.findall(r"\w+", size)))


def dims_refused(error: BaseException) -> bool:
    """Whether torch says that a dim cannot be as free as was asked for."""
    return "Constraints violated" in str(error) or "specialized" in str(error) or "ConstraintViolation" in type(error).__name__


def _symbols(program: ExportedProgram, inputs: Sequence[InputPlan]) -> tuple[dict[str, str], dict[str, int]]:
    symbols: dict[str, str] = {}
    least: dict[str, int] = {}
    values = _inputs(program)
    for item, value in zip(inputs, values, strict=True):
        for size, name in zip(value.shape, item.shape, strict=True):
            if not isinstance(size, torch.SymInt) or not isinstance(name, str):
                continue
            expression = size.node.expr
            symbols[str(expression)] = name
            lower = program.range_constraints.get(expression)
            if lower is not None and name.isidentifier():
                least[name] = max(least.get(name, 1), int(lower.lower))
            for root in expression.free_symbols:
                if str(root) not in symbols and expression != root:
                    factor = expression.coeff(root)
                    symbols[str(root)] = f"{name} // {factor}" if expression == factor * root else f"{name}_root"
    return symbols, least


def _inputs(program: ExportedProgram) -> list[Tensor]:
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"}
    return [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]


def layer_of(node: "torch.fx.Node") -> tuple[str, str]:
    """The key of the layer that a node of the program came from, and the traceback that it was written at."""
    modules: Mapping[str, Any] = node.meta.get("nn_module_stack") or {}
    key = next((path for path, _ in reversed(list(modules.values())) if path), "")
    return str(key), str(node.meta.get("stack_trace") or "")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within: what torch and its helpers say of themselves is not said."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.export", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
