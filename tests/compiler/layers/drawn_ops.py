"""Draws for arithmetic, comparisons, reductions, and what moves numbers about."""

from random import Random
from typing import Any

from archc.compiler.layers.indexing import At, Item, Mark, Slice
from archc.compiler.shapes import Size
from archc.compiler.values import Real

from .drawing import Draw, Given, broadcastable, dim, dims, draws, dtype, shape, some, tensor


def _number(r: Random) -> Given:
    return r.choice((Size.of(2), Size.of(0), Size.of(-1), Real.of(1.5), Real.of(-0.5), True))


@draws("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "minimum", "maximum")
def _binary(r: Random) -> Draw:
    left = shape(r)
    operands: list[Given] = [tensor(*left, dtype=dtype(r, 0.7)), tensor(*broadcastable(r, left), dtype=dtype(r, 0.7))]
    if r.random() < 0.3:
        operands[r.randint(0, 1)] = _number(r)
    return Draw(tuple(operands), high=3)


@draws("and", "or")
def _logic(r: Random) -> Draw:
    left = shape(r)
    kinds = [r.choice(("bool", "bool", "bool", "bool", "int")) for _ in range(2)]
    operands = (tensor(*left, dtype=kinds[0]), tensor(*broadcastable(r, left), dtype=kinds[1]))  # type: ignore[arg-type]
    return Draw(operands, stricter="bits of whole numbers are not truths" if "int" in kinds else "")


@draws("not")
def _not(r: Random) -> Draw:
    kind = r.choice(("bool", "bool", "bool", "int"))
    return Draw((tensor(*shape(r), dtype=kind),), stricter="" if kind == "bool" else "bits of whole numbers are not truths")  # type: ignore[arg-type]


@draws("where")
def _where(r: Random) -> Draw:
    full = shape(r)
    choices: list[Given] = [tensor(*broadcastable(r, full, 0.05), dtype=dtype(r, 0.6)) for _ in range(2)]
    if r.random() < 0.4:
        choices[r.randint(0, 1)] = _number(r)
    return Draw((tensor(*broadcastable(r, full, 0.05), dtype="bool" if r.random() < 0.95 else "float"), *choices))


@draws("matmul", "@")
def _matmul(r: Random) -> Draw:
    lead, inner = shape(r, 0, 2), r.choice((1, 2, 3))
    left = [*broadcastable(r, lead), r.choice((1, 2, 4)), inner]
    right = [*broadcastable(r, lead), inner, r.choice((1, 2, 4))]
    if r.random() < 0.15:
        left = left[-1:]
    if r.random() < 0.15:
        right = right[-2:-1]
    if r.random() < 0.1:
        right[max(len(right) - 2, 0)] += 1
    kind = dtype(r, 0.85)
    return Draw((tensor(*left, dtype=kind), tensor(*right, dtype=kind if r.random() < 0.95 else "int")))


@draws("clip")
def _clip(r: Random) -> Draw:
    given = some(r, min=r.choice((0, 0.2, -1)), max=r.choice((1, 0.8, 3)))
    return Draw((tensor(*shape(r), dtype=dtype(r, 0.6)),), given)


@draws("sum", "mean", "max", "min")
def _several(r: Random) -> Draw:
    first = shape(r, 1)
    if r.random() < 0.3:
        kind = dtype(r, 0.7)
        return Draw(
            tuple(tensor(*broadcastable(r, first, 0.03), dtype=kind) for _ in range(r.randint(2, 3))),
            stricter="" if kind == "float" else "their mean",
        )
    return _reduction(r)


@draws("any", "all", "logsumexp")
def _reduction(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r, 0.7)),), some(r, dim=dims(r, len(first)), keepdim=r.choice((True, False))))


@draws("prod", "argmax", "argmin")
def _one_dim(r: Random) -> Draw:
    first = shape(r, 1)
    given = some(r, dim=dim(r, len(first)))
    return Draw((tensor(*first, dtype=dtype(r, 0.7)),), given | (some(r, keepdim=r.choice((True, False))) if given else {}))


@draws("var", "std")
def _spread(r: Random) -> Draw:
    first = shape(r, 1)
    given = some(r, dim=dims(r, len(first)), keepdim=r.choice((True, False)), correction=r.choice((0, 1)))
    return Draw((tensor(*first, dtype=dtype(r, 0.9)),), given, stricter="PyTorch gives NaN for one number")


