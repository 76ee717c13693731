"""`train`: from a spec, or a run folder to go on with, to a `Run`. Data is read before torch is imported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...compiler.plan import PhasePlan, Precision, TrainPlan
from ...dsl.span import NOWHERE
from ..blame import WRITING
from ..data.calls import COMMAND_LINE, from_command_line
from ..data.sources import Table, absolute, read_data
from ..executable import CompiledLike, Executable, executable
from ..faults.runs import BadSetting, DiskTrouble, FixedSetting, NoProgram, SpecChanged
from ..run_folder import SavedRun, is_run, last_step, planned, read
from ..stops import InputFaults, Interrupted, Misused, RunFailed, Stopped
from .determinism import prepare_environment
from .progress import Progress, chosen
from .tensorboard import Board, require

if TYPE_CHECKING:
    from ..run import DryRun, Run

LENGTHS = ("epochs", "steps", "precision")  # of phases; what a command can set
Spec = CompiledLike | Executable | str | Path


def train(
    spec: Spec | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    data: str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    split_seed: int | None = None,
    precision: Precision | None = None,
    device: str | None = None,
    accept_drift: bool = False,
    workers: int = 1,
    compile: bool | None = None,
    kernels: bool | None = None,
    tensorboard: bool = False,
    progress: bool | Progress = True,
    diagram: Callable[[], str] | None = None,
    model: str | None = None,
    program: str | None = None,
    **hyperparameters: Any,
) -> "Run":
    """Runs the train program of a spec and gives the finished run.

    `program` names one where the spec has several. `out` is the run folder (default `runs/NAME-N`). `compile` builds the model by
    torch.compile; `kernels=False` computes the steps of cells, and draws binary units, in PyTorch; `tensorboard` writes event files.
    `resume` names the folder of a run to go on with, to the same bits; a spec given beside it must be the one the run began with, and
    starts the run anew where nothing had been written yet. Raises `InputFaults`, `Misused`, `RunFailed` (each with its diagnostics and
    exit status) or `Interrupted`, which says how to go on.
    """
    prepare_environment()
    listener = chosen(progress) if isinstance(progress, bool) else progress
    if tensorboard:
        require()
        listener = Board(listener)
    settings = {
        "data": data,
        "epochs": epochs,
        "steps": steps,
        "seed": seed,
        "split_seed": split_seed,
        "precision": precision,
        "compile": compile,
        "kernels": kernels,
    }
    exe: Executable | None = None
    if out is not None and resume is not None:
        raise Misused(BadSetting(NOWHERE, "out", "a resumed run stays in its folder"))
    try:
        if spec is not None:
            exe = replace(changed(found(spec, model, hyperparameters, data, program), settings), workers=workers)
        if resume is not None and (exe is None or started(Path(resume))):
            return _resume(Path(resume), exe, settings, device, accept_drift, listener, workers)
        if exe is None:
            raise Misused(BadSetting(NOWHERE, "train", "give a spec to train, or a run folder to resume"))
        if resume is not None:
            listener.note(f"nothing had been written to {resume} yet: the run starts anew")
        return _start(exe, out if resume is None else resume, device, listener, diagram, bool(compile), kernels is not False)
    except Stopped as stopped:
        stopped.knows({**(exe.sources if exe else {}), **({COMMAND_LINE: data} if data is not None else {})})
        raise
    except KeyboardInterrupt:
        resumed = Path(resume) if resume is not None and is_run(resume) else None
        raise Interrupted(resumed, last_step(resumed) if resumed else 0) from None
    except OSError as error:
        if error.errno not in WRITING:
            raise
        folder = str(resume or out or "runs")
        raise RunFailed(DiskTrouble(NOWHERE, folder, error.strerror or str(error))) from error
    finally:
        listener.close()


def dry_run(
    spec: Spec,
    *,
    data: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    model: str | None = None,
    **hyperparameters: Any,
) -> "DryRun":
    """One batch forward and backward, nothing written: that the spec fits its data, and what the first loss is."""
    prepare_environment()
    exe = changed(found(spec, model, hyperparameters, data), {"data": data, "seed": seed})
    try:
        table = read_data(plan_of(exe).data, exe.base)
        from .session import try_once

        return try_once(exe, table, device)
    except Stopped as stopped:
        stopped.knows({**exe.sources, **({COMMAND_LINE: data} if data is not None else {})})
        raise


def found(
    spec: Spec, model: str | None, hyperparameters: dict[str, Any], data: str | None = None, program: str | None = None
) -> Executable:
    """The spec compiled with its train program, if it is not yet; `data` is what its columns are checked against in place of its source."""
    if isinstance(spec, Executable):
        return spec
    if isinstance(spec, str | Path):
        from ..compiling import Wanted, compiled
        from ..specs import read_spec

        return executable(
            compiled(read_spec(spec), Wanted(model=model, train=program, hypers=hyperparameters, training=True, data=data))
        )
    return executable(spec)


def plan_of(exe: Executable) -> TrainPlan:
    """The train program; a fault where the spec has none."""
    if exe.plan.train is None or exe.program is None:
        raise InputFaults(NoProgram(NOWHERE, exe.name))
    return exe.plan.train


def changed(exe: Executable, settings: dict[str, Any]) -> Executable:
    """The executable with what was asked for in place of what the spec says, and its data file named from the root.

    A length is that of every phase.
    """
    plan = plan_of(exe)
    updates = {k: settings[k] for k in ("seed", "split_seed") if settings.get(k) is not None}
    length = {}
    if settings.get("steps") is not None:
        length = {"steps": positive("steps", settings["steps"]), "epochs": None}
    elif settings.get("epochs") is not None:
        length = {"epochs": positive("epochs", settings["epochs"]), "steps": None}
    if settings.get("precision") is not None:
        length["precision"] = settings["precision"]
    phases = [phase.model_copy(update=length | begun(phase, exe.base)) for phase in plan.phases]
    text = settings.get("data")
    source = absolute(from_command_line(text), Path.cwd()) if text is not None else absolute(plan.data.source, exe.base)
    data = plan.data.model_copy(update={"source": source})
    return planned(exe, plan.model_copy(update={**updates, "data": data, "phases": phases}))


def begun(phase: PhasePlan, base: Path) -> dict[str, Any]:
    """The paths that `init` reads, named from the root: relative to the spec, or else to where the command runs."""
    named = [(clause, base / clause.path) for clause in phase.init]
    found = [(clause, path if path.exists() or not Path(clause.path).exists() else Path(clause.path)) for clause, path in named]
    return {"init": [clause.model_copy(update={"path": str(path.absolute())}) for clause, path in found]}


def positive(name: str, value: int) -> int:
    if value < 1:
        raise Misused(BadSetting(NOWHERE, name, f"it must be at least 1, and is {value}"))
    return value


def started(folder: Path) -> bool:
    """Whether a run folder holds anything."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _start(
    exe: Executable,
    out: str | Path | None,
    device: str | None,
    progress: Progress,
    diagram: Callable[[], str] | None,
    compile: bool,
    kernels: bool,
) -> "Run":
    table = read_data(plan_of(exe).data, exe.base)
    from .session import start

    return start(exe, table, Path(out) if out is not None else None, device or "auto", progress, diagram, compile, kernels)


