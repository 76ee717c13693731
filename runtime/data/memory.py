"""How much memory data may take."""

import os


def usable() -> int:
    """Bytes that a table may have: half of the machine's memory, or 8 GiB where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return 8 * 2**30
