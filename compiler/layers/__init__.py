"""The registry: every layer and op of the language, one class each, one file a family.

Comes in: checked arguments and tensor types. Goes out: the types that come out, the weights it owns, its cost, and its PyTorch text. A
layer that is not in a file of this folder does not exist anywhere else.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

from .base import Layer

NAME, SYNONYMS = '\n    name: ClassVar[str] = "', "\n    synonyms: ClassVar[tuple[str, ...]] = ("  # as every family file has them
WORD = re.compile(r'"([^"]+)"')


class Registry(Mapping[str, type[Layer]]):
    """All layers by name. A family file is read when a layer of it is asked for: most specs need few, and must start fast."""

    @cached_property
    def entries(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Family file, name and synonyms of each layer, as its lines give them; no file is imported for it."""
        found: list[tuple[str, str, tuple[str, ...]]] = []
        for file in sorted(Path(__file__).parent.glob("*.py")):
            for entry in file.read_text(encoding="utf-8").split(NAME)[1:]:
                name, _, rest = entry.partition('"')
                synonyms, _, _ = rest.partition(SYNONYMS)[2].partition(")\n")
                found.append((file.stem, name, tuple(WORD.findall(synonyms))))
        return found

    @cached_property
    def homes(self) -> dict[str, str]:
        """The family file of each name."""
        return {name: home for home, name, _ in self.entries}

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
        return {other: name for _, name, synonyms in self.entries for other in synonyms}

    def __contains__(self, name: object) -> bool:
        return name in self.homes


@cache
def registry() -> Registry:
    """All layers by name."""
    return Registry()
