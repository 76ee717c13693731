"""Each source end to end: a real file is trained on, and each way in which such a file can be broken is told by `archc train`, at the
source's place in the spec, before torch is imported and without a run folder.

The sources' own tests look closer; here nothing is left out.
"""

import gzip
import json
import os
import shutil
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

from archc.runtime.cli.guard import guarded
from archc.runtime.data import images as image_source
from archc.runtime.data import memory
from archc.runtime.data.batches import Batch, Batches
from archc.runtime.data.held import Made
from archc.runtime.stops import Interrupted
from archc.runtime.train.api import train

from .compared import assert_same

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
Image = pytest.importorskip("PIL.Image")

SPEC = """\
model Net(x: {input}) -> {output} {{
    logits = x -> {flow}
    return logits
}}

data rows = {source} {{
    x     = {x}
    label = {label}
}}

train Net on rows {{
    loss      cross_entropy(logits, label{dim})
    optimizer adam(lr=1e-2)
    epochs    3
    batch     32
}}
"""
FLOWERS, SPECIES = load_iris(return_X_y=True)
DIGITS, NUMBERS = load_digits(return_X_y=True)
HELP = "The assert statement is a convenient way to insert debugging assertions into a program.\n" * 40


# A real file for each source ----------------------------------------------------------------------------------------------


def write_csv() -> None:
    lines = [",".join([*map(repr, row.tolist()), str(kind)]) for row, kind in zip(FLOWERS, SPECIES, strict=True)]
    Path("d.csv").write_text("\n".join(["a,b,c,d,label", *lines, ""]))


def write_json() -> None:
    rows = [{"x": row.tolist(), "label": int(kind)} for row, kind in zip(FLOWERS, SPECIES, strict=True)]
    Path("d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_npz() -> None:
    np.savez("d.npz", x=FLOWERS, label=SPECIES)


def flowers(**others: Any) -> Any:
    return pa.table({"x": FLOWERS.tolist(), "label": SPECIES, **others})


def write_parquet() -> None:
    pq.write_table(flowers(), "d.parquet")


def write_hf(table: Any = None) -> None:
    """A folder as `datasets.Dataset.save_to_disk` leaves it."""
    Path("saved").mkdir(exist_ok=True)
    table = flowers() if table is None else table
    with pa.OSFile("saved/data-00000-of-00001.arrow", "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    Path("saved/state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')


def idx(path: str, numbers: Any, kind: int = 0x08, dtype: str = ">u1", shape: tuple[int, ...] | None = None) -> None:
    array = np.asarray(numbers)
    head = bytes([0, 0, kind, array.ndim]) + b"".join(struct.pack(">I", n) for n in shape or array.shape)
    data = head + array.astype(dtype).tobytes()
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def write_idx() -> None:
    idx("raw/train-images-idx3-ubyte", DIGITS[:300].reshape(-1, 8, 8))
    idx("raw/train-labels-idx1-ubyte", NUMBERS[:300])


def write_images() -> None:
    for i in range(90):
        folder = Path("pictures") / str(NUMBERS[i])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((DIGITS[i].reshape(8, 8) * 15).astype(np.uint8)).save(folder / f"{i}.png")


def write_text() -> None:
    Path("d.txt").write_text(HELP)


@dataclass(frozen=True)
class Good:
    """A source as a spec calls it, and what is made of it."""

    source: str
    write: Callable[[], None]
    x: str = "x"
    label: str = "label"
    input: str = "[B, 4]"
    output: str = "[B, 3]"
    flow: str = "dense(3)"
    dim: str = ""

    def spec(self) -> Path:
        Path("s.arch").write_text(SPEC.format(**vars(self)))
        return Path("s.arch")


PIXELS = {"input": "[B, 64]", "output": "[B, 10]", "flow": "dense(10)"}
TOKENS = {"input": "int[B, T]", "output": "[B, T, 128]", "flow": "embedding(128, 16) -> dense(128)", "dim": ", dim=-1"}
GOOD = {
    "sklearn": Good('sklearn("iris")', lambda: None, "data", "target"),
    "csv": Good('csv("d.csv")', write_csv, "vector(a, b, c, d)"),
    "json": Good('json("d.jsonl")', write_json),
    "npz": Good('npz("d.npz")', write_npz),
    "parquet": Good('parquet("d.parquet")', write_parquet),
    "hf": Good('hf("saved")', write_hf),
    "idx": Good('idx("raw")', write_idx, "images / 16 -> reshape(64)", "labels", **PIXELS),
    "images": Good('images("pictures", channels=1)', write_images, "images / 255 -> reshape(64)", "labels", **PIXELS),
    "text": Good('text("d.txt", tokens="byte", length=16)', write_text, "tokens", "next", **TOKENS),
    "numerals": Good("numerals(count=200)", lambda: None, "digits", "digits", **TOKENS),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_real_file_is_trained_on(here: Path, name: str) -> None:
    GOOD[name].write()
    run = train(GOOD[name].spec(), out="run", progress=False)
    losses = [row["train"]["loss"] for row in run.history]
    assert len(losses) == 3
    assert losses[2] < losses[0]


# And each way to break it -------------------------------------------------------------------------------------------------


def all_of(*steps: Callable[[], object]) -> Callable[[], None]:
    """One after another."""

    def done() -> None:
        for step in steps:
            step()

    return done


def halved(path: str) -> None:
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) // 2 - 10])


def replaced(path: str, old: str, new: str, encoding: str = "utf-8") -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_bytes(text.replace(old, new, 1).encode(encoding))


def emptied(path: str) -> None:
    Path(path).write_bytes(b"")


def bad_words() -> Any:
    """Words whose bytes are no utf-8."""
    ends = pa.array([0, 2, 3], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"\xff\xfea")])


