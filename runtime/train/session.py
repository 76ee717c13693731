"""A training session: a run started or resumed, from its table to its end, in its folder. Here torch begins."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...compiler.plan import TrainPlan
from ...dsl.diagnostic import Fault
from ...dsl.span import NOWHERE
from ..blame import WRITING, first_line, out_of_memory
from ..data.held import first
from ..data.parts import Fitted
from ..data.sources import Table
from ..executable import Executable
from ..faults.runs import DiskTrouble, Drifted, NoCheckpoint, NoCompiler, NotARun, OutOfMemory
from ..kernels import draws
from ..run import DryRun, Run, packed_fitted
from ..run_folder import CHECKPOINTS, METRICS, Lock, SavedRun, clean, create, create_next, update_record
from ..stops import Interrupted, Misused, RunFailed, Stopped, span_of
from . import checkpoints, determinism, initial, memory
from .api import plan_of
from .effort import threads_worth
from .engine import Engine, Setting
from .journal import Journal
from .progress import Progress
from .setup import device_of, faults_of, first_batch, settle
from .signals import Wish, listening
from .staged import Staged
from .tensorboard import Board
from .untraced import untraced
from .wiring import as_fault


def start(
    exe: Executable,
    table: Table,
    out: Path | None,
    device: str,
    progress: Progress,
    diagram: Callable[[], str] | None,
    compile: bool = False,
    kernels: bool = True,
) -> Run:
    """A new run, to its end."""
    plan, where, most = plan_of(exe), device_of(device), torch.get_num_threads()
    with determinism.pinned(device=where), determinism.telling_drift(progress.note), untraced():
        setting, fitted, multiplies = settle(exe, plan, table, where, kernels=kernels)
        threads = threads_worth(multiplies, most)
        record = {**described(setting, table, fitted, threads), "compile": compile}
        with listening() as wish:
            lock = create(out, exe, record, diagram) if out is not None else create_next(Path("runs"), exe, record, diagram)
            determinism.use_threads(threads)
            try:
                if compile:
                    built_by_torch(setting)
                progress.begin(title(setting, lock.folder), setting.steps, 0, epochs_of(plan))
                return go(setting, lock.folder, 0, None, progress, wish)
            finally:
                lock.release()


def resume(saved: SavedRun, table: Table, device: str | None, accept_drift: bool, progress: Progress) -> Run:
    """A run from its last whole checkpoint, or from its beginning where it has none, to its end."""
    folder, record = saved.folder, saved.record
    lock = Lock(folder)
    try:
        clean(folder)
        where = device_of(device or record["device"])
        with determinism.pinned(device=where), determinism.telling_drift(progress.note), untraced():
            state, damaged = checkpoints.latest(folder / CHECKPOINTS, progress.note)
            if state is None and damaged:
                raise RunFailed(NoCheckpoint(NOWHERE, str(folder), tuple(damaged)))
            begun = int(state["state"]["phase"]) if state else -1
            refuse_other_graph(saved, state)
            if not accept_drift:
                refuse_drift(saved, table, where, begun)
            wanted = record.get("kernels")
            setting, _, _ = settle(saved.exe, saved.plan, table, where, begun, kernels=False if wanted is None else wanted)
            if setting.kernels != wanted and not accept_drift:
                raise Misused(Drifted(NOWHERE, str(folder), ("its kernels were others",)))
            step = int(state["state"]["step"]) if state else 0
            update_record(folder, {"status": "running"})
            determinism.use_threads(int(record["threads"]))
            if record["compile"]:
                built_by_torch(setting)
            with listening() as wish:
                progress.begin(f"{title(setting, folder)}: goes on after step {step}", setting.steps, step, epochs_of(saved.plan))
                return go(setting, folder, int(state["journal"]) if state else 0, state, progress, wish)
    finally:
        lock.release()


def built_by_torch(setting: Setting) -> None:
    """The model's forward pass by torch.compile, tried before step 1 on the first batch; its weights stay where they are."""
    try:
        setting.model.compile()
        with determinism.evaluating(setting.device):
            states = {k: t.clone() for k, t in setting.model.state_dict().items()}
            setting.model.train()
            phase = next((phase for phase in setting.phases if phase.judge is None), None)
            if phase is not None:
                phase.wiring.forward(setting.model, first_batch(setting, phase, 0))
            setting.model.load_state_dict(states)
    except Exception as error:
        raise Misused(NoCompiler(NOWHERE, first_line(error))) from error


