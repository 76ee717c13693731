"""Ctrl-C as a wish that the engine grants at the next step; a second one is not patient."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Wish:
    """`asked` becomes true when the run is to stop."""

    asked = False


@contextmanager
def listening() -> Iterator[Wish]:
    """Within: the first signal is noted, the second raises `KeyboardInterrupt`. Outside the main thread nothing changes."""
    wish = Wish()

    def note(number: int, frame: FrameType | None) -> None:
        if wish.asked:
            raise KeyboardInterrupt
        wish.asked = True

    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before: dict[signal.Signals, Callable[..., Any] | int | None] = {s: signal.signal(s, note) for s in SIGNALS}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
