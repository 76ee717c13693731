"""Pictures of what was made: rows of images in one grid, as grey PNG or as letters. NumPy and zlib alone."""

import math
import struct
import zlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
INK = " .:-=+*#%@"
ZOOM = 8
GAP = 1


def sides(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of an image of these numbers: `[H, W]`, `[1, H, W]`, or as many as a square has; none for anything else."""
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        return (side, side) if side * side == shape[0] and side > 1 else None
    flat = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    return (flat[0], flat[1]) if len(flat) == 2 else None


def grid(images: Array) -> Array:
    """`[n, H, W]` from 0 to 1 side by side, about as many rows as columns, a light line between."""
    count, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    sheet = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP))
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + GAP), (k % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def png(sheet: Array) -> bytes:
    """A grey picture of numbers from 0 to 1, each a square of some dots."""
    dots = np.repeat(np.repeat((sheet.clip(0, 1) * 255).round().astype(np.uint8), ZOOM, 0), ZOOM, 1)
    height, width = dots.shape
    lines = b"".join(b"\0" + line.tobytes() for line in dots)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    kind, data = part
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def letters(image: Array) -> str:
    """An image of numbers from 0 to 1 in letters, two for each dot, so that it is as wide as it should be."""
    levels = (image.clip(0, 1) * (len(INK) - 1)).round().astype(int)
    return "\n".join("".join(INK[level] * 2 for level in line).rstrip() for line in levels)
