"""The command line: one file a command, each a thin layer over what Python can do too.

Comes in: words. Goes out: results on standard output, diagnostics and progress on standard error, and an exit status: 0 done, 1 the input
has faults, 2 wrong use, 3 a run failed, 70 a bug in archc, 130 interrupted. A command imports what it needs inside itself, so that
`archc check` never pays for torch.
"""

import gc
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments (by default the process's own) name, and ends the process with its exit status."""
    from .guard import guarded

    words = list(sys.argv[1:] if arguments is None else arguments)
    status = guarded(words)
    gc.freeze()  # the process ends and its memory goes back whole; the collector's last look through it costs a tenth of a check
    sys.exit(status)
