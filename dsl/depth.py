"""What Python grants a walk over an AST: frames, and peace from the collector.

The parser bounds nesting (`layout.LIMIT`), so a walk that recurses ends; but 200 levels with a few calls each are more than the
1000 frames that Python grants. Frames of Python functions live on the heap, so granting more costs nothing until it is used.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FRAMES = 10_000


@contextmanager
def room() -> Iterator[None]:
    """Let functions that walk an AST recurse as deeply as the parser lets it nest."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing made inside is garbage before it is done; collecting all the while is most of the time of a large file."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
