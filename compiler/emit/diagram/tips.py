"""What is told when the pointer rests on an item: the line of the spec, where it stands, its types, its exact cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ....dsl.source import Source
from ....dsl.span import NOWHERE
from ...graph import Node
from ...layers.base import Layer
from ..summary import arguments_of

LONGEST = 160


@dataclass
class Tips:
    """`sources` are what spans point into, by name; without them a tip says the place only."""

    sources: Mapping[str, Source] = field(default_factory=dict)

    def node(self, node: Node) -> str:
        lines = [self._call(node)]
        if node.key:
            lines[0] = f"{node.key}: {lines[0]}"
        if node.outputs:
            lines.append(f"gives {', '.join(str(edge.type) for edge in node.outputs)}")
        if node.span != NOWHERE:
            place = node.span.start
            source = self.sources.get(node.span.source)
            text = source.line(place.line).strip() if source else ""
            lines.append(f"{node.span.source}:{place.line}" + (f"  {text[:LONGEST]}" if text else ""))
        return "\n".join(lines)

    def _call(self, node: Node) -> str:
        if not isinstance(node.op, Layer):
            return node.op.title
        arguments = arguments_of(node.op)
        return f"{node.op.title}({arguments})" if arguments else node.op.title
