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

WINDOWED = '''\
def windowed(q: Tensor, k: Tensor, v: Tensor, before: int, after: int, **options) -> Tensor:
    """Attention of each query to the keys from `before` places before it to `after` behind it, by blocks of queries."""
    batch, heads, steps, _ = q.shape
    keys, size = k.shape[2], max(before + after, 64)
    if k.shape[1] != heads:
        k, v = (t.repeat_interleave(heads // t.shape[1], dim=1) for t in (k, v))
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or steps <= 2 * size:
        i, j = torch.arange(steps, device=q.device)[:, None], torch.arange(keys, device=q.device)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=(i - j <= before) & (j - i <= after), **options)
    blocks = -(-steps // size)
    q = F.pad(q, (0, 0, 0, blocks * size - steps)).unflatten(2, (blocks, size))  # [B, heads, blocks, size, d]
    near = size + before + after  # each block sees so many keys; those of two neighbours overlap
    k, v = (F.pad(t, (0, 0, before, blocks * size + after - keys)).unfold(2, near, size).mT for t in (k, v))
    i = torch.arange(blocks * size, device=q.device).view(blocks, size, 1)
    j = i[:, :1] - before + torch.arange(near, device=q.device)
    mask = (i - j <= before) & (j - i <= after) & (j >= 0) & (j < keys)  # [blocks, size, near]
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[None], **options)
    return y.flatten(1, 2)[:, :steps].unflatten(0, (batch, heads))
'''

DOCUMENTS = '''\
def documents(
    q: Tensor, k: Tensor, v: Tensor, ours: Tensor, theirs: Tensor, before: int | None = None, after: int | None = None, **options
) -> Tensor:
    """Attention of each query to the keys that have its number, in `ours` and `theirs`, from `before` places before it to `after` behind.

    It goes by blocks of queries, each with the keys from the first to the last that one of them may see in some example.
    """
    steps, keys, size = q.shape[2], k.shape[2], 128
    if k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    i, j = torch.arange(steps, device=q.device)[:, None], torch.arange(keys, device=q.device)

    def attend(rows: slice, near: slice) -> Tensor:
        mask = ours[:, :, rows] == theirs[..., near]
        if before is not None:
            mask = mask & (i[rows] - j[near] <= before)
        if after is not None:
            mask = mask & (j[near] - i[rows] <= after)
        return F.scaled_dot_product_attention(q[:, :, rows], k[:, :, near], v[:, :, near], attn_mask=mask, **options)

    if torch.compiler.is_compiling() or torch.jit.is_tracing() or steps <= 2 * size:
        return attend(slice(None), slice(None))
    first = torch.arange(0, steps, size, device=q.device)[:, None]  # the first query of each block
    blocks = ours.flatten(1)[:, (first + torch.arange(size, device=q.device)).clamp(max=steps - 1)]  # [B, blocks, size]
    seen = (blocks.amin(-1, True) <= theirs[:, 0]) & (theirs[:, 0] <= blocks.amax(-1, True))  # [B, blocks, S]
    seen = seen.any(0)
    if before is not None:
        seen = seen & (first - j <= before)
    if after is not None:
        seen = seen & (j - first - (size - 1) <= after)
    starts, ends = torch.where(seen, j, keys).amin(-1), torch.where(seen, j + 1, 0).amax(-1)
    spans = torch.stack((starts.clamp(max=keys - 1), torch.maximum(ends, starts.clamp(max=keys - 1) + 1)), 1).tolist()
    parts = [attend(slice(n * size, (n + 1) * size), slice(*span)) for n, span in enumerate(spans)]
    return torch.cat(parts, dim=2)
'''

HELPERS = {"kept": KEPT, "window": WINDOWED, "documents": DOCUMENTS}
"""By the kind of a lowering."""
