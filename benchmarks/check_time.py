"""How long `archc check` takes as a warm process: `python benchmarks/check_time.py [FILE…]`.

For each shipped spec, a valid spec of 100 lines and the same with faults: the least and the median of ten runs, as the process's own
processor time (which a machine that does other things as well leaves alone) and by the clock, beside a Python that only imports pydantic.
Warm means that the modules are compiled to bytecode; says whether torch was imported.
"""

import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 10
ROOT = Path(__file__).parent.parent
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


def spent(*words: str | Path) -> tuple[float, float, str]:
    """Processor seconds, seconds by the clock, and the last line on standard error."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, (done.stderr.strip().splitlines() or [""])[-1]


def line(name: str, *words: str | Path) -> None:
    cpu, wall, last = zip(*(spent(*words) for _ in range(RUNS)), strict=True)
    times = "".join(f"  {min(t):6.3f} {statistics.median(t):6.3f}" for t in (cpu, wall))
    print(f"{name:18}{times}  {', '.join(sorted(set(last)))}")


def main() -> None:
    compileall.compile_dir(ROOT, quiet=1, maxlevels=5)
    print(
        f"{'seconds':18}  {'processor':>13}  {'clock':>13}  torch imported\n{'':18}  {'least median':>13}  {'least median':>13}"
    )
    line("only pydantic", "-c", "import pydantic; pydantic.BaseModel")
    with tempfile.TemporaryDirectory() as folder:
        good, faulty = Path(folder) / "valid.arch", Path(folder) / "faulty.arch"
        good.write_text(valid())
        faulty.write_text(valid().replace("h3 -> Part3(16)", "h3 -> Prat3(16)").replace("relu\n    side", "rleu\n    side", 1))
        given = [Path(word) for word in sys.argv[1:]] or [good, faulty, *sorted((ROOT / "specs").glob("*.arch"))]
        for file in given:
            line(os.path.basename(file).removesuffix(".arch"), "-c", PROBE, "check", file)


if __name__ == "__main__":
    main()
