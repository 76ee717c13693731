"""What a name that nothing bears was probably meant to be: the near one of those that are in scope, or what others call it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from .diagnostic import Edit, Help
from .span import Span

ALIKE = 0.6


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` most probably meant, or none: the most alike of those that are ALIKE at least."""
    return _nearest(name, tuple(candidates))


@lru_cache(maxsize=64)
def _nearest(name: str, candidates: tuple[str, ...]) -> str | None:
    """Remembered, since a name that nothing bears is often written many times.

    Alike is what `difflib` finds (twice the letters in common runs, by all letters). It takes long, so first a bound says which
    candidates can be: the letters that two names have in common, in whatever order.
    """
    from difflib import SequenceMatcher

    meant = name.lower()
    letters = _letters(meant)
    pool = {candidate.lower(): candidate for candidate in candidates}
    bounds = sorted(((2 * len(letters & _letters(c)) / max(len(meant) + len(c), 1), c) for c in pool), reverse=True)
    best, found = ALIKE, ""
    matcher = SequenceMatcher()
    matcher.set_seq2(meant)
    for bound, candidate in bounds:
        if bound < best:
            break
        matcher.set_seq1(candidate)
        best, found = max((best, found), (matcher.ratio(), candidate))
    return pool.get(found)


@lru_cache(maxsize=4096)
def _letters(name: str) -> frozenset[str]:
    """The letters of a name, each with its number among those alike."""
    seen: dict[str, int] = {}
    for letter in name:
        seen[letter] = seen.get(letter, 0) + 1
    return frozenset([f"{letter}{i}" for letter, count in seen.items() for i in range(count)])


def did_you_mean(name: str, span: Span, candidates: Iterable[str], synonyms: Mapping[str, str] | None = None) -> tuple[Help, ...]:
    """A help that carries the edit, when a name in scope, or a known synonym of one, is near `name`."""
    other = (synonyms or {}).get(name)
    if other is not None:
        return (Help(f"what others call {name} is {other} here", (Edit(span, other),)),)
    near = nearest(name, candidates)
    return (Help(f"did you mean {near}?", (Edit(span, near),)),) if near else ()
