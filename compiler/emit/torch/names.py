"""Names of the generated source: spec names made safe, each taken once.

Comes in: identifiers of the language. Goes out: identifiers of Python that hide nothing the generated text uses. Nothing else of a spec
reaches the text unquoted.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from ...keys import is_reserved_key

_TAKEN = frozenset({"torch", "nn", "F", "math", "Tensor", "self"}) | frozenset(dir(builtins)) | frozenset(keyword.kwlist)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def identifier(name: str) -> str:
    """`name` as it may stand in Python text: other characters become underscores, a taken name gets one at its end."""
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not safe or safe[0].isdigit() or safe.startswith("__"):
        safe = f"v{safe}"
    return f"{safe}_" if safe in _TAKEN else safe


def checked_key(key: str) -> str:
    """A key stands in the text as it is; the checker lets no other through."""
    if not _IDENTIFIER.fullmatch(key) or is_reserved_key(key):
        raise ValueError(f"{key!r} cannot be the name of a submodule")
    return key


def camel(name: str) -> str:
    """`stack1` to `Stack1`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class Names:
    """A namespace in which each name is given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def new(self, name: str) -> str:
        """`name` made safe, with underscores after it while it is taken."""
        safe = identifier(name)
        while safe in self.taken:
            safe += "_"
        self.taken.add(safe)
        return safe

    def numbered(self, name: str) -> str:
        """`name` made safe; the second is `name2`, or `name_2` after a digit."""
        safe, number = identifier(name), 1
        joint = "_" if safe[-1].isdigit() else ""
        found = safe
        while found in self.taken:
            number += 1
            found = f"{safe}{joint}{number}"
        self.taken.add(found)
        return found
