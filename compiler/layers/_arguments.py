"""The arguments of a layer, checked as its annotations say: of the right kind, and as the rules of that kind have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from ..record import Record
from ..shapes import Size
from ..values import AxisName, Real

Made = Callable[[object], object]  # a value as the layer keeps it; raises `WrongKind`, or ValueError with the rule that it breaks


@dataclass(frozen=True)
class Check:
    """Beside a type: how a value becomes one of it, as far as this function knows; what is none then is refused."""

    made: Made


class Problem(NamedTuple):
    """What is wrong with an argument: it is `missing`, `unknown`, of another `kind` than `text`, or breaks the `rule` that `text` is."""

    kind: Literal["missing", "unknown", "kind", "rule"]
    argument: str
    text: str = ""
    value: object = None


class Misfit(ValueError):
    """Arguments that a layer does not take."""

    def __init__(self, problems: Sequence[Problem]):
        super().__init__("; ".join(f"{problem.argument}: {problem.text or problem.kind}" for problem in problems))
        self.problems = problems


class WrongKind(Exception):
    """A value is of another kind than is wanted."""


def checked(layer: type[Record], values: Mapping[str, object]) -> dict[str, object]:
    """All fields, from those that are given and the defaults; raises `Misfit`."""
    problems, made = [], dict(_defaults(layer))
    for name, field in layer.model_fields.items():
        if name in values:
            try:
                made[name] = _check(field.annotation)(values[name])
            except WrongKind as error:
                problems.append(Problem("kind", name, str(error), values[name]))
            except ValueError as error:
                problems.append(Problem("rule", name, str(error), values[name]))
        elif field.required:
            problems.append(Problem("missing", name))
    problems += [Problem("unknown", name, value=values[name]) for name in values if name not in layer.model_fields]
    if problems:
        raise Misfit(problems)
    return made


_known_defaults: dict[type[Record], dict[str, object]] = {}


def _defaults(layer: type[Record]) -> dict[str, object]:
    if layer not in _known_defaults:
        optional = {name: field for name, field in layer.model_fields.items() if not field.required}
        _known_defaults[layer] = {name: _check(field.annotation)(field.default) for name, field in optional.items()}
    return _known_defaults[layer]


@cache
def _check(annotation: Any) -> Made:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _made_first(next(mark for mark in arguments[1:] if isinstance(mark, Check)), _check(arguments[0]))
    if origin in (Union, UnionType):
        return _one_of(arguments)
    if origin is Literal:
        return _word(arguments)
    if origin is tuple:
        return _list(_check(arguments[0]))
    if origin is dict:
        return _names(_check(arguments[1]))
    return _instance(annotation)


def _made_first(mark: Check, check: Made) -> Made:
    return lambda value: check(mark.made(value))


def _one_of(kinds: Sequence[Any]) -> Made:
    optional, checks = NoneType in kinds, [_check(kind) for kind in kinds if kind is not NoneType]

    def made(value: object) -> object:
        if value is None and optional:
            return None
        if len(checks) == 1:
            return checks[0](value)
        wanted = []
        for check in checks:
            try:
                return check(value)
            except WrongKind as error:
                wanted.append(str(error))
        raise WrongKind(" or ".join(dict.fromkeys(wanted)))

    return made


def _word(words: Sequence[str]) -> Made:
    *first, last = [f'"{word}"' for word in words]

    def made(value: object) -> object:
        if isinstance(value, str) and value in words:
            return value
        raise WrongKind(f"{', '.join(first)} or {last}" if first else last)

    return made


def _list(check: Made) -> Made:
    def made(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise WrongKind("a list")
        try:
            return tuple(check(item) for item in value)
        except WrongKind as error:
            raise WrongKind(f"a list whose items are each {error}") from None

    return made


def _names(check: Made) -> Made:
    def made(value: object) -> object:
        if not isinstance(value, Mapping):
            raise WrongKind("names with values")
        return {name: check(item) for name, item in value.items()}

    return made


WORDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Size: "a whole number",
    Real: "a number",
    AxisName: "the name of a dim",
}


def _instance(kind: type) -> Made:
    def made(value: object) -> object:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, kind) and (whole or kind is not int):
            return value
        if whole and kind is float:
            return float(cast(int, value))
        raise WrongKind(kind.in_words if issubclass(kind, Record) else WORDS[kind])

    return made
