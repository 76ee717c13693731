"""Random programs: ASTs that the parser could have made, for the tests that print them and read them back."""

from typing import Any

from archc.dsl import ast
from hypothesis import strategies as st

# Words of the grammar are names too, where they begin nothing
NAMES = "x h B T D heads gate model state layer param phase each on by data train minimizes solves train_where import block".split()
names = st.sampled_from(NAMES)
idents = names.map(ast.Ident)
numbers = st.sampled_from(["0", "1", "12", "0.5", "2e-4", "1.5E+3"]).map(ast.Number)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"'), max_size=8)
leaves = st.one_of(
    names.map(ast.Name),
    names.map(ast.Primed),
    numbers,
    texts.map(ast.String),
    st.sampled_from([True, False, None]).map(ast.Literal_),
)


def tuples(items: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=most).map(tuple)


def arguments(expr: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[ast.Arg, ...]]:
    """Those without a name first, no name twice."""
    named = st.lists(st.builds(ast.Arg, expr, idents), max_size=2, unique_by=lambda a: a.name.text if a.name else "")
    return st.builds(lambda plain, more: (*plain, *more), st.lists(st.builds(ast.Arg, expr), max_size=2), named)


def one_rest(items: st.SearchStrategy[Any], least: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Items of which at most one is `...`."""

    def put(plain: list[Any], at: int | None) -> tuple[Any, ...]:
        return tuple(plain) if at is None or at > len(plain) else (*plain[:at], ast.Rest(), *plain[at:])

    return st.builds(put, st.lists(items, min_size=least, max_size=3), st.none() | st.integers(0, 3))


def _extended(expr: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    maybe = st.none() | expr
    pairs = tuples(st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), expr), 1, 2)
    fields = st.lists(st.tuples(idents, expr), min_size=1, max_size=3, unique_by=lambda f: f[0].text).map(tuple)
    return st.one_of(
        st.builds(ast.Binary, st.sampled_from(["+", "-", "*", "/", "//", "%", "@", "**", "and", "or", ".."]), expr, expr),
        st.builds(ast.Unary, st.sampled_from(["-", "not"]), expr),
        st.builds(ast.Compare, expr, pairs),
        st.builds(ast.Ternary, expr, expr, expr),
        st.builds(ast.Call, expr, arguments(expr)),
        st.builds(ast.Flow, tuples(st.one_of(expr, st.builds(ast.As, expr, idents)), 2, 4)),
        st.builds(ast.As, expr, idents),
        st.builds(ast.Attribute, expr, idents),
        st.builds(ast.Index, expr, one_rest(st.one_of(expr, st.builds(ast.Slice, maybe, maybe)), 1)),
        st.builds(ast.List, tuples(expr)),
        st.builds(ast.Tuple, tuples(expr, 1)),
        st.builds(ast.Record, fields),
        stacks(expr),
    )


def stacks(expr: st.SearchStrategy[Any]) -> st.SearchStrategy[ast.Stack]:
    body = st.builds(
        lambda statements, last: (*statements, *last), st.lists(plain(expr), max_size=2), st.lists(st.builds(ast.Value, expr), max_size=1)
    )
    carries = tuples(st.builds(ast.Carry, idents, expr), 0, 2)
    kinds = st.sampled_from(["stack", "parallel"])
    return st.one_of(
        st.builds(ast.Stack, kinds, expr, st.just(()), st.none(), st.booleans(), carries, body),
        st.builds(ast.Stack, kinds, st.none(), tuples(idents, 1, 2), expr, st.just(False), carries, body),
    )


def types(expr: st.SearchStrategy[Any]) -> st.SearchStrategy[ast.TensorType]:
    return st.builds(ast.TensorType, st.none() | idents, one_rest(expr, 0))


def plain(expr: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Statements without a body of their own."""
    type, maybe = types(expr), st.none() | expr
    targets = tuples(st.one_of(names.map(ast.Name), names.map(ast.Primed)), 1, 2)
    return st.one_of(
        st.builds(ast.Assign, targets, expr),
        st.builds(ast.IndexFunction, idents, tuples(idents, 1), expr),
        st.builds(ast.Draw, idents, expr),
        st.builds(ast.LayerDef, idents, expr),
        st.builds(ast.ParamDef, st.sampled_from(["param", "buffer"]), idents, type, maybe),
        st.builds(ast.StateDef, idents, type, maybe),
        st.builds(ast.LatentDef, idents, type),
        st.builds(ast.GateDef, idents, expr),
        st.builds(ast.PenaltyDef, idents, expr),
        st.builds(ast.PlayerDef, idents, expr),
        st.builds(ast.Minimizes, tuples(idents, 1, 2), expr),
        st.builds(ast.Assert, expr, st.none() | texts),
        st.builds(ast.Return, tuples(expr, 1)),
    )


expressions = st.recursive(leaves, _extended, max_leaves=12)
small = st.recursive(leaves, _extended, max_leaves=4)


def _ifs(statement: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = tuples(statement)
    return st.builds(ast.If, small, body, st.none() | body)


statements = st.recursive(plain(small), _ifs, max_leaves=4)
params = st.builds(ast.Param, idents, st.none() | st.sampled_from("int float bool str list callable".split()).map(ast.HyperType), st.none() | small)
tensors = st.builds(ast.Param, idents, types(small), st.none() | small)
docs = st.none() | st.lists(texts.map(str.rstrip), min_size=1, max_size=2).map("\n".join)


def _declaration(kind: Any, name: ast.Ident, hypers: Any, inputs: Any, result: Any, body: Any, doc: Any) -> ast.Declaration:
    return ast.Declaration(kind, name, hypers, inputs, None if kind == "adversarial" else result, body, doc)


declarations = st.builds(
    _declaration,
    st.sampled_from(["model", "block", "cell", "attention", "energy", "adversarial"]),
    idents,
    tuples(params),
    tuples(tensors),
    st.none() | tuples(types(small), 1, 2),
    tuples(statements),
    docs,
)
columns = st.one_of(st.builds(ast.Column, idents, st.none() | types(small), small), st.builds(ast.TrainWhere, small))
datas = st.builds(ast.Data, idents, small, tuples(columns), docs)
paths = st.one_of(names.map(ast.Name), st.builds(ast.Attribute, names.map(ast.Name), idents))


def _clause(name: ast.Ident, targets: Any, args: Any) -> ast.Clause:
    return ast.Clause(name, targets if args else (), args)


clauses = st.one_of(
    st.builds(_clause, st.sampled_from(["loss", "optimizer", "epochs", "early_stop", "x"]).map(ast.Ident), tuples(paths, 0, 2), arguments(small)),
    st.builds(ast.EachMinimizes, idents, small),
    st.builds(ast.EachSolves, idents, idents, small),
)
phases = st.builds(ast.Phase, idents, tuples(clauses))
trains = st.builds(ast.Train, st.none() | idents, idents, arguments(small), st.none() | idents, tuples(clauses | phases), docs)
modules = st.one_of(
    st.tuples(st.lists(names, min_size=1, max_size=2).map(".".join), st.just(False)), st.tuples(texts, st.just(True))
)
imports = st.builds(lambda module, listed: ast.Import(*module, listed), modules, tuples(idents, 1))
files = tuples(st.one_of(declarations, declarations, datas, trains, imports), 0, 3).map(ast.File)
