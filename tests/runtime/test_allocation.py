"""Freed memory is kept, so that the next step need not take it anew."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
{before}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    several = [torch.ones(10_000_000) for _ in range(4)]
    del several
began = faults()
several = [torch.ones(10_000_000) for _ in range(4)]
print(faults() - began)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
@pytest.mark.parametrize(("said", "kept"), [({}, True), ({"MALLOC_ARENA_MAX": "4"}, False)])
def test_memory_that_was_freed_is_there_unless_the_environment_says_otherwise(said: dict[str, str], kept: bool) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"))}
    counts = [
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS.format(before=text)], capture_output=True, text=True, check=True, env=env | said
            ).stdout
        )
        for text in ("", "from archc.runtime.train.determinism import prepare_environment; prepare_environment()")
    ]
    assert counts[0] > 10_000  # 160 MB in pages of 4096 bytes
    assert (counts[1] < counts[0] / 10) is kept