@draws("norm")
def _norm(r: Random) -> Draw:
    first = shape(r, 1)
    given = some(r, p=r.choice((1, 2, 0.5)), dim=dims(r, len(first)), keepdim=r.choice((True, False)))
    return Draw((tensor(*first, dtype=dtype(r, 0.9)),), given)


@draws("cumsum", "cumprod")
def _running(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r, 0.6)),), {"dim": dim(r, len(first))})


@draws("sort", "argsort")
def _sort(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r, 0.6)),), some(r, dim=dim(r, len(first)), descending=r.choice((True, False))))


@draws("flatten")
def _flatten(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw(
        (tensor(*first, dtype=dtype(r)),),
        some(r, start_dim=dim(r, len(first)), end_dim=dim(r, len(first))),
        stricter="" if len(first) > 1 else "dim 1",
    )


@draws("reshape")
def _reshape(r: Random) -> Draw:
    sizes = shape(r, 1, 3, (1, 2, 4))
    total = 1
    for size in sizes:
        total *= size
    row = [total] if r.random() < 0.5 else [2, total // 2] if total > 1 else [total, 1]
    if r.random() < 0.3:
        sizes[r.randrange(len(sizes))] = -1
    if r.random() < 0.15:
        sizes[0] = r.choice((3, -1, -2))
    return Draw((tensor(r.choice((1, 2, 3)), *row, dtype=dtype(r)),), {"sizes": sizes}, stricter="rows are not mixed")


@draws("squeeze")
def _squeeze(r: Random) -> Draw:
    first = shape(r, 1, 4, (1, 1, 2))
    ones = [at for at, size in enumerate(first) if size == 1]
    wanted: Any = r.choice(ones) if ones and r.random() < 0.5 else (ones or None)
    return Draw(
        (tensor(*first, dtype=dtype(r)),),
        some(r, dim=wanted if r.random() < 0.9 else dims(r, len(first))),
        stricter="a dim that is not 1 stays",
    )


@draws("unsqueeze")
def _unsqueeze(r: Random) -> Draw:
    first = shape(r)
    return Draw((tensor(*first, dtype=dtype(r)),), {"dim": dim(r, len(first) + 1)})


@draws("transpose")
def _transpose(r: Random) -> Draw:
    first = shape(r, 1)
    both = {} if r.random() < 0.4 else {"dim0": dim(r, len(first)), "dim1": dim(r, len(first))}
    return Draw((tensor(*first, dtype=dtype(r)),), both)


@draws("permute")
def _permute(r: Random) -> Draw:
    first = shape(r, 1)
    order = [at - len(first) * r.randint(0, 1) for at in r.sample(range(len(first)), len(first))]
    return Draw((tensor(*first, dtype=dtype(r)),), {"dims": order if r.random() < 0.85 else order[:-1] or [0, 0]})


@draws("expand")
def _expand(r: Random) -> Draw:
    full = shape(r, 1)
    lead = shape(r, 0, 1)
    sizes = [*lead, *full]
    sizes = [-1 if at >= len(lead) and r.random() < 0.2 else size for at, size in enumerate(sizes)]
    if r.random() < 0.1:
        sizes = sizes[1:] or [5]
    first = [1 if size != -1 and r.random() < 0.4 else old for size, old in zip(sizes[-len(full) :], full, strict=False)]
    return Draw((tensor(*first, dtype=dtype(r)),), {"sizes": sizes})


@draws("repeat")
def _repeat(r: Random) -> Draw:
    first = shape(r)
    return Draw(
        (tensor(*first, dtype=dtype(r)),),
        {"sizes": [r.choice((1, 2, 3)) for _ in range(max(len(first) + r.choice((-1, 0, 0, 1)), 1))]},
    )


@draws("repeat_interleave")
def _interleave(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r)),), {"repeats": r.choice((0, 1, 2)), "dim": dim(r, len(first))})


