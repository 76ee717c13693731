"""`sample`: what a run's best weights make."""

from pathlib import Path

from ..run_folder import read as read_run
from ..stops import Stopped
from ..train.determinism import prepare_environment
from .kinds import sampled
from .wanted import Sampled, Wanted


def sample(run_folder: str | Path, wanted: Wanted) -> Sampled:
    """The samples. Raises `archc.Stopped` where an option does not fit, or nothing can be made."""
    prepare_environment()
    wanted.check()
    saved = read_run(Path(run_folder))
    try:
        return sampled(saved, wanted)
    except Stopped as stopped:
        stopped.knows(saved.exe.sources)
        raise