def go(setting: Setting, folder: Path, offset: int, state: dict[str, Any] | None, progress: Progress, wish: Wish) -> Run:
    """Runs the engine, and writes into run.json how it ended."""
    journal = Journal(folder / METRICS, offset)
    try:
        if isinstance(progress, Board):
            progress.open(folder, int(state["state"]["step"]) if state is not None else 0)
        engine = Engine(setting, folder, journal, progress, wish)
        with telling(engine, folder), drawing(setting):
            engine.begin(state)
            end = engine.run()
            update_record(folder, {"status": "finished", **told(engine), "result": end.final})
        progress.end(end.final, str(folder))
        return Run(folder)
    finally:
        journal.close()


def drawing(setting: Setting) -> AbstractContextManager[None]:
    """Within: binary units are drawn as the setting says."""
    models = [setting.model, *(phase.model for phase in setting.phases)]
    return draws.drawn_by_kernel(models) if draws.NAME in (setting.kernels or {}) else nullcontext()


@contextmanager
def telling(engine: Engine, folder: Path) -> Iterator[None]:
    """Within: however the run ends early, it is a stop that says so, and run.json knows."""
    try:
        yield
    except Interrupted:
        noted(folder, "interrupted", engine)
        raise
    except KeyboardInterrupt:
        noted(folder, "interrupted", engine)
        raise Interrupted(folder, engine.saved or 0) from None
    except Stopped as stopped:
        noted(folder, "failed", engine, str(stopped))
        raise
    except Exception as error:
        stop = understood(error, engine, folder)
        if stop is None:
            noted(folder, "failed", engine, f"{type(error).__name__}: {first_line(error)}")
            raise
        noted(folder, "failed", engine, str(stop))
        raise stop from error


def understood(error: Exception, engine: Engine, folder: Path) -> Stopped | None:
    """What an exception means, where it means something."""
    if out_of_memory(error):
        place = span_of(engine.setting.plan.place)
        fault: Fault = OutOfMemory(
            place,
            engine.state.step + 1,
            engine.plan.batch,
            first_line(error),
            engine.plan.accumulate,
            engine.plan.precision,
            memory.told(engine),
        )
        return RunFailed(fault)
    if isinstance(error, OSError) and error.errno in WRITING:
        return RunFailed(DiskTrouble(NOWHERE, str(folder), error.strerror or str(error)))
    return as_fault(error, engine.setting.exe)


def noted(folder: Path, status: str, engine: Engine, reason: str = "") -> None:
    """Writes the status into run.json, as far as the disk allows."""
    changes: dict[str, Any] = {"status": status, **told(engine)}
    with suppress(OSError):
        update_record(folder, changes | ({"reason": reason} if reason else {}))


def told(engine: Engine) -> dict[str, Any]:
    """What run.json says of where a run is, and what was said of how it learns."""
    return {"progress": engine.state.told(), "warnings": engine.warnings}


def described(setting: Setting, table: Table, fitted: Fitted, threads: int) -> dict[str, Any]:
    """run.json of a run that begins."""
    exe, plan = setting.exe, setting.plan
    return {
        "archc": version(),
        "name": exe.name,
        "status": "running",
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "hyperparameters": dict(exe.hyperparameters),
        "seed": plan.seed,
        "split_seed": plan.split_seed,
        "threads": threads,
        "kernels": setting.kernels,
        **determinism.surroundings(setting.device),
        "graph_hash": exe.graph_hash,
        "parameters": sum(p.numel() for p in setting.model.parameters()),
        "steps": setting.steps,
        "begins": begins(setting),
        "data": {
            "rows": {name: len(part) for name, part in setting.parts.items()},
            "fingerprint": table.fingerprint(plan.data.reads),
            "schema": {name: [field.dtype, list(field.shape)] for name, field in table.schema().items()},
            "fitted": packed_fitted(fitted),
        },
        "init": [[initial.digest(clause) for clause in phase.init] for phase in plan.phases],
        "plan": exe.plan.model_dump(mode="json"),
    }


