"""Frozen values with the fields that their annotations name: what graphs and layers are made of.

A class costs next to nothing until it is used: a check defines a hundred of them to use twenty, and pydantic, which has the same names for
the same things here, took a third of its time for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self, dataclass_transform, get_origin

REQUIRED: Final = object()


class Field:
    """A field of a record: its annotation as it is written, and its default, `REQUIRED` where there is none."""

    __slots__ = ("annotation", "default")

    def __init__(self, annotation: Any, default: Any):
        self.annotation, self.default = annotation, default

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of them. Made of its fields by name; those of its bases come first, and a field that is written again keeps its place."""

    in_words: ClassVar[str] = "another value"  # what such a value is, for messages where one is wanted
    model_fields: ClassVar[Mapping[str, Field]] = {}
    _defaults: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields: dict[str, Field] = {}
        for base in reversed(cls.__mro__[1:]):
            fields |= vars(base).get("model_fields", {})
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            if not _is_class_variable(annotation):
                fields[name] = Field(annotation, vars(cls).get(name, REQUIRED))
        cls.model_fields = fields
        cls._defaults = {name: field.default for name, field in fields.items() if not field.required}

    def __init__(self, **values: Any) -> None:
        whole = {**self._defaults, **values}
        if whole.keys() != self.model_fields.keys():
            raise TypeError(f"{type(self).__name__} has {', '.join(self.model_fields)}, and was given {', '.join(values)}")
        self.__dict__.update(whole)

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """The same with some fields replaced, and what was worked out of the old ones forgotten. Nothing is checked again."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self, **(update or {}))
        return copied

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        values = self.__dict__
        return iter([(name, values[name]) for name in self.model_fields])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of {type(self).__name__} does not change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of {type(self).__name__} does not change")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        return all(mine[name] == others[name] for name in self.model_fields)

    def __hash__(self) -> int:
        return hash((type(self), *(value for _, value in self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self)})"


def _is_class_variable(annotation: object) -> bool:
    return annotation.startswith("ClassVar") if isinstance(annotation, str) else get_origin(annotation) is ClassVar
