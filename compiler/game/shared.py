"""What objectives of a game have in common: a value is computed once for all that read it while none of its weights is moved.

Comes in: a game. Goes out: for each set of objectives that share values a `Shared`, in the order in which a round computes them, and which
of these values each objective is given. A value is shared where the text gives it to several objectives, it is computed with weights, and
no objective from the first of them up to the last moves a weight that it is computed with. So only the last may learn through it; for
the others it stands as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Game, Input, Node, Ref
from ..layers.draws import Draw

Users = tuple[int, ...]


@dataclass(frozen=True)
class Shared:
    """Values that the objectives `users` read (by number), each with its name; computed from `given`, values of others, too."""

    method: str
    users: Users
    values: dict[Ref, str]
    given: tuple[Ref, ...]


@dataclass(frozen=True)
class Sharing:
    """All that a game shares. `given` has for each objective the shared values that it reads."""

    shared: tuple[Shared, ...]
    given: tuple[tuple[Ref, ...], ...]

    def name(self, user: int, ref: Ref) -> str:
        """What a value is called that an objective is given."""
        return next(shared.values[ref] for shared in self.shared if user in shared.users and ref in shared.values)


def drawn_first(graph: Game) -> list[int]:
    """The draws that all objectives of a round share: those that depend on no weights."""
    inputs = {n for n, node in enumerate(graph.nodes) if isinstance(node.op, Input)}
    return [n for n, node in enumerate(graph.nodes) if isinstance(node.op, Draw) and {r.node for r in node.refs} <= inputs]


def players_behind(graph: Game) -> list[frozenset[str]]:
    """The players whose weights each node is computed with; an average moves when what it follows does."""
    followed = {average.key: average.source for average in graph.averages}
    found: list[frozenset[str]] = []
    for node in graph.nodes:
        own = {followed.get(node.key, node.key)} if node.key is not None else set()
        found.append(frozenset(own).union(*(found[ref.node] for ref in node.refs)))
    return found


def sharing(graph: Game) -> Sharing:
    return _Analysis(graph).run()


class _Analysis:
    def __init__(self, graph: Game) -> None:
        self.graph = graph
        self.results = [output.ref for output in graph.outputs[: len(graph.objectives)]]
        self.free = {n for n, node in enumerate(graph.nodes) if isinstance(node.op, Input)} | {*drawn_first(graph)}
        self.keys = players_behind(graph)
        needed = [graph.ancestors({ref.node}) | {ref.node} for ref in self.results]
        self.users = [self._users(n, needed) for n in range(len(graph.nodes))]

    def _users(self, number: int, needed: list[set[int]]) -> dict[int, Users]:
        """For each objective that needs the node those that it shares it with, itself among them."""
        if number in self.free or not self.keys[number]:
            return {}
        alike: list[list[int]] = [[]]  # the objectives that find its weights alike
        for k, objective in enumerate(self.graph.objectives):
            if number in needed[k]:
                alike[-1].append(k)
            if not self.keys[number].isdisjoint(objective.players):
                alike.append([])
        return {k: tuple(users) for users in alike if len(users) > 1 for k in users}

    def run(self) -> Sharing:
        given = tuple(
            (ref,) if self.users[ref.node].get(k) else self._read([ref.node], k, ()) for k, ref in enumerate(self.results)
        )
        every = {users for found in self.users for users in found.values()}
        order = sorted(every, key=lambda users: (users[0], -len(users), users))
        read: dict[Users, dict[Ref, None]] = {users: {} for users in order}  # what others read of each
        for k, refs in enumerate(given):
            for ref in refs:
                read[self.users[ref.node][k]].setdefault(ref)
        names = {self.graph.nodes[n].outputs[0].name or "" for n in self.free}
        shared: list[Shared] = []
        for users in reversed(order):  # those with fewer users read of those with more
            values = sorted(read[users], key=lambda ref: (ref.node, ref.output))
            before = self._read([ref.node for ref in values], users[0], users)
            for ref in before:
                read[self.users[ref.node][users[0]]].setdefault(ref)
            method = f"shared_by_{'_and_'.join(self.graph.objectives[user].name for user in users)}"
            shared.append(Shared(method, users, {ref: self._name(ref, names) for ref in values}, before))
        return Sharing(tuple(shared[::-1]), given)

    def _read(self, starts: list[int], user: int, own: Users) -> tuple[Ref, ...]:
        """The shared values, but those of `own`, that these nodes are computed from for an objective, or that they are themselves."""
        found: set[Ref] = set()
        seen: set[int] = set(starts)
        pending = list(starts)
        while pending:
            for ref in self.graph.nodes[pending.pop()].refs:
                if self._shared(ref.node, user, own):
                    found.add(ref)
                elif ref.node not in seen:
                    seen.add(ref.node)
                    pending.append(ref.node)
        return tuple(sorted(found, key=lambda ref: (ref.node, ref.output)))

    def _shared(self, number: int, user: int, own: Users) -> bool:
        return self.users[number].get(user, own) != own

    def _name(self, ref: Ref, taken: set[str]) -> str:
        """The name that the text gives it, with a number where it has none or where it is taken."""
        node: Node = self.graph.nodes[ref.node]
        name = node.outputs[ref.output].name or "shared"
        number = 1
        while (numbered := name if number == 1 else f"{name}_{number}") in taken:
            number += 1
        taken.add(numbered)
        return numbered
