"""Faults of data: a source that is not there, a file that is broken, a column that does not fit (E06xx).

Every one points at the `data` program (or at the text given with `--data`) and names file, row and column where it knows them.
"""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import did_you_mean, nearest


def listed(names: tuple[str, ...], limit: int = 12) -> str:
    """Names for a sentence, cut where there are many."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


class UnknownSource(Fault):
    """A `data` program begins with a source: `sklearn("digits")`, `csv("file.csv")` or `npz("file.npz")`. No other name is a source."""

    code = "E0601"
    title = "there is no such data source"
    kind: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.kind, self.span, self.known)
        return self.say(f"there is no data source {self.kind}; there are {listed(self.known)}", "not a source", helps=helps)


class BadSourceArgument(Fault):
    """A source was called with an argument that it does not take, without one that it needs, or with one of the wrong kind."""

    code = "E0602"
    title = "a data source was called wrongly"
    kind: str
    problem: str
    usage: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.kind}: {self.problem}", "called here", helps=(Help(f"it is called as {self.usage}"),))


class NoSuchDataset(Fault):
    """`sklearn(name)` gives the data sets that scikit-learn carries inside itself: digits, iris, wine, breast_cancer, diabetes."""

    code = "E0603"
    title = "scikit-learn carries no such data set"
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.name, self.known)
        helps = (Help(f"did you mean {near}?"),) if near else ()
        return self.say(f'there is no data set "{self.name}"; there are {listed(self.known)}', "named here", helps=helps)


class NoSuchFile(Fault):
    """The file that a source names is not there. A path in a spec is relative to the spec, one on the command line to where you are."""

    code = "E0604"
    title = "a data file is not there"
    path: str
    siblings: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.path.rsplit("/", 1)[-1], self.siblings)
        helps = (Help(f"that folder holds {near}"),) if near else ()
        return self.say(f"there is no file {self.path}", "named here", helps=helps)


class UnreadableFile(Fault):
    """The file is there but cannot be read as what the source says: cut short, of another format, or not permitted."""

    code = "E0605"
    title = "a data file cannot be read"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} cannot be read: {self.problem}", "named here")


class WrongEncoding(Fault):
    """A text file is not in the encoding that was promised; utf-8 where none was."""

    code = "E0606"
    title = "a data file is in another encoding"
    path: str
    encoding: str
    line: int
    source: str = "csv"
    likely: str = "latin-1"

    def diagnostic(self) -> Diagnostic:
        mend = Help(f'name its encoding: {self.source}("…", encoding="{self.likely}")')
        if self.source == "json":
            mend = Help(f"json lines are utf-8: iconv -f {self.likely} -t utf-8 writes them so")
        return self.say(
            f"{self.path} is not {self.encoding}: line {self.line} holds bytes that it cannot mean", "named here", helps=(mend,)
        )


class EmptyData(Fault):
    """A data source gave no rows: an empty file, or only a header."""

    code = "E0607"
    title = "a data source has no rows"
    path: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} has no rows", "named here")


class MissingColumn(Fault):
    """The data program reads a column that the source does not have. `--data` must give the columns under the names the spec reads."""

    code = "E0608"
    title = "a column is not in the data"
    column: str
    path: str
    known: tuple[str, ...]
    reason: str = ""

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.column, self.known)
        helps = (Help(f"did you mean {near}?"),) if near else ()
        why = f", and {self.reason}" if self.reason else ""
        message = f"{self.path} has no column {self.column}{why}; it has {listed(self.known) or 'none'}"
        return self.say(message, "read from here", helps=helps)


class RaggedRow(Fault):
    """Every row of a csv file has as many cells as the header, or as the first row where there is none."""

    code = "E0609"
    title = "a row has too many or too few cells"
    path: str
    row: int
    cells: int
    expected: int

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path}, line {self.row}: {self.cells} cells where {self.expected} are expected", "named here")


class BadCell(Fault):
    """A cell of a numeric column is no finite number."""

    code = "E0610"
    title = "a cell is not a number"
    path: str
    row: int
    column: str
    text: str

    def diagnostic(self) -> Diagnostic:
        helps = (
            (Help("numbers are read with a decimal point: 1.5"),)
            if self.text.replace(",", ".", 1).lstrip("-").replace(".", "").isdigit()
            else ()
        )
        said = f'{self.path}, line {self.row}, column {self.column}: "{self.text}" is not a finite number'
        return self.say(said, "named here", helps=helps)


class MissingValue(Fault):
    """A value is missing (an empty cell, or NaN). Say what is to be done: `missing="drop"` leaves such rows out, `missing=0` fills them."""

    code = "E0611"
    title = "a value is missing"
    path: str
    place: str
    column: str

    def diagnostic(self) -> Diagnostic:
        mend = Help('say what to do: missing="drop" leaves such rows out, missing=0 puts a number there')
        return self.say(f"{self.path}, {self.place}, column {self.column}: the value is missing", "read from here", helps=(mend,))


class TextColumn(Fault):
    """A column of words was read as numbers. `categories(column)` turns words into class numbers."""

    code = "E0612"
    title = "a column holds words"
    path: str
    column: str
    example: str

    def diagnostic(self) -> Diagnostic:
        mend = Help(f"categories({self.column}) numbers its words")
        return self.say(
            f'column {self.column} of {self.path} holds words ("{self.example}"), not numbers', "read from here", helps=(mend,)
        )


class UnsupportedArray(Fault):
    """Arrays of a npz file are of numbers, truth values or words; pickled objects are never loaded."""

    code = "E0613"
    title = "an array is of a kind that is not read"
    path: str
    name: str
    dtype: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"array {self.name} of {self.path} is of {self.dtype}; numbers, truth values and words are read", "named here"
        )


class TooLarge(Fault):
    """The data would fit neither into memory nor on the disk of temporary files; the headers say so before anything is unpacked."""

    code = "E0614"
    title = "there is no room for the data"
    path: str
    size: int
    limit: int

    def diagnostic(self) -> Diagnostic:
        message = f"{self.path} unpacks to {self.size / 2**30:.1f} GiB, and there is room for {self.limit / 2**30:.1f} GiB"
        return self.say(message, "named here")


class RowsDisagree(Fault):
    """The columns of a source have one length, a row each."""

    code = "E0615"
    title = "columns have different numbers of rows"
    path: str
    lengths: tuple[tuple[str, int], ...]

    def diagnostic(self) -> Diagnostic:
        each = listed(tuple(f"{name} {rows}" for name, rows in self.lengths))
        return self.say(f"the columns of {self.path} differ in rows: {each}", "named here")


class UnseenCategory(Fault):
    """`categories` numbers the values of the training part. A value that stands only elsewhere has no number."""

    code = "E0616"
    title = "a category is not in the training part"
    path: str
    column: str
    value: str
    place: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        message = f'{self.path}, {self.place}: {self.column} is "{self.value}", which is not in the training part'
        return self.say(message, "read from here", notes=(f"known are {listed(self.known)}",))


class EmptyPart(Fault):
    """Each part of the split must hold at least one row, after `train_where`."""

    code = "E0617"
    title = "a part of the data is empty"
    part: str
    rows: int
    because: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the {self.part} part would be empty: {self.because} of {self.rows} rows", "asked for here")


class ColumnMismatch(Fault):
    """A column came out in another shape or kind than the spec says; `--data` gives what the spec's own source gives."""

    code = "E0618"
    title = "a column has another shape or kind"
    column: str
    expected: str
    found: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"column {self.column} should be {self.expected} a row, and the data gives {self.found}", "declared here")


