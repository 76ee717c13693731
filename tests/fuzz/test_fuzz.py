"""200,000 inputs to `check` and `fmt`, made by machine (see `inputs`): no exception, none that takes long, all that is said in its place.

A failure names the input: `python -m tests.fuzz.worker SEED NUMBER 1` shows it again. The first 2,000 are fed in each run of the tests, the
others by `pytest -m slow tests/fuzz`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SEED = 20261123
FAST, ALL, PART = 2_000, 200_000, 9_900
ROOT = Path(__file__).parent.parent.parent
FOUND = (
    2731,
    13652,
    25413,
    47173,
    51807,
    112925,
    121099,
    125838,
    128849,
    90991,
    184352,
    101277,
    8833,
)  # inputs of the later parts that once broke a promise
LATER = [(first, PART) for first in range(FAST, ALL, PART)]


def campaign(first: int, count: int, hash_seed: int = 0) -> dict[str, Any]:
    """What a process says of `count` inputs; it fails at the first that breaks a promise."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", str(SEED), str(first), str(count)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_later_parts_are_all_the_rest() -> None:
    assert sum(count for _, count in LATER) + FAST == ALL


@pytest.mark.parametrize("part", range(2))
def test_no_input_breaks_a_promise(part: int) -> None:
    told = campaign(part * FAST // 2, FAST // 2)
    ends = Counter(told["ends"])
    assert ends.total() == told["count"] == FAST // 2
    assert ends["checked"] + ends["names"] + ends["right"] > 0.5 * ends.total(), "most get past the parser"
    assert ends["checked"] + ends["right"] > 0.3 * ends.total(), "and many into the elaborator"
    assert len(told["codes"]) > 60


@pytest.mark.parametrize("number", FOUND)
def test_what_was_found_stays_mended(number: int) -> None:
    assert campaign(number, 1)["count"] == 1


def test_what_is_said_does_not_depend_on_how_python_hashes() -> None:
    assert campaign(0, 150, hash_seed=1)["digest"] == campaign(0, 150, hash_seed=2)["digest"]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "count"), LATER)
def test_none_of_the_rest_breaks_a_promise(first: int, count: int) -> None:
    told = campaign(first, count)
    print(
        f"seed {SEED}, inputs {first} to {first + count - 1}: {told['ends']}, slowest {told['slowest']}, {told['megabytes']:.0f} MB"
    )
    assert told["count"] == count
