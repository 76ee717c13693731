"""The arguments of layers: what an annotation lets through, as what, and what it says of the rest."""

from importlib import import_module
from pkgutil import walk_packages
from typing import Annotated, Any, Literal

import pytest

import archc.compiler
from archc.compiler.layers import registry
from archc.compiler.layers._arguments import Check, Misfit, Problem, checked
from archc.compiler.layers.base import Initialiser, Layer
from archc.compiler.record import Record
from archc.compiler.shapes import Size


def _even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError("it must be even")
    return value


class Every(Record):
    even: Annotated[int, Check(_even)] = 2
    maybe: Annotated[int, Check(_even)] | None = None
    flag: bool = False
    number: int = 0
    real: float = 0.0
    word: Literal["up", "down"] = "up"
    words: tuple[str, ...] = ()
    sizes: dict[str, Annotated[int, Check(_even)]] = {}  # noqa: RUF012 - never changed
    either: Size | int | None = None
    any: Size | tuple[float, ...] = Size.of(1)
    anything: Annotated[str, Check(lambda value: value)] = ""
    init: Initialiser | None = None


ZEROS = registry()["zeros"]()


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("even", 4, 4),
        ("maybe", None, None),
        ("maybe", 6, 6),
        ("flag", True, True),
        ("number", 3, 3),
        ("word", "down", "down"),
        ("real", 3, 3.0),
        ("words", ["a", "b"], ("a", "b")),
        ("sizes", {"a": 2}, {"a": 2}),
        ("either", Size.of(3), Size.of(3)),
        ("either", 3, 3),
        ("init", ZEROS, ZEROS),
    ],
)
def test_what_fits_is_kept(name: str, given: object, kept: object) -> None:
    assert checked(Every, {name: given}) == {**checked(Every, {}), name: kept}


@pytest.mark.parametrize(
    ("name", "given", "kind", "text"),
    [
        ("even", 3, "rule", "it must be even"),
        ("maybe", 3, "rule", "it must be even"),
        ("flag", 1, "kind", "true or false"),
        ("number", True, "kind", "a whole number"),
        ("real", True, "kind", "a number"),
        ("word", "left", "kind", '"up" or "down"'),
        ("word", ["up"], "kind", '"up" or "down"'),
        ("words", "ab", "kind", "a list"),
        ("words", [1], "kind", "a list whose items are each a text"),
        ("sizes", {"a": 1}, "rule", "it must be even"),
        ("sizes", 1, "kind", "names with values"),
        ("either", "a", "kind", "a whole number"),
        ("any", ["a"], "kind", "a whole number or a list whose items are each a number"),
        ("anything", 3, "kind", "a text"),
        ("init", 3, "kind", "an initialiser"),
        ("init", registry()["relu"](), "kind", "an initialiser"),
        ("other", 3, "unknown", ""),
    ],
)
def test_what_does_not_fit_is_told(name: str, given: object, kind: Any, text: str) -> None:
    with pytest.raises(Misfit) as misfit:
        checked(Every, {name: given})
    assert misfit.value.problems == [Problem(kind, name, text, given)]


def test_all_problems_are_told() -> None:
    with pytest.raises(Misfit) as misfit:
        registry()["conv"](bias=1, widht=3)
    assert [(problem.kind, problem.argument) for problem in misfit.value.problems] == [
        ("missing", "kernel_size"),
        ("rule", "bias"),
        ("missing", "out_channels"),
        ("unknown", "widht"),
    ]


def test_defaults_are_checked_too() -> None:
    for layer in registry().values():
        for name, field in layer.model_fields.items():
            if not field.required:
                checked(type("One", (Record,), {"__annotations__": {name: field.annotation}}), {name: field.default})


def test_no_annotation_of_a_layer_is_text() -> None:
    """Which nothing evaluates: a file of layers does not import annotations from __future__."""
    for module in walk_packages(archc.compiler.__path__, "archc.compiler."):
        import_module(module.name)
    pending: list[type[Layer]] = [Layer]
    while pending:
        layer = pending.pop()
        pending += layer.__subclasses__()
        assert not [name for name, field in layer.model_fields.items() if isinstance(field.annotation, str)], layer