def numbered() -> None:
    """The spec with its labels as classes of words."""
    replaced("s.arch", "label = label", "label = categories(label)")


def promising() -> None:
    """A small npz whose header promises eight terabytes."""
    with zipfile.ZipFile("d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, shape in (("x", "<f8", (10**12, 4)), ("label", "<i8", (10**12,))):
            head = BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
            archive.writestr(f"{name}.npy", head.getvalue() + bytes(1000))


def first_image() -> str:
    return str(min(Path("pictures").rglob("*.png")))


def with_gap(position: int = 1) -> list[list[float | None]]:
    rows: list[list[float | None]] = FLOWERS.tolist()
    rows[position][2] = None
    return rows


ARROW = "saved/data-00000-of-00001.arrow"
SMALL = "room"  # a cell in which there is room for a hundred bytes only
BROKEN: dict[tuple[str, str], tuple[Callable[[], object], str]] = {
    ("csv", "truncated"): (lambda: halved("d.csv"), "E0609] d.csv, line "),
    ("csv", "wrong types"): (lambda: replaced("d.csv", "4.9", "4,9x"), "E0609] d.csv, line 3: 6 cells where 5 are expected"),
    ("csv", "words"): (lambda: replaced("d.csv", "4.9", "tall"), 'E0610] d.csv, line 3, column a: "tall" is not a finite number'),
    ("csv", "missing column"): (
        lambda: replaced("d.csv", "a,b", "a,e"),
        "E0808] the source has no column b; it has a, e, c, d, label",
    ),
    ("csv", "NaN"): (lambda: replaced("d.csv", "4.9", "nan"), "E0611] d.csv, line 3, column a: the value is missing"),
    ("csv", "infinite"): (lambda: replaced("d.csv", "4.9", "inf"), 'E0610] d.csv, line 3, column a: "inf" is not a finite'),
    ("csv", "empty"): (lambda: emptied("d.csv"), "E0607] d.csv has no rows"),
    ("csv", "wrong encoding"): (lambda: replaced("d.csv", "a,b", "a,b", "utf-16"), "E0606] d.csv is not utf-8: line 1"),
    ("csv", "bomb"): (lambda: replaced("d.csv", "4.9", "4" * 200_000), "E0605] d.csv cannot be read: field larger than"),
    ("csv", "packed"): (
        lambda: Path("d.csv").write_bytes(gzip.compress(Path("d.csv").read_bytes())),
        "E0605] d.csv cannot be read: it is packed with gzip; unpack it first",
    ),
    ("json", "truncated"): (lambda: halved("d.jsonl"), "E0625] d.jsonl, line 75: this is no JSON: "),
    ("json", "wrong types"): (lambda: replaced("d.jsonl", "4.9", '"tall"'), 'E0626] d.jsonl, line 2, column x: "tall" is not'),
    ("json", "missing column"): (lambda: replaced("d.jsonl", '"label"', '"lable"'), "E0611] d.jsonl, line 1, column label"),
    ("json", "NaN"): (lambda: replaced("d.jsonl", "4.9", "NaN"), "E0626] d.jsonl, line 2, column x: nan is not a number"),
    ("json", "infinite"): (lambda: replaced("d.jsonl", "4.9", "1e999"), "E0626] d.jsonl, line 2, column x: inf is not a number"),
    ("json", "empty"): (lambda: emptied("d.jsonl"), "E0607] d.jsonl has no rows"),
    ("json", "wrong encoding"): (lambda: replaced("d.jsonl", "x", "é", "latin-1"), "E0606] d.jsonl is not utf-8: line 1"),
    ("json", "bomb"): (lambda: replaced("d.jsonl", "4.9", "[" * 100_000), "E0625] d.jsonl, line 2: it is nested too deep"),
    ("npz", "truncated"): (lambda: halved("d.npz"), "E0605] d.npz cannot be read: it is no npz archive, or it was cut short"),
    ("npz", "wrong types"): (
        lambda: np.savez("d.npz", x=FLOWERS.astype(complex), label=SPECIES),
        "E0808] the source has no column x; it has label",
    ),
    ("npz", "other shape"): (lambda: np.savez("d.npz", x=FLOWERS[:, :3], label=SPECIES), "E0807] a row of the column x is "),
    ("npz", "missing column"): (lambda: np.savez("d.npz", x=FLOWERS), "E0808] the source has no column label; it has x"),
    ("npz", "NaN"): (
        lambda: np.savez("d.npz", x=np.where(FLOWERS == 4.9, np.nan, FLOWERS), label=SPECIES),
        "E0611] d.npz, row 1, column x: the value is missing",
    ),
    ("npz", "infinite"): (
        lambda: np.savez("d.npz", x=np.where(FLOWERS == 4.9, 1e300, FLOWERS), label=SPECIES),
        "E0626] d.npz, row 1, column x: 1e+300 is not a number that 32 bits can hold",
    ),
    ("npz", "empty"): (lambda: emptied("d.npz"), "E0605] d.npz cannot be read: it is no npz archive"),
    ("npz", "no rows"): (lambda: np.savez("d.npz", x=FLOWERS[:0], label=SPECIES[:0]), "E0607] d.npz has no rows"),
    ("npz", "wrong encoding"): (
        all_of(lambda: np.savez("d.npz", x=FLOWERS, label=np.array([b"ok", b"\xff\xfe"] * 75)), numbered),
        "E0626] d.npz, row 1, column label: b'\\xff\\xfe' is not a word in utf-8",
    ),
    ("npz", "bomb"): (promising, "E0614] d.npz unpacks to 3"),
    ("parquet", "truncated"): (lambda: halved("d.parquet"), "E0605] d.parquet cannot be read: "),
    ("parquet", "wrong types"): (
        lambda: pq.write_table(
            flowers(when=pa.array([0] * 150, pa.date32())).rename_columns(["x", "kind", "label"]), "d.parquet"
        ),
        "E0808] the source has no column label; it has x, kind",
    ),
    ("parquet", "missing column"): (
        lambda: pq.write_table(flowers().drop_columns(["label"]), "d.parquet"),
        "E0808] the source has no column label; it has x",
    ),
    ("parquet", "NaN"): (
        lambda: pq.write_table(pa.table({"x": with_gap(), "label": SPECIES}), "d.parquet"),
        "E0611] d.parquet, row 1, column x: the value is missing",
    ),
    ("parquet", "infinite"): (
        lambda: pq.write_table(
            pa.table({"x": np.where(FLOWERS == 4.9, np.inf, FLOWERS).tolist(), "label": SPECIES}), "d.parquet"
        ),
        "E0626] d.parquet, row 1, column x: inf is not a finite number",
    ),
    ("parquet", "empty"): (lambda: emptied("d.parquet"), "E0605] d.parquet cannot be read: "),
    ("parquet", "no rows"): (lambda: pq.write_table(flowers().slice(0, 0), "d.parquet"), "E0607] d.parquet has no rows"),
    ("parquet", "wrong encoding"): (
        all_of(lambda: pq.write_table(pa.table({"x": FLOWERS[:2].tolist(), "label": bad_words()}), "d.parquet"), numbered),
        "E0626] d.parquet, row 0, column label: b'\\xff\\xfe' is not a word in utf-8",
    ),
    ("parquet", SMALL): (lambda: None, "E0614] d.parquet unpacks to "),
    ("parquet", "files that differ"): (
        all_of(
            lambda: Path("d.parquet").unlink(),
            lambda: Path("d.parquet").mkdir(),
            lambda: pq.write_table(flowers(), "d.parquet/1.parquet"),
            lambda: pq.write_table(flowers().rename_columns(["x", "class"]), "d.parquet/2.parquet"),
        ),
        "E0608] d.parquet/2.parquet has no column label; it has x, class",
    ),
    ("parquet", "kinds that differ"): (
        all_of(
            lambda: Path("d.parquet").unlink(),
            lambda: Path("d.parquet").mkdir(),
            lambda: pq.write_table(flowers(), "d.parquet/1.parquet"),
            lambda: pq.write_table(pa.table({"x": FLOWERS.tolist(), "label": ["iris"] * 150}), "d.parquet/2.parquet"),
        ),
        "E0626] d.parquet, row 150, column label: a value of string is not a whole number",
    ),
    ("hf", "truncated"): (lambda: halved(ARROW), f"E0605] {ARROW} cannot be read: "),
    ("hf", "wrong types"): (lambda: write_hf(flowers().rename_columns(["label", "x"])), "E0807] a row of the column x is "),
    ("hf", "missing column"): (
        lambda: write_hf(flowers().drop_columns(["label"])),
        "E0808] the source has no column label; it has x",
    ),
    ("hf", "NaN"): (
        lambda: write_hf(pa.table({"x": with_gap(), "label": SPECIES})),
        "E0611] saved, row 1, column x: the value is missing",
    ),
    ("hf", "empty"): (
        all_of(lambda: shutil.rmtree("saved"), lambda: Path("saved").mkdir()),
        "E0605] saved cannot be read: the folder holds no",
    ),
    ("hf", "no rows"): (lambda: write_hf(flowers().slice(0, 0)), "E0607] saved has no rows"),
    ("hf", "wrong encoding"): (
        all_of(lambda: write_hf(pa.table({"x": FLOWERS[:2].tolist(), "label": bad_words()})), numbered),
        "E0626] saved, row 0, column label: b'\\xff\\xfe' is not a word in utf-8",
    ),
    ("hf", "a file that is gone"): (lambda: Path(ARROW).unlink(), f"E0605] {ARROW} cannot be read: "),
    ("hf", "a state that is broken"): (lambda: halved("saved/state.json"), "E0605] saved/state.json cannot be read: "),
    ("idx", "truncated"): (
        lambda: halved("raw/train-images-idx3-ubyte"),
        "E0624] raw/train-images-idx3-ubyte should hold 19,200",
    ),
    ("idx", "wrong types"): (
        lambda: idx("raw/train-images-idx3-ubyte", DIGITS, 0x07),
        "E0623] raw/train-images-idx3-ubyte is no",
    ),
    ("idx", "missing column"): (
        lambda: Path("raw/train-labels-idx1-ubyte").unlink(),
        "E0808] the source has no column labels; it has images",
    ),
    ("idx", "NaN"): (
        lambda: idx("raw/train-images-idx3-ubyte", np.where(DIGITS[:300] == 13, np.nan, DIGITS[:300]), 0x0D, ">f4"),
        "E0611] raw, row 0, column images: the value is missing",
    ),
    ("idx", "infinite"): (
        lambda: idx("raw/train-images-idx3-ubyte", np.where(DIGITS[:300] == 13, np.inf, DIGITS[:300]), 0x0D, ">f4"),
        "E0626] raw, row 0, column images: inf is not a finite number",
    ),
    ("idx", "empty"): (lambda: emptied("raw/train-images-idx3-ubyte"), "E0623] raw/train-images-idx3-ubyte is no idx file"),
    ("idx", "bomb"): (
        all_of(
            lambda: idx("raw/train-labels-idx1-ubyte", NUMBERS[:300], shape=(4 * 10**9,)),
            lambda: Path("raw/train-images-idx3-ubyte").unlink(),
            lambda: idx("raw/train-images-idx3-ubyte.gz", DIGITS[:300].reshape(-1, 8, 8), shape=(4 * 10**9, 8, 8)),
        ),
        "E0614] raw/train-images-idx3-ubyte.gz unpacks to ",
    ),
    ("idx", "longer than it says"): (
        all_of(
            lambda: Path("raw/train-images-idx3-ubyte").unlink(),
            lambda: idx("raw/train-images-idx3-ubyte.gz", DIGITS[:400].reshape(-1, 8, 8), shape=(300, 8, 8)),
        ),
        "E0624] raw/train-images-idx3-ubyte.gz should hold 19,200 bytes of numbers, and holds more",
    ),
    ("images", "truncated"): (lambda: halved(first_image()), "E0628] pictures/0/0.png: the image is broken"),
    ("images", "wrong types"): (lambda: Path(first_image()).write_text("hello"), "E0628] pictures/0/0.png: this is no image"),
    ("images", "missing column"): (
        all_of(
            lambda: shutil.rmtree("pictures"),
            lambda: Path("pictures").mkdir(),
            lambda: Image.new("L", (8, 8)).save("pictures/1.png"),
        ),
        "E0629] pictures holds images, but no folders with the images of each class",
    ),
    ("images", "empty"): (lambda: emptied(first_image()), "E0628] pictures/0/0.png: this is no image"),
    ("images", "no images"): (
        all_of(lambda: shutil.rmtree("pictures"), lambda: Path("pictures").mkdir()),
        "E0629] pictures holds no folders",
    ),
    ("images", "another size"): (
        lambda: Image.new("L", (9, 8)).save("pictures/0/1000.png"),
        "E0628] pictures/0/1000.png: the image",
    ),
    ("images", "bomb"): (lambda: Image.new("1", (5000, 5000)).save(first_image()), "E0628] pictures/0/0.png: the image has"),
    ("text", "truncated"): (
        all_of(lambda: Path("d.txt").write_bytes("né".encode()[:-1]), lambda: replaced("s.arch", '"byte"', '"char"')),
        "E0606] d.txt is not utf-8: line 1 holds bytes that it cannot mean",
    ),
    ("text", "missing column"): (
        lambda: replaced("s.arch", "= next", "= words"),
        "E0808] the source has no column words; it has tokens, next",
    ),
    ("text", "empty"): (lambda: emptied("d.txt"), "E0607] d.txt has no rows"),
    ("text", "too short"): (lambda: Path("d.txt").write_text("a"), "E0630] d.txt has 1 tokens, and a sequence of 16 needs 17"),
    ("text", "wrong encoding"): (
        all_of(lambda: Path("d.txt").write_bytes(HELP.encode("utf-16")), lambda: replaced("s.arch", '"byte"', '"char"')),
        "E0606] d.txt is not utf-8: line 1 holds bytes that it cannot mean",
    ),
    ("text", SMALL): (lambda: None, "E0614] d.txt unpacks to "),
    ("sklearn", "missing column"): (
        lambda: replaced("s.arch", "target", "class"),
        "E0808] the source has no column class; it has data, target",
    ),
    ("numerals", "empty"): (lambda: replaced("s.arch", "200", "0"), "E0602] numerals: count"),
}


@pytest.mark.parametrize(("source", "fault"), BROKEN)
def test_a_broken_one_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], source: str, fault: str
) -> None:
    GOOD[source].write()
    GOOD[source].spec()
    spoil, said = BROKEN[source, fault]
    spoil()
    if fault == SMALL:
        monkeypatch.setattr(memory, "room", lambda: 100)
    monkeypatch.setattr(image_source, "PIXELS", 10**6)
    status = guarded(["train", "s.arch", "--out", "run"])
    told = capfd.readouterr().err
    assert status == 1, told
    assert f"error[{said.replace('] ', ']: ', 1)}" in told
    assert "--> s.arch:" in told
    assert "Traceback" not in told
    assert not os.path.exists("run")


