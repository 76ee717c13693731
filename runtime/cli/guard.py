"""Around every command: whatever happens, a sentence and an exit status, never a bare traceback.

Faults that carry a report are printed; Ctrl-C is 130; a reader of our output that went away is no fault; anything else is a bug in archc,
written to a file that a person can send.
"""

import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from ..stops import Interrupted, Stopped
from .show import close_output, say, show_report

BUG = 70
COLLECT_AFTER = 100_000
INTERRUPTED = 130


def guarded(words: Sequence[str]) -> int:
    """Runs the command; its exit status."""
    _without_plugins()
    gc.set_threshold(COLLECT_AFTER)  # next to nothing of what imports and compiling make is garbage
    try:
        status = _run(words)
    except Stopped as stopped:
        show_report(stopped.report)
        status = stopped.exit_code
    except Interrupted as interrupted:
        say(str(interrupted))
        status = interrupted.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        status = INTERRUPTED
    except BrokenPipeError:
        status = 0
    except Exception as error:  # noqa: BLE001 - the last resort
        say(bug_notice(error, words))
        status = BUG
    close_output()
    return status


def _without_plugins() -> None:
    """Pydantic finds no plug-ins: looking for them takes as long as checking a spec.

    Told so by its environment variable it still imports `importlib.metadata`, and with it all of `email`, a twentieth of a check.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules.setdefault(loader.__name__, loader)


def _run(words: Sequence[str]) -> int:
    """The command's own exit status: 0, or what it exits with. Wrong use has been said by then, with 2."""
    from .app import build

    try:
        build(words)(list(words), prog_name="archc")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 2
    return 0


def bug_notice(error: BaseException, words: Sequence[str]) -> str:
    """What a person is told of a bug; the report is written on the way."""
    import tempfile

    text = bug_report(error, words)
    kind = f"archc has a bug: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="archc-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(text)
    except OSError:
        return f"{text}\n{kind}\nPlease report it, with the text above, where you got archc from."
    return f"{kind}\nA report was written to {file.name}\nPlease send it, with the spec if you may, to where you got archc from."


def bug_report(error: BaseException, words: Sequence[str]) -> str:
    """What is needed to find a bug: versions, the command, the traceback. No environment, no file contents."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    lines = [f"command: archc {' '.join(map(repr, words))}", f"python: {sys.version}", f"platform: {platform.platform()}"]
    for package in ("archc", "torch", "numpy", "pydantic", "lark", "typer"):
        with contextlib.suppress(PackageNotFoundError):
            lines.append(f"{package}: {version(package)}")
    return "\n".join([*lines, "", *traceback.format_exception(error)])
