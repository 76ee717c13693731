"""Every layer of the registry, with drawn arguments, beside what PyTorch makes of its text: shapes, dtypes, weights, refusals."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import torch

from archc.compiler.graph import TensorType
from archc.compiler.layers import registry
from archc.compiler.layers._arguments import Misfit
from archc.compiler.layers.base import Layer, Refusal
from archc.compiler.shapes import Dim, Size
from archc.compiler.values import AxisName, Real

from . import drawn_networks, drawn_ops, drawn_scores
from .checking import Alone
from .drawing import DRAWERS, Draw, symbolic
from .running import DTYPES, Result, run

LAYERS = registry()
DRAWN = [  # what takes statements of its own has tests of its own
    name
    for name in LAYERS
    if LAYERS[name].family not in ("initialiser", "distribution", "column", "energy") and not LAYERS[name].statement
]
assert all((drawn_networks, drawn_ops, drawn_scores))  # each fills DRAWERS


def value(given: Any, r: Random, names: dict[str, int]) -> Any:
    """A drawn argument as the compiler would hand it over; whole numbers stand under a name in the text now and then."""
    if isinstance(given, bool) or given is None:
        return given
    if isinstance(given, int):
        if given > 0 and r.random() < 0.3:
            name = f"n{len(names)}"
            names[name] = given
            return Size(Dim.of(given), Dim.of(name))
        return Size.of(given)
    if isinstance(given, float):
        return Real.of(given)
    if isinstance(given, list):
        return tuple(value(item, r, names) for item in given)
    if isinstance(given, dict):
        return {key: value(item, r, names) for key, item in given.items()}
    if isinstance(given, tuple) and given and isinstance(given[0], str):
        return build(given[0], {key: value(item, r, names) for key, item in given[1].items()})
    return given


def build(name: str, arguments: Mapping[str, Any]) -> Layer:
    return LAYERS[name](**arguments)


def infer(layer: Layer, operands: tuple[Any, ...]) -> tuple[TensorType, ...]:
    found = layer.infer(Alone(), *operands)
    return found if isinstance(found, tuple) else (found,)


def named(operands: tuple[Any, ...], names: dict[str, int]) -> tuple[Any, ...]:
    """The sizes of the operands under names in the text."""
    renamed = []
    for given in operands:
        if not isinstance(given, TensorType):
            renamed.append(given)
            continue
        names |= {f"d{size}": size.number or 0 for size in given.shape}
        renamed.append(TensorType(given.dtype, tuple(Size(size.value, Dim.of(f"d{size}")) for size in given.shape)))
    return tuple(renamed)


def compare(name: str, layer: Layer, draw: Draw, types: tuple[TensorType, ...], result: Result, names: Mapping[str, int]) -> None:
    got = [(tuple(out.shape), out.dtype) for out in result.outputs]
    assert got == [(tuple(size.number for size in kind.shape), DTYPES[kind.dtype]) for kind in types]
    texts = {name: Dim.of(number) for name, number in names.items()}
    for kind in types:  # the text of a size says the same number
        assert [size.text.substitute(texts).constant for size in kind.shape] == [size.number for size in kind.shape]
    weights = layer.weights(*draw.operands)
    if result.module is None:
        assert not weights
        return
    stored = result.module.state_dict()
    assert {key: (tuple(size.number for size in weight.shape), DTYPES[weight.dtype]) for key, weight in weights.items()} == {
        key: (tuple(tensor.shape), tensor.dtype) for key, tensor in stored.items()
    }
    assert {key for key, weight in weights.items() if weight.learned} == {key for key, _ in result.module.named_parameters()}


def one(name: str, r: Random) -> bool:
    """One case; was it accepted?"""
    draw = DRAWERS[name](r)
    names: dict[str, int] = {}
    draw = Draw(named(draw.operands, names), draw.arguments, draw.high, draw.values, draw.stricter)
    refused: Exception | None = None
    types: tuple[TensorType, ...] = ()
    arguments: dict[str, Any] = {}
    try:
        arguments = {key: value(given, r, names) for key, given in draw.arguments.items()}
        layer = build(name, arguments)
        types = infer(layer, draw.operands)
    except (Refusal, Misfit) as error:
        refused = error
        if len(arguments) != len(draw.arguments):
            return False  # the layer inside a wrapper could not be built
        if isinstance(error, Misfit):
            layer = object.__new__(LAYERS[name])
            layer.__dict__.update({key: field.default for key, field in layer.model_fields.items()}, **arguments)
    if refused is None:
        compare(name, layer, draw, types, run(layer, draw, names, types), names)
        return True
    if not draw.stricter:
        try:
            result = run(layer, draw, names)
        except Exception:  # noqa: BLE001 - whatever PyTorch raises
            return False
        if not any(out.numel() for out in result.outputs):
            return False  # nothing is left: PyTorch goes on with empty tensors
        raise AssertionError(f"we refuse what PyTorch takes: {refused}; it gives {[tuple(out.shape) for out in result.outputs]}")
    return False


def many(name: str, number: int) -> None:
    accepted = 0
    for seed in range(number):
        torch.manual_seed(seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                accepted += one(name, Random(f"{name} {seed}"))
        except Exception as error:
            draw = DRAWERS[name](Random(f"{name} {seed}"))
            shown = ", ".join(map(str, draw.operands))
            raise AssertionError(
                f"{name} on {shown} with {draw.arguments} (seed {seed}): {type(error).__name__}: {error}"
            ) from error
    assert accepted * (2 if number >= 100 else 4) >= number, f"only {accepted} of {number} were accepted"


@pytest.mark.parametrize("name", DRAWN)
def test_a_few_draws(name: str) -> None:
    many(name, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_two_hundred_draws(name: str) -> None:
    many(name, 200)


def test_symbolic_shapes_say_what_the_numbers_say() -> None:
    """Sizes as symbols, inferred once, then put in: the same as with numbers from the start."""
    compared = 0
    for name in DRAWN:
        for seed in range(8):
            r = Random(f"symbolic {name} {seed}")
            draw = DRAWERS[name](r)
            try:
                layer = build(name, {key: value(given, r, {}) for key, given in draw.arguments.items()})
                concrete = infer(layer, draw.operands)
                general = infer(layer, tuple(map(symbolic, draw.operands)))
            except (Refusal, Misfit):
                continue
            numbers = {f"s{number}": Dim.of(number) for number in range(20)}
            assert [[size.value.substitute(numbers) for size in kind.shape] for kind in general] == [
                [size.value for size in kind.shape] for kind in concrete
            ], f"{name} on {draw.operands} with {draw.arguments}"
            compared += 1
    assert compared > 4 * len(DRAWN)


def test_a_dim_by_its_name_is_the_dim_by_its_number() -> None:
    x = TensorType("float", tuple(Size.of(Dim.of(name)) for name in "BTD"))
    for name in ("mean", "sum", "max", "softmax", "cumsum", "sort", "normalize", "argmax", "flip"):
        argument = "dims" if name == "flip" else "dim"
        by_name, by_number = (build(name, {argument: given}) for given in (AxisName("T"), Size.of(1)))
        assert infer(by_name, (x,)) == infer(by_number, (x,))
        with pytest.raises(Refusal):
            infer(build(name, {argument: AxisName("H")}), (x,))
