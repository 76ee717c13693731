"""The source of numbers in digits and words."""

from pathlib import Path

import numpy as np
import pytest

import archc
from archc.compiler.plan import Place, SourceCall
from archc.runtime.data.numerals import ALPHABET, part_of, spelled
from archc.runtime.data.sources import read, schema
from archc.runtime.stops import Stopped

SPECS = Path(archc.__file__).parent / "specs"
HERE = Place(file="", line=1, column=1)


def call(count: int) -> SourceCall:
    return SourceCall(kind="numerals", kwargs={"count": count}, place=HERE)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (507, "five hundred seven"),
        (1000, "one thousand"),
        (20_015, "twenty thousand fifteen"),
        (99_999, "ninety-nine thousand nine hundred ninety-nine"),
        (340_001, "three hundred forty thousand one"),
    ],
)
def test_a_number_is_spelled(number: int, words: str) -> None:
    assert spelled(number) == words


@pytest.mark.parametrize("count", [1, 10, 13, 101, 1000, 1001, 2500])
def test_the_columns_have_room_for_the_longest_and_an_end(count: int) -> None:
    table = read(call(count), Path(), ["digits", "words", "number", "part"])
    fields = schema(call(count), Path())
    for name, text in (("digits", str), ("words", spelled)):
        column = table.columns[name][np.arange(count)]
        assert column.shape[1:] == fields[name].shape
        assert ["".join(map(chr, row)).rstrip("\0") for row in column.tolist()] == [text(n) for n in range(count)]
    words = table.columns["words"][np.arange(count)]
    assert (words[:, -1] == 0).all()
    room = words.shape[1] - 1 - max(len(spelled(n)) for n in range(count))
    assert 0 <= room <= (20 if count > 1000 else 0)
    assert [part_of(n) for n in range(count)] == table.columns["part"][np.arange(count)].tolist()
    assert sorted(ALPHABET) == ALPHABET


def test_a_fifth_is_kept_for_tests_whatever_the_count() -> None:
    parts = [part_of(n) for n in range(20_000)]
    assert 0.19 < parts.count(2) / len(parts) < 0.21
    assert 0.015 < parts.count(1) / len(parts) < 0.025
    assert [part_of(n) for n in range(12)] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0]


def test_a_count_out_of_range_is_refused() -> None:
    for count in (0, 2_000_000):
        with pytest.raises(Stopped):
            schema(call(count), Path())


def test_the_speller_takes_a_step_and_answers(tmp_path: Path) -> None:
    text = (SPECS / "transformer.arch").read_text().replace("numerals()", "numerals(count=200)").replace("width=128", "width=16")
    (tmp_path / "speller.arch").write_text(text)
    spec = archc.compile(tmp_path / "speller.arch", program="speller", inner=32)
    run = archc.train(spec, out=tmp_path / "run", steps=1, progress=False)
    made = run.sample("27", "4", tokens=6, greedy=True)
    assert [record["prompt"] for record in made.records()] == ["27", "4"]
    assert run.record["begins"]["target"] == 1
    assert made.notes == ()
