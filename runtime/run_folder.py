"""A run folder: its files, its record (`run.json`) and its lock. Without torch.

A folder appears whole, under its name, or not at all; the process that trains in it holds its lock. `read` makes the run executable again
from its own texts, whatever became of the spec.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from ..compiler.plan import Plan, TrainPlan
from ..dsl.span import NOWHERE, Loc, Span
from .executable import Executable
from .faults.runs import FolderTaken, NoProgram, NotARun, RunLocked
from .files import sweep, sync_folder, write_whole
from .stops import InputFaults, Misused
from .train.journal import finite

RECORD, MODEL, PROGRAM, WEIGHTS, METRICS, SPEC = (
    "run.json",
    "model.py",
    "program.py",
    "model.safetensors",
    "metrics.jsonl",
    "spec.arch",
)
LOCK, CHECKPOINTS, DIAGRAM, TOKENIZER = ".lock", "checkpoints", "diagram.svg", "tokenizer.json"
Record = dict[str, Any]


class Lock:
    """An exclusive lock on a run folder; the system lifts it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle: int | None = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl

            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not POSIX: runs are not protected there
            pass
        except OSError:
            self.release()
            raise Misused(RunLocked(NOWHERE, str(folder))) from None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@dataclass(frozen=True)
class SavedRun:
    """A run read back: its texts and its record."""

    folder: Path
    exe: Executable
    record: Record

    @property
    def plan(self) -> TrainPlan:
        plan = self.exe.plan.train
        if plan is None:
            raise InputFaults(NoProgram(NOWHERE, self.exe.name))
        return plan


def create(folder: Path, exe: Executable, record: Record, diagram: Callable[[], str] | None) -> Lock:
    """Makes the folder with all that stands in it before step 1, and locks it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misused(FolderTaken(NOWHERE, str(folder)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.starting")
    if draft.exists():
        Lock(draft).release()  # another process that is starting there keeps it
        shutil.rmtree(draft)
    draft.mkdir()
    lock = Lock(draft)
    try:
        (draft / CHECKPOINTS).mkdir()
        for name, text in {**_spec_files(exe), MODEL: exe.source, PROGRAM: exe.program or "", METRICS: ""}.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
        if (tokenizer := _tokenizer(exe)) is not None:
            write_whole(draft / TOKENIZER, tokenizer.read_bytes())
        write_record(draft, {**record, "texts": _texts(exe)})
        _draw(draft, diagram)
        _take(draft, folder)
    except BaseException:
        lock.release()
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    lock.folder = folder
    return lock


def _take(draft: Path, folder: Path) -> None:
    """Gives the draft its name; another process may have been faster."""
    try:
        os.replace(draft, folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Misused(FolderTaken(NOWHERE, str(folder))) from None
        raise


def _draw(folder: Path, diagram: Callable[[], str] | None) -> None:
    """The diagram, if it can be drawn; a run does not fail for its picture."""
    if diagram is None:
        return
    try:
        picture = diagram()
    except Exception:  # noqa: BLE001
        return
    write_whole(folder / DIAGRAM, picture.encode())


def create_next(parent: Path, exe: Executable, record: Record, diagram: Callable[[], str] | None) -> Lock:
    """Makes the folder `NAME-N` with the first N that is free, whoever else is starting there. NAME is that of the train program, which is
    its model's where it has none of its own."""
    name, number = exe.plan.train.name if exe.plan.train is not None else exe.name, 1
    while True:
        folder = parent / f"{name}-{number}"
        if not folder.exists():
            with suppress(Misused):
                return create(folder, exe, record, diagram)
        number += 1


def _spec_files(exe: Executable) -> dict[str, str]:
    return {file: exe.sources[name] for file, name in _spec_names(exe).items()}


def _tokenizer(exe: Executable) -> Path | None:
    """The tokenizer file that the data is read with, which a run keeps: texts are written with it too."""
    if exe.plan.train is None or exe.plan.train.data.source.kind != "text":
        return None
    source = exe.plan.train.data.source
    name = source.kwargs.get("tokens", source.args[1] if len(source.args) > 1 else "char")
    return None if name in ("char", "byte") else exe.base / str(name)


