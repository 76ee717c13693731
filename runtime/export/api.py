"""`export`: from a spec or a run to a file that others run, proved before it is there."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ...dsl.span import NOWHERE
from ..executable import CompiledLike, Executable, executable
from ..faults.exports import DimNotFree, NoSizes, NotTraced, UnknownExport
from ..stops import InputFaults, Misused, Stopped
from ..train.determinism import prepare_environment

if TYPE_CHECKING:
    from torch import nn

    from .elsewhere import Case
    from .sizes import Free, Runs
    from .traced import Traced

FORMATS = ("onnx", "pt2", "safetensors")
MORE = (*range(17), 24, 32, 48, 64, 128)  # steps above the least size, to where a traced program begins
LARGE, SMALL, OTHER = (24, 12, 8, 5, 3, 2, 1, 0), (1, 2, 3, 0), (6, 4, 2, 5, 3, 1, 0)  # steps from the least size


@dataclass(frozen=True)
class Exported:
    """What was written. `inputs` are the shapes by name, `least` the least size of each free dim, `difference` what the proof showed."""

    format: str
    data: bytes
    inputs: dict[str, list[int | str]]
    outputs: list[str]
    least: dict[str, int]
    difference: float
    opset: int | None = None


def export(
    what: str | Path,
    path: str | Path,
    to: str | None = None,
    *,
    model: str | None = None,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    fold: bool = False,
    **hyperparameters: Any,
) -> Exported:
    """Exports a run with its best weights, or a spec with fresh ones drawn from `seed`, to `path`.

    `to` is onnx, pt2 or safetensors, or what the ending of `path` says; `dims` fixes free dims; `fold` puts norms
    into the layers before them. The file has been run in another process
    before it is there. Raises `Stopped` and leaves nothing where that fails.
    """
    from ..files import write_whole

    kind = format_of(str(path), to)
    [made] = exported(what, kind, model=model, dims=dims, seed=seed, hyperparameters=hyperparameters, fold=fold)
    write_whole(Path(path), made.data)
    return made


def format_of(path: str, to: str | None) -> str:
    """The format that is asked for, or that the ending says."""
    if to is not None:
        if to.lower() not in FORMATS:
            raise Misused(UnknownExport(NOWHERE, to, FORMATS))
        return to.lower()
    ending = Path(path).suffix.lower()
    if ending.removeprefix(".") not in FORMATS:
        raise Misused(UnknownExport(NOWHERE, ending, FORMATS))
    return ending.removeprefix(".")


def exported(
    what: "str | Path | CompiledLike",
    *formats: str,
    model: str | None = None,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    hyperparameters: Mapping[str, Any] | None = None,
    fold: bool = False,
) -> list[Exported]:
    """The bytes of a file in each of these of the `FORMATS`, proved; the network is traced once for all of them.

    `fold` puts norms into the layers before them, for `onnx` and `pt2`.
    """
    prepare_environment()
    if fold and "safetensors" in formats:
        from ..faults.runs import BadSetting

        raise Misused(
            BadSetting(NOWHERE, "fold", "safetensors holds the weights of the network as it was trained, so nothing is folded")
        )
    if "onnx" in formats:
        from .formats import need_onnx

        need_onnx()
    exe, network = _network(what, model, dict(hyperparameters or {}), seed)
    if hasattr(network, "draw_round"):
        raise InputFaults(NotTraced(NOWHERE, "", "a game gives what it draws anew in each round, and no output of its own"))
    try:
        if fold:
            from .folding import folded

            exe, network = folded(exe, network)
        return _exported(exe, network, formats, dict(dims or {}))
    except Stopped as stopped:
        stopped.knows(exe.sources)
        raise


def _network(
    what: "str | Path | CompiledLike", model: str | None, hypers: dict[str, Any], seed: int
) -> "tuple[Executable, nn.Module]":
    """The network in evaluation mode on the CPU, and what it was built from."""
    from ..run_folder import is_run, read

    if isinstance(what, str | Path) and is_run(what):
        from ..run import trained

        if model is not None or hypers:
            from ..faults.runs import BadSetting

            raise Misused(
                BadSetting(NOWHERE, "export", "a run has its model and its hyperparameters; --model and --set are for a spec")
            )
        saved = read(Path(what))
        return saved.exe, trained(saved).cpu().float()
    import torch

    from ..train.setup import built

    if isinstance(what, str | Path):
        from ..compiling import compile_spec

        what = compile_spec(what, model=model, **hypers)
    exe = executable(what)
    with torch.random.fork_rng(devices=[]):
        return exe, built(exe, seed, torch.device("cpu")).eval()


def _exported(exe: Executable, model: "nn.Module", formats: Sequence[str], fixed: dict[str, int]) -> list[Exported]:
    from . import sizes
    from .drawn import check_drawn
    from .elsewhere import proved
    from .formats import OPSET, names_of

    inputs = exe.plan.model.inputs
    names = sizes.free_dims(inputs)
    _known(exe, names, fixed)
    runs = sizes.asked(model, inputs)
    dims = sizes.found(names, fixed, runs)
    if dims is None:
        said = ", ".join(f"{name} = {size}" for name, size in fixed.items())
        raise InputFaults(NoSizes(NOWHERE, exe.name, tuple(n for n in names if n not in fixed and n != sizes.BATCH), said))
    small = sizes.spread(dims, fixed, runs, (0, 1, 2), 2) or fixed
    limits = sizes.bounds(model, inputs, small)
    check_drawn(exe, model, sizes.tensors(inputs, small, limits, seed=0))
    traced = _traced(exe, model, dims, fixed, runs, limits) if {*formats} - {"safetensors"} else None
    begun = _from(exe, dims, traced, fixed, limits) if traced is not None else dims
    cases = _cases(exe, model, begun, fixed, runs, limits)
    named, outputs = names_of(exe.plan.model)
    shapes = {name: [fixed.get(str(size), size) for size in item.shape] for name, item in zip(named, inputs, strict=True)}
    with tempfile.TemporaryDirectory(prefix="archc-export-") as folder:
        ordered = sorted(formats, key=("pt2", "safetensors", "onnx").index)  # turning a program into ONNX adds guards to it
        jobs = [_written(format, traced, model, exe, Path(folder) / f"model.{format}") for format in ordered]
        differences = proved(jobs, cases, outputs)
        return [
            Exported(
                format=format,
                data=Path(path).read_bytes(),
                inputs=shapes,
                outputs=outputs,
                least={dim.name: dim.least for dim in begun} if format != "safetensors" else {},
                difference=differences[format],
                opset=OPSET if format == "onnx" else None,
            )
            for format, path, *_ in sorted(jobs, key=lambda job: formats.index(job[0]))
        ]


def _written(format: str, traced: "Traced | None", model: "nn.Module", exe: Executable, file: Path) -> list[str]:
    """The file in that format, as a job for the proof."""
    from . import formats

    extra: list[str] = []
    if format == "onnx" and traced is not None:
        formats.write_onnx(traced, model, exe, file)
    elif format == "pt2" and traced is not None:
        formats.write_pt2(traced, exe, file)
    else:
        formats.write_safetensors(model, exe, file)
        extra = _module_beside(file, exe)
    return [format, str(file), *extra]


def _known(exe: Executable, names: list[str], fixed: Mapping[str, int]) -> None:
    from ..faults.specs import NotKnown

    unknown = [name for name in fixed if name not in names]
    if unknown:
        raise Misused(*(NotKnown(NOWHERE, "free dim", name, tuple(names), f" in {exe.name}") for name in unknown))


def _traced(
    exe: Executable, model: "nn.Module", dims: "list[Free]", fixed: dict[str, int], runs: "Runs", limits: list[int]
) -> "Traced":
    """The network traced at sizes well above the least: at a size of 1 torch takes it for special."""
    from . import sizes
    from .traced import dims_refused, trace

    inputs = exe.plan.model.inputs
    at = sizes.spread(dims, fixed, runs, LARGE, 3) or fixed
    given = sizes.tensors(inputs, at, limits, seed=0)
    stuck = tuple(dim.name for dim in dims if not dim.step)
    if stuck:
        raise InputFaults(DimNotFree(NOWHERE, stuck, f"{exe.name} runs at one size of it only, as far as was tried"))
    try:
        return trace(model, _fixed(inputs, fixed), dims, given)
    except Exception as error:
        from ..blame import blamed, first_line, out_of_memory

        if out_of_memory(error):
            raise
        if dims_refused(error):
            said = str(error)
            names = tuple(dim.name for dim in dims if f"{dim.name} =" in said or f"({dim.name}" in said) or tuple(
                d.name for d in dims
            )
            raise InputFaults(DimNotFree(NOWHERE, names, "what the network computes depends on the very size")) from error
        span = blamed(error, exe) or NOWHERE
        raise InputFaults(NotTraced(span, _layer(error, model), first_line(error))) from error


def _fixed(inputs: list[Any], fixed: Mapping[str, int]) -> list[Any]:
    """The inputs with sizes that were fixed as numbers."""
    from .sizes import free_dims, size_of

    def shape(item: Any) -> list[int | str]:
        return [
            size_of(size, fixed)
            if isinstance(size, str) and set(free_dims([item.model_copy(update={"shape": [size]})])) <= set(fixed)
            else size
            for size in item.shape
        ]

    return [item.model_copy(update={"shape": shape(item)}) for item in inputs]


def _layer(error: BaseException, model: "nn.Module") -> str:
    """The key of the innermost layer that a traceback goes through."""
    keys = {id(module): name for name, module in model.named_modules()}
    trace: TracebackType | None = error.__traceback__
    found = ""
    while trace is not None:
        found = keys.get(id(trace.tb_frame.f_locals.get("self")), "") or found
        trace = trace.tb_next
    return found


def _from(exe: Executable, dims: "list[Free]", traced: "Traced", fixed: dict[str, int], limits: list[int]) -> "list[Free]":
    """The free dims, from the least sizes that the traced program takes: it is asked, as its guards are not all ranges."""
    from . import sizes

    begun = [_at_least(dim, traced.least.get(dim.name, 1)) for dim in dims]
    for count in MORE:
        tried = [dim if dim.name == sizes.BATCH else replace(dim, least=dim.at(count)) for dim in begun]
        at = {**fixed, **{dim.name: dim.least for dim in tried}}
        if traced.takes(sizes.tensors(exe.plan.model.inputs, at, limits, seed=0)):
            return tried
    return begun


def _at_least(dim: "Free", least: int) -> "Free":
    step = max(1, dim.step)
    return replace(dim, least=dim.least + max(0, -(-(least - dim.least) // step)) * step)


def _cases(
    exe: Executable, model: "nn.Module", dims: "list[Free]", fixed: dict[str, int], runs: "Runs", limits: list[int]
) -> "list[Case]":
    """A batch of one at small sizes, a batch of five at others, and the sizes of the data that a train program has."""
    from . import sizes
    from .elsewhere import answered

    found = [sizes.spread(dims, fixed, runs, steps, batch) or fixed for steps, batch in ((SMALL, 1), (OTHER, 5))]
    data = {**found[0], **_data_sizes(exe), **fixed}
    found += [data] if data not in found and runs(data) else []
    inputs = exe.plan.model.inputs
    return [answered(model, at, sizes.tensors(inputs, at, limits, seed=n + 1)) for n, at in enumerate(found)]


def _data_sizes(exe: Executable) -> dict[str, int]:
    """The free dims as the columns of the data have them."""
    columns = {column.name: column.shape for column in exe.plan.train.data.columns} if exe.plan.train is not None else {}
    return {
        name: size
        for item in exe.plan.model.inputs
        if item.batched and item.name in columns
        for name, size in zip(item.shape[1:], columns[item.name], strict=False)
        if isinstance(name, str) and name.isidentifier() and isinstance(size, int)
    }


def _module_beside(file: Path, exe: Executable) -> list[str]:
    """model.py beside the weights, with what its constructor is called with."""
    source, arguments = file.with_name("model.py"), file.with_name("arguments.json")
    source.write_text(exe.source, encoding="utf-8")
    arguments.write_text(json.dumps(exe.plan.model.arguments), encoding="utf-8")
    return [str(source), exe.plan.model.class_name, str(arguments)]
