"""What can be executed: the texts of model.py and program.py with the plan, from the compiler or from a run folder, without torch.

`Executable` is the common form; everything after it is indifferent to where the texts came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..compiler.plan import Plan
from ..dsl.span import Span


class CompiledLike(Protocol):
    """What the runtime asks of the compiler's result (`archc.compiler.pipeline.Compiled`)."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def program(self) -> str | None: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def graph_hash(self) -> str: ...
    @property
    def spans(self) -> Mapping[int, Span]: ...
    @property
    def program_spans(self) -> Mapping[int, Span]: ...
    @property
    def sources(self) -> Mapping[str, str]: ...
    @property
    def hyperparameters(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Executable:
    """`base` is the folder that the spec's data paths are relative to; `sources` maps the spec's names to texts, the root first."""

    name: str
    source: str
    program: str | None
    plan: Plan
    graph_hash: str = ""
    spans: Mapping[int, Span] = field(default_factory=dict)
    program_spans: Mapping[int, Span] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    base: Path = Path()
    workers: int = 1  # threads that make batches ahead, where they are made anew; no number of them changes a bit


def executable(compiled: CompiledLike) -> Executable:
    """The compiler's result as an executable; data paths are relative to the file of the spec, or to here where it has none."""
    root = next(iter(compiled.sources), "")
    return Executable(
        name=compiled.name,
        source=compiled.source,
        program=compiled.program,
        plan=compiled.plan,
        graph_hash=compiled.graph_hash,
        spans=dict(compiled.spans),
        program_spans=dict(compiled.program_spans),
        sources=dict(compiled.sources),
        hyperparameters=dict(compiled.hyperparameters),
        base=Path(root).parent if root and not root.startswith("<") else Path(),
    )
