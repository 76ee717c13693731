"""What a program calls for contrastive divergence: by the statistics that were derived from the energy, or by autograd where none were."""

APART = "\f"  # between two functions of one text, each of which is written once
NEGATIVES = '''
def negatives(model, inputs, steps, visible, *means):
    """The inputs of an energy, its visible units replaced by where so many steps of a Gibbs chain lead."""
    found = model.gibbs(*inputs, steps, *means)
    after = dict(zip(visible, found if isinstance(found, tuple) else (found,)))
    return [after.get(at, x) for at, x in enumerate(inputs)]
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
def with_slopes(model, value, slopes):
    """A loss for autograd."""
    return KnownSlopes.apply(value, slopes, *model.parameters())
'''
GAP = '''
def energy_gap(model, rows, states, means):
    """The mean energy of the first rows, which are data, less that of the others, which are where chains lead; then its slopes.

    The slope in a parameter is what the chains meet less what the data does: for a weight, <v h>_chains - <v h>_data.
    """
    both = means[0].shape[0]
    weight = means[0].new_full((both,), 1 / (both - rows))
    weight[:rows].fill_(-1 / rows)
    gap, *slopes = model.statistics(*states, *means, weight)
    return gap, slopes
'''
MEANS = '''
def means_of(model, inputs):
    """What is to be expected of each block of hidden units."""
    found = model(*inputs)
    return found if isinstance(found, tuple) else (found,)
'''
CONTRAST = (
    NEGATIVES
    + APART
    + MEANS
    + APART
    + '''
@torch.no_grad()
def contrastive_divergence(model, *inputs, steps, visible):
    """CD-k (Hinton, 2002): data against where chains that begin at them lead. The loss, and its slopes in the parameters."""
    here = means_of(model, inputs)
    after = negatives(model, inputs, steps, visible, *here)
    means = [torch.cat(pair) for pair in zip(here, means_of(model, after))]
    states = [torch.cat(pair) for pair in zip(inputs, after)]
    return energy_gap(model, inputs[0].shape[0], states, means)
'''
)
PERSIST = (
    NEGATIVES
    + APART
    + MEANS
    + APART
    + '''
@torch.no_grad()
def persistent_divergence(model, *inputs, steps, visible):
    """Persistent CD (Tieleman, 2008): the chains go on where the last update left them. The loss, and its slopes in the parameters."""
    rows, chains = inputs[0].shape[0], model.__dict__.get("chains", inputs)
    after = negatives(model, chains[: len(inputs)], steps, visible, *chains[len(inputs) :])
    states = [torch.cat(pair) for pair in zip(inputs, after)]
    means = means_of(model, states)
    if model.training:
        model.__dict__["chains"] = [*after, *(mean[rows:] for mean in means)]
    return energy_gap(model, rows, states, means)
'''
)
CONTRAST_BY_AUTOGRAD = (
    NEGATIVES
    + APART
    + '''
def contrastive_divergence(model, *inputs, steps, visible):
    """Has the gradient of CD-k (Hinton, 2002): the free energy of the data, less that of where their chains lead."""
    after = negatives(model, inputs, steps, visible)
    return model.free_energy(*inputs).mean() - model.free_energy(*after).mean()
'''
)
PERSIST_BY_AUTOGRAD = (
    NEGATIVES
    + APART
    + '''
def persistent_divergence(model, *inputs, steps, visible):
    """Has the gradient of persistent CD (Tieleman, 2008): the chains go on where the last update left them."""
    chains = model.__dict__.get("chains", [x.detach() for x in inputs])
    chains = negatives(model, chains, steps, visible)
    if model.training:
        model.__dict__["chains"] = chains
    return model.free_energy(*inputs).mean() - model.free_energy(*chains).mean()
'''
)
