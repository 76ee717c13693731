"""Faults of diagrams: nothing is there that could draw one (E079x)."""

from ...dsl.diagnostic import Diagnostic, Fault, Help


class CannotDraw(Fault):
    """A picture could not be made: no renderer is there, or the one that is there failed.

    Diagrams are laid out by Graphviz. archc uses its `dot` program where it is installed, and otherwise the package `graphviz-pure`, which
    needs nothing else. `archc render FILE -o NAME.dot` writes the text of a diagram, for which no renderer is needed.
    """

    code = "E0790"
    title = "a picture could not be made"

    format: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        advice = "install Graphviz (apt install graphviz, brew install graphviz), or pip install graphviz-pure"
        return self.say(f"the {self.format} picture could not be made: {self.reason}", helps=(Help(advice),))