@draws("concat", "pack")
def _concat(r: Random) -> Draw:
    first = shape(r, 1)
    at = r.randrange(-len(first), len(first))
    parts = []
    for _ in range(r.randint(1, 3)):
        one = list(first)
        if r.random() < 0.3:
            one[at if r.random() < 0.7 else 0] = r.choice((1, 2, 3))
        parts.append(tensor(*one[: None if r.random() < 0.97 else -1], dtype=dtype(r)))
    return Draw(tuple(parts), some(r, dim=at if r.random() < 0.9 else dim(r, len(first), 0.5)))


@draws("weighted_sum")
def _weighted(r: Random) -> Draw:
    first, number = shape(r, 1), r.randint(1, 3)
    weights = [*first[: r.randint(0, len(first))], number if r.random() < 0.9 else number + 1]
    return Draw((*(tensor(*first) for _ in range(number)), tensor(*weights)), stricter="weights belong to the first dims")


@draws("chunk")
def _chunk(r: Random) -> Draw:
    first = shape(r, 1, 4, (2, 4, 6, 12))
    return Draw(
        (tensor(*first, dtype=dtype(r)),),
        {"chunks": r.choice((1, 2, 2, 3))} | some(r, dim=dim(r, len(first))),
        stricter="parts are equal",
    )


@draws("split")
def _split(r: Random) -> Draw:
    first = shape(r, 1, 4, (2, 4, 6))
    at = dim(r, len(first), 0.05)
    size = first[at] if -len(first) <= at < len(first) else 4
    parts = [1, size - 1] if r.random() < 0.8 else [1, size]
    return Draw((tensor(*first, dtype=dtype(r)),), {"split_size": r.choice((1, 2, 5)) if r.random() < 0.5 else parts, "dim": at})


@draws("roll")
def _roll(r: Random) -> Draw:
    first = shape(r, 1)
    if r.random() < 0.3:
        return Draw((tensor(*first, dtype=dtype(r)),), {"shifts": r.choice((1, -2, [1, 2]))})
    over = dims(r, len(first))
    number = len(over) if isinstance(over, list) else 1
    return Draw(
        (tensor(*first, dtype=dtype(r)),),
        {"shifts": [r.randint(-2, 2) for _ in range(number + (r.random() < 0.08))], "dims": over},
    )


@draws("positions")
def _positions(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r)),), {"dim": dim(r, len(first))})


@draws("flip")
def _flip(r: Random) -> Draw:
    first = shape(r, 1)
    return Draw((tensor(*first, dtype=dtype(r)),), {"dims": dims(r, len(first))})


@draws("pad")
def _pad(r: Random) -> Draw:
    first = shape(r, 1, 5, (2, 3, 4))
    mode = r.choice(("constant", "constant", "reflect", "replicate", "circular"))
    pairs = r.randint(1, 3) if mode == "constant" or r.random() < 0.1 else min(max(len(first) - r.choice((1, 2)), 1), 3)
    sizes = [r.choice((0, 1, 1, 2)) for _ in range(2 * pairs - (r.random() < 0.05))]
    if r.random() < 0.15:
        sizes[0] = r.choice((-1, -4))
    return Draw(
        (tensor(*first, dtype=dtype(r, 0.9)),),
        {"pad": sizes, "mode": mode} | ({"value": 1.5} if mode == "constant" and r.random() < 0.3 else {}),
    )


@draws("gather")
def _gather(r: Random) -> Draw:
    first = shape(r, 1, 4, (2, 3, 4))
    at = dim(r, len(first), 0.05)
    index = [r.randint(1, size) for size in first]
    if r.random() < 0.5 and -len(first) <= at < len(first):
        index[at] = r.choice((1, 6))
    if r.random() < 0.1:
        index[0] += 3
    return Draw((tensor(*first, dtype=dtype(r)), tensor(*index, dtype="int" if r.random() < 0.95 else "float")), {"dim": at})


@draws("top_k")
def _top_k(r: Random) -> Draw:
    first = shape(r, 1, 4, (2, 3, 4))
    given = some(r, dim=dim(r, len(first)), largest=r.choice((True, False)), sorted=r.choice((True, False)))
    return Draw((tensor(*first, dtype=dtype(r, 0.8)),), {"k": r.choice((1, 2, 2, 4))} | given)


def _bound(r: Random) -> int | None:
    return r.choice((None, None, 0, 1, 2, -1, -2, 5, -5))


