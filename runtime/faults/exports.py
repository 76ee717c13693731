"""Faults of exporting, and of what is loaded from elsewhere (E0758 to E0789, E0991)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import nearest
from .data import listed


class SequencesInCells(Fault):
    """A line of csv or tsv has one cell for each number, so every row has as many. Outputs as long as their row's sequence go into json,
    jsonl or parquet, which have lists; npz takes those whose first dim varies, as `y` with `y_offsets`, as archc reads sequences."""

    code = "E0769"
    title = "sequences of different length do not fit this format"
    path: str
    outputs: tuple[str, ...]
    better: str

    def diagnostic(self) -> Diagnostic:
        said = f"{' and '.join(self.outputs)} {'has' if len(self.outputs) == 1 else 'have'} as many numbers as the row's sequence has steps"
        return self.say(f"{said}, which {self.path} cannot hold", helps=(Help(f"-o {self.better}"),))


def at_layer(layer: str) -> str:
    return f" (in {layer})" if layer else ""


class NotTraced(Fault):
    """torch.export follows the network once, with sizes that stand for all sizes, and writes down what it computes. Something in the
    network could not be followed so. The layer and its line in the spec are named; what follows is what torch said."""

    code = "E0758"
    title = "the network cannot be exported"
    layer: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this cannot be exported{at_layer(self.layer)}: {self.problem}", "torch.export stops here")


class NotInFormat(Fault):
    """A format has its own set of operations, and what the network does here has no counterpart in it. `pt2` takes everything that
    torch.export can follow, and `safetensors` takes the weights of every network."""

    code = "E0759"
    title = "the format cannot say this"
    format: str
    operation: str
    layer: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.format} has no form of {self.operation}{at_layer(self.layer)}",
            "used here",
            helps=(Help("--to pt2 takes all that torch can follow, and --to safetensors the weights"),),
        )


class ExportDiffers(Fault):
    """Each exported file is run in another process, at other sizes than it was traced at, and must give what the network gives, to 1e-5 of
    the largest number. This one did not, and was not kept."""

    code = "E0760"
    title = "the exported file gives other numbers"
    format: str
    output: str
    sizes: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the {self.format} file gives another {self.output}{f' at {self.sizes}' if self.sizes else ''}: {self.problem}",
            notes=("no file was written",),
        )


class ForeignFailed(Fault):
    """The exported file could not be run in another process, and was not kept."""

    code = "E0761"
    title = "the exported file does not run elsewhere"
    format: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the {self.format} file does not run in another process: {self.problem}", notes=("no file was written",))


class PackageMissing(Fault):
    """Some formats need packages that archc does not install by itself."""

    code = "E0762"
    title = "a package is not installed"
    package: str
    reason: str
    install: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.reason} needs {self.package}, which is not installed", helps=(Help(f"pip install {self.install}"),)
        )


class UnknownExport(Fault):
    """`--to` says the format: onnx, pt2 or safetensors; without it the ending of the file does."""

    code = "E0763"
    title = "there is no such format to export to"
    given: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.given.removeprefix("."), self.known)
        said = f"{self.given} is no format to export to" if self.given else "the ending of the file names no format"
        return self.say(
            f"{said}; there are {listed(self.known)}", helps=(Help(f"did you mean {near}?" if near else f"--to {self.known[0]}"),)
        )


class DimNotFree(Fault):
    """A free dim of the spec could not be left free in the exported file: what the network computes there depends on its very size.
    Fix it with `--dim`, and the file is for that size."""

    code = "E0764"
    title = "a dim cannot stay free in the file"
    dims: tuple[str, ...]
    problem: str

    def diagnostic(self) -> Diagnostic:
        many = len(self.dims) > 1
        return self.say(
            f"{listed(self.dims)} cannot stay free: {self.problem}",
            helps=(Help(f"fix {'them' if many else 'it'}: {' '.join(f'--dim {name}=…' for name in self.dims)}"),),
        )


class NoSizes(Fault):
    """To trace a network and to try what was exported, archc looks for sizes of its free dims that work, up to 1024. It found none."""

    code = "E0765"
    title = "no sizes were found that the network takes"
    name: str
    dims: tuple[str, ...]
    fixed: str

    def diagnostic(self) -> Diagnostic:
        at = f" with {self.fixed}" if self.fixed else ""
        if not self.dims:
            return self.say(f"{self.name} does not run{at}")
        return self.say(
            f"no sizes of {listed(self.dims)} were found that {self.name} takes{at}",
            helps=(Help(f"give some: {' '.join(f'--dim {name}=…' for name in self.dims)}"),),
        )


class TooBigForOnnx(Fault):
    """An ONNX file is one protobuf message, which holds 2 GiB at most."""

    code = "E0766"
    title = "the network is too big for an ONNX file"
    size: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the weights have {self.size}, and an ONNX file holds less than 2 GiB", helps=(Help("--to pt2 has no such limit"),)
        )


class WeightsUnfit(Fault):
    """A file of weights must have a tensor of the right shape for each key of the network, and no other."""

    code = "E0767"
    title = "the weights do not fit"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} does not fit: {self.problem}")


class NotExported(Fault):
    """`archc.load` takes a .safetensors file that archc exported: its spec and hyperparameters stand in it. Weights from elsewhere are
    loaded into a spec that fits them."""

    code = "E0768"
    title = "the file does not say its network"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.path} cannot be loaded by itself: {self.problem}",
            helps=(Help(f'in Python: archc.load("SPEC", weights="{self.path}")'),),
        )


class DrawsAnew(Fault):
    """A model that draws in evaluation gives another answer each time: a code `z ~ q` of a variational autoencoder. A file is proved by
    comparing what it gives with what the network gives, and is to give one answer for one input; so evaluation has to take something that
    is not drawn, such as the mean. `archc sample` draws from the run itself.
    """

    code = "E0991"
    title = "the network draws its outputs"
    model: str
    outputs: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.model} draws anew each time it is run, and {', '.join(self.outputs)} depend on it",
            helps=(Help("let evaluation take the mean of the draw z ~ q: z if training else q.mean"),),
        )
