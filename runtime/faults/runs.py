"""Faults of runs: folders, devices, and what goes wrong while a run runs (E07xx)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help, Label
from ...dsl.nearest import nearest
from ...dsl.span import Span
from .data import listed


class NotFinite(Fault):
    """The loss became infinite or not a number, so further steps would teach nothing. The last checkpoint is from before."""

    code = "E0701"
    title = "the loss is not finite"
    term: str
    value: str
    step: int
    checkpoint: int | None
    folder: str
    culprit: str = ""
    place: Span | None = None

    def diagnostic(self) -> Diagnostic:
        saved = (
            f"the last good checkpoint is of step {self.checkpoint}"
            if self.checkpoint is not None
            else "no checkpoint was made before"
        )
        helps = (Help("a lower learning rate is the usual mend; also look for a log or a division of something near zero"),)
        notes: tuple[str, ...] = (f"{saved}, in {self.folder}",)
        if self.culprit:
            notes = (f"the first value that was not finite is {self.culprit}", *notes)
        more = (Label(self.place, "not finite from here on"),) if self.place is not None else ()
        message = f"{self.term} is {self.value} at step {self.step}"
        return self.say(message, "this loss", *more, notes=notes, helps=helps)


class OutOfMemory(Fault):
    """The device or the machine has no memory left for the next step."""

    code = "E0702"
    title = "out of memory"
    step: int
    batch: int
    detail: str
    accumulate: int = 1
    precision: str = "float32"
    shares: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        half = max(1, self.batch // 2)
        same = f"; batch {half} with accumulate {2 * self.accumulate} makes the same steps" if self.batch > 1 else ""
        helps = [Help(f"lower batch, now {self.batch}: what a step keeps in memory grows with it{same}")]
        if self.precision == "float32":
            helps.append(Help("precision bf16 halves what a step keeps of its layers"))
        return self.say(
            f"out of memory at step {self.step}: {self.detail}", "trained here", notes=self.shares, helps=tuple(helps)
        )


class DiskTrouble(Fault):
    """The run folder could not be written: the disk is full, or writing is not permitted. What was saved before is whole."""

    code = "E0703"
    title = "the run folder cannot be written"
    folder: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        notes = ("what was saved before is whole, and --resume goes on from it",)
        return self.say(f"{self.folder} cannot be written: {self.problem}", notes=notes)


class RunLocked(Fault):
    """A run that is alive locks its folder; a second process cannot resume it."""

    code = "E0704"
    title = "the run is alive"
    folder: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.folder} is being trained by another process")


class NotARun(Fault):
    """The folder is not one that `archc train` wrote, or a file in it is missing or broken."""

    code = "E0705"
    title = "this is not a run folder"
    folder: str
    problem: str
    siblings: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.folder, self.siblings)
        return self.say(f"{self.folder} is not a run: {self.problem}", helps=(Help(f"did you mean {near}?"),) if near else ())


class FolderTaken(Fault):
    """A new run needs a folder of its own; `--resume` goes on with an old one."""

    code = "E0706"
    title = "the folder is taken"
    folder: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.folder} is not empty", helps=(Help(f"--resume {self.folder} goes on with a run; --out names another folder"),)
        )


class FixedSetting(Fault):
    """What a run does is settled when it starts; a resume goes on with exactly that."""

    code = "E0707"
    title = "a resume cannot change the run"
    folder: str
    settings: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"archc train --resume {self.folder} goes on as it began; without --resume a new run starts"),)
        return self.say(f"what is asked for differs from how {self.folder} began: {listed(self.settings)}", helps=helps)


class Drifted(Fault):
    """A resume gives the same bits on the same machine with the same versions, device, threads and data. Something of that changed."""

    code = "E0708"
    title = "the bits would differ"
    folder: str
    changes: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        helps = (Help("--accept-drift goes on nevertheless"),)
        return self.say(f"{self.folder} cannot go on to the same bits", notes=self.changes, helps=helps)


class NoSuchPart(Fault):
    """The parts of a split are train, validation and test, as far as its fractions go."""

    code = "E0709"
    title = "the run has no such part"
    part: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"there is no {self.part} part; there are {listed(self.known)}", helps=(Help(f"--split {self.known[-1]}"),)
        )


class ComputeFailed(Fault):
    """The model or a loss could not be computed on the data at hand."""

    code = "E0710"
    title = "a computation failed"
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this cannot be computed: {self.problem}", "computed here")


class NoDevice(Fault):
    """The device that was asked for is not there."""

    code = "E0711"
    title = "there is no such device"
    device: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"device {self.device} cannot be used: {self.problem}", helps=(Help("--device auto takes what is there"),)
        )


class UnknownFormat(Fault):
    """Predictions are written as csv, tsv, json, jsonl, parquet (a row an example) or npz (an array an output): the ending says which."""

    code = "E0712"
    title = "predictions are not written in this format"
    path: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path}: the ending says the format, and there are {listed(self.known)}")


class NoProgram(Fault):
    """Training needs a `train` program in the spec:

    ```
    train LeNet on digits {
        loss      cross_entropy(logits, label)
        optimizer adam(lr=1e-3)
        epochs    20
        batch     64
    }
    ```
    """

    code = "E0713"
    title = "the spec has no train program"
    name: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("write one (archc explain E0713 shows how); archc specs lists specs that have one"),)
        return self.say(f"{self.name} has no train program, so there is nothing to run", helps=helps)


class ClauseRefused(Fault):
    """An optimizer or a schedule was called with arguments that it does not take."""

    code = "E0714"
    title = "a clause was called wrongly"
    clause: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.clause}: {self.problem}", "called here")


class NoCheckpoint(Fault):
    """None of the run's checkpoints is whole: each was cut short or changed after it was written."""

    code = "E0715"
    title = "no checkpoint is whole"
    folder: str
    damaged: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(f"every checkpoint of {self.folder} is damaged: {listed(self.damaged)}", helps=(Help("start a new run"),))