def _spec_names(exe: Executable) -> dict[str, str]:
    """The file in the run folder for each text of the spec: the root is spec.arch, imports keep their path below the root's folder."""
    files: dict[str, str] = {}
    for i, name in enumerate(exe.sources):
        relative = (
            PurePosixPath(os.path.relpath(name, exe.base)) if i and ":" not in name else PurePosixPath(name.replace(":", "/"))
        )
        inside = not relative.is_absolute() and ".." not in relative.parts and relative.as_posix() != SPEC
        files[SPEC if i == 0 else relative.as_posix() if inside else f"imports/{i}-{relative.name}"] = name
    return files


def _texts(exe: Executable) -> Record:
    """What else an executable is made of, as JSON: where the texts came from, and which line came from where."""
    return {
        "spec": _spec_names(exe),
        MODEL: {str(line): _packed(span) for line, span in exe.spans.items()},
        PROGRAM: {str(line): _packed(span) for line, span in exe.program_spans.items()},
    }


def _packed(span: Span) -> list[Any]:
    return [span.source, span.start.line, span.start.column, span.end.line, span.end.column]


def _unpacked(lines: Mapping[str, list[Any]]) -> dict[int, Span]:
    return {int(n): Span(s, Loc(a, b), Loc(c, d)) for n, (s, a, b, c, d) in lines.items()}


def write_record(folder: Path, record: Record) -> None:
    write_whole(folder / RECORD, (json.dumps(finite(record), indent=1, ensure_ascii=False, default=str) + "\n").encode())


def update_record(folder: Path, changes: Record) -> None:
    """Writes the record anew with these entries changed."""
    write_record(folder, {**json.loads((folder / RECORD).read_text(encoding="utf-8")), **changes})


def last_step(folder: Path) -> int:
    """The step of the last checkpoint, by its name."""
    steps = [int(p.name.partition("-")[0]) for p in (folder / CHECKPOINTS).glob("[0-9]*-*.pt")]
    return max(steps, default=0)


def clean(folder: Path) -> None:
    """Removes what killed writers left behind; the caller holds the lock."""
    sweep(folder)
    sweep(folder / CHECKPOINTS)


def is_run(path: str | Path) -> bool:
    return (Path(path) / RECORD).is_file()


def read(folder: Path) -> SavedRun:
    """The run in a folder; a fault where it is none, or a file of it is missing or broken."""
    if not is_run(folder):
        siblings = tuple(str(p) for p in folder.parent.glob("*") if is_run(p)) if folder.parent.is_dir() else ()
        problem = "it has no run.json" if folder.is_dir() else "there is no such folder"
        raise Misused(NotARun(NOWHERE, str(folder), problem, siblings))
    try:
        record: Record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        texts = record["texts"]
        exe = Executable(
            name=record["name"],
            source=(folder / MODEL).read_text(encoding="utf-8"),
            program=(folder / PROGRAM).read_text(encoding="utf-8"),
            plan=Plan.model_validate(record["plan"]),
            graph_hash=record["graph_hash"],
            spans=_unpacked(texts[MODEL]),
            program_spans=_unpacked(texts[PROGRAM]),
            sources={name: (folder / file).read_text(encoding="utf-8") for file, name in texts["spec"].items()},
            hyperparameters=record["hyperparameters"],
            base=folder,
        )
    except OSError as error:
        raise Misused(NotARun(NOWHERE, str(folder), f"{Path(str(error.filename)).name}: {error.strerror}")) from None
    except (KeyError, ValueError, TypeError, ValidationError) as error:
        raise Misused(NotARun(NOWHERE, str(folder), f"run.json is broken ({type(error).__name__})")) from None
    return SavedRun(folder, exe, record)


def planned(exe: Executable, plan: TrainPlan) -> Executable:
    """The executable with another train program."""
    return replace(exe, plan=exe.plan.model_copy(update={"train": plan}))
