"""What is particular to energies in the source: the methods that were derived, how units are sampled, and the chain that takes turns.

Comes in: a machine. Goes out: for each derived graph a method (written as any body is), then text that calls them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....dsl.span import Span
from ...graph import SWEEPS, Graph, Input, Machine, Units
from ...recurrence.hoist import hoisted
from .lines import Line
from .names import identifier

BINARY_DRAW = '''
def binary_draw(p):
    """1 with probability p, else 0; on a CPU in a quarter of the time of torch.bernoulli."""
    return torch.rand_like(p).lt_(p)
'''
ONE_HOT_DRAW = '''
def one_hot_draw(p):
    """One of the last dim is 1, with the probabilities that it holds."""
    chosen = torch.multinomial(p.flatten(0, -2), 1).view(p.shape[:-1])
    return F.one_hot(chosen, p.shape[-1]).to(p.dtype)
'''
DRAWS = {"binary": "binary_draw({})", "real": "torch.normal({}, 1.0)", "onehot": "one_hot_draw({})"}


def bodies(graph: Graph) -> tuple[Graph, ...]:
    """The graphs that the class of a graph has a method for beside its own."""
    if isinstance(graph, Machine):
        return tuple(graph.derived.values())
    split = hoisted(graph) if graph.kind == "cell" else None
    return () if split is None else (split.gates,)


def machine_helpers(graph: Graph) -> Iterator[str]:
    """The functions that the class of an energy calls."""
    kinds = {block.kind for block in graph.blocks} if isinstance(graph, Machine) else set()
    if "binary" in kinds:
        yield BINARY_DRAW
    if "onehot" in kinds:
        yield ONE_HOT_DRAW


def inputs_of(graph: Graph) -> list[str]:
    """The names of the inputs, as parameters."""
    return [identifier(node.op.name) for node in graph.inputs if isinstance(node.op, Input)]


def chain_lines(graph: Machine, span: Span) -> list[list[Line]]:
    """The methods beside those derived: a sampler for each block, the chain, and the layer."""
    methods = [_sample(block, span) for block in graph.blocks]
    if graph.crossing is not None:
        return [*methods, _whole_gibbs(graph, span), _reconstruct(graph, span), _mean_field(graph, span)]
    return [*methods, _gibbs(graph, span), _reconstruct(graph, span), _forward(graph, span)]


def described(name: str, graph: Machine) -> str:
    """The first words of a derived method."""
    if name == "energy":
        return "The energy of each example with its hidden units."
    if name == "free_energy":
        return "The energy with the hidden units summed out: -log of the sum of exp(-energy) over their states."
    if name == "start":
        return f"The means of {_listed([b.name for b in graph.hidden])}, each given those before it, with the others at 0."
    if name == "statistics":
        assert graph.statistics is not None
        names = _listed([output.name for output in graph.statistics.outputs[1:]])
        return f"The sum of -energy over the examples, each with its weight; then its slope in {names}."
    block = next(block for block in graph.blocks if name == f"mean_{block.name}")
    what = {"binary": "The probability that each is 1", "onehot": "The probability of each", "real": "The mean"}[block.kind]
    return f"{what} of {block.name} given the rest."


def _sample(block: Units, span: Span) -> list[Line]:
    name, given = identifier(block.name), inputs_of(block.mean)
    mean = f"self.mean_{block.name}({', '.join(given)})"
    return [
        Line(f"def sample_{name}({_signature(given)}) -> Tensor:", span),
        Line(f"return {DRAWS[block.kind].format(mean)}", span, 1),
    ]


def _gibbs(graph: Machine, span: Span) -> list[Line]:
    given, visible = inputs_of(graph), [identifier(block.name) for block in graph.visible]
    step, count = _free("step", graph), _free("steps", graph)
    steps = [_turn(block, step) for block in graph.hidden]
    steps += [f"{identifier(b.name)} = self.sample_{b.name}({', '.join(inputs_of(b.mean))})" for b in graph.visible]
    kind = "Tensor" if len(visible) == 1 else f"tuple[{', '.join(['Tensor'] * len(visible))}]"
    hidden = [identifier(block.name) for block in graph.hidden]
    known = ", ".join(f"{name}: Tensor | None = None" for name in hidden)
    return [
        Line(f"def gibbs({_signature(given)}, {count}: int = 1, {known}) -> {kind}:", span),
        Line('"""The visible units after so many steps of a Gibbs chain, which draws block by block given the rest.', span, 1),
        Line("", span),
        Line(f"The first step takes {_listed(hidden)} for the means of the hidden units, where they are known.", span, 1),
        Line('"""', span, 1),
        Line("with torch.no_grad():", span, 1),
        Line(f"for {step} in range({count}):", span, 2),
        *(Line(step, span, 3) for step in steps),
        Line(f"return {', '.join(visible)}", span, 1),
    ]


