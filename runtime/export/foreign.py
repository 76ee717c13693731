"""What another process does with exported files: run them, with everything but archc. Called by its path, never imported by archc.

`python foreign.py JOBS.json TENSORS.npz RESULTS.npz`, where a job is `[kind, path, …]`. The tensors are called `case.position`, and the
results `kind.case.position`.
"""

import json
import runpy
import sys
from typing import Any

sys.modules["archc"] = None  # type: ignore[assignment]  # an import of it fails here

import numpy as np  # noqa: E402


def main(jobs: str, tensors: str, results: str) -> None:
    cases: dict[int, dict[int, Any]] = {}
    with np.load(tensors) as file:
        for name in file.files:
            case, _, position = name.partition(".")
            cases.setdefault(int(case), {})[int(position)] = file[name]
    found = {}
    with open(jobs, encoding="utf-8") as text:
        for kind, path, *model in json.load(text):
            print(kind, flush=True)
            run: Any = globals()[kind](path, *model)
            for case, given in cases.items():
                for i, output in enumerate(run([given[k] for k in sorted(given)])):
                    found[f"{kind}.{case}.{i}"] = output
    np.savez(results, **found)


def onnx(path: str) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return lambda given: session.run(None, dict(zip(names, given, strict=True)))


def pt2(path: str) -> Any:
    import torch

    module = torch.export.load(path).module()
    return lambda given: _called(module, given)


def safetensors(path: str, source: str, name: str, arguments: str) -> Any:
    import torch
    from safetensors.torch import load_model

    with open(arguments, encoding="utf-8") as file:
        module: torch.nn.Module = runpy.run_path(source)[name](**json.load(file))
    load_model(module, path)
    module.eval()
    return lambda given: _called(module, given)


def _called(module: Any, given: list[Any]) -> list[Any]:
    import torch

    with torch.no_grad():
        outputs = module(*[torch.from_numpy(array) for array in given])
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple | list) else [outputs])]


if __name__ == "__main__":
    main(*sys.argv[1:])