class ColumnFailed(Fault):
    """A column expression could not be computed on the data at hand."""

    code = "E0619"
    title = "a column cannot be computed"
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this cannot be computed on the data: {self.problem}", "computed here")


class NoPackage(Fault):
    """A source needs a package that is not installed."""

    code = "E0620"
    title = "a package is not installed"
    package: str
    what: str
    install: str = ""

    def diagnostic(self) -> Diagnostic:
        command = self.install or f"pip install {self.package}"
        return self.say(f"{self.what} needs {self.package}, which is not installed", "named here", helps=(Help(command),))


class BadDataArgument(Fault):
    """`--data` takes a file (`--data my.csv`) or a source as a spec writes it (`--data 'csv("my.csv", header=false)'`)."""

    code = "E0621"
    title = "--data is not understood"
    text: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        mend = Help(
            "give a file (.csv, .tsv, .json, .npz, .parquet, .txt), or a source as a spec writes it: 'csv(\"my.csv\", header=false)'"
        )
        return self.say(f"--data {self.text} is not understood: {self.problem}", helps=(mend,))


class DuplicateColumn(Fault):
    """Columns are known by name, so a header names each once."""

    code = "E0622"
    title = "a header names a column twice"
    path: str
    column: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f'the header of {self.path} names "{self.column}" twice', "named here")
