"""The calls of data sources: their arguments checked against what the source takes, and `--data` read as such a call."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ...compiler.plan import Argument, Place, SourceCall
from ...dsl.diagnostic import Fault, Report
from ...dsl.nearest import nearest
from ...dsl.source import Source
from ...dsl.span import Span
from ..faults.data import BadDataArgument, BadSourceArgument, NoSuchFile, UnreadableFile, WrongEncoding
from ..faults.files import NoShippedData, WrongValue
from ..stops import InputFaults, span_of

COMMAND_LINE = "--data"  # the name of the source text that `--data` is
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".npz": "npz",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".arrow": "hf",
    ".txt": "text",
}
SHIPPED = "std:"  # what a path begins with that names data of archc itself


@dataclass(frozen=True)
class Parameter:
    """One argument of a source: what may be given for it, and what it is when it is not."""

    name: str
    types: tuple[type, ...]
    default: Argument = None
    required: bool = False


@dataclass(frozen=True)
class Signature:
    kind: str
    parameters: tuple[Parameter, ...]
    usage: str

    def bind(self, call: SourceCall) -> dict[str, Any]:
        """The arguments by name, all of them; a fault where the call does not fit."""
        names = [p.name for p in self.parameters]
        if len(call.args) > len(names):
            self.refuse(call, f"{len(call.args)} arguments are given and {len(names)} taken")
        given = dict(zip(names, call.args, strict=False))
        for name, value in call.kwargs.items():
            if name not in names:
                near = nearest(name, names)
                self.refuse(call, f"it has no argument {name}" + (f"; did you mean {near}?" if near else ""))
            if name in given:
                self.refuse(call, f"{name} is given twice")
            given[name] = value
        return {p.name: self.checked(call, p, given) for p in self.parameters}

    def checked(self, call: SourceCall, parameter: Parameter, given: Mapping[str, Argument]) -> Argument:
        if parameter.name not in given:
            if parameter.required:
                self.refuse(call, f"{parameter.name} is missing")
            return parameter.default
        value = given[parameter.name]
        if type(value) not in parameter.types:
            self.refuse(call, f"{parameter.name} cannot be {shown(value)}")
        return value

    def refuse(self, call: SourceCall, problem: str) -> NoReturn:
        raise InputFaults(BadSourceArgument(span_of(call.place, len(call.kind)), call.kind, problem, self.usage))


@dataclass(frozen=True)
class Wanted:
    """What is asked of a source: the columns; those of them that are read as words; and those whose missing values stay (as NaN, or "")."""

    names: list[str]
    words: frozenset[str] = frozenset()
    gaps: frozenset[str] = frozenset()


MISSING = Parameter("missing", (str, int, float), "error")
POLICY = 'missing="error" or "drop" or a number'


def missing_policy(signature: Signature, call: SourceCall, value: Argument) -> str | int | float:
    """What is to be done where a value is missing."""
    if (isinstance(value, str) and value not in ("error", "drop")) or not isinstance(value, str | int | float):
        signature.refuse(call, 'missing is "error", "drop" or a number')
    return value


def shown(value: Argument) -> str:
    """A constant as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, list):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def told(path: str) -> str:
    """A path as messages name it: from here, where it lies below."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def located(call: SourceCall, path: str, base: Path, *, folder: bool = False) -> Path:
    """The file that a source names, which is there; a path is relative to `base`. With `folder` it may be a folder."""
    span = span_of(call.place, len(call.kind))
    if path.startswith(SHIPPED):
        return shipped(span, path.removeprefix(SHIPPED))
    full = base / path
    if full.is_dir() and folder:
        return full
    if full.is_dir():
        raise InputFaults(UnreadableFile(span, told(path), "it is a folder"))
    if not full.is_file():
        try:
            siblings = tuple(sorted(p.name for p in full.parent.iterdir() if p.suffix == full.suffix and p.is_file())[:1000])
        except OSError:
            siblings = ()
        raise InputFaults(NoSuchFile(span, told(path), siblings))
    return full


PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def undecodable(span: Span, source: str, path: Path, name: str, encoding: str) -> Fault:
    """What is wrong with a file of text that is not in its encoding: it is packed, or in another that its first bytes may tell."""
    with path.open("rb") as file:
        head = file.read(8)
    packed = next((kind for mark, kind in PACKED.items() if head.startswith(mark)), None)
    if packed is not None:
        return UnreadableFile(span, name, f"it is packed with {packed}; unpack it first")
    likely = next((kind for mark, kind in MARKS.items() if head.startswith(mark)), "latin-1")
    return WrongEncoding(span, name, encoding, _first_undecodable(path, encoding), source, likely)


def _first_undecodable(path: Path, encoding: str) -> int:
    """The first line that is not in the encoding."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return 1


def is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def not_utf8(span: Span, path: str, place: str, column: str, value: bytes) -> WrongValue:
    """The fault of a word that is kept in other bytes than those of utf-8."""
    return WrongValue(span, path, place, column, repr(bytes(value[:20])), "a word in utf-8")


def shipped(span: Span, name: str) -> Path:
    """Data that archc carries, by its name."""
    folder = Path(__file__).parents[2] / "specs" / "data"
    known = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix != ".md"}
    if name not in known:
        raise InputFaults(NoShippedData(span, name, (*known, "help_topics")))
    return known[name]


def from_command_line(text: str) -> SourceCall:
    """`--data` as a call: a source as a spec writes it, or a file by its ending."""
    place = Place(file=COMMAND_LINE, line=1, column=1)
    if match := re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(\(.*\))\s*", text, re.DOTALL):
        args, kwargs = _arguments(text, match[1], match[2])
        return SourceCall(kind=match[1], args=args, kwargs=kwargs, place=place)
    kind = ENDINGS.get(Path(text).suffix.lower())
    if kind is None:
        _misunderstood(text, "its ending names no source" if Path(text).suffix else "it has no ending that names a source")
    extra: dict[str, Argument] = {"delimiter": "\t"} if text.lower().endswith(".tsv") else {}
    return SourceCall(kind=kind, args=[text], kwargs=extra, place=place)


def _arguments(text: str, kind: str, parenthesized: str) -> tuple[list[Argument], dict[str, Argument]]:
    try:
        call = ast.parse(kind + parenthesized, mode="eval").body
        if not isinstance(call, ast.Call):
            _misunderstood(text, "it is no call")
        args = [_constant(node) for node in call.args]
        kwargs = {str(k.arg): _constant(k.value) for k in call.keywords if k.arg is not None}
        if len(kwargs) < len(call.keywords):
            raise ValueError("** is not known here")
        return args, kwargs
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        _misunderstood(text, error.msg if isinstance(error, SyntaxError) else str(error))


def _constant(node: ast.expr) -> Argument:
    if isinstance(node, ast.Name) and node.id in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[node.id]
    if isinstance(node, ast.List):
        values = [_constant(n) for n in node.elts]
        return [v for v in values if not isinstance(v, list)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        return node.value
    raise ValueError(f"{ast.unparse(node)} is not a constant")


def _misunderstood(text: str, problem: str) -> NoReturn:
    place = span_of(Place(file=COMMAND_LINE, line=1, column=1))
    raise InputFaults(BadDataArgument(place, text, problem), report=Report(sources={COMMAND_LINE: Source(COMMAND_LINE, text)}))
