"""`archc.Estimator`: a spec as an estimator of scikit-learn, for pipelines, cross-validation and grid search.

Comes in: a spec with a train program, and `X` and `y` in place of its data source. The columns of `X` are those that the inputs of the
model are made from, `y` is the one that only losses and metrics read. Goes out: a fitted estimator that predicts, scores, and can be
pickled.
"""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from ..compiler.plan import DataPlan
from ..dsl.span import NOWHERE
from . import targets
from .data.table import Array
from .evaluate import as_array
from .executable import executable
from .faults.data import MissingColumn, RowsDisagree
from .faults.runs import BadSetting, NoProgram
from .scores import Scored, scored_by
from .stops import InputFaults, Misused

if TYPE_CHECKING:
    from torch import nn

    from .compiling import Compiled
    from .run import Run

SETTINGS = ("path", "model", "train", "epochs", "steps", "seed", "split_seed", "device", "progress")


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Fits the train program of a spec to `X` and `y`.

    Hyperparameters of the model are parameters of the estimator, so a grid may run over them; one that is the size of a row of the only
    input (`x: [B, features]`) is the width of `X`, unless it is given. What part of `X` trains and what part chooses the best epoch is for
    the `split` of the spec. After `fit`: `run_` (with its metrics), `classes_` of a classifier, `n_features_in_`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: str | None = None,
        train: str | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        seed: int | None = None,
        split_seed: int | None = None,
        device: str | None = None,
        progress: bool = False,
        **hyperparameters: Any,
    ) -> None:
        self.path, self.model, self.train = path, model, train
        self.epochs, self.steps, self.seed, self.split_seed = epochs, steps, seed, split_seed
        self.device, self.progress = device, progress
        self.hyperparameters = hyperparameters

    # What scikit-learn asks --------------------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings and the hyperparameters that were given; with `deep`, those at their defaults too."""
        known = self._compiled().hyperparameters if deep else {}
        return {name: getattr(self, name) for name in SETTINGS} | dict(known) | self.hyperparameters

    def set_params(self, **params: Any) -> "Estimator":
        for name, value in params.items():
            if name in SETTINGS:
                setattr(self, name, value)
            else:
                self.hyperparameters = {**self.hyperparameters, name: value}
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags, plan, scores = super().__sklearn_tags__(), self._plan(), self._scores()
        tags.estimator_type = "classifier" if scores else "regressor"
        tags.classifier_tags = ClassifierTags(multi_class=not scores.binary) if scores else None
        tags.regressor_tags = None if scores else RegressorTags()
        tags.target_tags.required = self._label(plan) is not None
        tags.input_tags.allow_nan = bool(plan.gaps)
        tags.non_deterministic = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    # Fitting -----------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> "Estimator":  # noqa: N803 - as scikit-learn calls it
        """Trains on the rows of `X`: a table of numbers, a DataFrame, or arrays by the names of the source's columns."""
        from .train import api

        label = self._label(self._plan())
        X, y = self._checked(X, y, label)  # noqa: N806
        columns = self._columns(X)
        if y is not None and label is not None:
            columns[label] = self._encoded(y, label)
        elif label is not None and label not in columns:
            raise InputFaults(MissingColumn(NOWHERE, label, "y", tuple(columns), "the losses and metrics need it"))
        lengths = tuple((name, len(values)) for name, values in columns.items())
        if len({n for _, n in lengths}) > 1:
            raise InputFaults(RowsDisagree(NOWHERE, "X and y", lengths))
        self._folder = tempfile.TemporaryDirectory(prefix="archc-fit-")
        home = Path(self._folder.name)
        np.savez(home / "data.npz", **columns)  # type: ignore[arg-type]
        source = f'npz("{(home / "data.npz").as_posix()}")'
        settings = {name: getattr(self, name) for name in ("epochs", "steps", "seed", "split_seed", "device")}
        found = self._compiled(data=source, sizes=self._sizes(X))
        self.run_: Run = api.train(found, out=home / "run", data=source, progress=self.progress, **settings)
        (home / "data.npz").unlink()
        return self

    def _checked(self, X: Any, y: Any, label: str | None) -> tuple[Any, Any]:  # noqa: N803
        """X and y as scikit-learn checks them. What has names is left as it is: the data program reads its columns by them."""
        if _by_name(X):
            self.n_features_in_ = len(X)
            return X, None if y is None else np.asarray(y)
        from sklearn.utils import column_or_1d
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import validate_data

        if self._named(X):
            validate_data(self, X, skip_check_array=True)
            return X, None if y is None else np.asarray(y)
        if label is None:
            return validate_data(self, X, ensure_min_samples=2, **self._checks()), None
        scores = self._scores()
        X, y = validate_data(  # noqa: N806
            self, X, y, multi_output=True, y_numeric=scores is None, ensure_min_samples=2, **self._checks()
        )
        if scores is not None or (y.ndim == 2 and y.shape[1] == 1):
            y = column_or_1d(y, warn=True)
        if scores is not None:
            check_classification_targets(y)
        return X, y

    def _checks(self) -> dict[str, Any]:
        """What scikit-learn is to check of a table: missing values and words are for data programs that speak of them."""
        plan = self._plan()
        return {
            "allow_nd": True,
            "dtype": None if plan.words else "numeric",
            "ensure_all_finite": "allow-nan" if plan.gaps else True,
        }

    def _encoded(self, y: Array, label: str) -> Array:
        """Class labels as the spec reads them: as they are where it counts classes from 0 itself, or makes categories of them."""
        scores = self._scores()
        if scores is None:
            return y
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if scores.binary and len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported: the loss of {self.path} is that of two classes, and y has {len(self.classes_)}"
            )
        if label in self._plan().categories:
            return as_array(y)
        return numbers.astype(np.int64)

    # Predicting --------------------------------------------------------------------------------------------------------

    def outputs(self, X: Any) -> dict[str, Array]:  # noqa: N803
        """All outputs of the network by name."""
        run = self._fitted()
        if not _by_name(X) and not self._named(X):
            from sklearn.utils.validation import validate_data

            X = validate_data(self, X, reset=False, **self._checks())  # noqa: N806
        return run.predict(self._columns(X))

    def predict(self, X: Any) -> Array:  # noqa: N803
        """The class of each row. Of a spec that tells no classes, the output that the first loss compares (or else the first output), in
        the units of `y` where the spec only scales it."""
        self._fitted()
        scores = self._scores()
        if scores is not None:
            found: Array = self.classes_[self.predict_proba(X).argmax(axis=1)]
            return found
        output = self._compared()
        values = _single(self.outputs(X)[output])
        column, label = targets.compared(executable(self._compiled()), output), self._label(self._plan())
        return values if column is None or label is None else targets.back(self._fitted().saved, label, column, values)

    @available_if(lambda self: self._scores() is not None)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """The probability of each of `classes_`, of a classifier."""
        self._fitted()
        scores = self._scores()
        assert scores is not None
        logits = self.outputs(X)[scores.output].astype(np.float64)
        if scores.binary:
            logits = np.where(self._truths(scores), _single(logits)[:, None], 0.0)
        logits = logits[:, : len(self.classes_)]
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Array = exponents / exponents.sum(axis=1, keepdims=True)
        return found

    def _truths(self, scores: Scored) -> Array:
        """For each class, whether it is the one that the logit speaks for."""
        plan, saved = self._plan(), self._fitted().saved
        label = self._label(plan)
        assert label is not None
        values = self.classes_ if label in plan.categories else np.arange(len(self.classes_))
        return targets.labels_of(saved, label, scores.column, values)[:, 0] > 0

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """Accuracy of a classifier, R² otherwise."""
        from sklearn.metrics import accuracy_score, r2_score

        measure = accuracy_score if self._scores() is not None else r2_score
        return float(measure(np.asarray(y), self.predict(X)))

    @property
    def network_(self) -> "nn.Module":
        """The trained network, in evaluation mode."""
        return self._fitted().model()

    def _fitted(self) -> "Run":
        if not hasattr(self, "run_"):
            raise NotFittedError(f"this Estimator of {self.path} is not fitted yet: call fit(X, y) first")
        return self.run_

    # The spec ----------------------------------------------------------------------------------------------------------

    def _compiled(self, data: str | None = None, sizes: Mapping[str, Any] | None = None) -> "Compiled":
        from .compiling import Wanted, compiled
        from .specs import read_spec

        hypers = {**(sizes or {}), **self.hyperparameters}
        return compiled(read_spec(self.path), Wanted(model=self.model, train=self.train, hypers=hypers, training=True, data=data))

    def _plan(self) -> DataPlan:
        found = self._compiled()
        if found.plan.train is None:
            raise InputFaults(NoProgram(NOWHERE, found.name))
        return found.plan.train.data

    def _scores(self) -> Scored | None:
        found = self._compiled()
        return scored_by(executable(found), list(found.plan.train.last.losses)) if found.plan.train is not None else None

    def _compared(self) -> str:
        """The output that the first loss speaks of."""
        plan = self._compiled().plan
        arguments = [a for term in (plan.train.last.losses if plan.train else []) for a in term.arguments]
        return next((name for name in arguments if name in plan.model.outputs), plan.model.outputs[0])

    def _inputs(self, plan: DataPlan) -> list[str]:
        """The columns of the source that the model's inputs are made from, in the order of the plan."""
        from .origins import made_from

        found = self._compiled()
        names = [item.name for item in found.plan.model.inputs]
        read = made_from(found, plan, names)
        return [name for name in plan.reads if name in read]

    def _label(self, plan: DataPlan) -> str | None:
        """The column of the source that no input is made from; none where there is none."""
        inputs = self._inputs(plan)
        others = [name for name in plan.reads if name not in inputs]
        if len(others) > 1:
            problem = (
                f"the spec reads {', '.join(others)} beside what its inputs are made from, and y is one; give them in X by name"
            )
            raise Misused(BadSetting(NOWHERE, "y", problem))
        return others[0] if others else None

    def _sizes(self, X: Any) -> dict[str, Any]:  # noqa: N803
        """The hyperparameter that is the size of a row of the only input, as X has it."""
        from .origins import row_size

        name = row_size(self._compiled())
        if name is None or _by_name(X) or self._named(X):
            return {}
        return {name: int(np.shape(X)[1])}

    def _named(self, X: Any) -> bool:  # noqa: N803
        """Whether the columns of X are read by their names."""
        return hasattr(X, "columns") and set(self._inputs(self._plan())) <= set(X.columns)

    def _columns(self, X: Any) -> dict[str, Array]:  # noqa: N803
        """`X` as the columns of the source."""
        plan = self._plan()
        wanted = self._inputs(plan)
        if _by_name(X) or self._named(X):
            return {name: as_array(X[name]) for name in plan.reads if name in X}
        values = as_array(X)
        if len(wanted) == 1:
            return {wanted[0]: _shaped(values, wanted[0], plan)}
        if values.ndim != 2 or values.shape[1] != len(wanted):
            shape = " by ".join(map(str, values.shape))
            problem = f"it is {shape}, and the spec reads {len(wanted)} columns of the source: {', '.join(wanted)}"
            raise Misused(BadSetting(NOWHERE, "X", problem))
        return {name: values[:, i] for i, name in enumerate(wanted)}

    # Pickling ----------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """The run as the bytes of its files, but for what only resuming needs."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_folder", "run_")}
        if hasattr(self, "run_"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(self.run_.folder.rglob("*")):
                    if path.is_file() and "checkpoints" not in path.parts and not path.name.startswith("."):
                        archive.write(path, path.relative_to(self.run_.folder))
            state["_packed"] = packed.getvalue()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        packed = state.pop("_packed", None)
        self.__dict__.update(state)
        if packed is not None:
            from .run import Run

            self._folder = tempfile.TemporaryDirectory(prefix="archc-fit-")
            home = Path(self._folder.name) / "run"
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(home)
            self.run_ = Run(home)

    def keep(self, folder: str | Path) -> "Run":
        """Copies the run, which is gone with the estimator otherwise, to a folder."""
        from .run import Run

        shutil.copytree(self._fitted().folder, folder)
        return Run(folder)


def _by_name(X: Any) -> bool:  # noqa: N803
    """Whether X is arrays by the names of columns; scipy has a sparse matrix that is a dict too."""
    return isinstance(X, Mapping) and not hasattr(X, "toarray")


def _single(values: Array) -> Array:
    """One number a row, where rows have one."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _shaped(values: Array, name: str, plan: DataPlan) -> Array:
    """Rows of numbers as rows of the shape that the spec's own source has, where that has as many numbers."""
    from .data.sources import schema
    from .stops import Stopped

    try:
        field = schema(plan.source, Path.cwd())[name]
    except (Stopped, KeyError):
        return values
    shape = [n for n in field.shape if isinstance(n, int)]
    fits = values.ndim == 2 and len(shape) == len(field.shape) > 1 and values.shape[1] == int(np.prod(shape))
    return values.reshape(len(values), *shape) if fits else values
