"""Faults of hyperparameters given from outside."""

from ...dsl.diagnostic import Diagnostic, Fault


class UnreadableValue(Fault):
    """A value of `--set` or of `load` is nothing that a hyperparameter can be.

    A number, true, false, none, a text, a list, or a callable's name.
    """

    code = "E0419"
    title = "a value that cannot be read"

    name: str
    text: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.text} is no value for {self.name}", "declared here")
