"""A map held against a network and a file: what each tensor is made of, or everything that does not fit.

Comes in: the shapes of both sides. Goes out: a recipe for each tensor of the network, in which each tensor of the file stands once. No
numbers are read for it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...dsl.diagnostic import Fault
from ...dsl.span import NOWHERE, Span
from ..faults.weights import LeftOver, MappedTwice, NotInFile, NotOnce, Unmapped, WrongForm
from ..stops import InputFaults
from .files import Held, Weights
from .maps import Line, WeightMap, shipped
from .recipes import DoesNotFit, NotThere, Recipe, Shape, Use, Whole


@dataclass
class Matched:
    """The recipes by the network's names, and pairs of tensors of the file that have to be the same, with the lines that say so."""

    recipes: dict[str, Recipe] = field(default_factory=dict)
    same: list[tuple[str, Recipe, Span]] = field(default_factory=list)


def matched(wanted: Mapping[str, Held], weights: Weights, map: WeightMap) -> Matched:
    """What each tensor of the network is made of; raises `InputFaults` with all that does not fit."""
    matcher = _Matcher(wanted, weights, map)
    found = matcher.run()
    if matcher.faults:
        raise InputFaults(*matcher.faults, sources=[map.source] if map.source is not None else [])
    return found


class _Matcher:
    def __init__(self, wanted: Mapping[str, Held], weights: Weights, map: WeightMap) -> None:
        self.wanted, self.weights, self.map = wanted, weights, map
        self.faults: list[Fault] = []
        self.lines: dict[str, Line] = {}
        self.found = Matched()

    def run(self) -> Matched:
        if self.map.by_name:
            self.found.recipes = {key: Whole(key) for key in self.wanted if key in self.weights.held}
        else:
            self._fill()
        self._shapes()
        taken = self._copies()
        missing = [key for key in self.wanted if key not in self.found.recipes and key not in self.lines]
        if missing:
            known = self.weights.held if self.map.by_name else [line.left.text for line in self.map.tensors]
            self.faults.insert(0, Unmapped(NOWHERE, tuple(missing), self.map.by_name, tuple(known), tuple(shipped())))
        self._left(taken)
        return self.found

    def _fill(self) -> None:
        """A line for each tensor of the network, and its recipe."""
        absent: dict[Span, list[tuple[str, NotThere]]] = defaultdict(list)
        doubled: set[tuple[Span, Span]] = set()
        by_name: dict[str, list[Line]] = defaultdict(list)
        for line in self.map.tensors:
            by_name["" if line.left.gaps else line.left.text].append(line)
        for key in self.wanted:
            for line in (*by_name.get(key, ()), *by_name[""]):
                gaps = line.left.match(key)
                if gaps is None:
                    continue
                if key in self.lines:
                    if (line.span, self.lines[key].span) not in doubled:
                        self.faults.append(MappedTwice(line.span, key, self.lines[key].left.text))
                    doubled.add((line.span, self.lines[key].span))
                    continue
                self.lines[key] = line
                try:
                    self.found.recipes[key] = line.filled(gaps, self.weights.held)
                except NotThere as error:
                    absent[line.span].append((key, error))
                except DoesNotFit as error:
                    self.faults.append(WrongForm(line.span, key, str(list(self.wanted[key].shape)), str(error)))
        for span, keys in absent.items():
            key, missing = keys[0]
            known = tuple(self.weights.held)
            self.faults.append(NotInFile(span, self.weights.name, tuple(missing.names), key, len(keys) - 1, known))

    def _span(self, key: str) -> Span:
        return self.lines[key].span if key in self.lines else NOWHERE

    def _shapes(self) -> None:
        """What is made has the shape that is wanted; a line that is wrong for many tensors is named once."""
        shapes = self.weights.shapes
        wrong: dict[Span | str, list[tuple[str, str, str]]] = defaultdict(list)
        for key, recipe in self.found.recipes.items():
            held = self.wanted[key]
            problem, mend = self._wrong(recipe, held, shapes)
            if problem:
                wrong[self._span(key) if key in self.lines else key].append((key, problem, mend))
        for faults in wrong.values():
            key, problem, mend = faults[0]
            shown = str(list(self.wanted[key].shape))
            self.faults.append(WrongForm(self._span(key), key, shown, problem, len(faults) - 1, mend))

    def _wrong(self, recipe: Recipe, held: Held, shapes: Mapping[str, Shape]) -> tuple[str, str]:
        """What is wrong with what a recipe makes, and a mend; nothing where it fits."""
        try:
            shape = recipe.shape(shapes)
        except DoesNotFit as error:
            return str(error), ""
        if shape != held.shape:
            turned = len(shape) > 1 and (*shape[:-2], shape[-1], shape[-2]) == held.shape
            return f"{list(shape)} is what is made", "transpose(…) swaps the last two dims" if turned else ""
        floats = {self.weights.held[name].floats for name, _ in recipe.uses()}
        if floats != {held.floats}:
            return f"what is made are {'whole numbers' if held.floats else 'floats'}", ""
        return "", ""

    # What is left ------------------------------------------------------------------------------------------------------

    def _copies(self) -> set[str]:
        """The tensors of the file that are copies of others; one that something is made of is none."""
        taken: set[str] = set()
        read = {source for recipe in self.found.recipes.values() for source, _ in recipe.uses()}
        for line in self.map.same:
            for name in self.weights.held:
                gaps = line.left.match(name)
                if gaps is None or name in read:
                    continue
                try:
                    recipe = line.filled(gaps, self.weights.held)
                except NotThere:
                    continue  # it stands alone: it is used, or left over
                used = {source for source, _ in recipe.uses()}
                if name not in used:
                    taken.add(name)
                    self.found.same.append((name, recipe, line.span))
        return taken

    def _left(self, taken: set[str]) -> None:
        """Each tensor of the file is used once, is a copy, or is to be ignored."""
        uses: dict[str, list[tuple[Use, str]]] = defaultdict(list)
        for key, recipe in self.found.recipes.items():
            for name, use in recipe.uses():
                uses[name].append((use, key))
        left = []
        for name, held in self.weights.held.items():
            if name not in uses:
                ignored = any(pattern.match(name) is not None for pattern in self.map.ignore)
                if name not in taken and not ignored:
                    left.append(name)
                continue
            problem = _unlike_once([use for use, _ in uses[name]], held.shape)
            if problem:
                keys = ", ".join(dict.fromkeys(key for _, key in uses[name]))
                self.faults.append(NotOnce(self._span(uses[name][0][1]), name, f"{problem}: {keys}"))
        incomplete = any(isinstance(fault, NotInFile) for fault in self.faults)
        if left and not (incomplete and len(left) == len(self.weights.held)):
            self.faults.append(LeftOver(NOWHERE, self.weights.name, tuple(left)))


