"""The hash of a graph is the graph's: it does not change from one time to the next, and changes with what is computed."""

import subprocess
import sys

import archc


def test_the_hash_is_the_same_every_time_and_everywhere() -> None:
    here = archc.compile("unet", widths=[4, 8]).graph_hash
    assert archc.compile("unet", widths=[4, 8]).graph_hash == here
    script = "import archc; print(archc.compile('unet', widths=[4, 8]).graph_hash)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
        == here
    )


def test_the_hash_tells_what_differs() -> None:
    assert len({archc.compile("unet", widths=widths).graph_hash for widths in ([4], [4, 8], [8, 4])}) == 3
