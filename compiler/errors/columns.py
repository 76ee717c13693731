"""Faults of column expressions: what speaks of one row and cannot, and what is asked of a column that is not there (E0850 to E0869)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import did_you_mean


class NoSequence(Fault):
    """`length` and `padded` are for sequences: rows of a source whose first size differs from row to row."""

    code = "E0850"
    title = "rows that are no sequences"

    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this is for sequences, and here are rows of one size: {self.got}", "no sequences")


class OnlyInData(Fault):
    """`standardize`, `categories`, `fill` and the alterations of training belong to the columns of `data`, where rows are known."""

    code = "E0851"
    title = "this belongs to data"

    name: str

    def diagnostic(self) -> Diagnostic:
        mend = Help(f"write it in the columns: data … {{ x = … -> {self.name}(…) }}")
        return self.say(f"{self.name} works on the columns of data, and this is no column", "not in data", helps=(mend,))


class NoRowDim(Fault):
    """Columns speak of one row. A row that is one number has no dim to sum over, to sort, or to join along."""

    code = "E0852"
    title = "a row has no such dim"

    name: str
    row: str
    dim: str

    def diagnostic(self) -> Diagnostic:
        mend = Help("columns speak of one row; vector(a, b, c) puts numbers of one row together")
        return self.say(
            f"{self.name} works along {self.dim} of each row, and a row is {self.row} here", "of one row", helps=(mend,)
        )


class OverSequence(Fault):
    """Rows that are sequences are padded to the longest of their batch, so a column cannot sum over, sort or turn round all their steps.

    The model can, with `length` to tell what is padding.
    """

    code = "E0856"
    title = "a step over all of a sequence is for the model"

    name: str
    row: str

    def diagnostic(self) -> Diagnostic:
        message = f"{self.name} works along a sequence here ({self.row}), and rows of a batch are padded to the longest"
        return self.say(message, "along a sequence", helps=(Help("do it in the model, which is given `length = length(x)`"),))


class BadBucket(Fault):
    """`bucket = length` names a column with one whole number a row: batches then hold rows that are similar in it."""

    code = "E0853"
    title = "a bucket is a column of lengths"

    reason: str
    name: str = ""
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates) if self.name else ()
        return self.say(f"bucket names a column with one whole number a row: {self.reason}", self.reason, helps=helps)


class NoSourceColumn(Fault):
    """`categories`, `fill`, `missing`, `columns` and the `by` of a split work on columns of the source, before anything is computed."""

    code = "E0854"
    title = "this works on a column of the source"

    what: str
    got: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.got, self.span, self.candidates) if self.got.isidentifier() else ()
        return self.say(f"{self.what} wants a column of the source, but this is {self.got}", "not of the source", helps=helps)


class WordAsNumber(Fault):
    """Words are filled by a word, numbers by a number or by `mean`."""

    code = "E0855"
    title = "a filling of another kind than the column"

    column: str
    wanted: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.column} is filled by {self.wanted}", "of another kind")