def _unlike_once(uses: list[Use], shape: Shape) -> str:
    """Why these are not the whole of a tensor, once; empty where they are."""
    if len(uses) == 1 and not uses[0]:
        return ""
    if not all(uses):
        return "is used more than once"
    kinds = {(kind, parts, dim) for (kind, _, parts, dim), *_ in uses}
    if len(kinds) > 1:
        return "is cut in more than one way"
    kind, parts, dim = kinds.pop()
    inner = _inner(kind, parts, dim, shape)
    if inner is None:
        return ""  # it cannot be cut so, which is a fault already
    count, rest = inner
    groups: dict[int, list[Use]] = defaultdict(list)
    for use in uses:
        groups[use[0][1]].append(use[1:])
    if len(groups) < count:
        missing = next(place for place in range(count) if place not in groups)
        return f"is used, but for part {missing} of it"
    return next(_problems(groups, rest), "")


def _problems(groups: Mapping[int, list[Use]], shape: Shape) -> Iterator[str]:
    for group in groups.values():
        if problem := _unlike_once(group, shape):
            yield problem


def _inner(kind: str, parts: int, dim: int, shape: Shape) -> tuple[int, Shape] | None:
    """How many pieces there are, and the shape of each."""
    if kind == "transpose":
        return (1, (*shape[:-2], shape[-1], shape[-2])) if len(shape) > 1 else None
    if kind == "item":
        return (shape[0], shape[1:]) if shape else None
    if len(shape) <= dim or not parts or shape[dim] % parts:
        return None
    return parts, (*shape[:dim], shape[dim] // parts, *shape[dim + 1 :])
