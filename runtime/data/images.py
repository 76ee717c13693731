"""`images(folder)`: the class of an image is the folder it lies in; `train`, `validation` and `test` above the classes are parts.

Columns: `images`, whole numbers 0 to 255 of shape [channels, height, width], and `labels`. Headers are read at the start, so
that what cannot be used is told before training; pixels when they are asked for, or at once where all of them are small.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import SourceCall
from ...dsl.span import Span
from ..faults.data import NoPackage, UnreadableFile
from ..faults.files import BadImage, NoImages
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, Wanted, located, told
from .memory import HELD
from .table import Array, Column, Field, Ragged, Rows, Schema, Table

SIGNATURE = Signature(
    "images",
    (
        Parameter("folder", (str,), required=True),
        Parameter("size", (list,), None),
        Parameter("channels", (int,), None),
    ),
    'images("folder", size=[32, 32], channels=1 or 3)',
)
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
PARTS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "test": 2, "testing": 2}
PIXELS = 2**26  # of one image
MODES = {1: "L", 3: "RGB"}
Opener = Callable[[], Any]


class Decoder:
    """Images of one shape: each is turned into the channels, and resized where a size was asked for."""

    def __init__(self, span: Span, channels: int, height: int, width: int, *, resize: bool) -> None:
        self.span, self.channels, self.height, self.width, self.resize = span, channels, height, width, resize

    @property
    def field(self) -> Field:
        return Field("int", (self.channels, self.height, self.width))

    def decode(self, source: Path | io.BytesIO, name: str) -> Array:
        """One image as uint8 [channels, height, width]."""
        with opened(self.span, source, name) as image:
            self.check(image, name)
            try:
                pixels = image.convert(MODES[self.channels])
                if self.resize and pixels.size != (self.width, self.height):
                    pixels = pixels.resize((self.width, self.height), resample=2)
                array = np.asarray(pixels, dtype=np.uint8)
            except (OSError, ValueError, SyntaxError, MemoryError) as error:
                raise InputFaults(BadImage(self.span, name, f"the image is broken ({error})")) from None
        return array[None] if self.channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))

    def check(self, image: Any, name: str) -> None:
        width, height = image.size
        if not self.resize and (height, width) != (self.height, self.width):
            problem = f"the image is {height} x {width}, and the first one is {self.height} x {self.width}"
            raise InputFaults(BadImage(self.span, name, problem, f"resize all: images(…, size=[{self.height}, {self.width}])"))


def opened(span: Span, source: Path | io.BytesIO, name: str) -> Any:
    """An image whose header is read and sane; its pixels are not read yet."""
    from PIL import Image

    try:
        image = Image.open(source)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputFaults(BadImage(span, name, f"this is no image that can be read ({type(error).__name__})")) from None
    if image.size[0] * image.size[1] > PIXELS:
        raise InputFaults(BadImage(span, name, f"the image has {image.size[0]} x {image.size[1]} pixels, more than {PIXELS:,}"))
    return image


def channels_of(image: Any) -> int:
    """1 for shades of grey, 3 for colours."""
    return 1 if image.mode in ("1", "L", "I", "F", "I;16", "LA") else 3


class ImageFiles:
    """The images of a folder, read when they are asked for."""

    def __init__(self, decoder: Decoder, paths: Sequence[Path]) -> None:
        self.decoder, self.paths = decoder, paths

    @property
    def field(self) -> Field:
        return self.decoder.field

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Rows) -> Array:
        paths = [self.paths[i] for i in rows.tolist()]
        return stacked(self.field, (self.decoder.decode(p, told(str(p))) for p in paths))

    def identity(self) -> bytes:
        digest = blake2b(digest_size=16)
        for path in self.paths:
            digest.update(f"{path.name}:{path.stat().st_size};".encode())
        return digest.digest()


class Encoded:
    """Images that lie encoded in a column of bytes."""

    def __init__(self, values: Ragged, field: Field, span: Span, name: str) -> None:
        self.values, self.field, self.name = values, field, name
        channels, height, width = map(int, field.shape)
        self.decoder = Decoder(span, channels, height, width, resize=False)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Rows) -> Array:
        at = self.values.offsets
        found = ((i, self.values.values[at[i] : at[i + 1]].tobytes()) for i in rows.tolist())
        return stacked(self.field, (self.decoder.decode(io.BytesIO(data), f"{self.name}, row {i}") for i, data in found))

    def identity(self) -> bytes:
        return blake2b(self.values.offsets.tobytes() + self.values.values[: 2**20].tobytes(), digest_size=16).digest()


def stacked(field: Field, images: Iterable[Array]) -> Array:
    found = list(images)
    return np.stack(found) if found else np.zeros((0, *map(int, field.shape)), np.uint8)


def image_field(first: list[bytes], span: Span, name: str) -> Field | None:
    """The shape of images that lie in a column, from the first."""
    if not first:
        return None
    wants_pillow(span, name)
    with opened(span, io.BytesIO(first[0]), name) as image:
        return Field("int", (channels_of(image), image.size[1], image.size[0]))


def wants_pillow(span: Span, what: str) -> None:
    """A fault where Pillow is not installed."""
    from importlib.util import find_spec

    if find_spec("PIL") is None:
        raise InputFaults(NoPackage(span, "pillow", what, "pip install 'archc[images]'"))


class Folder:
    """The images of a call with their classes and parts, sorted by path."""

    def __init__(self, call: SourceCall, base: Path) -> None:
        arguments = SIGNATURE.bind(call)
        self.span, self.name = span_of(call.place, len(call.kind)), told(str(arguments["folder"]))
        self.size, channels = arguments["size"], arguments["channels"]
        if self.size is not None and not (len(self.size) == 2 and all(type(n) is int and 0 < n <= 8192 for n in self.size)):
            SIGNATURE.refuse(call, "size is [height, width]")
        if channels not in (None, 1, 3):
            SIGNATURE.refuse(call, "channels is 1 (grey) or 3 (colours)")
        path = located(call, str(arguments["folder"]), base, folder=True)
        if path.is_file():
            raise InputFaults(UnreadableFile(self.span, self.name, "a folder is wanted, and it is a file"))
        wants_pillow(self.span, "images")
        self.entries = self.found(path)
        with opened(self.span, self.entries[0][0], told(str(self.entries[0][0]))) as image:
            height, width = self.size or (image.size[1], image.size[0])
            self.decoder = Decoder(self.span, channels or channels_of(image), height, width, resize=self.size is not None)

    def found(self, path: Path) -> list[tuple[Path, str, int | None]]:
        """Each image with its class and part."""
        folders = [f for f in sorted(path.iterdir()) if f.is_dir() and not f.name.startswith(".")]
        split = bool(folders) and all(f.name.lower() in PARTS for f in folders)
        roots = [(f, PARTS[f.name.lower()]) for f in folders] if split else [(path, None)]
        entries: list[tuple[Path, str, int | None]] = []
        for root, part in roots:
            for folder in sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")):
                images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
                entries += [(p, folder.name, part) for p in images]
        if not entries:
            problem = (
                "holds images, but no folders with the images of each class"
                if self.loose(path)
                else "holds no folders with images"
            )
            raise InputFaults(NoImages(self.span, self.name, problem))
        return entries

    def loose(self, path: Path) -> bool:
        return any(p.suffix.lower() in ENDINGS for p in path.iterdir())


def schema(call: SourceCall, base: Path) -> Schema:
    """`images`, `labels`, and `part` where the folder has parts."""
    folder = Folder(call, base)
    fields: Schema = {"images": folder.decoder.field, "labels": Field("int", ())}
    if folder.entries[0][2] is not None:
        fields["part"] = Field("int", ())
    return fields


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns; all headers are looked at."""
    folder = Folder(call, base)
    paths = [path for path, _, _ in folder.entries]
    columns: dict[str, Column] = {}
    parts = np.array([part for _, _, part in folder.entries], np.int8) if folder.entries[0][2] is not None else None
    classes = sorted({label for _, label, _ in folder.entries})
    if "images" in wanted.names:
        for path in paths:
            with opened(folder.span, path, told(str(path))) as image:
                folder.decoder.check(image, told(str(path)))
        files = ImageFiles(folder.decoder, paths)
        size = len(paths) * int(np.prod([int(n) for n in files.field.shape]))
        columns["images"] = files[np.arange(len(paths))] if size <= HELD else files
    if "labels" in wanted.names:
        columns["labels"] = np.array([label for _, label, _ in folder.entries])
    if "part" in wanted.names and parts is not None:
        columns["part"] = parts
    ordered = {name: columns[name] for name in wanted.names}
    return Table(folder.name, ordered, alphabets={"labels": classes} if "labels" in wanted.names else {}, parts=parts)
