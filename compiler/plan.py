"""How a compiled model is trained, as data: what the engine reads beside `model.py` and `program.py`.

A program is an ordered list of phases, a phase an ordered list of updates: a supervised program is one update in one phase. What trains in
other ways (layers trained one after another, energies, games) is another kind of update of the same plan.

Goes out of the compiler as frozen values that turn into JSON; every name of a function is one that `program.py` defines, every name
of an argument is an output of the model, an input of it, or a column.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .recurrence.terms import Equations

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
    """A column that `columns` of program.py gives: its dtype and the shape of one row; a dim is a number, or a symbol's name.

    `pad` is what stands past the end of a sequence in a batch.
    """

    name: str
    dtype: Literal["float", "int", "bool"]
    shape: list[int | str]
    pad: float = 0
    place: Place


class DerivedPlan(Frozen):
    """An input of program.py that is made from a source's column: whether its word is `word`, or how long its sequence is."""

    name: str
    column: str
    kind: Literal["equals", "length"]
    word: str = ""


class FitPlan(Frozen):
    """`fit` of program.py gives a tensor of this name; over the training part its moments become the fitted values.

    `standardize` wants `NAME_mean` and `NAME_std`, `fill` wants `NAME_mean`. A fit of a higher level reads values of lower ones.
    `length` is the symbol of the size that varies, where rows are sequences: what is past the end of one does not count.
    """

    name: str
    kind: Literal["standardize", "fill"]
    level: int = 0
    length: str | None = None


class DrawPlan(Frozen):
    """Numbers that an alteration in training draws for each row: `count` of them, between 0 and 1 (`uniform`) or by Beta(alpha, alpha)."""

    name: str
    kind: Literal["uniform", "beta"]
    count: int = 1
    alpha: float = 1.0


class SplitPlan(Frozen):
    """How rows come into parts.

    By `fractions` of train, validation, test (two or three): at random, in the source's `order`, with equal shares of each value of the
    source's column `by` (`stratified`), or so that rows of one value of it stay together (`grouped`). Or by `column`: the values of the
    source's column `by`, or what `part` of program.py says where there is none.
    """

    kind: Literal["random", "ordered", "stratified", "grouped", "column"] = "random"
    fractions: list[float] = []
    by: str | None = None


class DataPlan(Frozen):
    """The data program.

    `reads` are the source's columns that are read; `categories` those of them that are turned into class numbers, fitted on the training
    part, before program.py sees them; `words` those that are text; `gaps` those that may have missing values, with the word that stands for
    one where they are text. No `split` means all train.
    """

    name: str
    source: SourceCall
    reads: list[str]
    categories: list[str] = []
    words: list[str] = []
    gaps: dict[str, str] = {}
    sequences: dict[str, str] = {}  # columns of the source that are sequences, with the name of the size that varies
    derived: list[DerivedPlan] = []
    columns: list[ColumnPlan]
    fits: list[FitPlan] = []  # program.py defines `fit(rows, fitted)`; the values are handed to `columns`
    draws: list[DrawPlan] = []  # program.py defines `altered(rows, fitted, draws)`: the columns of the training part
    train_where: bool = False  # program.py defines `keep(columns)`
    split: SplitPlan | None = None
    bucket: str | None = None  # the column that says how long rows are: batches of training hold rows of similar length
    place: Place


class InputPlan(Frozen):
    """An input of the model, bound to the column of its name. `batched` inputs are cut into batches, others are given whole.

    `shape` is over the free dims of the model: a number, a name, or a formula of them (`2 * T + 1`).
    """

    name: str
    dtype: Literal["float", "int", "bool"]
    shape: list[int | str]
    batched: bool = True


