"""The nodes below a node of the AST."""

from collections.abc import Iterator
from dataclasses import fields

from . import ast


def children(node: ast.Node) -> list[ast.Node]:
    """The nodes right below, in the order of the text."""
    found: list[ast.Node] = []
    for name in _fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            found.append(value)
        elif isinstance(value, tuple):
            _gather(value, found)
    return found


def _gather(values: tuple[object, ...], found: list[ast.Node]) -> None:
    for value in values:
        if isinstance(value, ast.Node):
            found.append(value)
        elif isinstance(value, tuple):
            _gather(value, found)


def _fields(kind: type[ast.Node]) -> tuple[str, ...]:
    if kind not in _KNOWN:
        _KNOWN[kind] = tuple(item.name for item in fields(kind) if item.name != "span")
    return _KNOWN[kind]


_KNOWN: dict[type[ast.Node], tuple[str, ...]] = {}


def descendants(node: ast.Node) -> Iterator[ast.Node]:
    """The node and all below it, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += reversed(children(current))
