"""Numbers that the emitter threads through a network: the sum of penalties, and the zero of a level without. No layers of the language."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ..emit.code import Code, Show, binary, call, method
from ..graph import TensorType
from .base import Family, Layer

SCALAR = TensorType("float", ())


class Total(Layer):
    """The sum of numbers; of a whole list where they are one."""

    name: ClassVar[Literal["total"]] = "total"
    family: ClassVar[Family] = "arithmetic"
    tensors: ClassVar[int | None] = None

    def forward(self, show: Show, *codes: Any) -> Code:
        if len(codes) == 1 and codes[0].text.startswith("*"):
            return call("sum", f"({codes[0]},)")
        total: Code = codes[0]
        for code in codes[1:]:
            total = binary("+", total, code)
        return total


class Spread(Layer):
    """One number as one for each example of a tensor."""

    name: ClassVar[Literal["spread"]] = "spread"
    family: ClassVar[Family] = "arithmetic"

    def forward(self, show: Show, number: Code, like: Code) -> Code:
        return method(number, "expand", f"{like.at(16)}.shape[0]", "1")


class Zero(Layer):
    """0, on the device of the tensor it is given."""

    name: ClassVar[Literal["zero"]] = "zero"
    family: ClassVar[Family] = "arithmetic"

    def forward(self, show: Show, like: Code) -> Code:
        if show.types[0].dtype == "float":
            return method(like, "new_zeros", "()")
        return call("torch.zeros", "()", device=f"{like.at(16)}.device")
