"""Values of rules -> nodes of the AST, and the checks that the grammar cannot make.

A method builds the node for the rule of its name (`function` in the table), from the rule's children and its place. A broken
statement, clause, column or item is None; the lists that hold them leave it out.
"""

from collections.abc import Callable, Iterable
from typing import Any

from . import ast
from . import faults as f
from .diagnostic import Fault, Help
from .layout import DEFINES
from .lexer import Token
from .lr import Make
from .source import Source
from .span import Loc, Span
from .table import Table

# Rules whose node nests what is in it one level deeper
DEEPER = frozenset(
    "ternary flow as_ binary unary compare call index attribute tuple_ list_ record stack stack_over if_ slice_".split(),
)
_LITERALS = {"true": True, "false": False, "none": None}


class Builder:
    def __init__(self, source: Source, report: Callable[[Fault], None]) -> None:
        self.source, self.name, self.report = source, source.name, report

    def makers(self, table: Table) -> list[tuple[Make | None, int]]:
        """What makes the value of each rule of `table`, and the levels of nesting it adds."""
        out: list[tuple[Make | None, int]] = []
        for rule in table.rules:
            plain = rule.passes or rule.lists
            out.append((None if plain else getattr(self, rule.function), int(rule.function in DEEPER)))
        return out

    def span(self, start: Loc, end: Loc) -> Span:
        return Span(self.name, start, end)

    def ident(self, token: Token) -> ast.Ident:
        return ast.Ident(token.text, span=Span(self.name, token.start, token.end))

    def idents(self, tokens: Iterable[Token]) -> tuple[ast.Ident, ...]:
        return tuple([self.ident(t) for t in tokens])

    def _first(self, c: list[Any], s: Loc, e: Loc) -> Any:
        return c[0]

    def _all(self, c: list[Any], s: Loc, e: Loc) -> list[Any]:
        return [x for x in c if x is not None]

    def broken(self, c: list[Any], s: Loc, e: Loc) -> None:
        return None

    kind = comparator = stack_kind = train_name = _first
    params = columns = clauses = phase_clauses = body = result = carries = stack_names = _all

    # Files and declarations -------------------------------------------------------------------------------------------

    start = _all

    def import_(self, c: list[Any], s: Loc, e: Loc) -> ast.Import:
        (module, is_file), *names = c
        return ast.Import(module, is_file, self.idents(names), span=self.span(s, e))

    def module_path(self, c: list[Token], s: Loc, e: Loc) -> tuple[str, bool]:
        return ".".join(t.text for t in c), False

    def module_file(self, c: list[Token], s: Loc, e: Loc) -> tuple[str, bool]:
        return c[0].text[1:-1], True

    def declaration(self, c: list[Any], s: Loc, e: Loc) -> ast.Declaration:
        kind, name, hypers, tensors, result, body = c
        if tensors is None:
            alone = bool(hypers) and all(isinstance(p.type, ast.TensorType) for p in hypers)
            hypers, tensors = ([], hypers) if alone else (hypers, [])
        for p in hypers:
            if isinstance(p.type, ast.TensorType):
                self.report(f.MixedParameters(p.span, p.name.text))
        for p in tensors:
            if not isinstance(p.type, ast.TensorType):
                self.report(f.UntypedTensor(p.span, p.name.text))
        if kind.text == "adversarial" and result is not None:
            self.report(f.GameResult(result[0].span.to(result[-1].span)))
        self._nothing_lost(body)
        outputs = None if result is None else tuple(result)
        return ast.Declaration(
            kind.text, self.ident(name), tuple(hypers), tuple(tensors), outputs, tuple(body), span=self.span(s, e)
        )

    def param(self, c: list[Any], s: Loc, e: Loc) -> ast.Param:
        name, type, default = c
        return ast.Param(self.ident(name), type, default, span=self.span(s, e))

    def hyper_type(self, c: list[Token], s: Loc, e: Loc) -> ast.HyperType:
        span = self.span(s, e)
        if c[0].text not in f.HYPER_TYPES:
            self.report(f.UnknownHyperType(span, c[0].text))
        return ast.HyperType(c[0].text, span=span)

    def tensor_type(self, c: list[Any], s: Loc, e: Loc) -> ast.TensorType:
        dtype, *dims = c
        self._one_rest(dims)
        return ast.TensorType(None if dtype is None else self.ident(dtype), tuple(dims), span=self.span(s, e))

    def rest(self, c: list[Any], s: Loc, e: Loc) -> ast.Rest:
        return ast.Rest(span=self.span(s, e))

    def _one_rest(self, items: list[Any]) -> None:
        rests = [x for x in items if isinstance(x, ast.Rest)]
        for more in rests[1:]:
            self.report(f.TwoRests(more.span, rests[0].span))

    def data(self, c: list[Any], s: Loc, e: Loc) -> ast.Data:
        name, source, columns = c
        return ast.Data(self.ident(name), source, tuple(columns or ()), span=self.span(s, e))

    def column(self, c: list[Any], s: Loc, e: Loc) -> ast.Column:
        name, type, value = c
        return ast.Column(self.ident(name), type, value, span=self.span(s, e))

    def train_where(self, c: list[Any], s: Loc, e: Loc) -> ast.TrainWhere:
        return ast.TrainWhere(c[0], span=self.span(s, e))

    def train(self, c: list[Any], s: Loc, e: Loc) -> ast.Train:
        name, model, hypers, data, clauses = c
        return ast.Train(
            None if name is None else self.ident(name),
            self.ident(model),
            tuple(hypers or ()),
            None if data is None else self.ident(data),
            tuple(clauses),
            span=self.span(s, e),
        )

    def clause(self, c: list[Any], s: Loc, e: Loc) -> ast.Clause:
        name, before, after = c
        targets, args = ([], before) if after is None else (before, after)
        for arg in targets:
            if arg.name is not None or not _is_path(arg.value):
                self.report(f.WrongClauseTarget(arg.span, self.source.slice(arg.span)))
        return ast.Clause(self.ident(name), tuple([a.value for a in targets]), tuple(args or ()), span=self.span(s, e))

    def phase(self, c: list[Any], s: Loc, e: Loc) -> ast.Phase:
        return ast.Phase(self.ident(c[0]), tuple(c[1]), span=self.span(s, e))

    def each_minimizes(self, c: list[Any], s: Loc, e: Loc) -> ast.EachMinimizes:
        return ast.EachMinimizes(self.ident(c[0]), c[1], span=self.span(s, e))

    def each_solves(self, c: list[Any], s: Loc, e: Loc) -> ast.EachSolves:
        return ast.EachSolves(self.ident(c[0]), self.ident(c[1]), c[2], span=self.span(s, e))

    # Statements -------------------------------------------------------------------------------------------------------

    def _nothing_lost(self, statements: list[Any]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Value):
                self.report(f.LostValue(statement.span, _rescue(statement.value)))

    def value(self, c: list[Any], s: Loc, e: Loc) -> ast.Value | None:
        if len(c) == 1:
            return ast.Value(c[0], span=self.span(s, e))
        self.report(f.LostValue(self.span(s, e), _rescue(c[0])))
        return None

    def assign(self, c: list[Any], s: Loc, e: Loc) -> ast.Assign | ast.IndexFunction | None:
        *targets, value = c
        span = self.span(s, e)
        if len(targets) == 1 and isinstance(targets[0], ast.Index):
            index = targets[0]
            if isinstance(index.base, ast.Name) and all(isinstance(x, ast.Name) for x in index.items):
                name = ast.Ident(index.base.id, span=index.base.span)
                indices = [ast.Ident(x.id, span=x.span) for x in index.items if isinstance(x, ast.Name)]
                return ast.IndexFunction(name, tuple(indices), value, span=span)
        for target in targets:
            if not isinstance(target, ast.Name | ast.Primed):
                self._bad_target(target, "=")
                return None
        return ast.Assign(tuple(targets), value, span=span)

    def _bad_target(self, target: Any, sign: str) -> None:
        advice = "a name can stand there, a primed name, or an index function like mask[i, j]"
        if sign == "~":
            advice = "one name can stand there: z ~ normal(0, 1)"
        elif sign == "minimizes":
            advice = "the names of players can stand there: E, R minimizes …"
        elif isinstance(target, ast.Index):
            advice = "the indices of an index function are plain names: mask[i, j] = …"
        elif isinstance(target, ast.Tuple):
            advice = "write the names without parentheses: a, b = …"
        self.report(f.BadTarget(target.span, self.source.slice(target.span), sign, advice))

    def draw(self, c: list[Any], s: Loc, e: Loc) -> ast.Draw | None:
        *targets, value = c
        if len(targets) != 1 or not isinstance(targets[0], ast.Name):
            self._bad_target(next((t for t in targets if not isinstance(t, ast.Name)), targets[-1]), "~")
            return None
        return ast.Draw(ast.Ident(targets[0].id, span=targets[0].span), value, span=self.span(s, e))

    def minimizes(self, c: list[Any], s: Loc, e: Loc) -> ast.Minimizes | None:
        *players, objective = c
        for player in players:
            if not isinstance(player, ast.Name):
                self._bad_target(player, "minimizes")
                return None
        names = tuple([ast.Ident(p.id, span=p.span) for p in players])
        return ast.Minimizes(names, objective, span=self.span(s, e))

    def layer_def(self, c: list[Any], s: Loc, e: Loc) -> ast.LayerDef:
        return ast.LayerDef(self.ident(c[0]), c[1], span=self.span(s, e))

    def gate_def(self, c: list[Any], s: Loc, e: Loc) -> ast.GateDef:
        return ast.GateDef(self.ident(c[0]), c[1], span=self.span(s, e))

    def penalty_def(self, c: list[Any], s: Loc, e: Loc) -> ast.PenaltyDef:
        return ast.PenaltyDef(self.ident(c[0]), c[1], span=self.span(s, e))

    def player_def(self, c: list[Any], s: Loc, e: Loc) -> ast.PlayerDef:
        return ast.PlayerDef(self.ident(c[0]), c[1], span=self.span(s, e))

    def param_def(self, c: list[Any], s: Loc, e: Loc) -> ast.ParamDef:
        kind, name, type, init = c
        return ast.ParamDef(kind.text, self.ident(name), type, init, span=self.span(s, e))

    def state_def(self, c: list[Any], s: Loc, e: Loc) -> ast.StateDef:
        return ast.StateDef(self.ident(c[0]), c[1], c[2], span=self.span(s, e))

    def latent_def(self, c: list[Any], s: Loc, e: Loc) -> ast.LatentDef:
        return ast.LatentDef(self.ident(c[0]), c[1], span=self.span(s, e))

    def assert_(self, c: list[Any], s: Loc, e: Loc) -> ast.Assert:
        return ast.Assert(c[0], None if c[1] is None else c[1].text[1:-1], span=self.span(s, e))

    def return_(self, c: list[Any], s: Loc, e: Loc) -> ast.Return:
        return ast.Return(tuple(c), span=self.span(s, e))

    def if_(self, c: list[Any], s: Loc, e: Loc) -> ast.If:
        condition, then, otherwise = c
        self._nothing_lost(then)
        if isinstance(otherwise, list):
            self._nothing_lost(otherwise)
        elif otherwise is not None:
            otherwise = (otherwise,)
        return ast.If(condition, tuple(then), None if otherwise is None else tuple(otherwise), span=self.span(s, e))

    # Expressions ------------------------------------------------------------------------------------------------------

    def name_(self, c: list[Token], s: Loc, e: Loc) -> ast.Name:
        return ast.Name(c[0].text, span=self.span(s, e))

    def primed(self, c: list[Token], s: Loc, e: Loc) -> ast.Primed:
        return ast.Primed(c[0].text[:-1], span=self.span(s, e))

    def number(self, c: list[Token], s: Loc, e: Loc) -> ast.Number:
        return ast.Number(c[0].text, span=self.span(s, e))

    def string(self, c: list[Token], s: Loc, e: Loc) -> ast.String:
        return ast.String(c[0].text[1:-1], span=self.span(s, e))

    def literal(self, c: list[Token], s: Loc, e: Loc) -> ast.Literal_:
        return ast.Literal_(_LITERALS[c[0].type], span=self.span(s, e))

    def list_(self, c: list[Any], s: Loc, e: Loc) -> ast.List:
        return ast.List(tuple(c), span=self.span(s, e))

    def tuple_(self, c: list[Any], s: Loc, e: Loc) -> ast.Tuple:
        return ast.Tuple(tuple(c), span=self.span(s, e))

    def record(self, c: list[Any], s: Loc, e: Loc) -> ast.Record:
        seen: dict[str, Span] = {}
        for name, _ in c:
            if name.text in seen:
                self.report(f.DuplicateField(name.span, name.text, seen[name.text]))
            seen.setdefault(name.text, name.span)
        return ast.Record(tuple(c), span=self.span(s, e))

    def field(self, c: list[Any], s: Loc, e: Loc) -> tuple[ast.Ident, Any]:
        return self.ident(c[0]), c[1]

    def unary(self, c: list[Any], s: Loc, e: Loc) -> ast.Unary:
        return ast.Unary(c[0].type, c[1], span=self.span(s, e))

    def binary(self, c: list[Any], s: Loc, e: Loc) -> ast.Binary:
        return ast.Binary(c[1].type, c[0], c[2], span=self.span(s, e))

    def compare(self, c: list[Any], s: Loc, e: Loc) -> ast.Compare:
        pairs = zip(c[1::2], c[2::2], strict=True)
        return ast.Compare(c[0], tuple([(sign.type, side) for sign, side in pairs]), span=self.span(s, e))

    def ternary(self, c: list[Any], s: Loc, e: Loc) -> ast.Ternary:
        return ast.Ternary(c[1], c[0], c[2], span=self.span(s, e))

    def flow(self, c: list[Any], s: Loc, e: Loc) -> ast.Flow:
        return ast.Flow(tuple(c), span=self.span(s, e))

    def as_(self, c: list[Any], s: Loc, e: Loc) -> ast.As:
        return ast.As(c[0], self.ident(c[1]), span=self.span(s, e))

    def call(self, c: list[Any], s: Loc, e: Loc) -> ast.Call:
        return ast.Call(c[0], tuple(c[1]), span=self.span(s, e))

    def args(self, c: list[Any], s: Loc, e: Loc) -> list[ast.Arg]:
        seen: dict[str, Span] = {}
        for arg in c:
            if arg.name is None:
                if seen:
                    self.report(f.PositionalAfterKeyword(arg.span, next(iter(seen.values()))))
            elif arg.name.text in seen:
                self.report(f.DuplicateArgument(arg.name.span, arg.name.text, seen[arg.name.text]))
            else:
                seen[arg.name.text] = arg.name.span
        return c

    arglist = args

    def positional(self, c: list[Any], s: Loc, e: Loc) -> ast.Arg:
        return ast.Arg(c[0], span=self.span(s, e))

    def keyword(self, c: list[Any], s: Loc, e: Loc) -> ast.Arg:
        return ast.Arg(c[1], self.ident(c[0]), span=self.span(s, e))

    def index(self, c: list[Any], s: Loc, e: Loc) -> ast.Index:
        self._one_rest(c[1:])
        return ast.Index(c[0], tuple(c[1:]), span=self.span(s, e))

    def slice_(self, c: list[Any], s: Loc, e: Loc) -> ast.Slice:
        return ast.Slice(c[0], c[1], span=self.span(s, e))

    def attribute(self, c: list[Any], s: Loc, e: Loc) -> ast.Attribute:
        return ast.Attribute(c[0], self.ident(c[1]), span=self.span(s, e))

    def carry(self, c: list[Any], s: Loc, e: Loc) -> ast.Carry:
        return ast.Carry(self.ident(c[0]), c[1], span=self.span(s, e))

    def stack(self, c: list[Any], s: Loc, e: Loc) -> ast.Stack:
        kind, count, tied, carries, body = c
        self._nothing_lost(body[:-1])
        return ast.Stack(kind.text, count, (), None, tied is not None, tuple(carries or ()), tuple(body), span=self.span(s, e))

    def stack_over(self, c: list[Any], s: Loc, e: Loc) -> ast.Stack:
        kind, names, over, carries, body = c
        self._nothing_lost(body[:-1])
        return ast.Stack(
            kind.text, None, self.idents(names), over, False, tuple(carries or ()), tuple(body), span=self.span(s, e)
        )


def _is_path(value: Any) -> bool:
    while isinstance(value, ast.Attribute):
        value = value.base
    return isinstance(value, ast.Name)


def _rescue(value: Any) -> tuple[Help, ...]:
    """What the author of a lost value probably wanted, when it shows."""
    if isinstance(value, ast.Name) and value.id in DEFINES:
        return (Help(f"after `{value.id}` a name is missing"),)
    if isinstance(value, ast.Name) and value.id in ("pass", "continue", "break"):
        return (Help(f"there is no `{value.id}`; a body may be empty"),)
    if isinstance(value, ast.Compare) and isinstance(value.first, ast.Name) and value.rest[0][0] == "==":
        return (Help(f"to name a value, write `{value.first.id} = …`"), Help("to demand it, write `assert …`"))
    return ()
