"""A fact of each kind that the runtime can tell: what golden texts of its faults are made from.

The situations themselves are met in the tests of what finds them; here stands what is said in each.
"""

from archc.dsl.diagnostic import Fault
from archc.dsl.source import Source
from archc.dsl.span import NOWHERE, Loc, Span
from archc.runtime.faults import data, diagrams, exports, files, games, health, runs, sampling, specs, weights

SPEC = Source(
    "net.arch",
    """model Net(classes = 3)(x: [B, 4]) -> [B, classes] {
    logits = x -> dense(16) -> relu -> dense(classes) as head
    return logits
}

data flowers = csv("flowers.csv") {
    x     = vector(standardize(length), width, stem, leaf)
    label = categories(name)
    split = [0.8, 0.1, 0.1]
}

train Net on flowers {
    loss      cross_entropy(logits, label)
    optimizer adam(lr=1e-3)
    init      head: checkpoint("runs/Old-1")
    epochs    20
}
""",
)


def at(text: str) -> Span:
    """The place of a text in the spec."""
    for number, line in enumerate(SPEC.text.split("\n"), 1):
        if text in line:
            column = line.index(text) + 1
            return Span(SPEC.name, Loc(number, column), Loc(number, column + len(text)))
    raise ValueError(text)


SOURCE, LOSS, ADAM, INIT, RELU, TRAIN = map(at, ("csv", "cross_entropy", "adam", "checkpoint", "relu", "train Net"))
FACTS: tuple[Fault, ...] = (
    data.UnknownSource(SOURCE, "cvs", ("csv", "npz", "json")),
    data.BadSourceArgument(SOURCE, "csv", "delimiter is one character", 'csv("file.csv", delimiter=",")'),
    data.NoSuchDataset(SOURCE, "digit", ("digits", "iris", "wine")),
    data.NoSuchFile(SOURCE, "flower.csv", ("flowers.csv", "trees.csv")),
    data.UnreadableFile(SOURCE, "flowers.npz", "it ends too early"),
    data.WrongEncoding(SOURCE, "flowers.csv", "utf-8", 17),
    data.EmptyData(SOURCE, "flowers.csv"),
    data.MissingColumn(SOURCE, "lenght", "flowers.csv", ("length", "width", "name"), "the model's inputs are made from it"),
    data.RaggedRow(SOURCE, "flowers.csv", 12, 4, 5),
    data.BadCell(SOURCE, "flowers.csv", 12, "width", "1,5"),
    data.MissingValue(SOURCE, "flowers.csv", "line 12", "width"),
    data.TextColumn(SOURCE, "flowers.csv", "name", "setosa"),
    data.UnsupportedArray(SOURCE, "flowers.npz", "x", "complex64"),
    data.TooLarge(SOURCE, "flowers.npz", 5 * 2**40, 2**36),
    data.RowsDisagree(SOURCE, "flowers.npz", (("x", 150), ("y", 149))),
    data.UnseenCategory(SOURCE, "flowers.csv", "name", "setsoa", "line 12", ("setosa", "versicolor", "virginica")),
    data.EmptyPart(SOURCE, "validation", 4, "0.1"),
    data.ColumnMismatch(at("x     ="), "x", "float [4]", "float [5]"),
    data.ColumnFailed(at("standardize"), "The size of tensor a (4) must match the size of tensor b (5)"),
    data.NoPackage(SOURCE, "pyarrow", "parquet", "pip install 'archc[parquet]'"),
    data.BadDataArgument(NOWHERE, "flowers.xyz", "the ending names no source"),
    data.DuplicateColumn(SOURCE, "flowers.csv", "width"),
    files.NotIdx(SOURCE, "train-images", "its first bytes are no IDX header"),
    files.WrongLength(SOURCE, "train-images", 47_040_016, "1,024"),
    files.BadLine(SOURCE, "flowers.jsonl", 3, "it is a list, and each line is to be an object"),
    files.WrongValue(SOURCE, "flowers.jsonl", "line 3", "width", '"wide"', "a number"),
    files.VaryingLength(SOURCE, "flowers.jsonl", "line 3", "petals", "5", "6"),
    files.BadImage(SOURCE, "images/a.png", "it is 30 by 28, and the first is 28 by 28", "size=28 makes all of them one size"),
    files.NoImages(SOURCE, "images", "holds no images"),
    files.TextTooShort(SOURCE, "poem.txt", 90, 128),
    files.NoShippedData(SOURCE, "japanese_vowel", ("japanese_vowels", "help_topics")),
    files.UnsupportedColumn(SOURCE, "flowers.parquet", "when", "timestamp[us]"),
    files.UnknownPart(SOURCE, "flowers.csv", "line 12", "trian"),
    files.NoTokenizer(SOURCE, "tokens.json", "it is no file of a tokenizer"),
    runs.NotFinite(LOSS, "the loss", "nan", 1204, 1100, "runs/Net-1", "the result of relu", RELU),
    runs.OutOfMemory(TRAIN, 1, 64, "12 GiB asked for", 1, "float32", ("activations: 9 GiB", "weights: 1 GiB")),
    runs.DiskTrouble(NOWHERE, "runs/Net-1", "No space left on device"),
    runs.RunLocked(NOWHERE, "runs/Net-1"),
    runs.NotARun(NOWHERE, "runs/Net-2", "there is no such folder", ("runs/Net-1",)),
    runs.FolderTaken(NOWHERE, "runs/Net-1"),
    runs.FixedSetting(NOWHERE, "runs/Net-1", ("epochs", "seed")),
    runs.Drifted(NOWHERE, "runs/Net-1", ("torch was 2.12.0 and is 2.13.0", "the data has changed")),
    runs.NoSuchPart(NOWHERE, "tests", ("train", "validation", "test")),
    runs.ComputeFailed(LOSS, "Target 3 is out of bounds."),
    runs.NoDevice(NOWHERE, "cuda", "torch sees no CUDA device"),
    runs.UnknownFormat(NOWHERE, "out.xls", (".csv", ".jsonl", ".npz")),
    runs.NoProgram(NOWHERE, "Net"),
    runs.ClauseRefused(ADAM, "adam", "Invalid learning rate: -0.001"),
    runs.NoCheckpoint(NOWHERE, "runs/Net-1", ("step-100.pt", "step-200.pt")),
    runs.NoValidation(TRAIN),
    runs.NotTrained(NOWHERE, "runs/Net-1"),
    runs.BadSetting(NOWHERE, "epochs", "it must be at least 1, and is 0"),
    runs.OutputUnwritable(NOWHERE, "/out.csv", "Permission denied"),
    runs.Untrained(TRAIN, ("dense1.weight", "dense1.bias")),
    runs.NothingTrained(ADAM, "adam", "head"),
    runs.InitUnreadable(INIT, "runs/Old-1", "there is no such folder"),
    runs.InitMisfit(INIT, "runs/Old-1", 2, ("head.weight is [10, 16] there and [3, 16] here",)),
    runs.SpecChanged(NOWHERE, "runs/Net-1", ("the model",), ("dense1.weight is [32, 4] here and [16, 4] there",), True, True),
    runs.NoTensorboard(NOWHERE),
    runs.NoCompiler(NOWHERE, "no C++ compiler was found"),
    specs.NoSuchSpec(NOWHERE, "lnet", ("lenet", "resnet")),
    specs.SpecIsFolder(NOWHERE, "specs", ("specs/a.arch", "specs/b.arch")),
    specs.SpecUnreadable(NOWHERE, "net.arch", "Permission denied"),
    specs.NotText(NOWHERE, "net.arch", "its byte 7 is no UTF-8"),
    specs.EmptyFolder(NOWHERE, "specs"),
    specs.CannotWrite(NOWHERE, "net.py", "Permission denied"),
    specs.FileTaken(NOWHERE, "Net.arch"),
    specs.NotKnown(NOWHERE, "free dim", "BT", ("B", "T"), " in Net"),
    exports.NotTraced(RELU, "dense1", "the shape depends on the data"),
    exports.NotInFormat(RELU, "onnx", "aten.igamma", "dense1"),
    exports.ExportDiffers(NOWHERE, "onnx", "logits", "B=5", "by 0.01 of 2.5"),
    exports.ForeignFailed(NOWHERE, "onnx", "the runtime refuses a node"),
    exports.PackageMissing(NOWHERE, "onnx", "writing ONNX", "'archc[onnx]'"),
    exports.UnknownExport(NOWHERE, "onxx", ("onnx", "pt2", "safetensors")),
    exports.DimNotFree(NOWHERE, ("H", "W"), "adaptive_avg_pool2d needs their numbers"),
    exports.NoSizes(NOWHERE, "Net", ("H", "W"), "B=2"),
    exports.TooBigForOnnx(NOWHERE, "5.2 GiB"),
    exports.WeightsUnfit(NOWHERE, "net.safetensors", "head.weight is [10, 16], and [3, 16] is wanted"),
    exports.DrawsAnew(NOWHERE, "VAE", ("rebuilt", "logits")),
    exports.NotExported(NOWHERE, "net.safetensors", "it has no archc_spec"),
    exports.SequencesInCells(NOWHERE, "out.csv", ("states", "scores"), "out.jsonl"),
    weights.NoSuchMap(NOWHERE, "gtp2", ("bert", "gpt2", "llama")),
    weights.MapUnreadable(NOWHERE, "map.json", "it has no tensors"),
    weights.BadMapLine(NOWHERE, "stack1.{i.weight", "a gap is not closed"),
    weights.Unmapped(NOWHERE, ("head.weight", "head.bias"), True, ("heads.weight", "dense1.bias"), ("bert", "gpt2")),
    weights.MappedTwice(NOWHERE, "head.weight", "{name}.weight"),
    weights.NotInFile(NOWHERE, "old.safetensors", ("h.weight",), "head.weight", 2, ("head.weight",)),
    weights.LeftOver(NOWHERE, "old.safetensors", ("pooler.weight", "pooler.bias")),
    weights.NotOnce(NOWHERE, "qkv.weight", "has three parts, and the second is not used"),
    weights.WrongForm(NOWHERE, "head.weight", "[3, 16]", "the file has [10, 16]", 1, "--set classes=10"),
    weights.CopiesDiffer(NOWHERE, "head.weight", "wte.weight"),
    weights.WeightsUnreadable(NOWHERE, "old.bin", "it is no file that torch.save wrote"),
    diagrams.CannotDraw(NOWHERE, "svg", "there is no renderer"),
    health.LossStands(LOSS, 1.0986, 1.0985, 3),
    health.DeadUnits(RELU, 12, 16),
    health.GradientsExplode(LOSS, "head.weight", 4.2e5),
    health.GradientsVanish(LOSS, "dense1.weight", 1.3e-9),
    games.Collapsed(LOSS, "G", "fake", "image", 0.0004),
    games.PlayerStarves(LOSS, "G", 3.1e-9),
    sampling.NothingToSample(NOWHERE, "LeNet", ("texts, token by token",)),
    sampling.NoSuchToken(NOWHERE, "Q", "the run's text has no such character", ("a", "b", "q")),
    sampling.BadSamplingOption(NOWHERE, "--top-p", "1.5", "it is a probability, above 0 and up to 1"),
    sampling.PromptMissing(NOWHERE, "Speller"),
    sampling.TokenTooLarge(NOWHERE, 400, 256),
    sampling.LooksAhead(NOWHERE, "Bert"),
    sampling.DecoderOfAnotherVersion(NOWHERE, "VAE"),
    sampling.NoChainOfEnergies(NOWHERE, "Net", "something stands between two of its energies"),
    sampling.NotStepped(NOWHERE, "BiRNN", "a recurrence that begins at the end"),
    sampling.BadState(NOWHERE, "LSTM", "it is called as step(lines, state)"),
)
