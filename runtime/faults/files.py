"""Faults of data files that are not as they should be: broken, mixed, of another kind than what names them (E0623 to E0639)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import nearest
from .data import listed


class NotIdx(Fault):
    """An idx file begins with two zero bytes, a byte for the kind of its numbers, and one for how many dims it has; then come the dims."""

    code = "E0623"
    title = "a file is not of the idx format"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} is no idx file: {self.problem}", "named here")


class WrongLength(Fault):
    """A binary file is shorter or longer than its header says: it was cut, or written over."""

    code = "E0624"
    title = "a data file has another length than its header says"
    path: str
    expected: int
    found: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} should hold {self.expected:,} bytes of numbers, and holds {self.found}", "named here")


class BadLine(Fault):
    """Each line of a json-lines file is one object: `{"x": [1, 2], "y": 0}`."""

    code = "E0625"
    title = "a line of a json file cannot be read"
    path: str
    line: int
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path}, line {self.line}: {self.problem}", "named here")


class WrongValue(Fault):
    """A value is of another kind than the column: a word among numbers, a list among single values, a number too large."""

    code = "E0626"
    title = "a value is of another kind than its column"
    path: str
    place: str
    column: str
    value: str
    wanted: str

    def diagnostic(self) -> Diagnostic:
        message = f"{self.path}, {self.place}, column {self.column}: {self.value} is not {self.wanted}"
        return self.say(message, "read from here")


class VaryingLength(Fault):
    """The rows of a column have one shape, or are sequences of different length.

    Which of the two is seen in the first rows; a later row is of another length.
    """

    code = "E0627"
    title = "a row is of another length than the column"
    path: str
    place: str
    column: str
    found: str
    expected: str

    def diagnostic(self) -> Diagnostic:
        message = f"{self.path}, {self.place}, column {self.column}: {self.found} where the first rows have {self.expected}"
        return self.say(message, "read from here")


class BadImage(Fault):
    """An image cannot be read: it is broken, of no known format, of more pixels than is sane, or of another size than the others."""

    code = "E0628"
    title = "an image cannot be used"
    path: str
    problem: str
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.mend),) if self.mend else ()
        return self.say(f"{self.path}: {self.problem}", "named here", helps=helps)


class NoImages(Fault):
    """`images(folder)` wants a folder for each class, with the images of the class in it; or such folders in `train` and `test`."""

    code = "E0629"
    title = "a folder has no images by class"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        mend = Help("the class of an image is the folder it lies in: folder/cat/1.png, folder/dog/2.png")
        return self.say(f"{self.path} {self.problem}", "named here", helps=(mend,))


class TextTooShort(Fault):
    """A text is cut into sequences of `length` tokens, each with the token that comes next; one more than `length` at least."""

    code = "E0630"
    title = "a text is too short"
    path: str
    tokens: int
    length: int

    def diagnostic(self) -> Diagnostic:
        message = f"{self.path} has {self.tokens} tokens, and a sequence of {self.length} needs {self.length + 1}"
        return self.say(message, "named here", helps=(Help("give a smaller length: text(…, length=32)"),))


class NoShippedData(Fault):
    """`std:NAME` is data that archc carries itself, or that Python's standard library does; the fault lists the names."""

    code = "E0631"
    title = "archc carries no such data"
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.name, self.known)
        helps = (Help(f"did you mean std:{near}?"),) if near else ()
        return self.say(f"there is no std:{self.name}; there are {listed(self.known)}", "named here", helps=helps)


class UnsupportedColumn(Fault):
    """Columns of a table file are of numbers, truth values, words, lists of them, or images."""

    code = "E0632"
    title = "a column is of a kind that is not read"
    path: str
    column: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        message = (
            f"column {self.column} of {self.path} is of {self.kind}; numbers, truth values, words, lists and images are read"
        )
        return self.say(message, "named here")


class UnknownPart(Fault):
    """`split = column` says the part of each row: 0 or "train", 1 or "validation", 2 or "test"; of a bool, true is the test part."""

    code = "E0633"
    title = "a row is in no part"
    path: str
    place: str
    value: str

    def diagnostic(self) -> Diagnostic:
        message = f'{self.path}, {self.place}: {self.value} is no part; parts are 0 "train", 1 "validation", 2 "test"'
        return self.say(message, "asked for here")


class NoTokenizer(Fault):
    """`tokens` of a text is "char", "byte", or the file of a tokenizer as the package tokenizers saves it (tokenizer.json)."""

    code = "E0634"
    title = "a tokenizer cannot be read"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        mend = Help('tokens is "char", "byte", or a tokenizer.json')
        return self.say(f"{self.path} is no tokenizer: {self.problem}", "named here", helps=(mend,))
