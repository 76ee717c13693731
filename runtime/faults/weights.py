"""Faults of weights from outside: the file, the map, and what of either is left over (E0860 to E0889)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.nearest import nearest
from .data import listed


def _more(names: tuple[str, ...], most: int = 3) -> str:
    """The first names, and how many there are beside them."""
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")


class NoSuchMap(Fault):
    """A map is a JSON file that says, by pattern, what each tensor of the network is made of. Those for the weights that `transformers`
    saves ship with archc, and are named as the specs are: `--map gpt2`."""

    code = "E0860"
    title = "there is no such map"
    name: str
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.name, self.known)
        mend = f"did you mean {near}?" if near else f"the maps that ship with archc are {listed(self.known)}"
        return self.say(f"there is no file {self.name}, and no map of that name ships with archc", helps=(Help(mend),))


class MapUnreadable(Fault):
    """A map is a JSON object: `"tensors"` has a line for each tensor of the network, `"same"` names copies, `"ignore"` lists what is not
    needed. `archc explain E0862` tells how a line is written."""

    code = "E0861"
    title = "a map cannot be read"
    name: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is no map: {self.problem}", "here")


class BadMapLine(Fault):
    """On the left of a line of a map stands the name of a tensor of the network, with gaps: `stack1.{i}.dense1.{kind}`.

    On the right stands what it is made of: a name in the file with the same gaps, and choices `{transformer.|}h.{i}.weight` where it goes
    by several; or `transpose(x)`, `join(x, y, dim=0)`, `part(x, k, n, dim=0)`, which is part k of n equal ones, or `item(x, k)`.
    """

    code = "E0862"
    title = "a line of a map cannot be read"
    line: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.line} cannot be read: {self.problem}", "cannot be read")


class Unmapped(Fault):
    """Each tensor of the network gets its numbers from the file. For these the map has no line, or, where there is no map, the file has
    no tensor of their name."""

    code = "E0863"
    title = "tensors of the network get nothing"
    keys: tuple[str, ...]
    by_name: bool
    known: tuple[str, ...]  # the left sides of the map, or what the file has
    maps: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.keys[0], self.known)
        where = "the file has no" if self.by_name else "the map has no line for"
        helps = [Help(f"the {'file' if self.by_name else 'map'} has {near}")] if near else []
        if self.by_name:
            helps.append(Help(f"a map says which tensor is which: --map FILE, or one that ships with archc: {listed(self.maps)}"))
        return self.say(f"{where} {_more(self.keys)}", helps=tuple(helps))


class MappedTwice(Fault):
    """Two lines of a map say what one tensor of the network is made of."""

    code = "E0864"
    title = "two lines for one tensor"
    key: str
    other: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.key} is said by this line, and by {self.other} too", "says it", helps=(Help("take one of them away"),)
        )


class NotInFile(Fault):
    """A line of the map names a tensor that the file does not have. Perhaps it is the file of another form of the network: of another
    depth, without its head, or from another library."""

    code = "E0865"
    title = "the file has no such tensor"
    path: str
    names: tuple[str, ...]
    key: str
    more: int
    known: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        near = nearest(self.names[0], self.known)
        said = " or ".join(self.names)
        beside = f"; so it is with {self.more} more" if self.more else ""
        helps = (Help(f"it has {near}"),) if near else ()
        return self.say(f"{self.path} has no {said}, which {self.key} is made of{beside}", "named here", helps=helps)


class LeftOver(Fault):
    """Each tensor of the file is used, or named as not needed. What is left over may be what makes the network another one."""

    code = "E0866"
    title = "tensors of the file are left over"
    path: str
    names: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        mend = Help(f'where they are not needed: --ignore "{_common(self.names)}"')
        return self.say(f"nothing is made of {_more(self.names)} of {self.path}", helps=(mend,))


def _common(names: tuple[str, ...]) -> str:
    """A pattern for these names and no guess: the name, or what they begin with."""
    if len(names) == 1:
        return names[0]
    first, last = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return f"{first[: first.rfind('.', 0, same) + 1]}*" if "." in first[:same] else names[0]


class NotOnce(Fault):
    """Each tensor of the file is used once: whole, or each of its parts once."""

    code = "E0867"
    title = "a tensor is not used once"
    name: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} of the file {self.problem}", "used here")


class WrongForm(Fault):
    """What a line of the map makes of the tensors of the file has another shape than the tensor of the network, or cannot be made."""

    code = "E0868"
    title = "a tensor has another shape"
    key: str
    wanted: str
    problem: str
    more: int = 0
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        beside = f"; so it is with {self.more} more" if self.more else ""
        helps = (Help(self.mend),) if self.mend else ()
        return self.say(f"{self.key} is {self.wanted} in the network, but {self.problem}{beside}", "made here", helps=helps)


class CopiesDiffer(Fault):
    """A map says that two tensors of the file are the same, as where the table of an embedding is that of the output too. These are not, so
    the network is another one."""

    code = "E0869"
    title = "two tensors are not the same"
    name: str
    other: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} and {self.other} should be the same, and are not", "said here")


class WeightsUnreadable(Fault):
    """Weights are read from a .safetensors file, a file that `torch.save` wrote (.bin, .pt, .pth) of tensors alone, the index of such files
    (`model.safetensors.index.json`), or a folder that has one of them. Of pickled files nothing is run."""

    code = "E0870"
    title = "a file of weights cannot be read"
    path: str
    problem: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.path} has no weights that can be read: {self.problem}")
