"""Which tensors of one state dict go where in another: by their keys and shapes, with those that seem to have moved."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .targets import below

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Fit:
    """`loads` maps a wanted key to the key that it is read from. `moved` are guesses: a wanted key, and where it may stand there."""

    loads: dict[str, str]
    missing: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # key, shape wanted, shape there
    moved: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.missing and not self.reshaped

    def told(self, limit: int = 6) -> tuple[str, ...]:
        """What does not fit, a sentence each."""
        moved = dict(self.moved)
        lines = [f"{key} is {_shape(want)} here and {_shape(there)} there" for key, want, there in self.reshaped]
        lines += [f"{key} seems to have moved: there is {moved[key]} of its kind and shape" for key in moved]
        lines += [f"{key} is not there" for key in self.missing if key not in moved]
        total = len(self.loads) + len(self.missing) + len(self.reshaped)
        rest = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
        return (*lines[:limit], *rest, f"{len(self.loads)} of {total} tensors fit")


def fit(wanted: Shapes, there: Shapes, targets: Sequence[str] = ()) -> Fit:
    """How what is wanted below `targets` is read from another state dict.

    A part may also stand there by itself: where no key of a target is there under its own name, its keys are looked up without the
    target's path.
    """
    loads: dict[str, str] = {}
    missing: list[str] = []
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    for target in targets or [""]:
        keys = below(wanted, [target])
        alone = bool(target) and not any(key in there for key in keys)
        for key in keys:
            source = _without(key, target) if alone else key
            if source not in there:
                missing.append(key)
            elif there[source] != wanted[key]:
                reshaped.append((key, wanted[key], there[source]))
            else:
                loads[key] = source
    used = {*loads.values(), *(key for key, _, _ in reshaped)}
    unused = [key for key in there if key not in used]
    return Fit(loads, tuple(missing), tuple(reshaped), _moved(wanted, there, missing, unused), tuple(unused))


def _without(key: str, target: str) -> str:
    """A key without the path that it lies under; the numbers of levels on the way go too."""
    parts, left = key.split("."), [p for p in target.split(".") if p]
    while left and len(parts) > 1:
        part = parts.pop(0)
        if not part.isdecimal():
            left.pop(0)
    return ".".join(parts)


def _moved(wanted: Shapes, there: Shapes, missing: Sequence[str], unused: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Keys whose ordinals alone differ, of one shape: each guess is used once, in order."""
    free = list(unused)
    found = []
    for key in missing:
        like = next((k for k in free if _kind(k) == _kind(key) and there[k] == wanted[key]), None)
        if like is not None:
            free.remove(like)
            found.append((key, like))
    return tuple(found)


def _kind(key: str) -> str:
    return re.sub(r"\d+", "", key)


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
