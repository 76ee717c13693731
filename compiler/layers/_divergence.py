"""What a program calls for contrastive divergence. The slopes are the statistics that were derived from the energy; where none were,
autograd differentiates the energy with the means held fixed, which comes to the same."""

APART = "\f"  # between two functions of one text, each of which is written once
NEGATIVES = '''
def negatives(model, inputs, steps, visible, *means):
    """The inputs of an energy, its visible units replaced by where so many steps of a Gibbs chain lead."""
    found = model.gibbs(*inputs, steps, *means)
    found = found if isinstance(found, tuple) else (found,)
    if len(found) == len(inputs):
        return found
    after = dict(zip(visible, found))
    return [after.get(at, x) for at, x in enumerate(inputs)]
'''
ALL_NEGATIVES = '''
def negatives(model, inputs, steps, visible, *hidden):
    """The inputs of an energy, its visible units replaced by where so many steps of a Gibbs chain lead; then the hidden units there."""
    found = model.gibbs(*inputs, steps, *hidden)
    after = dict(zip(visible, found))
    return [after.get(at, x) for at, x in enumerate(inputs)], found[len(visible) :]
'''
MEANS = '''
def means_of(model, inputs):
    """What is to be expected of each block of hidden units."""
    found = model(*inputs)
    return found if isinstance(found, tuple) else (found,)
'''
KNOWN = '''
class KnownSlopes(torch.autograd.Function):
    """A number whose slopes in the parameters are known, so that a backward pass has nothing left to compute."""

    @staticmethod
    def forward(ctx, value, slopes, *parameters):
        ctx.save_for_backward(*slopes)
        return value.clone()

    @staticmethod
    def backward(ctx, slope):
        return None, None, *(slope * known for known in ctx.saved_tensors)
'''
WITH = '''
def with_slopes(way, model, *inputs, **options):
    """A loss that comes with its slopes, for autograd."""
    with torch.no_grad():
        value, slopes = way(model, *inputs, **options)
    return KnownSlopes.apply(value, slopes, *model.parameters())
'''
GAP = '''
def energy_gap(model, rows, states, means):
    """The mean energy of the first rows, which are data, less that of the others, which are where chains lead; then its slopes.

    The slope in a parameter is what the chains meet less what the data does: for a weight, <v h>_chains - <v h>_data.
    """
    gap, *slopes = model.statistics(*states, *means, shares(rows, len(means[0]), means[0].dtype, means[0].device))
    return gap, slopes
'''
SHARES = '''
@lru_cache
def shares(rows, both, dtype, device):
    """What each of both the data and the chains counts in their gap."""
    return torch.tensor([-1 / rows] * rows + [1 / (both - rows)] * (both - rows), dtype=dtype, device=device)
'''
GAP_BY_AUTOGRAD = '''
def energy_gap(model, rows, states, means):
    """The mean energy of the first rows, which are data, less that of the others, which are where chains lead."""
    energy = model.energy(*states, *means)
    return energy[:rows].mean() - energy[rows:].mean()
'''
CONTRAST = '''
def contrastive_divergence_of_blocks(model, *inputs, steps, visible):
    """CD-k (Hinton, 2002): data against where chains that begin at them lead."""
    with torch.no_grad():
        here = means_of(model, inputs)
        after = negatives(model, inputs, steps, visible, *here)
        means = [torch.cat(pair) for pair in zip(here, means_of(model, after))]
        states = [torch.cat(pair) for pair in zip(inputs, after)]
    return energy_gap(model, inputs[0].shape[0], states, means)
'''
PERSIST = '''
def persistent_divergence_of_blocks(model, *inputs, steps, visible):
    """Persistent CD (Tieleman, 2008): data against chains that go on where the last update left them."""
    rows, chains = inputs[0].shape[0], model.__dict__.get("chains", inputs)
    with torch.no_grad():
        after = negatives(model, chains[: len(inputs)], steps, visible, *chains[len(inputs) :])
        states = [torch.cat(pair) for pair in zip(inputs, after)]
        means = means_of(model, states)
        if model.training:
            model.__dict__["chains"] = [*after, *(mean[rows:] for mean in means)]
    return energy_gap(model, rows, states, means)
'''
CONTRAST_CROSSED = '''
def contrastive_divergence_of_blocks(model, *inputs, steps, visible):
    """CD-k with hidden units that meet: mean field on the data against the states where chains that begin there lead."""
    with torch.no_grad():
        after, drawn = negatives(model, inputs, steps, visible)
        means = [torch.cat(pair) for pair in zip(means_of(model, inputs), drawn)]
        states = [torch.cat(pair) for pair in zip(inputs, after)]
    return energy_gap(model, inputs[0].shape[0], states, means)
'''
PERSIST_CROSSED = '''
def persistent_divergence_of_blocks(model, *inputs, steps, visible):
    """Mean field on the data against chains that go on where the last update left them (Salakhutdinov & Hinton, 2009)."""
    chains = model.__dict__.get("chains", inputs)
    with torch.no_grad():
        after, drawn = negatives(model, chains[: len(inputs)], steps, visible, *chains[len(inputs) :])
        means = [torch.cat(pair) for pair in zip(means_of(model, inputs), drawn)]
        states = [torch.cat(pair) for pair in zip(inputs, after)]
        if model.training:
            model.__dict__["chains"] = [*after, *drawn]
    return energy_gap(model, inputs[0].shape[0], states, means)
'''
CONTRAST_TWO = '''
def contrastive_divergence(model, inputs, steps):
    """CD-k (Hinton, 2002): data against where chains that begin at them lead; its value and its slopes."""
    means = model(inputs)
    after = model.gibbs(inputs, steps, means)
    means = torch.cat((means, model(after)))
    weight = shares(inputs.shape[0], means.shape[0], means.dtype, means.device)
    gap, *slopes = model.statistics(torch.cat((inputs, after)), means, weight)
    return gap, slopes
'''
PERSIST_TWO = '''
def persistent_divergence(model, inputs, steps):
    """Persistent CD (Tieleman, 2008): data against chains that go on where the last update left them; its value and its slopes."""
    rows, (before, *means) = inputs.shape[0], model.__dict__.get("chains", (inputs,))
    after = model.gibbs(before, steps, *means)
    states = torch.cat((inputs, after))
    means = model(states)
    if model.training:
        model.__dict__["chains"] = [after, means[rows:]]
    gap, *slopes = model.statistics(states, means, shares(rows, means.shape[0], means.dtype, means.device))
    return gap, slopes
'''


def divergence(*, persistent: bool, derived: bool, crossed: bool, two: bool) -> str:
    """The functions of contrastive divergence. `derived`: slopes come out with the value; `crossed`: hidden units meet; `two`: all that
    there is is one block of visible units and one of hidden ones, and slopes come out."""
    if two:
        return APART.join([PERSIST_TWO if persistent else CONTRAST_TWO, SHARES])
    plain, crossing = (PERSIST, PERSIST_CROSSED) if persistent else (CONTRAST, CONTRAST_CROSSED)
    main, after = (crossing, ALL_NEGATIVES) if crossed else (plain, NEGATIVES)
    if derived:  # else autograd has to see the energy
        main = without_context(main)
    return APART.join([after, MEANS, main, *((GAP, SHARES) if derived else (GAP_BY_AUTOGRAD,))])


def without_context(text: str) -> str:
    """A function that is called without gradients and need not say so."""
    found: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line == "    with torch.no_grad():":
            inside = True
            continue
        inside = inside and line.startswith("        ")
        found.append(line.removeprefix("    ") if inside else line)
    return "\n".join(found)
