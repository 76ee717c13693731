"""The same bits: threads, algorithms and random states pinned for a run, captured for a checkpoint, and given back afterwards.

`prepare_environment` must come before torch is first imported to take full effect; everything else works at any time.
"""

import os
import platform
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..allocation import keep_freed_memory

if TYPE_CHECKING:
    import torch

NOT_DETERMINISTIC = " does not have a deterministic implementation"  # in torch's warning, behind the name of the operation
EVALUATION_SEED = 0x5EED  # draws in evaluation come from a fixed seed, whatever the run's


def prepare_environment() -> None:
    """Settings that libraries read once: no thread counts that follow the load, reproducible cuBLAS; and freed memory is kept."""
    os.environ.setdefault("MKL_DYNAMIC", "FALSE")
    os.environ.setdefault("OMP_DYNAMIC", "FALSE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    keep_freed_memory()


@contextmanager
def pinned(threads: int = 1, device: "torch.device | None" = None) -> Iterator[None]:
    """Within: that many threads (one, until `use_threads` says more), deterministic algorithms. After: everything as it was, also the
    random states. On a GPU some operations have no deterministic form: they run as they are, and `telling_drift` tells of them."""
    import torch
    from torch.utils import deterministic as memory

    deterministic: Any = memory

    before = (
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )
    states = random_states()
    lenient = device is not None and device.type == "cuda"
    try:
        use_threads(threads)
        # as use_deterministic_algorithms, which imports inductor: a second
        torch.set_deterministic_debug_mode("warn" if lenient else "error")
        deterministic.fill_uninitialized_memory = False
        torch.backends.cudnn.benchmark = False
        with warnings.catch_warnings() if lenient else nullcontext():
            if lenient:
                warnings.filterwarnings("ignore", f".*{NOT_DETERMINISTIC}")
            yield
    finally:
        use_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        deterministic.fill_uninitialized_memory = before[2]
        torch.backends.cudnn.benchmark = before[3]
        restore(states)


@contextmanager
def telling_drift(note: Callable[[str], None]) -> Iterator[None]:
    """Within: torch's warning of an operation that has no deterministic form on the device goes to `note`, once for each."""
    show, told = warnings.showwarning, set()

    def shown(message: Warning | str, *rest: Any, **options: Any) -> None:
        name, found, _ = str(message).partition(NOT_DETERMINISTIC)
        if not found:
            show(message, *rest, **options)
        elif name not in told:
            told.add(name)
            note(f"{name} has no deterministic form on this device, so a resumed run may differ in its last bits")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", f".*{NOT_DETERMINISTIC}")
        warnings.showwarning = shown
        yield


def use_threads(threads: int) -> None:
    """From now on, that many threads within an operation."""
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def seed_all(seed: int) -> None:
    """All random states from one seed."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_states() -> dict[str, Any]:
    """The random states of python, numpy and torch, as values that a checkpoint can hold."""
    import numpy as np
    import torch

    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def restore(states: dict[str, Any]) -> None:
    """Sets what `random_states` gave."""
    import numpy as np
    import torch

    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


@contextmanager
def evaluating(device: "torch.device") -> Iterator[None]:
    """Within: draws from the fixed seed of evaluation. After: torch's random state as it was, so training never notices."""
    import torch

    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    torch.default_generator.manual_seed(EVALUATION_SEED)
    if cuda is not None:
        with torch.cuda.device(device):
            torch.cuda.manual_seed(EVALUATION_SEED)
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda, device)


def drew(device: "torch.device") -> bool:
    """Within `evaluating`: something was drawn."""
    import torch

    undrawn = torch.Generator().manual_seed(EVALUATION_SEED).get_state()
    if not torch.equal(torch.default_generator.get_state(), undrawn):
        return True
    if device.type != "cuda":
        return False
    undrawn = torch.Generator(device).manual_seed(EVALUATION_SEED).get_state()
    return not torch.equal(torch.cuda.get_rng_state(device), undrawn)


def surroundings(device: "torch.device") -> dict[str, Any]:
    """What the bits of a run depend on beside its plan and its data."""
    import numpy as np
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    if device.type == "cuda":
        versions["cuda"] = str(torch.version.cuda)
    return {"versions": versions, "device": device.type, "device_name": name, "platform": f"{sys.platform} {platform.machine()}"}


def _processor() -> str:
    """The processor's name with the instructions that torch uses of it."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"
