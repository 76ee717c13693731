"""Generated text -> live Python, in memory: exactly the text is executed, and its tracebacks name the .arch file and line.

Every node of the parsed text is given the place in the spec that the compiler says its line came from; a line without one takes the place
where its class is declared. Nothing is written to disk, and nothing but the text is executed.
"""

import ast
import builtins
import linecache
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from ..dsl.span import Span
from .executable import CompiledLike, Executable, executable

if TYPE_CHECKING:
    from torch import nn

Spans = Mapping[int, Span]


def load_module(compiled: CompiledLike | Executable) -> ModuleType:
    """model.py as a module; the same text gives the same module object, so its classes stay the same."""
    exe = _executable(compiled)
    return _load(exe.name, exe.source, exe.spans, exe.sources, {})


def load_text(compiled: CompiledLike | Executable, text: str, spans: Spans) -> ModuleType:
    """Another text of the compiler for the same spec as a module."""
    exe = _executable(compiled)
    return _load(exe.name, text, spans, exe.sources, {})


def load_program(compiled: CompiledLike | Executable) -> ModuleType:
    """program.py as a module; what it imports as `model` is `load_module` of the same."""
    exe = _executable(compiled)
    if exe.program is None:
        raise ValueError(f"{exe.name} has no program")
    return _load(f"{exe.name}_program", exe.program, exe.program_spans, exe.sources, {"model": load_module(exe)})


def build(compiled: CompiledLike | Executable) -> "nn.Module":
    """The root, constructed with the plan's arguments; parameters start from torch's current random state."""
    exe = _executable(compiled)
    plan = exe.plan.model
    return cast("nn.Module", getattr(load_module(exe), plan.class_name)(**plan.arguments))


def _executable(compiled: CompiledLike | Executable) -> Executable:
    return compiled if isinstance(compiled, Executable) else executable(compiled)


def _load(name: str, text: str, spans: Spans, sources: Mapping[str, str], imports: Mapping[str, ModuleType]) -> ModuleType:
    key = blake2b(
        repr((text, sorted(spans.items()), sorted(sources.items()), sorted(m.__name__ for m in imports.values()))).encode()
    )
    unique = f"{name}_{key.hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    for source, content in sources.items():
        linecache.cache[source] = (len(content), None, content.splitlines(keepends=True), source)
    module = ModuleType(unique)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(imports)}
    for code in _compiled(text, f"<{unique}.py>", spans, sources):
        exec(code, module.__dict__)
    sys.modules[unique] = module  # so that torch finds the globals of the module by its name
    if not imports:
        _make_portable(module, _Text(name, text, dict(spans), dict(sources)))
    return module


@dataclass(frozen=True)
class _Text:
    """What a module is made from. Pickles carry it, so that another process makes the same classes; a copy of it is itself."""

    name: str
    text: str
    spans: dict[int, Span]
    sources: dict[str, str]

    def __deepcopy__(self, memo: object) -> "_Text":
        return self


def _make_portable(module: ModuleType, text: _Text) -> None:
    """Lets instances of the module's own classes be pickled and copied, in and out of processes that never saw the spec."""

    def reduce(self: Any, protocol: int) -> tuple[Any, ...]:
        if type(self).__module__ != module.__name__:  # torch made a class of its own of it, and knows how that is copied
            return cast("tuple[Any, ...]", object.__reduce_ex__(self, protocol))
        return _revived, (text, type(self).__qualname__), self.__getstate__()

    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            value.__reduce_ex__ = reduce  # type: ignore[assignment,method-assign]


def _revived(text: _Text, name: str) -> Any:
    """An instance without state of a class of that text; pickle calls this by its name."""
    made = getattr(_load(text.name, text.text, text.spans, text.sources, {}), name)
    return made.__new__(made)


def _importer(imports: Mapping[str, ModuleType]) -> Callable[..., ModuleType]:
    def load_import(name: str, *rest: Any, **options: Any) -> ModuleType:
        return imports[name] if name in imports else builtins.__import__(name, *rest, **options)

    return load_import


def _compiled(text: str, own_name: str, spans: Spans, sources: Mapping[str, str]) -> list[Any]:
    """The code of each statement of the text under the name of the .arch file that it came from."""
    linecache.cache[own_name] = (len(text), None, text.splitlines(keepends=True), own_name)
    lines = {name: content.split("\n") for name, content in sources.items()}
    codes = []
    for statement in ast.parse(text).body:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
        declared = _declared(range(first, (statement.end_lineno or first) + 1), spans)
        if declared is not None:
            _place(statement, declared, spans, lines.get(declared.source, []))
        filename = declared.source if declared is not None else own_name
        codes.append(compile(ast.Module(body=[statement], type_ignores=[]), filename, "exec", dont_inherit=True))
    return codes


def _declared(lines: range, spans: Spans) -> Span | None:
    """The place of a statement: of its first line, else the first place within it; none if it came from nowhere."""
    return next((spans[line] for line in lines if line in spans), None)


def _place(statement: ast.stmt, declared: Span, spans: Spans, lines: list[str]) -> None:
    """Gives every node below the place in the spec of its line."""
    node: Any
    for node in ast.walk(statement):
        if not hasattr(node, "lineno"):
            continue
        span = spans.get(node.lineno, declared)
        if span.source != declared.source:
            span = declared
        node.lineno, node.col_offset = span.start.line, _offset(lines, span.start.line, span.start.column)
        node.end_lineno, node.end_col_offset = span.end.line, _offset(lines, span.end.line, span.end.column)


def _offset(lines: list[str], line: int, column: int) -> int:
    """A column, counted in characters from 1, as the bytes from the line's begin that Python counts."""
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return len(text[: column - 1].encode()) if text else column - 1
