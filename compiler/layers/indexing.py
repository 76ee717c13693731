"""`x[:, -1]`, `x[:T]`, `x[:, none]`, `x[..., 0]`."""

import re
from typing import ClassVar, Literal

from ..emit.code import ATOM, Code, Show
from ..errors.layers import OutOfRange
from ..errors.shapes import WrongRank
from ..graph import TensorType
from ..record import Record
from ..shapes import Size
from ._rules import larger, plural, smaller
from .base import ONE, ZERO, Checker, Family, Layer, Refusal, Whole


class Item(Record):
    """Base of what stands between the commas of an index; `title` is how it is written."""

    @property
    def title(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.title


class At(Item):
    """One place: the dim goes away. Negative numbers count from the end."""

    place: Whole

    @property
    def title(self) -> str:
        return str(self.place)


class Slice(Item):
    """`start:stop`, either may be missing."""

    start: Whole | None = None
    stop: Whole | None = None

    @property
    def title(self) -> str:
        return f"{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}"


class Mark(Item):
    """`none` puts a dim of size 1 in; `...` stands for all dims that are not mentioned."""

    kind: Literal["none", "..."]

    @property
    def title(self) -> str:
        return self.kind


class Index(Layer):
    """Places and stretches of a tensor, as in Python: `x[:, -1]`, `x[:T]`, `x[:, none]`, `x[..., 0]`.

    It is written with brackets, not by its name.
    """

    name: ClassVar[str] = "index"
    family: ClassVar[Family] = "shape"
    formula: ClassVar[str] = "x[:, -1]: [B, T, D] -> [B, D]"
    example: ClassVar[str] = "x: [B, T, 8] => x[:, -1]"
    synonyms: ClassVar[tuple[str, ...]] = ("select", "narrow", "index_select", "Cropping1D")
    still: ClassVar[bool] = True

    items: tuple[Item, ...]

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        read = sum(not isinstance(item, Mark) for item in self.items)
        if read > x.rank:
            raise Refusal(
                WrongRank(see.place(0), "this index", f"a tensor with at least {plural(read, 'dim')}", str(x), x.origin)
            )
        shape: list[Size] = []
        at = 0
        for item in self._whole(x):
            match item:
                case Mark():
                    shape.append(ONE)
                case Slice():
                    shape.append(_stretch(see, item, x.shape[at]))
                    at += 1
                case At():
                    self._inside(see, item.place, x, at)
                    at += 1
        return TensorType(x.dtype, tuple(shape))

    def _whole(self, x: TensorType) -> list[Item]:
        """The items with one for each dim: `...`, or the end, stands for those not mentioned."""
        missing: list[Item] = [Slice()] * (x.rank - sum(not isinstance(item, Mark) for item in self.items))
        rest = Mark(kind="...")
        if rest not in self.items:
            return [*self.items, *missing]
        at = self.items.index(rest)
        return [*self.items[:at], *missing, *(item for item in self.items[at + 1 :] if item != rest)]

    def _inside(self, see: Checker, place: Size, x: TensorType, at: int) -> None:
        size = x.shape[at]
        if see.holds("<", place, size) is False or see.holds(">=", place + size, ZERO) is False:
            raise Refusal(OutOfRange(see.span, "this index", str(place), str(size), str(x), see.origin(0, at)))

    def forward(self, show: Show, x: Code) -> Code:
        return Code(f"{x.at(ATOM)}[{', '.join(_text(show, item) for item in self.items)}]")


def _text(show: Show, item: Item) -> str:
    match item:
        case At():
            return show(item.place)
        case Slice():
            start, stop = ("" if end is None else show(end) for end in (item.start, item.stop))
            plain = all(re.fullmatch(r"-?\w*", end) for end in (start, stop))
            return f"{start}:{stop}" if plain else f"{start} : {stop}".strip()  # as formatters write it
        case Mark(kind="none"):
            return "None"
    return "..."


def _stretch(see: Checker, item: Slice, size: Size) -> Size:
    """How many places a slice holds; like Python's, it never reaches past the ends."""
    if item.start is None:
        return size if item.stop is None else _bound(see, item.stop, size)
    if item.stop is None and see.holds("<", item.start, ZERO):  # the last so many
        return _bound(see, ZERO - item.start, size)
    length = size - item.start if item.stop is None else _bound(see, item.stop, size) - _bound(see, item.start, size)
    return length if see.holds(">=", length, ZERO) else larger(length, ZERO)


def _bound(see: Checker, place: Size, size: Size) -> Size:
    if see.holds("<", place, ZERO):
        counted = size + place
        return counted if see.holds(">=", counted, ZERO) else larger(counted, ZERO)
    return place if see.holds("<=", place, size) else smaller(place, size)
