"""The names of one declaration: each that is used is looked up, in the order of the text, and no two things share one.

Comes in: a declaration and the names of its file. Goes out: nothing but faults; after it no name in an expression is unknown without
having been reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from ..dsl import ast
from ..dsl.diagnostic import Edit, Report
from ..dsl.span import Loc, Span
from ..dsl.walk import children, descendants
from .errors.names import FOREIGN, MODULES, BoundInOneBranch, NameTaken, ReservedKey, UnknownDtype, UnknownName
from .keys import is_reserved_key
from .layers import registry

if TYPE_CHECKING:
    from .resolve import Unit

Shelf = Callable[[], Mapping[str, str]]
"""What the standard library declares, and in which module; asked for a hint only."""

FUNCTIONS = frozenset(
    {"len", "min", "max", "sum", "abs", "sqrt", "log", "exp", "ceil", "floor", "range", "enumerate", "zip", "reverse"}
)
CONSTANTS = frozenset({"inf", "pi"})
SPECIAL = frozenset({"recur", "bidirectional", "over", "training", "ema", "kl", "gradient_penalty"})
"""Names of forms that are no layers of the registry."""
DTYPES = ("float", "int", "bool", "binary")
LATENTS = ("binary", "real", "onehot")


@cache
def synonyms() -> dict[str, str]:
    """What others call our layers, to what we call them."""
    return registry().synonyms()


class Names:
    """Looks up the names of one declaration, in the order of the text."""

    def __init__(self, unit: Unit, report: Report, shelf: Shelf) -> None:
        self.unit, self.report, self.shelf = unit, report, shelf
        self.bound: list[set[str]] = [set()]
        self.halves: dict[str, Span] = {}  # bound in one branch of an `if` only
        self.fixed = registry().keys() | FUNCTIONS | CONSTANTS | SPECIAL
        self.sound = True  # all its types are of dtypes that there are

    def declaration(self, node: ast.Declaration) -> None:
        self.namespace(node)
        for param in node.hypers:
            if param.default is not None:
                self.expression(param.default)
            self.bound[-1].add(param.name.text)
        for type_ in (*(p.type for p in node.tensors), *(node.result or ())):
            if isinstance(type_, ast.TensorType):
                self.bind_dims(type_)
        dtypes = (*DTYPES, *(kind for kind in LATENTS if kind not in DTYPES)) if node.kind == "energy" else DTYPES
        self.bound[-1].update(param.name.text for param in node.tensors)
        for type_ in (*(p.type for p in node.tensors), *(node.result or ())):
            if isinstance(type_, ast.TensorType):
                self.type(type_, dtypes)
        self.body(node.body)
        if node.kind == "attention":
            self.attends(node)
        if not self.sound:
            self.unit.broken.add(id(node))

    def attends(self, node: ast.Declaration) -> None:
        """An `attention` has an `attend` somewhere in its body."""
        if not any(isinstance(inner, ast.Name) and inner.id == "attend" for part in node.body for inner in descendants(part)):
            from .errors.attention import NoAttend

            self.report.add(NoAttend(node.name.span, node.name.text))
            self.unit.broken.add(id(node))

    def namespace(self, node: ast.Declaration) -> None:
        """Hyperparameters, dims, tensors, and what the body declares with `param`, `state` and the like share one namespace."""
        before = len(self.report.diagnostics)
        seen: dict[str, tuple[Span, str]] = {}
        for param in (*node.hypers, *node.tensors):
            name = param.name
            if name.text in seen:
                self.report.add(NameTaken(name.span, name.text, seen[name.text][1], seen[name.text][0]))
            what = "a tensor" if any(param is tensor for tensor in node.tensors) else "a hyperparameter"
            seen.setdefault(name.text, (name.span, what))
        for param in node.tensors:
            for dim in param.type.dims if isinstance(param.type, ast.TensorType) else ():
                if isinstance(dim, ast.Name) and dim.id in seen and dim.id[0].isupper():
                    self.report.add(NameTaken(dim.span, dim.id, seen[dim.id][1], seen[dim.id][0]))
        for param in node.tensors:
            for dim in param.type.dims if isinstance(param.type, ast.TensorType) else ():
                if isinstance(dim, ast.Name):
                    seen.setdefault(dim.id, (dim.span, "a dim"))
        for inner in (inner for statement in node.body for inner in descendants(statement)):
            if isinstance(inner, ast.ParamDef | ast.StateDef | ast.LatentDef | ast.PlayerDef) and inner.name.text in seen:
                first, what = seen[inner.name.text]
                self.report.add(NameTaken(inner.name.span, inner.name.text, what, first))
        if len(self.report.diagnostics) > before:
            self.unit.broken.add(id(node))

    def bind_dims(self, type_: ast.TensorType) -> None:
        for dim in type_.dims:
            if isinstance(dim, ast.Name) and dim.id[0].isupper():
                self.bound[-1].add(dim.id)

    def type(self, type_: ast.TensorType, dtypes: Sequence[str] = DTYPES) -> None:
        if type_.dtype is not None and type_.dtype.text not in dtypes:
            self.report.add(UnknownDtype(type_.dtype.span, type_.dtype.text, tuple(dtypes)))
            self.sound = False
        for dim in type_.dims:
            if not isinstance(dim, ast.Rest):
                self.expression(dim)

    def body(self, statements: Iterable[ast.Statement]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.Statement) -> None:
        match node:
            case ast.Assign():
                self.expression(node.value)
                for target in node.targets:
                    self.bind(target.id)
            case ast.LayerDef() | ast.GateDef() | ast.PenaltyDef() | ast.PlayerDef():
                self.expression(node.value)
                self.bind(node.name.text)
                if isinstance(node, ast.LayerDef | ast.PlayerDef):
                    self.key(node.name)
            case ast.ParamDef() | ast.StateDef():
                self.key(node.name)
                self.bind_dims(node.type)
                self.type(node.type)
                if node.init is not None and not (isinstance(node.init, ast.Name) and node.init.id == "learned"):
                    self.expression(node.init)
                self.bind(node.name.text)
            case ast.LatentDef():
                self.type(node.type, LATENTS)
                self.bind(node.name.text)
            case ast.Draw():
                self.expression(node.distribution)
                self.bind(node.name.text)
            case ast.IndexFunction():
                self.bind(node.name.text)
                self.bound.append({index.text for index in node.indices})
                self.expression(node.value)
                self.bound.pop()
            case ast.If():
                self.branches(node)
            case ast.Minimizes():
                self.expression(node.objective)
            case ast.Assert() | ast.Return() | ast.Value():
                for child in children(node):
                    self.expression(child)

    def branches(self, node: ast.If) -> None:
        self.expression(node.condition)
        bound: list[set[str]] = []
        for branch in (node.then, node.otherwise or ()):
            self.bound.append(set())
            self.body(branch)
            bound.append(self.bound.pop())
        for name in bound[0] & bound[1]:
            self.bind(name)
        for name in {name for name in bound[0] ^ bound[1] if not self.sees(name)}:
            self.halves[name] = node.span
            self.bound[-1].add(name)

    def key(self, name: ast.Ident) -> None:
        """A name that becomes one in the state dict."""
        if is_reserved_key(name.text):
            self.report.add(ReservedKey(name.span, name.text))

    def bind(self, name: str) -> None:
        self.bound[-1].add(name)
        self.halves.pop(name, None)

    def sees(self, name: str) -> bool:
        return any(name in bound for bound in self.bound)

    def expression(self, node: object) -> None:
        match node:
            case ast.Name():
                self.name(node)
            case ast.As():
                self.expression(node.value)
                self.bind(node.name.text)
                self.key(node.name)
            case ast.Call():
                self.expression(node.function)
                for arg in node.args:
                    if not (arg.name and arg.name.text == "dim"):  # the name of a dim
                        self.expression(arg.value)
            case ast.Stack():
                self.stack(node)
            case ast.Attribute():
                ours = self.elsewhere(node)
                if ours is not None:
                    self.report.add(UnknownName(node.span, self.unit.source.slice(node.span), (), (ours,)))
                else:
                    self.expression(node.base)
            case ast.Node():
                for child in children(node):
                    self.expression(child)

    def stack(self, node: ast.Stack) -> None:
        for inner in (node.count, node.over, *(carry.start for carry in node.carries)):
            self.expression(inner)
        self.bound.append({name.text for name in (*node.names, *(carry.name for carry in node.carries))})
        self.body(node.body)
        self.bound.pop()

    def name(self, node: ast.Name) -> None:
        if node.id in self.halves:
            self.report.add(BoundInOneBranch(node.span, node.id, self.halves[node.id]))
            return
        if (
            not self.sees(node.id)
            and node.id not in self.unit.names
            and node.id not in self.fixed
            and node.id not in self.unit.lost
        ):
            known = set().union(*self.bound) | self.unit.names.keys()
            scope = tuple(sorted(known | {n for n in self.fixed if n.isidentifier()}))
            self.report.add(UnknownName(node.span, node.id, scope, tuple(synonyms().items()), self.shelved(node.id)))
            self.bound[0].add(node.id)  # once is enough

    def elsewhere(self, node: ast.Attribute) -> tuple[str, str] | None:
        """`nn.Linear`, as it is written, with what we call it."""
        root: ast.Expr = node
        while isinstance(root, ast.Attribute):
            root = root.base
        known = synonyms() | FOREIGN | {name: name for name in registry()}
        if not isinstance(root, ast.Name) or root.id not in MODULES or self.sees(root.id) or node.name.text not in known:
            return None
        return self.unit.source.slice(node.span), known[node.name.text]

    def shelved(self, name: str) -> tuple[str, Edit] | None:
        """The line that would import `name` from the standard library, if that declares it, and the edit that writes it."""
        module = self.shelf().get(name)
        if module is None:
            return None
        imports = [item for item in self.unit.file.items if isinstance(item, ast.Import)]
        for item in imports:
            if item.module == module and not item.is_file:
                end = item.names[-1].span.end
                return f"from {module} import {name}", Edit(Span(self.unit.source.name, end, end), f", {name}")
        below = Loc(imports[-1].span.end.line + 1 if imports else 1, 1)
        text = f"from {module} import {name}\n" + ("" if imports else "\n")
        return f"from {module} import {name}", Edit(Span(self.unit.source.name, below, below), text)
