"""Faults of adversarial games: players and objectives that do not fit together."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.nearest import nearest
from ...dsl.span import NOWHERE, Span


class OutsideOfGame(Fault):
    """Players, and what they minimize, make a game. Only the body of an `adversarial` declaration has them."""

    code = "E0940"
    title = "a player or an objective stands outside of a game"

    what: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("a game is declared so: adversarial GAN(latent = 64)(image: [B, 64]) { … }"),)
        return self.say(f"{self.what} stands outside of a game", "only the body of an adversarial has these", helps=helps)


class SharedWeights(Fault):
    """Each weight is moved by the objectives of one player. A trunk that two players use is a player of its own, named in the objectives
    that train it: `T, D minimizes …`."""

    code = "E0941"
    title = "two players share weights"

    player: str
    other: str
    at: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = (Label(self.at, f"{self.other} stands here"),) if self.at != NOWHERE else ()
        helps = (
            Help(f"make what they share a player of its own, and say who trains it: {self.other}, {self.player} minimizes …"),
        )
        return self.say(f"the player {self.player} shares weights with {self.other}", "has its weights", *labels, helps=helps)


class ObjectiveWithoutPlayer(Fault):
    """An objective moves the weights of its players, so it must be computed with them."""

    code = "E0942"
    title = "an objective that does not depend on its player"

    player: str
    at: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = (Label(self.at, f"the player {self.player}"),) if self.at != NOWHERE else ()
        return self.say(
            f"this objective of {self.player} is computed without {self.player}, so it moves none of its weights",
            f"does not depend on {self.player}",
            *labels,
        )


class PlayerWithoutObjective(Fault):
    """A player is trained by what it minimizes. One without an objective, or a game without players, would never learn anything."""

    code = "E0943"
    title = "a player without an objective"

    player: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"say what it wants: {self.player} minimizes …"),)
        return self.say(f"{self.player} minimizes nothing", "has no objective", helps=helps)


class NotAPlayer(Fault):
    """Before `minimizes` stand the names of players, which are declared above it with `player NAME = …`."""

    code = "E0944"
    title = "an objective of what is no player"

    name: str
    players: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        known = f"the players are {', '.join(self.players)}" if self.players else "there are none yet"
        near = nearest(self.name, self.players)
        helps = (Help(f"did you mean {near}?", (Edit(self.span, near),)),) if near else ()
        return self.say(f"{self.name} is no player of this game: {known}", "no player", helps=helps)


class NobodysWeights(Fault):
    """All weights of a game belong to players; what stands beside them would never be trained."""

    code = "E0945"
    title = "weights that no player owns"

    what: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"make it a player: player P = {self.what}(…), and name it before minimizes"),)
        return self.say(
            f"{self.what} owns weights that belong to no player, so no objective moves them", "no player's", helps=helps
        )


class GameReturns(Fault):
    """What comes out of a game are its objectives, so its body has no `return`."""

    code = "E0946"
    title = "a game returns something"

    game: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.game} is a game, whose results are its objectives: it returns nothing", "nobody takes this")


class EmptyGame(Fault):
    """A game has at least one player, and an objective for each."""

    code = "E0947"
    title = "a game without players"

    game: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("a player is declared and given something to minimize: player G = …, then G minimizes …"),)
        return self.say(f"{self.game} has no players with objectives", "nobody plays", helps=helps)


class NotInGames(Fault):
    """Some clauses of training do not go together with updates that take turns."""

    code = "E0948"
    title = "a clause that has no meaning for a game"

    clause: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.clause} does not go together with a game: {self.reason}", "not in a game")


class RoundsOfWhat(Fault):
    """`rounds D: 5` says how often a player is updated in a round, each time on a fresh batch. Only the program of a game has it."""

    code = "E0949"
    title = "rounds without a game"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"rounds names the players of a game, and {self.what}", "says how often a player moves in a round: rounds D: 5"
        )


class NoSlope(Fault):
    """`gradient_penalty(D, image, fake)` asks for the slope of what a player says of a tensor: D is a player of this game, made of a block
    that gives one tensor, a score for each example."""

    code = "E0950"
    title = "a slope of what is no player with a score"

    got: str
    players: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = (
            Help(f"name one of the players: {', '.join(self.players)}")
            if self.players
            else Help("put its steps into a block, and make a player of it: player D = Discriminator"),
        )
        return self.say(
            f"gradient_penalty takes a player whose block gives one score, and {self.got}", "no such player", helps=helps
        )


class GameApplied(Fault):
    """A game is trained as a whole and gives nothing to a network; its players are parts that can be used by themselves."""

    code = "E0951"
    title = "a game used as a layer"

    game: str
    declared: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.game} is a game, which is trained and not applied",
            "used as a layer",
            Label(self.declared, "declared here"),
            helps=(Help("use the parts that its players are"),),
        )