def begins(setting: Setting) -> dict[str, int]:
    """For each column of tokens that goes into the model what all its rows begin with, where that is one token: texts are begun with it."""
    inputs = {i.name for i in setting.exe.plan.model.inputs if i.dtype == "int" and len(i.shape) == 2}
    phase, found = setting.phases[-1], {}
    wiring = phase.judge or phase.wiring
    rows_of = first(setting.parts["train"].held(wiring.columns), phase.plan.batch, setting.device) if inputs else ()
    for name, rows in zip(wiring.columns, rows_of, strict=bool(inputs)):
        if name in inputs and rows.shape[1] and bool((rows[:, 0] == rows[0, 0]).all()):
            found[name] = int(rows[0, 0])
    return found


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("archc")
    except PackageNotFoundError:
        return "source"


def refuse_other_graph(saved: SavedRun, state: dict[str, Any] | None) -> None:
    """A checkpoint belongs to one graph; model.py and run.json may have been taken from another run."""
    if state is not None and state["graph_hash"] != saved.exe.graph_hash:
        problem = f"its checkpoint is of graph {state['graph_hash']}, and run.json of {saved.exe.graph_hash}"
        raise Misused(NotARun(NOWHERE, str(saved.folder), problem))


def refuse_drift(saved: SavedRun, table: Table, device: torch.device, begun: int) -> None:
    """The bits of a resumed run are those of an undisturbed one only where nothing has changed that they depend on."""
    record, changes = saved.record, []
    now = determinism.surroundings(device)
    for name, version_now in now.pop("versions").items():
        if record["versions"].get(name) != version_now:
            changes.append(f"{name} was {record['versions'].get(name)} and is {version_now}")
    changes += [
        f"{name.replace('_', ' ')} was {record[name]} and is {value}" for name, value in now.items() if record[name] != value
    ]
    if record["data"]["fingerprint"] != table.fingerprint(saved.plan.data.reads):
        changes.append("the data has changed")
    for phase, digests in list(zip(saved.plan.phases, record["init"], strict=True))[begun + 1 :]:
        for clause, before in zip(phase.init, digests, strict=True):
            if initial.digest(clause) != before:
                changes.append(f"{clause.path} has changed")
    if changes:
        raise Misused(Drifted(NOWHERE, str(saved.folder), tuple(changes)))


def epochs_of(plan: TrainPlan) -> int | None:
    """How many epochs a run has, where all of its phases are measured in them."""
    counts = [phase.epochs for phase in plan.phases]
    return None if None in counts else sum(count or 0 for count in counts)


def title(setting: Setting, folder: Path) -> str:
    rows = ", ".join(f"{name} {len(part)}" for name, part in setting.parts.items())
    parameters = sum(p.numel() for p in setting.model.parameters())
    return f"{setting.exe.name}: {parameters:,} parameters on {setting.device}, rows {rows}, in {folder}"


def try_once(exe: Executable, table: Table, device: str | None) -> DryRun:
    """One batch of training, nothing written."""
    plan = replace(exe).plan.train
    assert plan is not None
    where = device_of(device or "auto")
    with determinism.pinned(device=where), untraced():
        setting, _, _ = settle(exe, plan, table, where)
        phase = setting.phases[0]
        phase.begin()
        batch = first_batch(setting, phase, 0)
        began = time.perf_counter()
        try:
            with faults_of(exe):
                if phase.updates:
                    value = float(phase.updates[0].gradients([batch]).reshape(-1)[0])
                else:
                    assert isinstance(phase, Staged)
                    value = phase.solve(lambda: None)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise RunFailed(OutOfMemory(span_of(plan.place), 1, plan.batch, first_line(error))) from error
        parameters = sum(p.numel() for p in setting.model.parameters())
        return DryRun(exe.name, value, len(batch[0]) if batch else 0, parameters, setting.steps, time.perf_counter() - began)
