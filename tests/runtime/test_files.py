"""The sources that are files of other programs: what each gives of a good file, and what it says of a broken one."""

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc.compiler.plan import Argument, Place, SourceCall
from archc.runtime.data import memory
from archc.runtime.data.calls import from_command_line
from archc.runtime.data.sources import absolute, read, schema
from archc.runtime.data.table import Field, Ragged, Table
from archc.runtime.stops import InputFaults

from .test_sources import call, fault, table

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
Image = pytest.importorskip("PIL.Image")

PLACE = Place(file="a.arch", line=3, column=8)


def lines(*rows: object) -> SourceCall:
    Path("d.jsonl").write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return call("json", "d.jsonl")


def idx(path: str, array: np.ndarray[Any, Any], *, cut: int = 0, magic: bytes = b"\0\0\x08", extra: bytes = b"") -> None:
    data = (
        magic + bytes([array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape) + array.astype(">u1").tobytes() + extra
    )
    data = data[: len(data) - cut]
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def picture(path: str, size: tuple[int, int] = (4, 6), mode: str = "RGB") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 7).save(path)


# json -----------------------------------------------------------------------------------------------------------------


def test_json(here: Path) -> None:
    source = lines(
        {"a": 1, "b": 2.5, "c": True, "d": "x", "v": [1, 2], "s": [1, 2, 3]},
        {"a": 2, "b": 1, "c": False, "d": "y", "v": [3, 4], "s": [4]},
    )
    assert schema(source, Path()) == {
        "a": Field("int", ()),
        "b": Field("float", ()),
        "c": Field("bool", ()),
        "d": Field("text", ()),
        "v": Field("int", (2,)),
        "s": Field("int", ("T",)),
    }
    found = read(source, Path(), ["a", "b", "c", "d", "v", "s"], ["d"])
    assert found.columns["b"].tolist() == [2.5, 1]
    assert found.columns["v"].tolist() == [[1, 2], [3, 4]]
    assert found.columns["s"][np.array([1, 0])].tolist() == [[4, 0, 0], [1, 2, 3]]
    assert found.columns["s"].lengths.tolist() == [3, 1]
    assert found.place(1) == "line 2"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "E0607 d.jsonl has no rows"),
        (({"x": 1}, '{"x": 2'), "E0625 d.jsonl, line 2: this is no JSON: the line ends too early"),
        (({"x": 1}, "[1]"), "E0625 d.jsonl, line 2: it is a list"),
        (({"x": 1}, "[" * 100_000), "E0625 d.jsonl, line 2: "),
        (({"x": 1}, {"x": "w"}), 'E0626 d.jsonl, line 2, column x: "w" is not a number'),
        (({"x": 1.5}, {"x": True}), "E0626 d.jsonl, line 2, column x: true is not a number"),
        (({"x": 1}, {"x": None}), "E0611 d.jsonl, line 2, column x: the value is missing"),
        (({"x": 1}, {"y": 2}), "E0611 d.jsonl, line 2, column x: the value is missing"),
        (({"x": 1.0}, '{"x": NaN}'), "E0611 d.jsonl, line 2, column x: the value is missing"),
        (({"x": 1.0}, '{"x": 1e999}'), "E0626 d.jsonl, line 2, column x: inf is not a number"),
        (({"x": 1}, {"x": 2**70}), "E0626 d.jsonl, line 2, column x: 1180591620717411303424 is not"),
        (({"y": 1},), "E0608 d.jsonl has no column x; it has y"),
        (('{"x": 1, "x": 2}',), 'E0622 the header of line 1 of d.jsonl names "x" twice'),
        (({"x": {"a": 1}},), "E0632 column x of d.jsonl is of"),
        (({"x": "w"},), 'E0612 column x of d.jsonl holds words ("w"), not numbers'),
    ],
)
def test_json_broken(here: Path, rows: tuple[object, ...], said: str) -> None:
    assert fault(lines(*rows), "x").startswith(said)


def test_json_of_another_encoding_and_of_lists_that_change(here: Path) -> None:
    source = lines({"x": 1})
    Path("d.jsonl").write_bytes('{"x": 1}\n{"ä": 2}\n'.encode("latin-1"))
    assert fault(source, "x") == "E0606 d.jsonl is not utf-8: line 2 holds bytes that it cannot mean"
    source = lines(*[{"x": [1, 2]}] * 2000, {"x": [1, 2, 3]})
    assert fault(source, "x") == "E0627 d.jsonl, line 2001, column x: 3 where the first rows have 2"