def _turn(block: Units, step: str) -> str:
    """A block of hidden units is drawn, in the first step from means that may be known."""
    name, given = identifier(block.name), ", ".join(inputs_of(block.mean))
    return f"{name} = self.sample_{block.name}({given}) if {step} or {name} is None else {DRAWS[block.kind].format(name)}"


def _whole_gibbs(graph: Machine, span: Span) -> list[Line]:
    """The chain of an energy whose hidden units meet: where it stands is all units."""
    given, hidden = inputs_of(graph), [identifier(block.name) for block in graph.hidden]
    blocks = [*graph.visible, *graph.hidden]
    known = ", ".join(f"{name}: Tensor | None = None" for name in hidden)
    steps = [f"{identifier(b.name)} = self.sample_{b.name}({', '.join(inputs_of(b.mean))})" for b in blocks]
    drawn = ", ".join(DRAWS[b.kind].format(identifier(b.name)) for b in graph.hidden)
    names, count = ", ".join(hidden), _free("steps", graph)
    return [
        Line("@torch.no_grad()", span),
        Line(f"def gibbs({_signature(given)}, {count}: int = 1, {known}) -> tuple[{', '.join(['Tensor'] * len(blocks))}]:", span),
        Line('"""All units after so many steps of a Gibbs chain, which draws block by block given the rest.', span, 1),
        Line("", span),
        Line(f"It goes on from {_listed(hidden)}; without them it begins with what mean field tells of them.", span, 1),
        Line('"""', span, 1),
        Line(f"if {hidden[0]} is None:", span, 1),
        Line(f"{names} = self({', '.join(given)})", span, 2),
        Line(f"{names} = {drawn}", span, 2),
        Line(f"for _ in range({count}):", span, 1),
        *(Line(step, span, 2) for step in steps),
        Line(f"return {', '.join(identifier(b.name) for b in blocks)}", span, 1),
    ]


def _mean_field(graph: Machine, span: Span) -> list[Line]:
    """As a layer an energy whose hidden units meet gives where mean field leads."""
    given, hidden = inputs_of(graph), [identifier(block.name) for block in graph.hidden]
    gives = [identifier(output.name) for output in graph.outputs]
    kind = "Tensor" if len(gives) == 1 else f"tuple[{', '.join(['Tensor'] * len(gives))}]"
    count = _free("steps", graph)
    return [
        Line(f"def forward({_signature(given)}, {count}: int = {SWEEPS}) -> {kind}:", span),
        Line('"""The means of the hidden units by mean field: each block in turn, given the means of the others."""', span, 1),
        Line(f"{', '.join(hidden)} = self.start({', '.join(given)})", span, 1),
        Line(f"for _ in range({count} - 1):", span, 1),
        *(Line(f"{identifier(b.name)} = self.mean_{b.name}({', '.join(inputs_of(b.mean))})", span, 2) for b in graph.hidden),
        Line(f"return {', '.join(gives)}", span, 1),
    ]


def _reconstruct(graph: Machine, span: Span) -> list[Line]:
    """The way up and down again by means, which draws nothing."""
    given = inputs_of(graph)
    up = [f"{identifier(b.name)} = self.mean_{b.name}({', '.join(inputs_of(b.mean))})" for b in graph.hidden]
    if graph.crossing is not None:
        up = [f"{', '.join(identifier(b.name) for b in graph.hidden)} = self({', '.join(given)})"]
    down = [f"self.mean_{b.name}({', '.join(inputs_of(b.mean))})" for b in graph.visible]
    kind = "Tensor" if len(down) == 1 else f"tuple[{', '.join(['Tensor'] * len(down))}]"
    return [
        Line(f"def reconstruct({_signature(given)}) -> {kind}:", span),
        Line('"""The means of the visible units given the means of the hidden ones."""', span, 1),
        *(Line(step, span, 1) for step in up),
        Line(f"return {', '.join(down)}", span, 1),
    ]


def _forward(graph: Machine, span: Span) -> list[Line]:
    """As a layer an energy gives the means of its hidden units; of those, what its users read."""
    given = ", ".join(inputs_of(graph))
    means = [f"self.mean_{output.name}({given})" for output in graph.outputs]
    kind = "Tensor" if len(means) == 1 else f"tuple[{', '.join(['Tensor'] * len(means))}]"
    return [
        Line(f"def forward({_signature(inputs_of(graph))}) -> {kind}:", span),
        Line(f"return {', '.join(means)}", span, 1),
    ]


def _free(word: str, graph: Machine) -> str:
    """A name of a number of the chain that no tensor has."""
    taken = {*inputs_of(graph), *(identifier(block.name) for block in graph.blocks)}
    while word in taken:
        word += "_"
    return word


def _signature(names: list[str]) -> str:
    return ", ".join(["self", *(f"{name}: Tensor" for name in names)])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