class NoValidation(Fault):
    """`early_stop` watches the validation part; the split must have one."""

    code = "E0716"
    title = "early_stop has nothing to watch"

    def diagnostic(self) -> Diagnostic:
        helps = (Help("give the data a validation part: split = [0.8, 0.1, 0.1]"),)
        return self.say("early_stop needs a validation part, and the data has none", "stops here", helps=helps)


class NotTrained(Fault):
    """The run has no weights yet: it ended before its first checkpoint."""

    code = "E0717"
    title = "the run has no weights"
    folder: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.folder} has no model.safetensors yet", helps=(Help(f"archc train --resume {self.folder}"),))


class BadSetting(Fault):
    """A setting of a command is out of its range, or two of them contradict each other."""

    code = "E0718"
    title = "a setting cannot be that"
    setting: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.setting}: {self.problem}")


class OutputUnwritable(Fault):
    """What a command was to write could not be written; an older file of that name is untouched."""

    code = "E0719"
    title = "the output cannot be written"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} cannot be written: {self.problem}")


class Untrained(Fault):
    """Every parameter has an optimizer or is frozen: one that nothing moves would stay as it was drawn, without a word."""

    code = "E0720"
    title = "no optimizer for some parameters"
    parameters: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        shown = listed(self.parameters)
        helps = (Help("add an optimizer without a target for the rest, or say freeze for them"),)
        return self.say(f"no optimizer trains {shown}", "trained here", helps=helps)


class NothingTrained(Fault):
    """An optimizer is left with nothing: its targets have no parameters, are frozen, or belong to more specific targets."""

    code = "E0721"
    title = "an optimizer has nothing to train"
    optimizer: str
    targets: str

    def diagnostic(self) -> Diagnostic:
        of = f" of {self.targets}" if self.targets else ""
        return self.say(f"{self.optimizer}{of} has no parameters to train", "nothing to train", helps=(Help("take it away"),))


class InitUnreadable(Fault):
    """`init` reads the best weights of a run folder, a safetensors file, or a state dict that torch.save wrote; this is none of them."""

    code = "E0722"
    title = "weights to begin with cannot be read"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} cannot be read: {self.problem}", "read here")


class InitMisfit(Fault):
    """Weights to begin with must fit: every tensor of the target is there, with its shape. A key moves when a layer of its kind is
    written before it; a name (`as`, `layer`) makes it permanent."""

    code = "E0723"
    title = "weights to begin with do not fit"
    path: str
    fitting: int
    problems: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        mend = "checkpoint(…, partial=true) takes what fits and leaves the rest as it is drawn"
        helps = (Help(mend),) if self.fitting else ()
        return self.say(f"the weights of {self.path} do not fit this model", "wanted here", notes=self.problems, helps=helps)


class SpecChanged(Fault):
    """A run goes on with the spec that it began with, whose text lies in its folder. A changed spec is another run: it can begin with what
    still fits of the old one's weights."""

    code = "E0724"
    title = "the spec has changed since the run began"
    folder: str
    settings: tuple[str, ...]
    changes: tuple[str, ...]
    partial: bool
    fits: bool

    def diagnostic(self) -> Diagnostic:
        argument = ", partial=true" if self.partial else ""
        helps = (
            Help(f"archc train --resume {self.folder} (without the spec) goes on as it began"),
            Help(f'a new run begins with the old weights where the program says: init checkpoint("{self.folder}"{argument})'),
        )
        what = f"{' and '.join(self.settings)} {'are' if len(self.settings) > 1 else 'is'}"
        return self.say(f"{what} not what {self.folder} began with", notes=self.changes, helps=helps[: 1 + self.fits])


class NoTensorboard(Fault):
    """`--tensorboard` writes event files by the package tensorboard, which is not installed. The run folder has curves.svg in any case."""

    code = "E0725"
    title = "tensorboard is not installed"

    def diagnostic(self) -> Diagnostic:
        return self.say("--tensorboard needs the package tensorboard", helps=(Help("pip install tensorboard"),))


class NoCompiler(Fault):
    """`--compile` builds the model by torch.compile, which needs a C++ compiler (or Triton on a GPU), and a model that it can take."""

    code = "E0726"
    title = "torch.compile does not work here"
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"--compile: {self.problem}", helps=(Help("leave --compile away: it is off by default"),))