def _resume(
    folder: Path,
    exe: Executable | None,
    settings: dict[str, Any],
    device: str | None,
    accept_drift: bool,
    progress: Progress,
    workers: int,
) -> "Run":
    saved = read(folder)
    saved = replace(saved, exe=replace(saved.exe, workers=workers))
    refuse_changes(saved, exe, settings)
    try:
        if saved.record["status"] == "finished":
            from ..run import Run

            progress.note(f"{folder} is finished; there is nothing left to do")
            return Run(folder)
        for name in changed_since(saved):
            progress.note(f"{name} has changed since the run began, which goes on with its own copy")
        table = _again(saved)
        from .session import resume

        return resume(saved, table, device, accept_drift, progress)
    except Stopped as stopped:
        stopped.knows(saved.exe.sources)
        raise


def changed_since(saved: SavedRun) -> list[str]:
    """The files of the spec that are no longer as the run began with."""
    found = []
    for name, text in saved.exe.sources.items():
        try:
            now = Path(name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        if now != text:
            found.append(name)
    return found


def _again(saved: SavedRun) -> Table:
    return read_data(saved.plan.data, saved.folder)


def refuse_changes(saved: SavedRun, exe: Executable | None, settings: dict[str, Any]) -> None:
    """A resume goes on with exactly what the run began with; anything given beside it must say the same."""
    plan = saved.plan
    if exe is not None:
        refuse_changed_spec(saved, exe)
    differing = [k for k in LENGTHS if settings[k] is not None and any(settings[k] != getattr(p, k) for p in plan.phases)]
    differing += [k for k in ("seed", "split_seed") if settings[k] is not None and settings[k] != getattr(plan, k)]
    if settings["compile"] is not None and settings["compile"] != saved.record["compile"]:
        differing.append("compile")
    if settings["kernels"] is not None and settings["kernels"] != (saved.record.get("kernels") is not None):
        differing.append("kernels")
    if settings["data"] is not None and not same_source(plan, settings["data"]):
        differing.append("data")
    if differing:
        raise Misused(FixedSetting(NOWHERE, str(saved.folder), tuple(differing)))


def refuse_changed_spec(saved: SavedRun, exe: Executable) -> None:
    """Where the spec given beside a run is another: what changed, and what of the run's weights would still load."""
    changed = []
    if (exe.plan.model, own_text(exe.source)) != (saved.exe.plan.model, own_text(saved.exe.source)):
        changed.append("the model")
    plans = clauses(plan_of(exe)), clauses(saved.plan)
    if own_text(exe.program or "") != own_text(saved.exe.program or "") or plans[0] != plans[1]:
        changed.append("the train program")
    if changed:
        from .changes import described

        raise Misused(SpecChanged(NOWHERE, str(saved.folder), tuple(changed), *described(saved, exe, plans)))


def same_source(plan: TrainPlan, text: str) -> bool:
    source = absolute(from_command_line(text), Path.cwd())
    return (source.kind, source.args, source.kwargs) == (plan.data.source.kind, plan.data.source.args, plan.data.source.kwargs)


def own_text(text: str) -> str:
    """A generated text without the line that names the file it came from."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip('"').startswith("Generated by archc"))


def clauses(plan: TrainPlan) -> object:
    """The plan as JSON without places, and without what a command can set."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "place"}
        return [strip(v) for v in value] if isinstance(value, list) else value

    plain = plan.model_dump(mode="json", exclude={"seed": True, "split_seed": True, "data": {"source"}})
    plain["phases"] = [{k: v for k, v in phase.items() if k not in LENGTHS} for phase in plain["phases"]]
    return strip(plain)