@pytest.mark.parametrize("name", ["csv", "npz", "idx"])
def test_what_is_larger_than_memory_is_shuffled_and_goes_on_at_the_sample(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Columns in a file, rows read at random and made into batches as they come: the same bits as in memory, also when stopped within an
    epoch."""
    GOOD[name].write()
    spec = GOOD[name].spec()
    steps = len(train(spec, out="held", progress=False).losses)
    monkeypatch.setattr(memory, "HELD", 500)
    monkeypatch.setattr("archc.runtime.data.npz.HELD", 500)
    monkeypatch.setattr("archc.runtime.data.idx.HELD", 500)
    monkeypatch.setattr("archc.runtime.data.parts.ONCE", 0)
    opened: list[type] = []
    epoch = Batches.epoch

    def stopped(self: Batches, number: int, start: int = 0) -> Iterator[Batch]:
        opened.append(type(self.held))
        for i, batch in enumerate(epoch(self, number, start), start):
            if (number, i) == (1, 2) and len(opened) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    monkeypatch.setattr(Batches, "epoch", stopped)
    with pytest.raises(Interrupted) as caught:
        train(spec, out="streamed", progress=False)
    assert caught.value.step == steps // 3 + 3
    train(resume="streamed", progress=False)
    assert opened == [Made] * 4
    assert_same(Path("held"), Path("streamed"))