class Term(Frozen):
    """A loss or metric: a function of program.py over named tensors.

    `reduce` tells how an evaluation over many batches is made: `mean` weights each batch by its rows, `collect` gathers the arguments of
    all batches and calls once (AUROC). `finish` is done to what came out (a perplexity is `exp` of a mean). `better` tells which way is
    good, for choosing the best; none where it cannot be known. A `penalty` is a
    number that the model gives beside its outputs, under that name; it has no function and no arguments.
    For each column of `balanced` there is an argument `COLUMN_weight`, what each label counts: rows of the training part over
    classes times rows of the class. A term `of_model` is called with the model itself before its arguments (an energy's objective).
    An `objective` of a game is an output of the model as it is. `slopes` is the function that gives a loss with its slope in each
    parameter of the model, in the order in which it has them; none where that is left to autograd.
    """

    name: str
    function: str
    slopes: str | None = None
    arguments: list[str]
    reduce: Literal["mean", "collect"] = "mean"
    finish: Literal["exp"] | None = None
    balanced: list[str] = []
    penalty: bool = False
    of_model: bool = False
    objective: bool = False
    better: Literal["higher", "lower"] | None = None
    place: Place


class OptimizerPlan(Frozen):
    """`optimizer encoder: adam(lr=1e-3)`; arguments under PyTorch's names.

    `targets` are paths in the state dict without the numbers of levels (`blocks.norm` is the norm of every level); none is everything.
    Of several optimizers the one with the longest path that a parameter lies under trains it.
    """

    name: str
    arguments: dict[str, Argument] = {}
    targets: list[str] = []
    place: Place


class StagePlan(Frozen):
    """`cosine(to=1e-5)`: one stage of a schedule; `steps` is its length, none for what is left of the phase."""

    name: str
    arguments: dict[str, Argument] = {}
    steps: int | None = None


class SchedulePlan(Frozen):
    """`warmup(100) -> cosine`: how the learning rate of the parameters below `targets` goes over the steps of a phase."""

    stages: list[StagePlan]
    targets: list[str] = []
    place: Place


class ClipPlan(Frozen):
    """Gradients are cut to `value` each, then scaled down to the norm `norm` of all together: those of what lies below `targets`."""

    norm: float | None = None
    value: float | None = None
    targets: list[str] = []


class AveragePlan(Frozen):
    """Weights that are evaluated and kept in place of the trained ones: of what lies below `targets`.

    `decay`: their exponential moving average over the steps. `start`: their plain mean over the ends of the epochs from that one on (SWA).
    """

    decay: float | None = None
    start: int | None = None
    targets: list[str] = []


class EarlyStopPlan(Frozen):
    """The phase ends after `patience` evaluations without a better `metric` (a term's name; none: the first metric, else the loss)."""

    patience: int
    metric: str | None = None


class InitPlan(Frozen):
    """`init encoder: checkpoint("runs/pre-1")`: weights of a run or a file, before the first step of the phase."""

    path: str
    targets: list[str] = []
    partial: bool = False
    place: Place


class RoundsPlan(Frozen):
    """`rounds D: 5`: the updates of these players are made so often in each round."""

    players: list[str]
    count: int


class FreezePlan(Frozen):
    """What lies under `targets` stays as it is."""

    targets: list[str]
    place: Place


Precision = Literal["float32", "float64", "bf16", "fp16"]


class UpdatePlan(Frozen):
    """One update of a step: the sum of `losses` is minimized over what lies under `targets` (none: everything that is not frozen).

    In a game the targets are its players; what else there is stands still.
    """

    losses: list[Term]
    targets: list[str] = []
    method: str = ""  # of a game: what computes its objective, from the inputs and what `draw_round` gives
    rounds: int = 1  # how often in a step, each time but the first on a batch and draws of its own


class RecurrencePlan(Frozen):
    """A cell that goes over time: the path of its submodule, and the equations of its step, or why there is no kernel of them.

    With `both` its two directions are the submodules `forward` and `backward` there; `stepped` of the tensors it is given go step by step.
    """

    path: str
    both: bool
    stepped: int
    equations: Equations | None = None
    reason: str = ""


class MadePlan(Frozen):
    """What a game makes: an output such as the input `like`, made by `players`; of draws and labels alone if `drawn`."""

    name: str
    like: str
    players: list[str]
    drawn: bool


class SharedPlan(Frozen):
    """Values that several objectives of a game have in common.

    `method` gives them, from the inputs, what `draw_round` gives and `given`, which are shared values of before. `users` are the methods of
    the objectives that are given them, in the order of the round: they are computed before the first, and the last alone may learn
    through them.
    """

    method: str
    values: list[str]
    given: list[str] = []
    users: list[str]