# Arrow ----------------------------------------------------------------------------------------------------------------


def parquet(**columns: Any) -> SourceCall:
    pq.write_table(pa.table(columns), "d.parquet")
    return call("parquet", "d.parquet")


def test_parquet(here: Path) -> None:
    source = parquet(
        a=[1, 2, 3],
        b=pa.array([0.5, 1.5, 2.5]),
        w=["x", "y", "x"],
        f=[True, False, True],
        v=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        s=[[1], [2, 3], []],
        m=[[[1, 2]], [[3, 4], [5, 6]], []],
    )
    found = schema(source, Path())
    assert found == {
        "a": Field("int", ()),
        "b": Field("float", ()),
        "w": Field("text", ()),
        "f": Field("bool", ()),
        "v": Field("float", (2,)),
        "s": Field("int", ("T",)),
        "m": Field("int", ("T", 2)),
    }
    got = read(source, Path(), list(found), ["w"])
    assert got.columns["v"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert got.columns["s"][np.arange(3)].tolist() == [[1, 0], [2, 3], [0, 0]]
    assert got.columns["m"][np.array([1])].tolist() == [[[3, 4], [5, 6]]]
    assert got.columns["w"].tolist() == ["x", "y", "x"]


def test_parquet_broken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(parquet(x=[1.0, None, 2.0]), "x") == "E0611 d.parquet, row 1, column x: the value is missing"
    assert fault(parquet(x=[1.0, float("nan")]), "x") == "E0611 d.parquet, row 1, column x: the value is missing"
    dropped = read(parquet(x=[1.0, None, 2.0]).model_copy(update={"kwargs": {"missing": "drop"}}), Path(), ["x"])
    assert dropped.columns["x"].tolist() == [1, 2]
    gaps = read(parquet(x=[1.0, None, 2.0]), Path(), ["x"], gaps=["x"]).columns["x"]
    assert np.isnan(gaps).tolist() == [False, True, False]
    assert fault(parquet(x=["a"]), "x") == 'E0612 column x of d.parquet holds words ("a"), not numbers'
    assert fault(parquet(x=[{"q": 1}]), "x").startswith("E0632 column x of d.parquet is of struct")
    assert fault(parquet(y=[1]), "x") == "E0608 d.parquet has no column x; it has y"
    assert fault(parquet(x=pa.array([], pa.int64())), "x") == "E0607 d.parquet has no rows"
    long = parquet(x=[[1, 2]] * 3000 + [[1]])
    assert fault(long, "x") == "E0627 d.parquet, row 3000, column x: 1 where the first rows have 2"
    with monkeypatch.context() as small:
        small.setattr(memory, "room", lambda: 40)
        assert fault(long, "x").startswith("E0614 d.parquet unpacks to")
    whole = Path("d.parquet").read_bytes()
    Path("d.parquet").write_bytes(whole[: len(whole) // 2])
    assert fault(long, "x").startswith("E0605 d.parquet cannot be read: ")
    Path("d.parquet").write_bytes(b"")
    assert fault(long, "x").startswith("E0605 d.parquet cannot be read: ")


def test_a_package_that_is_not_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parquet(x=[1])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        InputFaults, match=r"parquet needs pyarrow, which is not installed\n  help: pip install 'archc\[parquet\]'"
    ):
        table(source, "x")


def test_hugging_face(here: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"x": datasets.Sequence(datasets.Value("float32"), 2), "y": datasets.ClassLabel(names=["no", "yes"])}
    )
    parts = {
        name: datasets.Dataset.from_dict({"x": [[i, i]] * rows, "y": [i % 2] * rows}, features=features)
        for i, (name, rows) in enumerate({"train": 5, "test": 3}.items())
    }
    datasets.DatasetDict(parts).save_to_disk("saved")
    source = call("hf", "saved")
    assert schema(source, Path()) == {"x": Field("float", (2,)), "y": Field("int", ()), "part": Field("int", ())}
    found = table(source, "x", "y", "part")
    assert found.columns["part"].tolist() == [0] * 5 + [2] * 3
    assert found.columns["x"].shape == (8, 2)
    parts["test"].save_to_disk("one")
    assert table(call("hf", "one"), "y").columns["y"].tolist() == [1, 1, 1]
    Path("saved/test/state.json").write_text("{")
    assert fault(source, "x").startswith("E0605 saved/test/state.json cannot be read: ")
    Path("empty").mkdir()
    assert fault(call("hf", "empty"), "x").startswith("E0605 empty cannot be read: the folder holds no data set")


# idx ------------------------------------------------------------------------------------------------------------------

IMAGES = np.arange(5 * 28 * 28).reshape(5, 28, 28) % 251
LABELS = np.array([3, 1, 4, 1, 5])


def test_the_files_of_mnist(here: Path) -> None:
    idx("m/train-images-idx3-ubyte", IMAGES)
    idx("m/train-labels-idx1-ubyte", LABELS)
    idx("m/t10k-images.idx3-ubyte.gz", IMAGES[:2])
    idx("m/t10k-labels.idx1-ubyte.gz", LABELS[:2])
    source = call("idx", "m")
    assert schema(source, Path()) == {"images": Field("int", (28, 28)), "labels": Field("int", ()), "part": Field("int", ())}
    found = table(source, "images", "labels", "part")
    assert np.array_equal(found.columns["images"], np.concatenate([IMAGES, IMAGES[:2]]))
    assert found.columns["labels"].tolist() == [3, 1, 4, 1, 5, 3, 1]
    assert found.columns["part"].tolist() == [0] * 5 + [2] * 2
    alone = call("idx", "m/train-images-idx3-ubyte")
    assert list(schema(alone, Path())) == ["images", "labels"]
    assert table(alone, "labels").parts is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: idx("m/train-images-idx3-ubyte", IMAGES, cut=100), "E0624 m/train-images-idx3-ubyte should hold 3,920 bytes"),
        (lambda: idx("m/train-images-idx3-ubyte", IMAGES, extra=b"!"), "E0624 m/train-images-idx3-ubyte should hold 3,920 bytes"),
        (
            lambda: idx("m/train-images-idx3-ubyte", IMAGES, magic=b"\0\1\x08"),
            "E0623 m/train-images-idx3-ubyte is no idx file: it begins",
        ),
        (
            lambda: idx("m/train-images-idx3-ubyte", IMAGES, magic=b"\0\0\x07"),
            "E0623 m/train-images-idx3-ubyte is no idx file: kind 0x07",
        ),
        (
            lambda: Path("m/train-images-idx3-ubyte").write_bytes(b""),
            "E0623 m/train-images-idx3-ubyte is no idx file: it begins with nothing",
        ),
        (lambda: idx("m/train-labels-idx1-ubyte", LABELS[:4]), "E0615 the columns of m differ in rows"),
        (lambda: Path("m/train-labels-idx1-ubyte").unlink(), "E0608 m has no column labels; it has images"),
        (
            lambda: Path("m/train-images-idx3-ubyte").unlink(),
            "E0605 m cannot be read: the folder holds no train-images-idx3-ubyte",
        ),
    ],
)
def test_idx_broken(here: Path, spoil: Callable[[], object], said: str) -> None:
    idx("m/train-images-idx3-ubyte", IMAGES)
    idx("m/train-labels-idx1-ubyte", LABELS)
    spoil()
    assert fault(call("idx", "m"), "images", "labels").startswith(said)


