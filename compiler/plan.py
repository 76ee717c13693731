"""How a compiled model is trained, as data: what the engine reads beside `model.py` and `program.py`.

Goes out of the compiler as frozen values that turn into JSON; every name of a function is one that `program.py` defines, every name
of an argument is an output of the model, an input of it, or a column.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Scalar = bool | int | float | str | None
Argument = Scalar | list[Scalar]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Place(Frozen):
    """Where in the spec something stands, for messages of the engine."""

    file: str
    line: int
    column: int


class SourceCall(Frozen):
    """`csv("iris.csv", header=true)`: which source, with which constant arguments. Paths are as written, relative to the spec."""

    kind: str
    args: list[Argument] = []
    kwargs: dict[str, Argument] = {}
    place: Place


class ColumnPlan(Frozen):
    """A column that `columns` of program.py gives: its dtype and the shape of one row; a dim is a number, or a symbol's name."""

    name: str
    dtype: Literal["float", "int", "bool"]
    shape: list[int | str]
    place: Place


class DataPlan(Frozen):
    """The data program.

    `reads` are the source's columns that program.py wants; `categories` those of them that are turned into class numbers, fitted on the
    training part, before program.py sees them. `split` is fractions of train, validation, test (two or three), or none for all train.
    """

    name: str
    source: SourceCall
    reads: list[str]
    categories: list[str] = []
    columns: list[ColumnPlan]
    fitted: bool = False  # program.py defines `fit(rows)`; its value is handed to `columns`
    train_where: bool = False  # program.py defines `keep(columns)`
    split: list[float] | None = None
    place: Place


class InputPlan(Frozen):
    """An input of the model, bound to the column of its name. `batched` inputs are cut into batches, others are given whole."""

    name: str
    dtype: Literal["float", "int", "bool"]
    batched: bool = True


class Term(Frozen):
    """A loss or metric: a function of program.py over named tensors.

    `reduce` tells how an evaluation over many batches is made: `mean` weights each batch by its rows, `collect` gathers the arguments of
    all batches and calls once (AUROC). `better` tells which way is good, for choosing the best; none where it cannot be known.
    """

    name: str
    function: str
    arguments: list[str]
    reduce: Literal["mean", "collect"] = "mean"
    better: Literal["higher", "lower"] | None = None
    place: Place


class OptimizerPlan(Frozen):
    """`adam(lr=1e-3)`; arguments under PyTorch's names."""

    name: str
    arguments: dict[str, Argument] = {}
    place: Place


class SchedulePlan(Frozen):
    """`cosine(warmup=100)`: how the learning rate goes over the steps of the run."""

    name: str
    arguments: dict[str, Argument] = {}
    place: Place


class TrainPlan(Frozen):
    """One `train` program. Exactly one of `epochs` and `steps` is set."""

    name: str
    data: DataPlan
    losses: list[Term]
    metrics: list[Term]
    optimizer: OptimizerPlan
    schedule: SchedulePlan | None = None
    epochs: int | None = None
    steps: int | None = None
    batch: int
    seed: int = 0
    split_seed: int = 0
    early_stop: int | None = None  # epochs without a better first metric on the validation part
    place: Place


class ModelPlan(Frozen):
    """What stands in model.py: the root's class, the arguments of its constructor, its inputs and the names of its outputs in order."""

    class_name: str
    arguments: dict[str, Argument]
    inputs: list[InputPlan]
    outputs: list[str]


class Plan(Frozen):
    model: ModelPlan
    train: TrainPlan | None = None
