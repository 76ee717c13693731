"""archc: a compiler for neural-network architectures.

The public names, each found when it is first asked for, so that importing archc costs nothing:

- `archc.check(path) -> Report`: everything that is wrong with a spec;
- `archc.compile(path, model=None, **hyperparameters) -> Compiled`: its PyTorch text, its graph, its diagram;
- `archc.load(path, model=None, **hyperparameters) -> torch.nn.Module`: a network, or that of a run folder with its trained weights;
- `archc.load_weights(path, weights, map) -> torch.nn.Module`: a network with weights that another program saved;
- `archc.train(path, …) -> Run`: a trained run;
- `archc.Estimator(path, **hyperparameters)`: a spec as an estimator of scikit-learn.

A path may be the bare name of a spec that ships with archc. What is wrong with a spec is raised as `archc.Stopped`, whose text is the
diagnostics.
"""

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout may be tried with any Python
    raise ImportError("archc needs Python 3.11 or newer; this is " + sys.version.split()[0])

if TYPE_CHECKING:
    from .dsl.diagnostic import Report
    from .runtime.compiling import Compiled
    from .runtime.compiling import check_spec as check
    from .runtime.compiling import compile_spec as compile
    from .runtime.estimator import Estimator
    from .runtime.loading import load
    from .runtime.run import Run
    from .runtime.stops import Stopped
    from .runtime.train.api import train
    from .runtime.weights.api import load_weights

__version__ = "0.1.0"
__all__ = [
    "Compiled",
    "Estimator",
    "Report",
    "Run",
    "Stopped",
    "__version__",
    "check",
    "compile",
    "load",
    "load_weights",
    "train",
]

_HOMES = {
    "Compiled": ("runtime.compiling", "Compiled"),
    "Estimator": ("runtime.estimator", "Estimator"),
    "Report": ("dsl.diagnostic", "Report"),
    "Run": ("runtime.run", "Run"),
    "Stopped": ("runtime.stops", "Stopped"),
    "check": ("runtime.compiling", "check_spec"),
    "compile": ("runtime.compiling", "compile_spec"),
    "load": ("runtime.loading", "load"),
    "load_weights": ("runtime.weights.api", "load_weights"),
    "train": ("runtime.train.api", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home, inner = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{home}"), inner)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
