"""How long `archc check` takes as a warm process: `python benchmarks/check_time.py`.

Twenty runs each on a valid spec of 100 lines, on the same with faults, and on a shipped spec with data; the median of each, and whether
torch was imported.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 20
PROBE = "import sys; from archc.runtime.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
BLOCK = """block Part{n}(width)(x: [B, C, H, W]) -> [B, width, H, W] {{
    main = x -> conv(width, 3, padding=1, bias=false) -> batch_norm -> relu
    side = x -> conv(width, 1, bias=false) -> batch_norm
    return main + side -> relu
}}

"""


def valid() -> str:
    """A spec of 100 lines: 15 blocks of six lines, and the model that uses them."""
    flow = "".join(f"    h{n + 1} = h{n} -> Part{n}(16)\n" for n in range(5))
    deep = " -> ".join(f"Part{n}(32)" for n in range(5, 15))
    model = f"model Net(classes = 10)(h0: [B, 3, H, W]) -> [B, classes] {{\n{flow}    deep = h5 -> {deep}\n"
    return "".join(BLOCK.format(n=n) for n in range(15)) + model + "    return deep -> global_avg_pool -> dense(classes)\n}\n"


def seconds(file: Path) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROBE, "check", str(file)], capture_output=True, text=True, check=False)
    return time.perf_counter() - start, done.stderr.strip().splitlines()[-1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        good, faulty = Path(folder) / "valid.arch", Path(folder) / "faulty.arch"
        good.write_text(valid())
        faulty.write_text(valid().replace("h3 -> Part3(16)", "h3 -> Prat3(16)").replace("relu\n    side", "rleu\n    side", 1))
        shipped = Path(__file__).parent.parent / "specs" / "lenet.arch"
        for name, file in (("valid, 100 lines", good), ("with faults", faulty), ("with data", shipped)):
            seconds(file)  # warm
            times, torch = zip(*(seconds(file) for _ in range(RUNS)), strict=True)
            print(f"{name:18} median {statistics.median(times):.3f} s  (least {min(times):.3f})  torch imported: {set(torch)}")


if __name__ == "__main__":
    main()
