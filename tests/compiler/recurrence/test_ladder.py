"""Where in a model a cell goes over time, by the path of its submodule, and whether there can be a kernel of it."""

from archc.compiler.recurrence.ladder import MOST, recurrences
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.loader import build

SPEC = """from std.recurrent import GRU
cell Sorted(width)(x: [B, D]) {
    state h: [B, width]
    h', places = sort(dense(width)(x, h))
    return h'
}
block Twice(width)(x: [B, T, D]) {
    y = x -> stack 2 { bidirectional(GRU(width)) -> dense(width) }
    return y -> recur(Sorted(width))
}
model Net(x: [B, T, 4]) {
    layer one = recur(GRU(4))
    h = x -> stack 3 { recur(GRU(4)) } -> stack 2 tied { recur(GRU(4)) } -> Twice(4) as part
    return h -> one -> stack 2 { one -> dense(4) }
}
"""


def test_paths_are_those_of_submodules() -> None:
    net = compiled(Source("net.arch", SPEC), Wanted())
    modules, found = build(net), net.plan.model.recurrences
    assert [(one.path, one.both) for one in found] == [
        ("stack1.0", False),
        ("stack1.1", False),
        ("stack1.2", False),
        ("stack2", False),
        ("part.stack1.0.bidirectional1", True),
        ("part.stack1.1.bidirectional1", True),
        ("part.recur1", False),
        ("one", False),
    ]
    for one in found:
        at = modules.get_submodule(one.path)
        assert hasattr(at._modules["backward"] if one.both else at, "initial_state")
        assert (one.equations is None) == (one.path == "part.recur1")
    assert next(one.reason for one in found if one.equations is None) == "its sort has no kernel"


def test_no_more_than_so_many() -> None:
    """A cell that stands in a block that stands twice in a block that stands twice …"""
    text = "cell C(x: [B, D]) {\n    state h: [B, D]\n    h' = tanh(x + h)\n    return h'\n}\n"
    text += "block B0(x: [B, T, D]) { return x -> recur(C) }\n"
    text += "".join(f"block B{n}(x: [B, T, D]) {{ return x -> B{n - 1} -> B{n - 1} }}\n" for n in range(1, 15))
    graph = compiled(Source("net.arch", text + "model M(x: [B, T, 4]) { return x -> B14 }\n"), Wanted()).graph
    assert len(recurrences(graph)) == MOST
