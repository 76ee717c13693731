"""A process that trains one of the specs of `programs` in a folder, or goes on with it; it may be told to kill itself at a certain call.

    python -m tests.runtime.worker SPEC FOLDER EPOCHS [WHERE N]

WHERE is `fsync` or `replace` (the Nth call of that function), `step` (within the Nth), `update` (within the Nth of any player of a game,
with a checkpoint at the end of every epoch), `evaluation` (within the Nth), or `beside` (within the Nth, and from the second on they are
made beside the steps). Nothing of this is known to the product: the functions are wrapped from outside.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archc.runtime.run_folder import is_run
from archc.runtime.stops import Interrupted
from archc.runtime.train import beside, checkpoints, measure
from archc.runtime.train.api import train
from archc.runtime.train.games import Round
from archc.runtime.train.updates import Update

from .programs import SPECS, WORKERS


def killing(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The function, but the process is killed instead of its Nth call."""
    left = calls

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)

    return wrapped


class Often(checkpoints.Throttle):
    """A checkpoint whenever there could be one, so that the number of calls does not depend on how fast the machine is."""

    def ready(self) -> bool:
        return True


def arm(where: str, calls: int) -> None:
    if where in ("fsync", "replace", "update"):
        vars(checkpoints)["Throttle"] = Often
    if where == "fsync":
        os.fsync = killing(os.fsync, calls)
    elif where == "replace":
        os.replace = killing(os.replace, calls)
    elif where == "update":
        Round.backward = killing(Round.backward, calls)  # type: ignore[method-assign]
    elif where == "step":
        Update.gradients = killing(Update.gradients, calls)  # type: ignore[method-assign]
        Round.backward = killing(Round.backward, calls)  # type: ignore[method-assign]
    elif where in ("evaluation", "beside"):
        vars(beside)["WORTH"] = 0.0 if where == "beside" else beside.WORTH
        vars(measure)["evaluate"] = killing(vars(measure)["evaluate"], calls)
    else:
        raise SystemExit(f"unknown place {where}")


def main() -> None:
    spec, folder, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        arm(sys.argv[4], int(sys.argv[5]))
    compiled = SPECS[spec](epochs=epochs)
    beginning, going_on = WORKERS.get(spec, (1, 1))
    print("ready", flush=True)
    try:
        if is_run(folder):
            train(resume=folder, progress=True, workers=going_on)
        else:
            train(compiled, out=folder, progress=True, workers=beginning)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(stop.exit_code) from None


if __name__ == "__main__":
    main()
