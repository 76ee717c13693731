"""Records: frozen values with the fields that annotations name."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar

import pytest

from archc.compiler.record import Record


class Point(Record):
    kind: ClassVar[str] = "point"
    x: int
    y: int = 0

    @cached_property
    def total(self) -> int:
        return self.x + self.y


class Named(Point):
    name: str = ""
    y: int = 5


def test_fields_are_those_of_the_bases_then_its_own_and_keep_their_places() -> None:
    assert list(Named.model_fields) == ["x", "y", "name"]
    assert Point.model_fields["x"].required
    assert not Point.model_fields["y"].required
    assert dict(Named(x=1)) == {"x": 1, "y": 5, "name": ""}
    assert repr(Named(x=1)) == "Named(x=1, y=5, name='')"


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}, {"x": 1, "kind": "line"}])
def test_what_is_missing_or_unknown_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Point has x, y"):
        Point(**given)


def test_a_record_does_not_change() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match="x of Point does not change"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="x of Point does not change"):
        del point.x
    assert point.x == 1


def test_equal_are_those_of_one_class_with_equal_fields() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert hash(Point(x=1)) == hash(Point(x=1, y=0))
    assert Point(x=1) != Point(x=2)
    assert Point(x=1, y=5) != Named(x=1)
    assert deepcopy(Named(x=1)) == Named(x=1)


def test_what_was_worked_out_is_no_part_of_it_and_forgotten_in_a_copy() -> None:
    point = Point(x=1, y=2)
    assert point.total == 3
    assert point == Point(x=1, y=2)
    moved = point.model_copy(update={"x": 4})
    assert (moved.total, point.total) == (6, 3)
    assert (type(moved), dict(moved)) == (Point, {"x": 4, "y": 2})
