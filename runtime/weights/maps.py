"""A map: a JSON file that says what each tensor of a network is made of, by pattern.

{
  "tensors": {"stack1.{i}.dense1.{kind}": "{transformer.|}h.{i}.mlp.c_fc.{kind}", …},
  "same":    {"lm_head.weight": "wte.weight"},      copies, which must be equal, and are needed no more
  "ignore":  ["h.{i}.attn.bias"]                    what no network needs: counters, masks
}
"""

import json
import os
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...dsl.nearest import nearest
from ...dsl.source import Source
from ...dsl.span import NOWHERE, Loc, Span
from ..faults.weights import BadMapLine, MapUnreadable, NoSuchMap
from ..stops import InputFaults, Misused
from .patterns import BadPattern, Pattern
from .recipes import NotThere, Recipe, Written, read

LARGEST = 2**22
MOST_LINES = 10_000
SECTIONS = ("about", "tensors", "same", "ignore")


@dataclass(frozen=True)
class Line:
    """One line of a map: ours on the left, theirs on the right; both are theirs in `same`."""

    left: Pattern
    right: tuple[Written, ...]  # the first whose tensors are all there
    span: Span

    def filled(self, gaps: Mapping[str, str], there: Container[str]) -> Recipe:
        """The recipe for a name; raises `NotThere` with the names that the first form wants."""
        missing: NotThere | None = None
        for form in self.right:
            try:
                return form.filled(gaps, there)
            except NotThere as error:
                missing = missing or error
        assert missing is not None
        raise missing


@dataclass(frozen=True)
class WeightMap:
    """A map that was read. Without lines for `tensors`, each tensor goes by its own name."""

    name: str
    tensors: tuple[Line, ...] = ()
    same: tuple[Line, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    source: Source | None = None

    @property
    def by_name(self) -> bool:
        return self.source is None


def shipped() -> dict[str, Path]:
    """The maps that ship with archc, by their names."""
    folder = Path(str(files("archc"))) / "specs" / "maps"
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def weight_map(given: str | os.PathLike[str] | None, ignore: tuple[str, ...] = ()) -> WeightMap:
    """The map in a file, or the shipped one of that name; none puts each tensor where its name says. Raises `Stopped`."""
    try:
        further = tuple(Pattern.of(pattern) for pattern in ignore)
    except BadPattern as error:
        raise Misused(BadMapLine(NOWHERE, "what is to be ignored", str(error))) from None
    if given is None:
        return WeightMap("", ignore=further)
    source = _text(os.fspath(given))
    found = _parsed(source)
    return WeightMap(found.name, found.tensors, found.same, (*found.ignore, *further), source)


def _text(given: str) -> Source:
    path, known = Path(given), shipped()
    if not path.is_file() and given in known:
        path = known[given]
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | IsADirectoryError | ValueError):
            raise Misused(NoSuchMap(NOWHERE, given.replace("\0", "\\0"), tuple(known))) from None
        raise Misused(MapUnreadable(NOWHERE, given, (error.strerror or type(error).__name__).lower())) from None
    if len(data) > LARGEST:
        raise InputFaults(MapUnreadable(NOWHERE, given, f"it is longer than {LARGEST >> 20} MiB"))
    try:
        return Source(f"std:{path.name}" if given in known and path == known[given] else given, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputFaults(MapUnreadable(NOWHERE, given, "it is no text in UTF-8")) from None


def _parsed(source: Source) -> WeightMap:
    try:
        whole = json.loads(source.text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        place = Span(source.name, Loc(error.lineno, error.colno), Loc(error.lineno, error.colno + 1))
        raise InputFaults(MapUnreadable(place, source.name, f"it is no JSON: {error.msg.lower()}"), sources=[source]) from None
    except (ValueError, RecursionError) as error:
        said = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        raise InputFaults(MapUnreadable(NOWHERE, source.name, said)) from None
    problem = _misshaped(whole)
    if problem:
        raise InputFaults(MapUnreadable(NOWHERE, source.name, problem))
    finder = _Finder(source)
    faults: list[BadMapLine] = []
    tensors = tuple(finder.lines(whole["tensors"], faults, ours=True))
    same = tuple(finder.lines(whole.get("same", {}), faults, ours=False))
    ignore = []
    for text in whole.get("ignore", []):
        try:
            ignore.append(Pattern.of(text))
        except BadPattern as error:
            faults.append(BadMapLine(finder.span(text), text, str(error)))
    if faults:
        raise InputFaults(*faults, sources=[source])
    return WeightMap(source.name, tensors, same, tuple(ignore), source)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{json.dumps(twice)} stands in it twice")
    return found


def _misshaped(whole: Any) -> str:
    """What is wrong with the form of a map; empty where nothing is."""
    if not isinstance(whole, dict) or not isinstance(whole.get("tensors"), dict) or not whole["tensors"]:
        return 'it is no object with "tensors": {"ours": "theirs", …}'
    for key in whole:
        if key not in SECTIONS:
            near = nearest(key, SECTIONS)
            return f"it has {json.dumps(key)}" + (
                f"; did you mean {json.dumps(near)}?" if near else f", and may have {', '.join(SECTIONS)}"
            )
    same, ignore = whole.get("same", {}), whole.get("ignore", [])
    if not isinstance(same, dict) or not isinstance(ignore, list):
        return '"same" is an object, and "ignore" a list'
    forms = [text for value in whole["tensors"].values() for text in (value if isinstance(value, list) and value else [value])]
    if not all(isinstance(text, str) for text in (*forms, *same.values(), *ignore)):
        return "names and expressions are strings, or lists of them where there are several forms"
    if len(forms) + len(same) + len(ignore) > MOST_LINES:
        return f"it has more than {MOST_LINES:,} lines"
    return ""


def _right(text: str, left: Pattern) -> Written:
    """The right side of a line, whose gaps are those of the left; raises `BadPattern`."""
    written = read(text)
    unknown = sorted(gap for pattern in written.patterns for gap in pattern.gaps - left.gaps)
    if unknown:
        raise BadPattern(f"{{{unknown[0]}}} is filled by the left side, which has none of that name")
    if any(kind == "any" for pattern in written.patterns for kind, _ in pattern.pieces):
        raise BadPattern("* may stand in what is ignored alone")
    return written


class _Finder:
    """Reads lines, and finds where they stand."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def lines(self, section: Mapping[str, str | list[str]], faults: list[BadMapLine], *, ours: bool) -> Iterator[Line]:
        for left_text, value in section.items():
            text = left_text
            forms = []
            try:
                left = Pattern.of(left_text)
                if ours and not left.is_name:
                    raise BadPattern("the names of the network have no choices")
                for text in [value] if isinstance(value, str) else value:
                    forms.append(_right(text, left))
            except BadPattern as error:
                faults.append(BadMapLine(self.span(text), text, str(error)))
            else:
                yield Line(left, tuple(forms), self.span(left_text))

    def span(self, text: str) -> Span:
        """The first place where the text stands as a string."""
        found = re.search(re.escape(json.dumps(text, ensure_ascii=False)), self.source.text)
        if found is None:
            return Span(self.source.name, Loc(1, 1), Loc(1, 2))
        line = self.source.text.count("\n", 0, found.start()) + 1
        column = found.start() - (self.source.text.rfind("\n", 0, found.start()) + 1) + 2
        return Span(self.source.name, Loc(line, column), Loc(line, column + max(len(found[0]) - 2, 1)))