def _item(r: Random, size: int) -> Item:
    if r.random() < 0.4:
        return At(place=Size.of(r.choice((0, -1, size - 1, 1))))
    return Slice(start=_size(_bound(r)), stop=_size(_bound(r)))


@draws("index")
def _index(r: Random) -> Draw:
    first = shape(r, 1)
    items: list[Item] = [_item(r, size) for size in first[: r.randint(0, len(first))]]
    if r.random() < 0.3:
        items.insert(r.randint(0, len(items)), Mark(kind="none"))
    if r.random() < 0.3:
        items.insert(r.randint(0, len(items)), Mark(kind="..."))
    if r.random() < 0.05:
        items += [Slice()] * 5
    return Draw((tensor(*first, dtype=dtype(r)),), {"items": tuple(items or [Slice()])})


def _size(number: int | None) -> Size | None:
    return None if number is None else Size.of(number)


REARRANGEMENTS: tuple[tuple[str, tuple[int, ...], dict[str, int]], ...] = (
    ("b t (h d) -> b h t d", (2, 3, 4), {"h": 2}),
    ("b h t d -> b t (h d)", (2, 2, 3, 4), {}),
    ("b c (h p) (w q) -> b (h w) (p q c)", (2, 3, 4, 6), {"p": 2, "q": 3}),
    ("b ... -> ... b", (2, 3, 4), {}),
    ("b (s t) ... -> (b s) t ...", (2, 6, 3), {"t": 3}),
    ("b t d -> b t d", (2, 3, 4), {}),
    ("a b -> b 1 a", (2, 3), {}),
    ("b 1 d -> b d", (2, 1, 3), {}),
    ("b (a c d) -> d b a c", (2, 12), {"a": 2, "c": 3}),
    ("b (a c) -> b a", (2, 12), {"a": 2}),
    ("b t d -> b t", (2, 3, 4), {}),
    ("b t (h d -> b h t d", (2, 3, 4), {"h": 2}),
    ("b t b -> b t", (2, 3, 2), {}),
    ("b t -> t b", (2, 3, 4), {}),
    ("b (h d) -> h b d", (2, 4), {"h": 3}),
)


@draws("rearrange")
def _rearrange(r: Random) -> Draw:
    pattern, sizes, given = r.choice(REARRANGEMENTS)
    return Draw(
        (tensor(*sizes, dtype=dtype(r)),),
        {"pattern": pattern, "sizes": dict(given)},
        stricter="a pattern is read before PyTorch sees it",
    )


EQUATIONS = (
    ("b i d, b j d -> b i j", ((2, 3, 4), (2, 5, 4))),
    ("b i j, b j d -> b i d", ((2, 3, 5), (2, 5, 4))),
    ("i, j -> i j", ((2,), (3,))),
    ("b i i -> b i", ((2, 3, 3),)),
    ("b i j -> b", ((2, 3, 4),)),
    ("b i j -> j i b", ((2, 3, 4),)),
    ("... i, ... i -> ...", ((2, 3, 4), (2, 3, 4))),
    ("... i j, j k -> ... i k", ((2, 3, 4), (4, 5))),
    ("batch time dim, dim dout -> batch time dout", ((2, 3, 4), (4, 5))),
    ("b i, b j, b k -> b i j k", ((2, 3), (2, 4), (2, 5))),
    ("b d, b d -> b", ((2, 4), (1, 4))),
    ("b d, b d -> b", ((2, 4), (3, 4))),
    ("b d, b e -> b d z", ((2, 4), (2, 4))),
    ("b d -> b d", ((2, 4), (2, 4))),
    ("b d e -> b d", ((2, 4),)),
    ("b d, b e -> b b", ((2, 4), (2, 4))),
)


@draws("einsum")
def _einsum(r: Random) -> Draw:
    equation, shapes = r.choice(EQUATIONS[: r.choice((10, len(EQUATIONS)))])
    kind = dtype(r, 0.85)
    parts = tuple(tensor(*one, dtype=kind if r.random() < 0.95 else "int") for one in shapes)
    plain = {part.dtype for part in parts} in ({"float"}, {"int"})
    return Draw(parts, {"equation": equation}, stricter="" if plain else "a product of one dtype, and of numbers")
