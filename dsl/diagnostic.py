"""Faults as facts, and the report that collects them.

A fault is a frozen dataclass with a stable code; its prose is written once, in its `diagnostic` method. Nothing here knows how a
diagnostic is shown (see `render`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, Literal, dataclass_transform

from .source import Source
from .span import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Label:
    """A stretch of source with what it has to do with the fault; the first label of a diagnostic is its place."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace what stands at `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """A mend in words, with the edits that carry it out where they are known."""

    text: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault, ready to be shown. `labels[0]` is where it is; the others are the places that explain it."""

    code: str
    severity: Severity
    message: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()
    helps: tuple[Help, ...] = ()

    @property
    def span(self) -> Span:
        return self.labels[0].span


@dataclass_transform(frozen_default=True)
class Facts:
    """A frozen dataclass for which no method is made: there are hundreds of faults, and every start would pay for theirs."""

    facts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        kinds = get_annotations(cls)
        own = [name for name, kind in kinds.items() if not str(kind).startswith(("ClassVar", "typing.ClassVar"))]
        cls.facts = (*cls.facts, *(name for name in own if name not in cls.facts))

    if not TYPE_CHECKING:  # checkers know the fields of each class

        def __init__(self, *values: Any, **named: Any) -> None:
            given = {**dict(zip(self.facts, values, strict=False)), **named}
            missing = [name for name in self.facts if name not in given and not hasattr(type(self), name)]
            if missing or len(given) != len(values) + len(named) or not given.keys() <= set(self.facts):
                raise TypeError(f"{type(self).__name__} takes {', '.join(self.facts)}")
            self.__dict__.update(given)

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.facts)})"


class Fault(Facts):
    """Base of all faults. A subclass sets `code` and `title`, tells the long story in its docstring, and renders itself.

    `code` is E (error) or W (advice) and four digits, never reused. `archc explain CODE` prints `title` and the docstring. The annotations
    of a subclass are its facts.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    registry: ClassVar[dict[str, type["Fault"]]] = {}

    span: Span

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        code = cls.__dict__.get("code")
        if code is None:  # a shared base of several faults
            return
        if code in Fault.registry and Fault.registry[code].__qualname__ != cls.__qualname__:
            raise TypeError(f"two faults have the code {code}")
        Fault.registry[code] = cls

    def diagnostic(self) -> Diagnostic:
        raise NotImplementedError

    def say(
        self, message: str, label: str = "", *more: Label, notes: Iterable[str] = (), helps: Iterable[Help] = ()
    ) -> Diagnostic:
        """The diagnostic of this fault: `message` in one sentence, `label` at the caret, `more` labels elsewhere."""
        severity: Severity = "warning" if self.code.startswith("W") else "error"
        return Diagnostic(self.code, severity, message, (Label(self.span, label), *more), tuple(notes), tuple(helps))


@dataclass
class Report:
    """What one run found: diagnostics in source order, each once, and the texts they point into."""

    sources: dict[str, Source] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list, init=False)
    _said: set[Diagnostic] = field(default_factory=set, init=False, repr=False, compare=False)

    def add(self, fault: Fault | Diagnostic) -> None:
        diagnostic = fault.diagnostic() if isinstance(fault, Fault) else fault
        if diagnostic not in self._said:
            self._said.add(diagnostic)
            self.diagnostics.append(diagnostic)

    def extend(self, faults: Iterable[Fault | Diagnostic]) -> None:
        for fault in faults:
            self.add(fault)

    @property
    def ok(self) -> bool:
        """No errors; warnings do not count."""
        return all(d.severity != "error" for d in self.diagnostics)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity == "error"]

    def ordered(self) -> list[Diagnostic]:
        return sorted(self.diagnostics, key=lambda d: (d.span, d.code))