def test_packed_idx_broken(here: Path) -> None:
    idx("x-images.gz", IMAGES, extra=b"more than the header says" * 1000)
    assert fault(call("idx", "x-images.gz"), "images") == "E0624 x-images.gz should hold 3,920 bytes of numbers, and holds more"
    idx("x-images.gz", IMAGES)
    data = Path("x-images.gz").read_bytes()
    Path("x-images.gz").write_bytes(data[: len(data) // 2])
    assert fault(call("idx", "x-images.gz"), "images").startswith("E0605 x-images.gz cannot be read: it was cut short")


# Images -----------------------------------------------------------------------------------------------------------------


def test_images(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/1.png", "cat/2.bmp", "dog/1.gif"):
        picture(f"pets/{name}")
    source = call("images", "pets")
    assert schema(source, Path()) == {"images": Field("int", (3, 6, 4)), "labels": Field("int", ())}
    found = table(source, "images", "labels")
    assert found.columns["images"].shape == (3, 3, 6, 4)
    assert found.columns["labels"].tolist() == ["cat", "cat", "dog"]
    assert found.alphabets == {"labels": ["cat", "dog"]}
    assert schema(call("images", "pets", size=[8, 8], channels=1), Path())["images"] == Field("int", (1, 8, 8))
    monkeypatch.setattr("archc.runtime.data.images.HELD", 0)
    lazy = table(source, "images").columns["images"]
    assert np.array_equal(lazy[np.array([2, 0])], found.columns["images"][[2, 0]])
    for part in ("train", "test"):
        picture(f"both/{part}/cat/1.png")
    assert table(call("images", "both"), "part").columns["part"].tolist() == [2, 0]


def test_images_broken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture("pets/cat/1.png")
    picture("pets/cat/2.png", (5, 6))
    assert fault(call("images", "pets"), "images") == "E0628 pets/cat/2.png: the image is 6 x 5, and the first one is 6 x 4"
    whole = Path("pets/cat/1.png").read_bytes()
    Path("pets/cat/2.png").write_bytes(whole[: len(whole) - 30])
    assert fault(call("images", "pets"), "images").startswith("E0628 pets/cat/2.png: the image is broken")
    Path("pets/cat/2.png").write_text("hello")
    assert fault(call("images", "pets"), "images").startswith("E0628 pets/cat/2.png: this is no image that can be read")
    Path("pets/cat/2.png").write_bytes(b"")
    assert fault(call("images", "pets"), "images").startswith("E0628 pets/cat/2.png: this is no image that can be read")
    monkeypatch.setattr("archc.runtime.data.images.PIXELS", 20)
    assert fault(call("images", "pets"), "images").startswith("E0628 pets/cat/1.png: the image has 4 x 6 pixels, more than 20")
    picture("loose/1.png")
    assert fault(call("images", "loose"), "images").startswith(
        "E0629 loose holds images, but no folders with the images of each class"
    )
    assert fault(call("images", "pets/cat/1.png"), "images").startswith("E0605")
    assert fault(call("images", "nowhere"), "images").startswith("E0604")


# Text -------------------------------------------------------------------------------------------------------------------


def text(content: str | bytes, **options: Argument) -> SourceCall:
    Path("d.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    return call("text", "d.txt", **options)


def test_text(here: Path) -> None:
    found = table(text("abcabcab\u00e9\n", length=3), "tokens", "next")
    assert found.rows == 3
    assert found.alphabets["tokens"] == ["\n", "a", "b", "c", "\u00e9"]
    assert [chr(c) for c in found.columns["tokens"][np.array([1])][0]] == ["a", "b", "c"]
    assert [chr(c) for c in found.columns["next"][np.array([2])][0]] == ["b", "\u00e9", "\n"]
    assert table(text("abcabcabc", length=3, stride=1, tokens="byte"), "tokens").rows == 6
    assert table(text(b"\xff\xfe\x00\x01\x02", length=2, tokens="byte"), "tokens").columns["tokens"][np.array([0])].tolist() == [
        [255, 254]
    ]
    topics = table(call("text", "std:help_topics", length=64), "tokens")
    assert topics.rows > 5000


def test_text_of_a_tokenizer(here: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "one": 1, "two": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save("t.json")
    found = table(text("one two one\ntwo six one", length=2, tokens="t.json"), "tokens", "next")
    assert found.columns["tokens"][np.arange(2)].tolist() == [[1, 2], [1, 2]]
    assert found.columns["next"][np.arange(2)].tolist() == [[2, 1], [2, 0]]
    Path("t.json").write_text("{}")
    assert fault(text("one", tokens="t.json"), "tokens").startswith("E0634 t.json is no tokenizer: ")


def test_text_broken(here: Path) -> None:
    assert fault(text(""), "tokens") == "E0607 d.txt has no rows"
    assert fault(text("abc", length=3), "tokens") == "E0630 d.txt has 3 tokens, and a sequence of 3 needs 4"
    assert fault(text(b"a\nb\xe9\n"), "tokens") == "E0606 d.txt is not utf-8: line 2 holds bytes that it cannot mean"
    assert fault(text("abc", length=0), "tokens") == "E0602 text: length and stride are at least 1"
    assert fault(call("text", "std:help_topcs"), "tokens").startswith(
        "E0631 there is no std:help_topcs; there are japanese_vowels"
    )


# What ships, and the command line -------------------------------------------------------------------------------------------


def test_data_that_ships() -> None:
    found = table(call("npz", "std:japanese_vowels"), "frames", "label", "split")
    frames = found.columns["frames"]
    assert isinstance(frames, Ragged)
    assert frames[np.arange(640)].shape == (640, 29, 12)
    assert np.bincount(found.columns["split"]).tolist() == [270, 0, 370]


def test_sequences_of_a_npz(here: Path) -> None:
    np.savez("d.npz", x=np.arange(10.0).reshape(5, 2), x_offsets=np.array([0, 2, 2, 5]), y=np.arange(3))
    source = call("npz", "d.npz")
    assert schema(source, Path()) == {"x": Field("float", ("T", 2)), "y": Field("int", ())}
    found = table(source, "x", "y").columns["x"]
    assert isinstance(found, Ragged)
    assert found[np.array([0, 1])].tolist() == [[[0, 1], [2, 3]], [[0, 0], [0, 0]]]
    np.savez("d.npz", x=np.arange(5.0), x_offsets=np.array([0, 4, 2, 5]))
    assert fault(source, "x").startswith("E0605 d.npz cannot be read: x_offsets should rise from 0 to 5")


def test_paths_are_named_from_the_root() -> None:
    there = absolute(call("idx", "a", labels="b"), Path("/data"))
    assert (there.args, there.kwargs) == (["/data/a"], {"labels": "/data/b"})
    kept = absolute(call("text", "std:help_topics", tokens="char"), Path("/data"))
    assert (kept.args, kept.kwargs) == (["std:help_topics"], {"tokens": "char"})
    assert absolute(call("text", "a", tokens="t.json"), Path("/data")).kwargs == {"tokens": "/data/t.json"}
    kinds = {ending: from_command_line(f"x{ending}").kind for ending in (".jsonl", ".parquet", ".arrow", ".txt")}
    assert kinds == {".jsonl": "json", ".parquet": "parquet", ".arrow": "hf", ".txt": "text"}


def test_what_is_larger_than_memory_lies_in_a_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> tuple[Table, Table]:
        rows = [{"x": i if i < 9000 else i + 0.5, "v": [i, -i], "s": [i] * (i % 3)} for i in range(20_000)]
        source = lines(*rows)
        small = read(source, Path(), ["x", "v", "s"])
        monkeypatch.setattr(memory, "HELD", 1000)
        return small, read(source, Path(), ["x", "v", "s"])

    small, large = both()
    assert isinstance(large.columns["x"], np.memmap)
    assert isinstance(large.columns["s"].values, np.memmap)
    assert np.array_equal(small.columns["x"], large.columns["x"])
    assert np.array_equal(small.columns["v"], large.columns["v"])
    index = np.array([19_999, 4, 7, 3])
    assert np.array_equal(small.columns["s"][index], large.columns["s"][index])


def test_sequences_of_different_length_have_sizes_of_their_own(here: Path) -> None:
    source = lines(*[{"a": [1] * i, "b": [2] * i, "c": [3] * (9 - i)} for i in range(1, 6)])
    fields = schema(source, Path())
    assert [fields[name].shape for name in "abc"] == [("T",), ("T",), ("S",)]
    symbols = {"a": "T", "b": "T", "c": "T"}
    assert read(source, Path(), ["a", "b"], sequences=symbols).columns["b"].lengths.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(InputFaults, match="E0627"):
        read(source, Path(), ["a", "c"], sequences=symbols)


def test_mnist_trains_lenet_with_data_alone(here: Path) -> None:
    from archc.runtime.evaluate import evaluate
    from archc.runtime.train.api import train

    labels = np.arange(120) % 10
    images = np.zeros((120, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 5] = 255
    for name, rows in (("train", slice(0, 100)), ("t10k", slice(100, 120))):
        idx(f"raw/{name}-images-idx3-ubyte", images[rows])
        idx(f"raw/{name}-labels-idx1-ubyte.gz", labels[rows])
    spec = Path(__file__).parents[2] / "docs" / "examples" / "lenet28.arch"
    run = train(spec, data='idx("raw")', out="run", epochs=3, progress=False)
    assert run.record["data"]["rows"] == {"train": 90, "validation": 10, "test": 20}
    assert evaluate("run", "test") == run.metrics["test"]
    assert run.metrics["test"]["accuracy"] > 0.3
