"""From the body of an energy to its `Machine`: each block's mean given the rest, the free energy, and the layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from ...dsl import ast
from ..elaborate.body import Body
from ..elaborate.expressions import one
from ..elaborate.statements import Returned
from ..elaborate.values import Poison, Tensor, describe
from ..errors.energies import (
    ConvOfEnergy,
    LayerAway,
    NameOfMethod,
    NotAnEnergy,
    PartInEnergy,
    TermBends,
    UnitsUnused,
    WrongVariance,
)
from ..graph import SWEEPS, Crossing, Graph, Input, Latent, Machine, Parameter, Ref, Repeat, Start, TensorType, Units, Use
from ..layers.base import Layer, Owner, Refusal
from ..layers.convolution import Conv
from ..shapes import Size
from ..values import Real, as_real
from .affine import is_affine
from .build import Builder, times
from .in_units import SlopeInUnits
from .slices import cut
from .slope import Term, alike, dependents, same_shape, total
from .statistics import statistics
from .units import Block, blocks_of
from .zero import with_units, without_hidden

METHODS = ("energy", "free_energy", "start", "statistics", "gibbs", "reconstruct", "chains")


def machine(body: Body, node: ast.Declaration, returned: Returned) -> Machine | None:
    """The machine of an energy; none where a fault is told."""
    if body.poisoned:
        return None
    try:
        return _machine(body, node, returned)
    except Refusal as refusal:
        body.report(refusal.fault)
        return None


def _machine(body: Body, node: ast.Declaration, returned: Returned) -> Machine | None:
    _only_arithmetic(body, node)
    blocks = blocks_of(body, node)
    if blocks is None:
        return None
    energy = _energy(body, node, returned, blocks)
    if energy is None:
        return None
    _no_method_names(body, blocks)
    build = Builder(body, returned[0][1].span)
    slopes = {block.name: _slope(build, node, energy.ref, block, blocks) for block in blocks}
    means = {block.name: _mean(build, block, slopes[block.name], blocks) for block in blocks}
    crossing, given = _crossing(build, blocks, slopes), _given(body)
    free = _free_energy(build, energy.ref, blocks, slopes) if crossing is None else None
    met = statistics(build, energy.ref, given[0])
    return _cut(build, node, blocks, given, energy, free, means, met, crossing)


def _cut(
    build: Builder,
    node: ast.Declaration,
    blocks: tuple[Block, ...],
    given: list[Tensor],
    energy: Tensor,
    free: Tensor | None,
    means: dict[str, Tensor],
    met: tuple[Tensor, list[tuple[str, Tensor]]] | None,
    crossing: Crossing | None,
) -> Machine:
    body, name, hidden = build.body, node.name.text, [block for block in blocks if block.hidden]
    everything = [*given, *(h.tensor for h in hidden)]
    units = []
    for block in blocks:
        rest = [t for t in everything if t.ref != block.tensor.ref] if crossing is not None or not block.hidden else given
        mean = cut(body, name, rest, [(block.name, means[block.name])])
        units.append(Units(name=block.name, kind=block.kind, hidden=block.hidden, mean=mean))
    first = _inferred(build, hidden, means, 1)
    settled = first if crossing is None else _inferred(build, hidden, means, SWEEPS)
    layer = cut(body, name, given, list(settled.items()), all_weights=True)
    _all_at_work(body, name, layer)
    outline = body.elaborator.graph(body, node, layer.outputs)
    known = {field: getattr(outline, field) for field in type(outline).model_fields} | {"nodes": layer.nodes, "dims": layer.dims}
    return Machine(
        **known,
        blocks=tuple(units),
        total=cut(body, name, everything, [("energy", energy)]),
        free=None if free is None else cut(body, name, given, [("energy", free)]),
        start=None if crossing is None else cut(body, name, given, list(first.items())),
        crossing=crossing,
        statistics=None if met is None else cut(body, name, [*everything, met[0]], met[1]),
    )


def _inferred(build: Builder, hidden: Sequence[Block], means: dict[str, Tensor], sweeps: int) -> dict[str, Tensor]:
    """The means of the hidden units after so many sweeps of mean field: each block in turn, given the others as they are, 0 at first."""
    values: dict[int, Tensor | None] = {block.tensor.ref.node: None for block in hidden}
    for _ in range(sweeps):
        for block in hidden:
            others = {number: value for number, value in values.items() if number != block.tensor.ref.node}
            values[block.tensor.ref.node] = with_units(build, means[block.name], others)
    found = {block.name: values[block.tensor.ref.node] for block in hidden}
    return {name: value for name, value in found.items() if value is not None}


def _given(body: Body) -> list[Tensor]:
    """The tensors that the energy is given, in order."""
    found = []
    for number, made in enumerate(body.nodes):
        if isinstance(made.op, Input) and not isinstance(made.op, Latent):
            found.append(body.tensor(number, 0, made.op.name))
    return found


# What a body may hold -------------------------------------------------------------------------------------------------


def _only_arithmetic(body: Body, node: ast.Declaration) -> None:
    for made in body.nodes:
        op = made.op
        plain = (
            isinstance(op, Input | Parameter | Start)
            or (isinstance(op, Layer) and made.key is None and op.pure)
            or is_affine(made)
        )
        if not plain and isinstance(op, Conv):
            raise Refusal(ConvOfEnergy(made.span, node.name.text))
        if not plain:
            what = f"the {op.graph.kind} {op.title}" if isinstance(op, Use) else op.title
            what = f"a {what}" if isinstance(op, Repeat) else what
            raise Refusal(PartInEnergy(made.span, what, node.name.text))


def _energy(body: Body, node: ast.Declaration, returned: Returned, blocks: Sequence[Block]) -> Tensor | None:
    value = one(returned[0][0])
    if isinstance(value, Poison):
        return None
    first: TensorType = blocks[0].tensor.type
    wanted = f"[{first.shape[0].value}]"
    place = returned[0][1].span
    if len(returned) > 1 or not isinstance(value, Tensor):
        got = f"{len(returned)} values" if len(returned) > 1 else describe(value)
        raise Refusal(NotAnEnergy(place, node.name.text, got, wanted, mixed=False))
    rows = value.type.rank == 1 and value.type.dtype == "float" and body.same(value.type.shape[0], first.shape[0])
    if not rows:
        got = f"{value.type}"
        raise Refusal(NotAnEnergy(place, node.name.text, got if value.type.rank else "one number", wanted, value.type.rank == 0))
    return body.local(value)


def _no_method_names(body: Body, blocks: Sequence[Block]) -> None:
    taken = {*METHODS, *(f"{way}_{block.name}" for block in blocks for way in ("mean", "sample"))}
    for made in body.nodes:
        if isinstance(made.op, Parameter) and made.key in taken:
            raise Refusal(NameOfMethod(made.span, str(made.key)))


def _all_at_work(body: Body, name: str, layer: Graph) -> None:
    """Each layer with weights has a part in what is to be expected of the hidden units, which is where the class makes them."""
    there = {node.key for node in layer.nodes if isinstance(node.op, Owner)}
    for made in body.nodes:
        if isinstance(made.op, Owner) and made.key not in there:
            raise Refusal(LayerAway(made.span, made.op.title, name))


# Derivation -----------------------------------------------------------------------------------------------------------


def _slope(build: Builder, node: ast.Declaration, energy: Ref, block: Block, blocks: Sequence[Block]) -> list[Term]:
    """The terms of what drives a block, in which the block itself is not."""
    terms = SlopeInUnits(build, energy, block).terms()
    if not terms:
        raise Refusal(UnitsUnused(block.span, block.name, node.name.text))
    if block.kind == "real":
        terms = _centred(build, block, terms)
    own = dependents(build.body, block.tensor.ref.node)
    for term in terms:
        if term.value is not None and term.value.ref.node in own:
            place = build.body.nodes[term.source].span
            raise Refusal(TermBends(place, block.name, block.kind, f"{block.name} is in this term more than once", block.span))
    return terms


def _crossing(build: Builder, blocks: Sequence[Block], slopes: dict[str, list[Term]]) -> Crossing | None:
    """The first term that holds two blocks of hidden units."""
    hidden = [block for block in blocks if block.hidden]
    for block, other in combinations(hidden, 2):
        met = dependents(build.body, other.tensor.ref.node)
        for term in slopes[block.name]:
            if term.value is not None and term.value.ref.node in met:
                return Crossing(one=block.name, other=other.name, term=build.body.nodes[term.source].span)
    return None


def _centred(build: Builder, block: Block, terms: list[Term]) -> list[Term]:
    """m of `m - x`, for real units: what is left of the slope when x itself, which must be in it by -1, is taken away."""
    own = dependents(build.body, block.tensor.ref.node)
    spread = alike([part for term in terms for part in _expanded(build, term, own)])
    mine = [term for term in spread if term.value is not None and term.value.ref == block.tensor.ref]
    held = -sum(float(term.factor.value) for term in mine)
    bent = [t for t in spread if t.value is not None and t.value.ref.node in own and t not in mine]
    if abs(held - 1) > 1e-9 and not bent:
        got = "not at all" if not mine else f"by {held / 2:g}"
        source = build.body.nodes[mine[0].source].span if mine else build.span
        raise Refusal(WrongVariance(source, block.name, got, block.span))
    return [term for term in spread if term not in mine]


def _expanded(build: Builder, term: Term, own: set[int]) -> list[Term]:
    """A term that is a sum in which the block stands, as several: `0.5 * (v - a)` is `0.5 * v` and `-0.5 * a`."""
    if term.value is None or term.value.ref.node not in own:
        return [term]
    made = build.body.nodes[term.value.ref.node]
    name = str(getattr(made.op, "name", ""))
    if name not in ("+", "-", "neg") and not (name in ("*", "/") and not isinstance(made.inputs[1], Ref)):
        return [term]
    found = []
    for place, operand in enumerate(made.inputs):
        factor = term.factor
        if name == "neg" or (name == "-" and place == 1):
            factor = times(factor, Real.of(-1.0))
        if name in ("*", "/"):
            if place == 1:
                continue
            number = as_real(made.inputs[1])  # type: ignore[arg-type]
            if number is None:
                return [term]
            factor = times(factor, number if name == "*" else Real(1 / number.value, 1 / number.value))
        if isinstance(operand, Ref):
            inner = Term(factor, build.body.tensor(operand.node, operand.output), term.source)
            found += _expanded(build, inner, own)
        else:
            number = as_real(operand)  # type: ignore[arg-type]
            if number is None:
                return [term]
            found.append(Term(times(factor, number), None, term.source))
    return found


def _drive(build: Builder, block: Block, terms: list[Term], like: Tensor) -> Tensor:
    """The sum of the terms, in the shape of the block; where that is a number alone, a tensor of it beside `like`, which is given."""
    type_ = block.tensor.type
    if not any(term.value is not None for term in terms):
        start = build.body.add(Start(value=Real.of(0.0)), (like.ref,), (type_,), build.span)
        terms = [Term(Real.of(1.0), build.body.tensor(start), 0), *terms]
    found = total(build, terms)
    return found if same_shape(build.body, found, type_.shape) else build.expanded(found, type_.shape)


def _mean(build: Builder, block: Block, terms: list[Term], blocks: Sequence[Block]) -> Tensor:
    facing = next(other for other in blocks if other.hidden != block.hidden)
    drive = _drive(build, block, terms, facing.tensor)
    if block.kind == "real":
        return drive
    if block.kind == "binary":
        return build.apply("sigmoid", drive)
    return build.apply("softmax", drive, dim=Size.of(-1))


def _free_energy(build: Builder, energy: Ref, blocks: Sequence[Block], slopes: dict[str, list[Term]]) -> Tensor:
    """F(v) = E(v, 0) - the log of what each hidden block is summed to."""
    hidden = tuple(block for block in blocks if block.hidden)
    rest = without_hidden(build, energy, hidden)
    for block in hidden:
        log_z, constant = _log_sum(build, block, slopes[block.name], blocks[0].tensor)
        rest = build.negative(log_z) if rest is None else build.operate("-", rest, log_z)
        if constant is not None:
            rest = build.operate("-", rest, constant)
    assert rest is not None
    return rest


def _log_sum(build: Builder, block: Block, terms: list[Term], like: Tensor) -> tuple[Tensor, Real | None]:
    """The log of the sum over all states of a hidden block, as a tensor and a number."""
    drive = _drive(build, block, terms, like)
    if block.kind == "binary":
        return build.over_units("sum", build.apply("softplus", drive)), None
    if block.kind == "onehot":
        found = build.apply("logsumexp", drive, dim=Size.of(-1))
        return (build.over_units("sum", found) if found.type.rank > 1 else found), None
    squares = build.over_units("sum", build.operate("**", drive, Size.of(2)))
    count = Real.of(0.5 * math.log(2 * math.pi))
    for size in block.tensor.type.shape[1:]:
        number = as_real(size)
        count = times(count, number) if number is not None else count
    return build.operate("/", squares, Size.of(2)), count
