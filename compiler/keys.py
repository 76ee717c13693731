"""Keys of the state dict, given by the text alone: kind and ordinal among that kind in the body, both branches of an `if` counted.

Comes in: the statements of a body and which names build submodules. Goes out: a key for each place that builds one. No shape
or value has a
say, so a key never moves because a number changed.
"""

import keyword
import re
from collections import Counter
from collections.abc import Callable

from ..dsl import ast
from ..dsl.walk import children, descendants

# Attributes of every nn.Module; a test holds the list equal to PyTorch's. A key of one of these names would break the module.
RESERVED_KEYS = frozenset(
    """
    T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
    _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs _get_backward_hooks
    _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks
    _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members _non_persistent_buffers_set _parameters
    _register_load_state_dict_pre_hook _register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward
    _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl add_module apply bfloat16 buffers call_super_init children
    compile cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu
    load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad
    """.split()
)

# Methods that a generated root may have besides.
OWN_KEYS = frozenset({"with_penalties", "update_averages"})
RECURRING = ("recur", "bidirectional")
NAMED = ast.LayerDef | ast.ParamDef | ast.StateDef | ast.LatentDef | ast.PlayerDef
DEFINED = {ast.StateDef: "another state", ast.LatentDef: "another block of units", ast.PlayerDef: "another player"}

KindOf = Callable[[str], str | None]  # a name to the kind of submodule it builds, or none
Clash = Callable[[ast.Ident, ast.Ident, str], None]  # a name, the same before it, and what that is


def is_reserved_key(key: str) -> bool:
    """May no layer or parameter have this name? Names that begin with two underscores are changed by Python inside a class."""
    return key in RESERVED_KEYS or key in OWN_KEYS or key.startswith("__") or keyword.iskeyword(key)


def snake(name: str) -> str:
    """`CausalSelfAttention` to `causal_self_attention`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def keys_of(body: tuple[ast.Statement, ...], kind_of: KindOf, clash: Clash) -> dict[int, str]:
    """Keys by the identity of the node that builds: a `Name` that stands for a layer or part, or a `Stack`.

    Two things of one name are told to `clash`, unless they stand in the two branches of an `if`.
    """
    keys: dict[int, str] = {}
    counts: Counter[str] = Counter()
    written = {node.name.text for statement in body for node in descendants(statement) if isinstance(node, NAMED | ast.As)}
    given_keys: set[str] = set()  # of what has been built so far
    taken: dict[str, list[tuple[dict[int, int], ast.Ident, str]]] = {}
    branches: dict[int, int] = {}  # the branches that stand around, by what branches
    local: dict[str, str] = {}  # names of this body that hold recipes, with their kinds

    def kind(name: str) -> str | None:
        return local.get(name) or kind_of(name)

    def count(node: ast.Node, of: str, given: str | None) -> None:
        counts[of] += 1
        while given is None and f"{of}{counts[of]}" in written:
            counts[of] += 1
        keys[id(node)] = given or f"{of}{counts[of]}"
        given_keys.add(keys[id(node)])

    def take(name: ast.Ident, what: str) -> None:
        for there, first, kind in taken.get(name.text, ()):
            if all(branches.get(choice, branch) == branch for choice, branch in there.items()):
                clash(name, first, kind)
                return
        taken.setdefault(name.text, []).append((dict(branches), name, what))

    def branch(node: ast.Node, which: int, walk: Callable[[], None]) -> None:
        branches[id(node)] = which
        walk()
        del branches[id(node)]

    def expression(node: object, given: str | None = None) -> None:
        match node:
            case ast.Name():
                if (of := kind(node.id)) is not None:
                    count(node, of, given)
            case ast.Stack():
                count(node, node.kind, given)
                for inner in (node.count, node.over, *(carry.start for carry in node.carries)):
                    expression(inner)
            case ast.As():
                given_keys.discard(node.name.text)
                expression(node.value, node.name.text)
                if node.name.text in given_keys:
                    take(node.name, "another step")
            case ast.Call(function=ast.Name(id=name), args=(_, *options)) if name in RECURRING and kind(name) == name:
                expression(node.function, given)  # its cell is built by it, under its key
                for option in options:
                    expression(option)
            case ast.Call(function=ast.Name(id="over"), args=(dim, callee)) if kind("over") is None:
                expression(dim.value)
                expression(callee.value, given)
            case ast.Call():
                expression(node.function, given)
                for arg in node.args:
                    if not (arg.name and arg.name.text in ("init", "bias_init", "dim")):
                        expression(arg.value)
            case ast.Flow():
                *before, last = node.steps
                for step in before:
                    expression(step)
                expression(last, given)
            case ast.Ternary():
                branch(node, 0, lambda: expression(node.then, given))
                expression(node.condition)
                branch(node, 1, lambda: expression(node.otherwise, given))
            case ast.Attribute():
                if not isinstance(node.base, ast.Name):
                    expression(node.base)
            case ast.Node():
                for child in children(node):
                    expression(child)

    def statement(node: ast.Statement) -> None:
        match node:
            case ast.LayerDef():
                take(node.name, "another layer")
                expression(node.value, node.name.text)
            case ast.Assign(targets=(ast.Name() as target,), value=value) if (of := recipe_kind(value, kind)) is not None:
                local[target.id] = of  # a recipe: each use of the name builds
            case ast.If():
                branch(node, 0, lambda: every(node.then))
                branch(node, 1, lambda: every(node.otherwise or ()))
            case ast.ParamDef() | ast.StateDef() | ast.LatentDef() | ast.PlayerDef():
                take(node.name, DEFINED[type(node)] if not isinstance(node, ast.ParamDef) else f"another {node.kind}")
                if isinstance(node, ast.PlayerDef):
                    expression(node.value, node.name.text)
            case _:
                for child in children(node):
                    expression(child)

    def every(statements: tuple[ast.Statement, ...]) -> None:
        for node in statements:
            statement(node)

    every(body)
    return keys


def recipe_kind(value: ast.Expr, kind: KindOf) -> str | None:
    """The kind of submodule that a name bound to `value` builds at each use; none where the value is no recipe.

    A call without tensors cannot be told from one with tensors by its text in general; a name bound to a bare layer name, or to
    a call whose
    arguments hold nothing but numbers, texts and names, is looked at by the elaborator. Here only the bare name counts.
    """
    return kind(value.id) if isinstance(value, ast.Name) else None