class ModelPlan(Frozen):
    """What stands in model.py: the root's class, the arguments of its constructor, its inputs and the names of its outputs in order.

    `output_shapes` are over the free dims of the model, as those of inputs are. A model with `penalties` has a method `with_penalties`,
    which gives its outputs and a dict of these.
    """

    class_name: str
    arguments: dict[str, Argument]
    inputs: list[InputPlan]
    outputs: list[str]
    output_shapes: list[list[int | str]] = []
    penalties: list[str] = []
    nexts: list[str] = []  # the buffers that have a next value, as targets name them
    recurrences: list[RecurrencePlan] = []
    energies: bool = False  # it is an energy, or some are at work in it
    made: list[MadePlan] = []  # of a game, whose method `make` gives it from the inputs and what `draw_round` gives
    shared: list[SharedPlan] = []  # of a game, in the order of the round
    given: dict[str, list[str]] = {}  # of a game: the shared values that each objective takes behind the draws, by its method


class SolvePlan(Frozen):
    """A dense layer of an instance in closed form: `target` of program.py gives what it should give, from the stage's outputs and columns.

    The stage's first `features` outputs are what goes into the layer, one after another in the last dim.
    """

    layer: str
    method: Literal["ridge", "least_squares", "logistic"]
    l2: float = 0.0
    features: int = 1
    target: Term


class InstancePlan(Frozen):
    """A part of the model that is trained by itself: the submodule at `path`, on what the model hands to it (`inputs`).

    `source` is its body as a network of its own, whose class is `model.class_name`; its parameters have the names that they have below
    `path`. It gives those values of the body that its objective reads. `index` of `count` counts the instances of the phase, from 1.
    """

    part: str
    path: str
    index: int
    count: int
    source: str
    model: ModelPlan
    solve: SolvePlan | None = None


class PhasePlan(Frozen):
    """A phase: in every step its `updates` in order, on one batch. Exactly one of `epochs` and `steps` is set.

    `name` is empty for a program without phases. `watch` terms are evaluated as metrics are, and decide nothing. With `gates`, each gate of
    the model is looked at after every epoch.
    """

    name: str = ""
    updates: list[UpdatePlan]
    metrics: list[Term] = []
    watch: list[Term] = []
    gates: bool = False
    optimizers: list[OptimizerPlan]
    schedules: list[SchedulePlan] = []
    epochs: int | None = None
    steps: int | None = None
    batch: int
    accumulate: int = 1
    clips: list[ClipPlan] = []
    averages: list[AveragePlan] = []  # of several steps, or one of epochs
    early_stop: EarlyStopPlan | None = None
    frozen: list[FreezePlan] = []
    init: list[InitPlan] = []
    precision: Precision = "float32"
    instance: InstancePlan | None = None  # a part that the phase is about; none for the whole model
    place: Place

    @property
    def title(self) -> str:
        """Its name, with the instance that it is about."""
        if self.instance is None:
            return self.name
        own = f"{self.instance.part} {self.instance.index}/{self.instance.count}"
        return f"{self.name}: {own}" if self.name else own

    @property
    def judging(self) -> "PhasePlan":
        """What judges the whole model at the end of the phase: of a phase about a part, the metrics alone."""
        if self.instance is None:
            return self
        return self.model_copy(update={"updates": [], "instance": None, "early_stop": None})

    @property
    def batches(self) -> int:
        """How many batches a step takes, at most."""
        return self.accumulate * max((update.rounds for update in self.updates), default=1)

    @property
    def is_game(self) -> bool:
        return any(update.method for update in self.updates)

    @property
    def losses(self) -> list[Term]:
        """Those of all updates, in order."""
        return [term for update in self.updates for term in update.losses]

    @property
    def terms(self) -> list[Term]:
        """All that an evaluation computes, in order."""
        return [*self.losses, *self.metrics, *self.watch]


class TrainPlan(Frozen):
    """One `train` program: its phases, in order. A program that names none has one without a name."""

    name: str
    data: DataPlan
    phases: list[PhasePlan]
    seed: int = 0
    split_seed: int = 0
    place: Place

    @property
    def last(self) -> PhasePlan:
        """The phase whose losses and metrics judge the run."""
        return self.phases[-1].judging

    @property
    def batch(self) -> int:
        return self.last.batch


class Plan(Frozen):
    model: ModelPlan
    train: TrainPlan | None = None
