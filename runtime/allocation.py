"""How the process keeps memory that it has freed."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGE = 256 << 20  # bytes of a tensor that is given back when it is freed
SAID = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")


def keep_freed_memory() -> None:
    """From here on it stays with the process, up to half a gigabyte. glibc would give the tensors of a step back to the system and take
    them anew in the next, page by page, each page filled with zeros: some hundredths of the time of a step, and more where little is
    computed of much. Nothing is changed where the environment says how memory is allocated, nor without glibc."""
    said = any(name.startswith(SAID) for name in os.environ)
    mallopt = None if said or sys.platform != "linux" else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, 2 * LARGE)
