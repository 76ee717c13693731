"""Random programs: ASTs that the parser could have made, for the tests that print them and read them back."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from hypothesis import strategies as st

from archc.dsl import ast

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

# Words of the grammar are names too, where they begin nothing
NAMES = (
    "x h B T D heads gate model state layer param phase each on by data train minimizes solves train_where import block".split()
)
CLAUSES = ["loss", "optimizer", "epochs", "early_stop", "x"]
NUMBERS = ["0", "1", "12", "0.5", "2e-4", "1.5E+3"]
BINARY = ["+", "-", "*", "/", "//", "%", "@", "**", "and", "or", ".."]
SIGNS = ["==", "!=", "<", "<=", ">", ">="]
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"'), max_size=8)
KINDS: list[Literal["model", "block", "cell", "attention", "energy", "adversarial"]] = [
    "model",
    "block",
    "cell",
    "attention",
    "energy",
    "adversarial",
]
SMALL = {n: st.integers(0, n) for n in range(30)}


class Maker:
    """Makes nodes out of what hypothesis draws; `depth` bounds how far an expression nests."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def pick(self, items: list[T]) -> T:
        return items[self.draw(SMALL[len(items) - 1])]

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self.draw(SMALL[1]) else None

    def some(self, make: Callable[[], T], least: int = 0, most: int = 2) -> tuple[T, ...]:
        return tuple([make() for _ in range(least + self.draw(SMALL[most - least]))])

    def name(self) -> str:
        return self.pick(NAMES)

    def ident(self) -> ast.Ident:
        return ast.Ident(self.name())

    def text(self) -> str:
        return str(self.draw(TEXTS))

    # Expressions

    def leaf(self) -> Any:
        match self.draw(SMALL[6]):
            case 0:
                return ast.Primed(self.name())
            case 1 | 2:
                return ast.Number(self.pick(NUMBERS))
            case 3:
                return ast.String(self.text())
            case 4:
                return ast.Literal_(self.pick([True, False, None]))
        return ast.Name(self.name())

    def expr(self, depth: int = 3) -> Any:
        if depth == 0 or self.draw(SMALL[3]) == 0:
            return self.leaf()
        less = partial(self.expr, depth - 1)
        match self.draw(SMALL[14]):
            case 0 | 1 | 2:
                return ast.Binary(self.pick(BINARY), less(), less())
            case 3:
                return ast.Unary(self.pick(["-", "not"]), less())
            case 4:
                return ast.Compare(less(), self.some(lambda: (self.pick(SIGNS), less()), 1))
            case 5:
                return ast.Ternary(less(), less(), less())
            case 6:
                return ast.Call(less(), self.args(depth - 1))
            case 7 | 8:
                return ast.Flow(self.some(less, 2, 4))
            case 9:
                return ast.As(less(), self.ident())
            case 10:
                return ast.Attribute(less(), self.ident())
            case 11:
                return ast.Index(less(), self.one_rest(lambda: self.slice(depth - 1), 1))
            case 12:
                return ast.List(self.some(less)) if self.draw(SMALL[1]) else ast.Tuple(self.some(less, 1))
            case 13:
                return ast.Record(tuple([(ast.Ident(n), less()) for n in NAMES[: 1 + self.draw(SMALL[2])]]))
        return self.stack(depth - 1)

    def slice(self, depth: int) -> Any:
        less = partial(self.expr, depth)
        return ast.Slice(self.maybe(less), self.maybe(less)) if self.draw(SMALL[1]) else less()

    def one_rest(self, make: Callable[[], Any], least: int = 0) -> tuple[Any, ...]:
        items = list(self.some(make, least, 3))
        if self.draw(SMALL[2]) == 0:
            items.insert(self.draw(SMALL[len(items)]), ast.Rest())
        return tuple(items)

    def args(self, depth: int = 1) -> tuple[ast.Arg, ...]:
        """Those without a name first, no name twice."""
        plain = self.some(lambda: ast.Arg(self.expr(depth)))
        return (*plain, *(ast.Arg(self.expr(depth), ast.Ident(n)) for n in NAMES[: self.draw(SMALL[2])]))

    def stack(self, depth: int) -> ast.Stack:
        body = (*self.some(lambda: self.plain(depth)), *self.some(lambda: ast.Value(self.expr(depth)), 0, 1))
        carries = self.some(lambda: ast.Carry(self.ident(), self.expr(depth)))
        kind: Literal["stack", "parallel"] = "stack" if self.draw(SMALL[1]) else "parallel"
        if self.draw(SMALL[1]):
            return ast.Stack(kind, None, self.some(self.ident, 1), self.expr(depth), False, carries, body)
        return ast.Stack(kind, self.expr(depth), (), None, bool(self.draw(SMALL[1])), carries, body)

    # Statements

    def type(self) -> ast.TensorType:
        return ast.TensorType(self.maybe(self.ident), self.one_rest(lambda: self.expr(1)))

    def plain(self, depth: int = 2) -> Any:
        """A statement without a body of its own."""
        value = partial(self.expr, depth)
        match self.draw(SMALL[14]):
            case 0:
                return ast.IndexFunction(self.ident(), self.some(self.ident, 1), value())
            case 1:
                return ast.Draw(self.ident(), value())
            case 2:
                return ast.LayerDef(self.ident(), value())
            case 3:
                return ast.ParamDef("param" if self.draw(SMALL[1]) else "buffer", self.ident(), self.type(), self.maybe(value))
            case 4:
                return ast.StateDef(self.ident(), self.type(), self.maybe(value))
            case 5:
                return ast.LatentDef(self.ident(), self.type())
            case 6:
                return ast.GateDef(self.ident(), value())
            case 7:
                return ast.PenaltyDef(self.ident(), value())
            case 8:
                return ast.PlayerDef(self.ident(), value())
            case 9:
                return ast.Minimizes(self.some(self.ident, 1), value())
            case 10:
                return ast.Assert(value(), self.maybe(self.text))
            case 11:
                return ast.Return(self.some(value, 1))
        return ast.Assign(self.some(self.target, 1), value())

    def target(self) -> ast.Name | ast.Primed:
        return ast.Name(self.name()) if self.draw(SMALL[2]) else ast.Primed(self.name())

    def statement(self, depth: int = 2) -> Any:
        if depth == 0 or self.draw(SMALL[4]):
            return self.plain()
        body = partial(self.some, partial(self.statement, depth - 1))
        return ast.If(self.expr(1), body(), self.maybe(body))

    # Declarations

    def doc(self) -> str | None:
        return self.maybe(lambda: "\n".join(self.some(lambda: self.text().rstrip(), 1)))

    def param(self) -> ast.Param:
        types = ["int", "float", "bool", "str", "list", "callable"]
        return ast.Param(self.ident(), self.maybe(lambda: ast.HyperType(self.pick(types))), self.maybe(lambda: self.expr(1)))

    def tensor(self) -> ast.Param:
        return ast.Param(self.ident(), self.type(), self.maybe(lambda: self.expr(1)))

    def declaration(self) -> ast.Declaration:
        kind = self.pick(KINDS)
        result = None if kind == "adversarial" else self.maybe(lambda: self.some(self.type, 1))
        body = self.some(self.statement, 0, 4)
        return ast.Declaration(kind, self.ident(), self.some(self.param), self.some(self.tensor), result, body, self.doc())

    def column(self) -> Any:
        if self.draw(SMALL[3]) == 0:
            return ast.TrainWhere(self.expr(1))
        return ast.Column(self.ident(), self.maybe(self.type), self.expr(2))

    def clause(self) -> Any:
        match self.draw(SMALL[4]):
            case 0:
                return ast.EachMinimizes(self.ident(), self.expr(1))
            case 1:
                return ast.EachSolves(self.ident(), self.ident(), self.expr(1))
        args = self.args()
        paths: list[ast.Expr] = [ast.Name("x"), ast.Attribute(ast.Name("gate"), ast.Ident("by"))]
        return ast.Clause(ast.Ident(self.pick(CLAUSES)), self.some(partial(self.pick, paths)) if args else (), args)

    def phase(self) -> ast.Phase:
        return ast.Phase(self.ident(), self.some(self.clause))

    def train(self) -> ast.Train:
        clauses = self.some(lambda: self.clause() if self.draw(SMALL[2]) else self.phase(), 0, 4)
        return ast.Train(self.maybe(self.ident), self.ident(), self.args(), self.maybe(self.ident), clauses, self.doc())

    def item(self) -> Any:
        match self.draw(SMALL[5]):
            case 0:
                return ast.Data(self.ident(), self.expr(1), self.some(self.column), self.doc())
            case 1:
                return self.train()
            case 2:
                file = bool(self.draw(SMALL[1]))
                return ast.Import(self.text() if file else ".".join(self.some(self.name, 1)), file, self.some(self.ident, 1))
        return self.declaration()


@st.composite
def files(draw: Draw) -> ast.File:
    maker = Maker(draw)
    return ast.File(maker.some(maker.item, 1, 3))
