"""The registry: every layer and op of the language, one class each, one file a family.

Comes in: checked arguments and tensor types. Goes out: the types that come out, the weights it owns, its cost, and its PyTorch text. A
layer that is not in a file of this folder does not exist anywhere else.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from importlib.resources import files

from .base import Layer

NAME = re.compile(r'^    name: ClassVar\[str\] = "([^"\n]+)"$', re.MULTILINE)


class Registry(Mapping[str, type[Layer]]):
    """All layers by name. A family file is read when a layer of it is asked for: most specs need few, and must start fast."""

    @cached_property
    def homes(self) -> dict[str, str]:
        """The family file of each name, found by the line that gives the name."""
        texts = ((file.name, file.read_text(encoding="utf-8")) for file in files(__name__).iterdir() if file.name.endswith(".py"))
        return {name: file[:-3] for file, text in sorted(texts) for name in NAME.findall(text)}

    def __getitem__(self, name: str) -> type[Layer]:
        import_module(f"{__name__}.{self.homes[name]}")
        found: type[Layer] = Layer.registry[name]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)

    def synonyms(self) -> dict[str, str]:
        """What others call our layers, to what we call them."""
        return {other: name for name, layer in self.items() for other in layer.synonyms}

    def __contains__(self, name: object) -> bool:
        return name in self.homes


@cache
def registry() -> Registry:
    """All layers by name."""
    return Registry()
