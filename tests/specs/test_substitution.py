"""What the formulae say, the tensors do: drawn values of the free dims in the shapes that the checker found, against networks that run.

The networks are those of the specs' own train programs, on torch's meta device, where tensors have shapes and no numbers. Compared is what
comes out of every module, on every level of every stack; and what the checker's facts exclude, the network refuses to run on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.graph import Graph, Node, Recur, Repeat, TensorType, Use
from archc.compiler.penalties import penalties_of
from archc.compiler.shapes import Dim, Size
from archc.compiler.values import Formula, Real, Text, Truth, formula, substitute
from archc.runtime.specs import shipped

SEED = 20261123
FEW, MANY = 3, 50
SPECS = sorted(shipped())
DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
Values = Mapping[str, int]
Shape = tuple[int, ...]
Said = dict[str, list[list[TensorType]]]  # by the path of a module: for each of its uses, the types that come out


def said(graph: Graph, above: tuple[str, ...], found: Said) -> Said:
    """What comes out of the modules of a graph; `above` are the paths of the bodies around it, with a dot at the end."""
    for node in graph.nodes:
        if node.key is None:
            continue
        path = above[-1 - node.owner] + node.key
        if isinstance(node.op, Repeat):
            stacked(node.op, path, above, found)
            continue
        found[path].append(module_types(node))
        if isinstance(node.op, Recur) and node.op.both:
            for way in ("forward", "backward"):
                found[f"{path}.{way}"].append(one_way(node, node.op))
                said(node.op.graph, (*above, f"{path}.{way}."), found)
        elif isinstance(node.op, Use):
            said(node.op.graph, (*above, f"{path}."), found)
    return found


def one_way(node: Node, op: Recur) -> list[TensorType]:
    """What one of the two cells of `bidirectional` gives: as wide in the last dim as the cell says."""
    cell = [op.graph.type_of(output.ref) for output in op.graph.outputs]
    both = [output.type for output in node.outputs]
    return [TensorType(t.dtype, (*t.shape[:-1], step.shape[-1])) for t, step in zip(both, cell, strict=True)]


def module_types(node: Node) -> list[TensorType]:
    """The types that the module of a node gives, its penalties last.

    That of `path_dropout` gives one number an example, which is then multiplied.
    """
    if node.op.title != "path_dropout":
        inside = penalties(node.op.graph) if isinstance(node.op, Use) else []
        return [output.type for output in node.outputs] + inside
    first, *others = node.type.shape
    return [TensorType(node.type.dtype, (first, *(Size.of(1) for _ in others)))]


def penalties(graph: Graph) -> list[TensorType]:
    """Numbers that a part gives beside its outputs."""
    return [TensorType("float", ())] * len(penalties_of(graph, {}))


def stacked(op: Repeat, path: str, above: tuple[str, ...], found: Said) -> None:
    number = 0
    for level in op.levels:
        for _ in range(level.count.number or 0):
            at = path if op.tied else f"{path}.{number}"
            number += 1
            if op.single:
                inner = next(node for node in level.graph.nodes if node.key is not None)
                found[at].append(module_types(inner))
                if isinstance(inner.op, Use):
                    said(inner.op.graph, (*above, f"{at}.", f"{at}."), found)
            else:
                found[at].append([level.graph.type_of(output.ref) for output in level.graph.outputs] + penalties(level.graph))
                said(level.graph, (*above, f"{at}."), found)


def number(dim: Dim, values: Values) -> int:
    result = dim.substitute({name: Dim.of(value) for name, value in values.items()}).constant
    assert result is not None, dim
    return result


def shape(type_: TensorType, values: Values) -> Shape:
    return tuple(number(size.value, values) for size in type_.shape)


def holds(graph: Graph, condition: Text, values: Values) -> bool:
    """An assert of the root, with the numbers of its dims and hyperparameters put in."""
    names: dict[str, Text] = {hyper.name: hyper.value.value for hyper in graph.hypers if isinstance(hyper.value, Size | Real)}
    names |= {name: Dim.of(value) for name, value in values.items()}
    text = substitute(condition.text if isinstance(condition, Truth) else condition, names)
    truth = formula(text.op, *(arg for arg in text.args if not isinstance(arg, str))) if isinstance(text, Formula) else text
    assert isinstance(truth, bool), truth
    return truth


def within(graph: Graph, values: Values) -> bool:
    """All asserts hold, those of the parts too, with the numbers of their own dims."""
    if not all(holds(graph, assertion.condition, values) for assertion in graph.assertions):
        return False
    for node in graph.nodes:
        if isinstance(node.op, Use):
            own = {name: number(size.value, values) for name, size in node.op.dims.items()}
            if not within(node.op.graph, {**values, **own}):
                return False
    return True


class Run:
    """A compiled spec with its network, and the shapes that its modules have given since the last look."""

    def __init__(self, spec: str) -> None:
        compiled = archc.compile(spec, program=True)
        self.graph = compiled.graph
        self.said = said(self.graph, ("",), defaultdict(list))
        scope: dict[str, Any] = {"__name__": "generated"}
        exec(compile(compiled.source, f"{spec}.py", "exec"), scope)
        with torch.device("meta"):
            self.network: nn.Module = scope[compiled.plan.model.class_name](**compiled.plan.model.arguments).eval()
        self.given: dict[str, list[list[Shape]]] = defaultdict(list)
        for path, module in self.network.named_modules():
            if path and "parametrizations" not in path:
                module.register_forward_hook(self.hook(path))

    def hook(self, path: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            self.given[path].append([tuple(tensor.shape) for tensor in tensors(output)])

        return note

    def run(self, values: Values) -> list[Shape]:
        self.given.clear()
        inputs = [torch.zeros(shape(n.type, values), dtype=DTYPES[n.type.dtype], device="meta") for n in self.graph.inputs]
        with torch.no_grad():
            return [tuple(tensor.shape) for tensor in tensors(self.network(*inputs))]

    def types(self) -> Iterator[TensorType]:
        yield from (output.type for node in self.graph.nodes for output in node.outputs)
        yield from (type_ for uses in self.said.values() for types in uses for type_ in types)

    def fits(self, values: Values) -> bool:
        """All asserts hold, and no size is below one."""
        return within(self.graph, values) and all(size > 0 for type_ in self.types() for size in shape(type_, values))

    def drawn(self, draw: Random) -> dict[str, int]:
        """Values for the free dims: any number, or one with many factors of two, since images are often halved."""
        return {
            name: draw.randint(1, 5)
            if name == "B"
            else draw.choice((draw.randint(1, 99), draw.randint(1, 6) * 2 ** draw.randint(0, 6)))
            for name in self.graph.dims
        }


def tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return [tensor for item in output for tensor in tensors(item)] if isinstance(output, tuple | list) else []


def compare(run: Run, values: Values) -> None:
    outputs = run.run(values)
    assert outputs == [shape(run.graph.type_of(output.ref), values) for output in run.graph.outputs], values
    assert run.given.keys() <= run.said.keys()
    for path, calls in run.given.items():
        expected = [[shape(type_, values) for type_ in types] for types in run.said[path]]
        for got in calls:
            assert got in expected, f"{path} with {values}"


def prove(spec: str, wanted: int) -> None:
    run, draw = Run(spec), Random(f"{SEED} {spec}")
    done = refused = 0
    while done < wanted:
        values = run.drawn(draw)
        if run.fits(values):
            compare(run, values)
            done += 1
        else:
            with pytest.raises((ValueError, RuntimeError)):
                run.run(values)
            refused += 1
        assert refused < 100 * wanted
    assert len(run.given) > 1 or not [*run.network.children()]  # an energy owns its weights itself


@pytest.mark.parametrize("spec", SPECS)
def test_a_few_drawn_sizes_give_the_shapes_of_the_formulae(spec: str) -> None:
    prove(spec, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
def test_fifty_drawn_sizes_give_the_shapes_of_the_formulae(spec: str) -> None:
    prove(spec, MANY)


def test_what_the_facts_exclude_is_refused_with_the_words_of_the_spec() -> None:
    run = Run("unet")
    with pytest.raises(ValueError, match="each level halves the image: H = 18, W = 16"):
        run.run({"B": 2, "H": 18, "W": 16})
