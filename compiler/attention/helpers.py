"""Functions that stand in the generated source where a lowering asks for them: text, which imports nothing here."""

KEPT = '''\
def kept(function):
    """Keeps the last results of a function of sizes alone; what a compiler or an exporter traces is built anew."""
    results = {}

    def get(*sizes):
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return function(*sizes)
        if sizes not in results:
            if len(results) == 8:
                del results[next(iter(results))]
            with torch.inference_mode(False):
                results[sizes] = function(*sizes)
        return results[sizes]

    return get
'''

BY_BLOCKS = '''\
def by_blocks(
    attention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    before: int | None = None,
    after: int | None = None,
    ours: Tensor | None = None,
    theirs: Tensor | None = None,
) -> Tensor:
    """`attention(q, k, v, i, j)` by blocks of queries, each with the keys from the first to the last that one of them may see.

    A query may see the keys from `before` places before it to `after` behind it, of those that have its number in `ours` and `theirs`.
    i and j are the positions of queries, [steps, 1], and of keys, [keys].
    """
    steps, keys, size, grain = q.shape[2], k.shape[2], 128, 64
    i, j = torch.arange(steps, device=q.device)[:, None], torch.arange(keys, device=q.device)
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or steps <= 2 * size:
        return attention(q, k, v, i, j)
    first = i[::size]  # of each block
    seen = torch.ones(len(first), keys, dtype=torch.bool, device=q.device)
    if ours is not None:
        blocks = ours.reshape(-1, steps)[:, (first + torch.arange(size, device=q.device)).clamp(max=steps - 1)]
        theirs = theirs.reshape(-1, 1, keys)
        seen = ((blocks.amin(-1, True) <= theirs) & (theirs <= blocks.amax(-1, True))).any(0)  # in some example
    if before is not None:
        seen = seen & (first - j <= before)
    if after is not None:
        seen = seen & (j - first < after + size)
    starts = torch.where(seen, j, keys - 1).amin(-1) // grain
    ends = torch.maximum(torch.where(seen, j, 0).amax(-1) // grain, starts) + 1
    parts = []
    # Split and joined: the gradient of a slice is as long as the whole.
    chunks = [t.split(grain, dim) for t, dim in ((k, 2), (v, 2), (j, 0))]
    for rows, at, start, end in zip(q.split(size, 2), i.split(size), starts.tolist(), ends.tolist()):
        near_k, near_v, near_j = (torch.cat(t[start:end], dim) for t, dim in zip(chunks, (2, 2, 0)))
        parts.append(attention(rows, near_k, near_v, at, near_j))
    return torch.cat(parts, 2)
'''

HELPERS = {"kept": KEPT, "blocks": BY_BLOCKS}
"""By the kind of a lowering."""
