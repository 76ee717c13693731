"""Faults of specs as files: not there, not readable, not text; and of what the command line says about them (E075x)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import nearest


def listed(names: tuple[str, ...], most: int) -> str:
    """Names for a sentence, cut where there are many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class NoSuchSpec(Fault):
    """A spec is named by its path, or, where nothing is at that path, by the bare name of one that ships with archc (`archc specs`)."""

    code = "E0750"
    title = "there is no such spec"

    name: str
    shipped: tuple[str, ...]
    siblings: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.name, (*self.siblings, *self.shipped)) or nearest(self.name.removesuffix(".arch"), self.shipped)
        helps = (Help(f"did you mean {near}?"),) if near else (Help("archc specs lists the specs that ship with archc"),)
        return self.say(f"there is no file {self.name}, and no spec of that name ships with archc", helps=helps)


class SpecIsFolder(Fault):
    """Only `archc check` and `archc fmt` take a folder; they then read all .arch files in it."""

    code = "E0751"
    title = "a folder is no spec"

    name: str
    inside: tuple[str, ...] = ()
    shipped: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = [Help(f"it holds {listed(self.inside, 12)}")] if self.inside else []
        if self.shipped:
            helps.append(Help(f"it hides the shipped spec of that name, which is {self.shipped}"))
        return self.say(f"{self.name} is a folder, and one file is wanted", helps=helps)


class SpecUnreadable(Fault):
    """The file is there, and the system does not let archc read it."""

    code = "E0752"
    title = "a spec cannot be read"

    name: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} cannot be read: {self.problem}")


class NotText(Fault):
    """A spec is text in UTF-8, at most 16 MiB of it. Editors call it "UTF-8", with or without a byte-order mark."""

    code = "E0753"
    title = "a spec is not text"

    name: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is no text in UTF-8: {self.problem}", helps=(Help("save it as UTF-8"),))


class EmptyFolder(Fault):
    """A folder was given to check or to format, and no file in it, or below it, ends in .arch."""

    code = "E0754"
    title = "a folder without specs"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"no file in {self.name} ends in .arch")


class CannotWrite(Fault):
    """What a command made could not be written where it was asked to."""

    code = "E0755"
    title = "a result cannot be written"

    name: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} cannot be written: {self.problem}")


class FileTaken(Fault):
    """`archc new` writes a new file, and never over one that is there."""

    code = "E0756"
    title = "the file is there already"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is there already, and is left as it is")


class NotKnown(Fault):
    """A command was asked for something by a name that it does not know: a layer, a code, a kind of spec, a dim."""

    code = "E0757"
    title = "an unknown name on the command line"

    what: str
    name: str
    known: tuple[str, ...]
    where: str = ""

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.name, self.known)
        mend = f"did you mean {near}?" if near else f"there are {listed(self.known, 30)}" if self.known else "there is none"
        return self.say(f"there is no {self.what} {self.name}{self.where}", helps=(Help(mend),))
