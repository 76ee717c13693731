"""Warnings of games that come apart (W0920 to W0939). Each is said once a run; nothing stops."""

from ...dsl.diagnostic import Diagnostic, Fault, Help


class Collapsed(Fault):
    """What a player makes is nearly one and the same, whatever it is made of: it has found one thing that its opponent takes, or has
    stopped learning. Where the opponent sees one example at a time, nothing tells it that all are alike."""

    code = "W0920"
    title = "a player makes one thing only"
    player: str
    name: str
    like: str
    share: float

    def diagnostic(self) -> Diagnostic:
        helps = (
            Help(
                "a lower rate for it or a higher one for its opponent; batch norm in it; or the objectives of wgan_gp, whose slope stays"
            ),
        )
        said = f"{self.player} has collapsed: {self.name} varies by {self.share:.1%} of what {self.like} does"
        return self.say(said, "trained here", helps=helps)


class PlayerStarves(Fault):
    """The gradients of all weights of a player are next to nothing beside the weights: its objective does not tell it where to go. That is
    so where an opponent is sure of itself and the objective is flat there, as `log(1 - sigmoid(D(fake)))` is."""

    code = "W0921"
    title = "a player gets no gradient"
    player: str
    ratio: float

    def diagnostic(self) -> Diagnostic:
        helps = (
            Help(
                "an objective that is steep where its opponent wins: softplus(-D(fake)), least squares as in lsgan, or that of wgan_gp;"
                " or fewer rounds and a lower rate for the opponent"
            ),
        )
        return self.say(
            f"the gradients of {self.player} vanish: they are {self.ratio:.0e} of its weights", "trained here", helps=helps
        )
