"""A round of a game: the updates of its players, in the order of the text.

All updates of a round share its first batch and draws, and each sees the weights that the one before it left; a player's further updates
take fresh batches and draws. While one player moves, the others stand still: their weights get no gradient, so no work is done for any,
and their norms keep their statistics, their buffers their values. What several objectives are computed from is computed once, for the
last of them to learn through; it stands for that player's own pass, so only its norms and buffers take note of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import PhasePlan, SharedPlan, UpdatePlan
from ..data.batches import Batch
from .averaging import NORMS
from .clipping import Clip, clips, cut
from .nexts import Nexts
from .targets import depth
from .untraced import step_of
from .updates import PLAIN, Casting
from .wiring import Wiring

Given = tuple[Any, ...]
Known = dict[str, Tensor]  # shared values of a round, by name


@dataclass
class Move:
    """One objective with what it moves: `weights` are those of its players that are trained, `still` all others that are."""

    plan: UpdatePlan
    objective: Any
    taken: Sequence[str]  # the shared values that it is given, by name
    needed: list[SharedPlan]  # how all of them come about, in order
    begins: list[SharedPlan]  # those that a round computes before this update
    weights: list[nn.Parameter]
    still: list[nn.Parameter]
    norms: Sequence[nn.Module]  # of those who stand still
    nexts: Nexts  # likewise
    steps: list[Any]
    clips: list[Clip]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within: only its weights have gradients, and only the norms and buffers of its players follow."""
        for weight in self.weights:
            weight.grad = None
        for weight in self.still:
            weight.requires_grad = False
            weight.grad = None
        followed = [norm.__dict__ for norm in self.norms if norm.__dict__.get("track_running_stats")]
        for norm in followed:
            norm["track_running_stats"] = False
        before = self.nexts.values()
        try:
            yield
        finally:
            for norm in followed:
                norm["track_running_stats"] = True
            self.nexts.undo(before)
            for weight in self.still:
                weight.requires_grad = True


class Round:
    """All updates of a step. Gives the sum of the objectives as they were before their first updates, and each behind it."""

    def __init__(
        self,
        plan: PhasePlan,
        model: nn.Module,
        wiring: Wiring,
        shares: Sequence[tuple[torch.optim.Optimizer, Sequence[str]]],
        cast: Casting | None,
    ) -> None:
        self.wiring, self.cast = wiring, cast
        self.draw: Any = getattr(model, "draw_round", None)
        self.follow: Callable[..., None] | None = getattr(model, "update_averages", None)
        self.see: Callable[[tuple[str, ...], list[nn.Parameter]], None] | None = None  # hears of the gradients of each update
        self.moves = [self._move(plan, update, model, wiring, shares) for update in plan.updates]
        self.by_method = {move.plan.method: move for move in self.moves}
        self.last = {name: shared.users[-1] for shared in wiring.shared for name in shared.values}
        self.sources = {shared.method: getattr(model, shared.method) for shared in wiring.shared}

    @staticmethod
    def _move(
        plan: PhasePlan,
        update: UpdatePlan,
        model: nn.Module,
        wiring: Wiring,
        shares: Sequence[tuple[torch.optim.Optimizer, Sequence[str]]],
    ) -> Move:
        names = dict(model.named_parameters())
        trained = [name for _, share in shares for name in share]
        own = [name for name in trained if depth(name, update.targets) >= 0]
        others = [name for name in trained if depth(name, update.targets) < 0]
        norms = [m for name, m in model.named_modules() if isinstance(m, NORMS) and depth(name, update.targets) < 0]
        steps = [step_of(optimizer) for optimizer, share in shares if not set(share).isdisjoint(own)]
        taken = wiring.taken.get(update.method, ())
        return Move(
            plan=update,
            objective=getattr(model, update.method),
            taken=taken,
            needed=needed(taken, wiring.shared),
            begins=[shared for shared in wiring.shared if shared.users[0] == update.method],
            weights=[names[n] for n in own],
            still=[names[n] for n in others],
            norms=norms,
            nexts=Nexts(model, wiring.nexts, update.targets),
            steps=steps,
            clips=clips(plan.clips, {n: names[n] for n in own}),
        )

    def given(self, batch: Batch) -> Given:
        """What every objective is computed from: the inputs, then the draws."""
        values: tuple[Any, ...] = batch + self.wiring.whole
        if self.wiring.kind is not None:
            values = tuple(t.to(self.wiring.kind) if t.is_floating_point() else t for t in values)
        inputs = tuple(values[i] for i in self.wiring.inputs)
        with torch.no_grad():
            return inputs + (tuple(self.draw(*inputs)) if self.draw is not None else ())

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        given = self.given(batches[0])
        known: Known = {}
        told: list[Tensor] = []
        for move in self.moves:
            told.append(self.update(move, given, known))
            for batch in batches[1 : move.plan.rounds]:
                self.update(move, self.given(batch), None)
        return together(told)

    def gradients(self, batches: Sequence[Batch]) -> Tensor:
        """All objectives and their gradients, with nothing moved."""
        given = self.given(batches[0])
        known: Known = {}
        told = []
        for move in self.moves:
            self.share(move, given, known)
            with move.alone():
                told.append(self.backward(move, given, known))
        return together(told)

    def update(self, move: Move, given: Given, known: Known | None) -> Tensor:
        """Moves the weights of an objective's players once. `known` has what the round shares, and none is there of a fresh batch."""
        if known is not None:
            self.share(move, given, known)
        with move.alone():
            value = self.backward(move, given, known)
            if self.see is not None:
                self.see(tuple(move.plan.targets), move.weights)
            cut(move.clips)
            with torch.no_grad():
                for step in move.steps:
                    step()
        if self.follow is not None:
            self.follow(*move.plan.targets)
        return value

    def share(self, move: Move, given: Given, known: Known) -> None:
        """What a round computes before this update, for it and later ones: as the last of them sees it, who may learn through it."""
        for shared in move.begins:
            with self.by_method[shared.users[-1]].alone(), self.cast() if self.cast is not None else PLAIN:
                self.compute(shared, given, known)

    def compute(self, shared: SharedPlan, given: Given, known: Known) -> None:
        last = shared.users[-1]
        others = [known[name] if self.last[name] == last else known[name].detach() for name in shared.given]
        known |= zip(shared.values, self.sources[shared.method](*given, *others), strict=True)

    def backward(self, move: Move, given: Given, known: Known | None) -> Tensor:
        method = move.plan.method
        with self.cast() if self.cast is not None else PLAIN:
            if known is None:
                known = {}
                for shared in move.needed:
                    self.compute(shared, given, known)
                taken = [known[name] for name in move.taken]
            else:
                taken = [known[name] if self.last[name] == method else known[name].detach() for name in move.taken]
            value: Tensor = move.objective(*given, *taken)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()


def needed(names: Sequence[str], shared: Sequence[SharedPlan]) -> list[SharedPlan]:
    """How these values come about: what gives them and what that is given, in order."""
    wanted = set(names)
    found = []
    for plan in reversed(shared):
        if not wanted.isdisjoint(plan.values):
            wanted.update(plan.given)
            found.append(plan)
    return found[::-1]


def together(told: list[Tensor]) -> Tensor:
    """Their sum, and behind it each where there are several."""
    if len(told) == 1:
        return told[0]
    return torch.stack([torch.stack(told).sum(), *told])
