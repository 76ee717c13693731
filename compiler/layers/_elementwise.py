"""The base of all functions of each number of one tensor."""

from collections.abc import Mapping
from typing import ClassVar

from ..emit.code import Code, Show, call
from ..graph import DType, TensorType
from ._rules import options, want_dtype
from .base import Checker, Layer

FLOAT: Mapping[DType, DType] = {"float": "float"}
NUMERIC: Mapping[DType, DType] = {"float": "float", "int": "int"}
TO_FLOAT: Mapping[DType, DType] = {"float": "float", "int": "float", "bool": "float"}
TO_BOOL: Mapping[DType, DType] = {"float": "bool", "int": "bool", "bool": "bool"}
ANY: Mapping[DType, DType] = {"float": "float", "int": "int", "bool": "bool"}


class Elementwise(Layer):
    """Base: the same shape out. `gives` says which dtypes it takes and what comes out; its fields are keyword arguments of `function`."""

    function: ClassVar[str]
    gives: ClassVar[Mapping[DType, DType]] = FLOAT

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, x, *self.gives)
        return TensorType(self.gives[x.dtype], x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call(self.function, x, **options(self, show, *type(self).model_fields))
