"""What a model decodes from the priors of its draws: samples of a variational autoencoder (see `compiler.decoding`).

What else a decoder reads, such as the class of a conditional one, is given with `--given`.
"""

from typing import TYPE_CHECKING, Any

from ...compiler.decoding import Decoder, decoder
from ...compiler.passes.order import PASSES
from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption, DecoderOfAnotherVersion
from ..loading import recompiled
from ..run_folder import SavedRun
from ..stops import Misused
from .given import told
from .grids import Rows
from .wanted import Wanted

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...compiler.pipeline import Compiled

KIND = "a decoder"


def decoded(saved: SavedRun) -> "tuple[Compiled, Decoder | None]":
    """The model of a run as the compiler sees it, and its decoder if it has one."""
    exe = saved.exe
    compiled = recompiled(dict(exe.sources), exe.name, dict(exe.hyperparameters))
    return compiled, decoder(PASSES.run(compiled.graph))


def fits(saved: SavedRun) -> bool:
    """Does it draw from something that has a prior, and give what follows from it?"""
    return not saved.exe.plan.model.energies and decoded(saved)[1] is not None


def sample(saved: SavedRun, wanted: Wanted) -> Rows:
    """One example for each draw from the priors."""
    wanted.refuse(KIND, "prompts", "tokens", "top_k", "top_p", "beam", "greedy", "stop", "cache", "temperature", "steps")
    import torch

    from ..run import trained
    from ..train.determinism import evaluating, pinned
    from ..train.setup import device_of, faults_of

    where = device_of(wanted.device)
    with pinned(int(saved.record["threads"]), where), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        trunk = trained(saved).to(where)
        network, given = network_of(saved, trunk, wanted, where)
        torch.manual_seed(wanted.seed)
        examples = torch.zeros(wanted.count, dtype=next(trunk.parameters()).dtype, device=where)
        made: Tensor = network(examples, *(value.expand(wanted.count, *value.shape) for value in given))
        return Rows(made.cpu().numpy(), "what it draws")


def network_of(saved: SavedRun, trunk: "nn.Module", wanted: Wanted, where: "torch.device") -> "tuple[nn.Module, list[Tensor]]":
    """The decoder with the weights of a trained network, and what it is given behind the number of examples."""
    import torch

    from ...compiler.emit.torch.module import emit_module
    from .streams import built

    compiled, found = decoded(saved)
    if found is None or compiled.graph_hash != saved.exe.graph_hash:
        raise Misused(DecoderOfAnotherVersion(NOWHERE, saved.exe.plan.model.class_name))
    kinds: dict[str, Any] = {"float": next(trunk.parameters()).dtype, "int": torch.long, "bool": torch.bool}
    inputs = {i.name: i for i in saved.exe.plan.model.inputs if i.name in {one.name for one in found.given}}
    for name, one in inputs.items():
        if not all(isinstance(size, int) for size in one.shape[1:]):
            rule = f"{name} {one.shape} is as long as one likes, and is no input that can be given"
            raise Misused(BadSamplingOption(NOWHERE, "--given", name, rule))
    shapes = {name: tuple(size for size in one.shape[1:] if isinstance(size, int)) for name, one in inputs.items()}
    given = told(wanted.given, KIND, shapes, {name: kinds[one.dtype] for name, one in inputs.items()}, where)
    network = built(compiled, emit_module(found.graph, "spec.arch"), trunk)
    return network, [given[one.name] for one in found.given]
