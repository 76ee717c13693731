"""Targets of clauses: a part's path in the state dict, or a declaration's name, to paths without the numbers of levels.

`blocks.norm` is the norm of every level of the stack named `blocks`; `Residual` is every place where that block stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ...dsl import ast
from ..errors.training import UnknownTarget
from ..graph import Graph, Next, Node, Repeat, Weight
from ..layers.base import Refusal

Path = tuple[str, ...]
OF_LAYERS = ("weight", "bias")  # what lies below a layer: enough to speak of one of its tensors


@dataclass(frozen=True)
class Targets:
    """The parts of a model that a clause may speak of."""

    root: Graph

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """By what may be written, the paths that it stands for; the root's own name is everything."""
        found: dict[str, dict[str, None]] = {self.root.name: {"": None}}
        parts: dict[str, dict[str, None]] = {}
        for path, node, child in _walk(self.root, (), ()):
            text = ".".join(path)
            parts.setdefault(text, {})[text] = None
            if child is not None and not isinstance(node.op, Repeat):
                found.setdefault(child.name, {})[text] = None
        return {name: list(paths) for name, paths in {**found, **parts}.items()}

    def resolve(self, node: ast.Expr) -> list[str]:
        """The paths of a target as written; a refusal with the nearest names where it names nothing."""
        written = dotted(node)
        if written in self.places:
            return self.places[written]
        layer, _, tensor = (written or "").rpartition(".")
        if tensor in OF_LAYERS and layer in self.places:
            return [f"{path}.{tensor}".lstrip(".") for path in self.places[layer]]
        raise Refusal(UnknownTarget(node.span, written or "this", self.root.name, tuple(self.places)))


def dotted(node: ast.Expr) -> str | None:
    """`blocks.norm` as text; none for what is no dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.base)
        return None if base is None else f"{base}.{node.name.text}"
    return None


def nexts_of(root: Graph) -> list[str]:
    """The paths of the buffers that have a next value."""
    return list(dict.fromkeys(".".join(path) for path, node, _ in _walk(root, (), ()) if isinstance(node.op, Next)))


def _walk(graph: Graph, path: Path, above: tuple[Path, ...], single: bool = False) -> Iterator[tuple[Path, Node, Graph | None]]:
    """The path of each part below a graph that stands at `path`, with its node, and its body (the first) if it has one."""
    inside: dict[int, list[Graph]] = {}
    for node, child in graph.children():
        inside.setdefault(id(node), []).append(child)
    for node in graph.nodes:
        if node.key is None or isinstance(node.op, Weight):
            continue
        owner = (path, *above)[node.owner] if node.owner <= len(above) else path
        here = owner if single and node.owner == 0 else (*owner, node.key)
        level = isinstance(node.op, Repeat)
        children = inside.get(id(node), [])
        yield here, node, children[0] if children else None
        for child in children:
            yield from _walk(child, here, (path, *above) if level else (), _is_single(node))


def _is_single(node: Node) -> bool:
    return isinstance(node.op, Repeat) and node.op.single
