"""The standard library as people look for it: what each module declares, and what is said of it.

Comes in: nothing but the files that ship. Goes out: one `Part` for each declaration, in the order of the text.
"""

from dataclasses import dataclass
from functools import cache

from ..dsl import ast
from ..dsl.diagnostic import Report
from ..dsl.flat import Flat
from ..dsl.parser import parse
from ..dsl.source import Source
from .specs import library, read_spec


@dataclass(frozen=True)
class Part:
    """A declaration of the library: `module` is `std.blocks`, `node` its syntax, `source` the text it stands in."""

    module: str
    node: ast.Declaration
    source: Source

    @property
    def name(self) -> str:
        return self.node.name.text

    @property
    def head(self) -> str:
        """`block MLP(inner, …)(x: [..., D]) -> [..., D]`."""
        return Flat().head(self.node)

    @property
    def doc(self) -> str:
        return self.node.doc or ""

    @property
    def sentence(self) -> str:
        """Its first sentence, without the paper in parentheses at its end."""
        text = " ".join(self.doc.split("\n\n")[0].split())
        return text.partition(" (")[0].partition(": ")[0].rstrip(".")

    @property
    def text(self) -> str:
        """The declaration as it is written, with its comment."""
        comment = [f"## {line}".rstrip() for line in self.doc.split("\n")] if self.doc else []
        return "\n".join([*comment, self.source.slice(self.node.span)])


@cache
def parts() -> tuple[Part, ...]:
    """All declarations of all modules."""
    found = []
    for module, path in library().items():
        source = read_spec(path)
        items = parse(source, Report()).items
        found += [Part(module, item, source) for item in items if isinstance(item, ast.Declaration)]
    return tuple(found)
