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

from ..compiler.plan import DataPlan
from ..dsl.span import NOWHERE
from .data.table import Array
from .evaluate import as_array
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

    Hyperparameters of the model are parameters of the estimator, so a grid may run over them. What part of `X` trains and what part chooses
    the best epoch is for the `split` of the spec. After `fit`: `run_` (with its metrics), `classes_` of a classifier, `n_features_in_`.
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

        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier" if self._scores() else "regressor"
        tags.classifier_tags = ClassifierTags() if self._scores() else None
        tags.regressor_tags = None if self._scores() else RegressorTags()
        tags.target_tags.required = self._label(self._plan()) is not None
        tags.non_deterministic = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    # Fitting -----------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> "Estimator":  # noqa: N803 - as scikit-learn calls it
        """Trains on the rows of `X`: a table of numbers, a DataFrame, or arrays by the names of the source's columns."""
        from .train import api

        columns = self._columns(X)
        label = self._label(self._plan())
        if y is not None and label is not None:
            columns[label] = self._encoded(np.asarray(y), label)
        elif label is not None and label not in columns:
            raise InputFaults(MissingColumn(NOWHERE, label, "y", tuple(columns), "the losses and metrics need it"))
        lengths = tuple((name, len(values)) for name, values in columns.items())
        if len({n for _, n in lengths}) > 1:
            raise InputFaults(RowsDisagree(NOWHERE, "X and y", lengths))
        self._folder = tempfile.TemporaryDirectory(prefix="archc-fit-")
        home = Path(self._folder.name)
        np.savez(home / "data.npz", **columns)  # type: ignore[arg-type]
        settings = {name: getattr(self, name) for name in ("epochs", "steps", "seed", "split_seed", "device")}
        found = self._compiled(data=f'npz("{(home / "data.npz").as_posix()}")')
        self.run_: Run = api.train(
            found, out=home / "run", data=f'npz("{(home / "data.npz").as_posix()}")', progress=self.progress, **settings
        )
        (home / "data.npz").unlink()
        self.n_features_in_ = np.shape(X)[1] if not isinstance(X, Mapping) and np.ndim(X) > 1 else len(columns)
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def _encoded(self, y: Array, label: str) -> Array:
        """Class labels as the spec reads them: as they are where it counts classes from 0 itself, or makes categories of them."""
        if self._scores() is None:
            return y
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if label in self._plan().categories:
            return as_array(y)
        return numbers.astype(np.int64)

    # Predicting --------------------------------------------------------------------------------------------------------

    def outputs(self, X: Any) -> dict[str, Array]:  # noqa: N803
        """All outputs of the network by name."""
        return self._fitted().predict(self._columns(X))

    def predict(self, X: Any) -> Array:  # noqa: N803
        """The class of each row; of a spec that tells no classes, the output that the first loss compares, or else the first output."""
        scores = self._scores()
        outputs = self.outputs(X)
        if scores is not None:
            found: Array = self.classes_[outputs[scores.output].argmax(axis=1)]
            return found
        values = outputs[self._compared()]
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """The probability of each of `classes_`, of a classifier."""
        scores = self._scores()
        if scores is None:
            raise AttributeError(f"{self._compiled().name} has no scores of classes")
        logits = self.outputs(X)[scores.output].astype(np.float64)
        logits = logits[:, : len(self.classes_)]
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Array = exponents / exponents.sum(axis=1, keepdims=True)
        return found

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

    def _compiled(self, data: str | None = None) -> "Compiled":
        from .compiling import Wanted, compiled
        from .specs import read_spec

        wanted = Wanted(model=self.model, train=self.train, hypers=self.hyperparameters, training=True, data=data)
        return compiled(read_spec(self.path), wanted)

    def _plan(self) -> DataPlan:
        found = self._compiled()
        if found.plan.train is None:
            raise InputFaults(NoProgram(NOWHERE, found.name))
        return found.plan.train.data

    def _scores(self) -> Scored | None:
        from .executable import executable

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

    def _columns(self, X: Any) -> dict[str, Array]:  # noqa: N803
        """`X` as the columns of the source."""
        plan = self._plan()
        wanted = self._inputs(plan)
        if isinstance(X, Mapping) or (hasattr(X, "columns") and set(wanted) <= set(X.columns)):
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
