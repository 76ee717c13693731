"""The registry: every layer and op of the language, one class each, one file a family.

Comes in: checked arguments and tensor types. Goes out: the types that come out, the weights it owns, its cost, and its PyTorch text. A layer
that is not in a file of this folder does not exist anywhere else.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from .base import Layer


class Registry(Mapping[str, type[Layer]]):
    """All layers by name. A family file is imported when one of its layers is asked for: most networks need a few of them."""

    def __init__(self, folder: Path) -> None:
        self._homes: dict[str, str] = {}
        for path in sorted(folder.glob("[a-z]*.py")):
            for name in re.findall(r'^    name: ClassVar\[str\] = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE):
                self._homes[name] = path.stem

    def __getitem__(self, name: str) -> type[Layer]:
        if name not in Layer.registry:
            import_module(f"{__name__}.{self._homes[name]}")
        return Layer.registry[name]

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def synonyms(self) -> dict[str, str]:
        """What others call our layers: a name of torch, torch.nn or Keras to the one here. Imports everything."""
        return {other: name for name, layer in self.items() for other in layer.synonyms if other not in self}


@cache
def registry() -> Registry:
    """All layers by name."""
    return Registry(Path(__file__).parent)
