"""A phase with everything that is settled before its first step: batches, losses, who is frozen, optimizers, rates, averages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import PhasePlan, SchedulePlan
from ..data.batches import Batches
from ..data.held import Held
from ..data.parts import Part
from ..faults.runs import ClauseRefused, NoValidation
from ..stops import InputFaults, span_of
from .averaging import NORMS, Average, measure_norms
from .clipping import clips
from .determinism import evaluating
from .games import Round
from .optimizers import optimizer, shared_out
from .schedules import Plateau, Rate, one_cycle_momentum, plateau, schedule
from .targets import assigned, below, depth
from .updates import Update, casting, scaler
from .wiring import Wiring


@dataclass
class Player:
    """An optimizer, and for each of its groups the rate over the steps; none where it never changes."""

    optimizer: torch.optim.Optimizer
    rates: list[Rate | None]
    momenta: list[Rate | None]
    plateaus: list[Plateau | None]

    def __post_init__(self) -> None:
        moving = zip(self.optimizer.param_groups, self.rates, self.momenta, self.plateaus, strict=True)
        self.moving = [entry for entry in moving if entry[1] is not None]

    def set(self, step: int) -> None:
        """The rates of a step of the phase."""
        for group, rate, momentum, stuck in self.moving:
            assert rate is not None
            group["lr"] = rate(step) if stuck is None else stuck.rate(rate(step))
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum(step), *group["betas"][1:])
            elif momentum is not None and "momentum" in group:
                group["momentum"] = momentum(step)


@dataclass
class Phase:
    """`steps` are those of the whole phase, `per_epoch` those of an epoch of it."""

    plan: PhasePlan
    model: nn.Module
    wiring: Wiring
    batches: Batches
    validation: Held | None
    frozen: list[str]
    device: torch.device
    shares: list[list[str]]
    players: list[Player] = field(default_factory=list)
    updates: list[Update | Round] = field(default_factory=list)
    average: Average | None = None
    scaler: "torch.amp.GradScaler | None" = None
    judge: Wiring | None = None  # of the whole model, where the phase is about a part of it

    @property
    def per_epoch(self) -> int:
        return -(-len(self.batches) // self.plan.batches)

    @property
    def steps(self) -> int:
        return self.plan.steps if self.plan.steps is not None else (self.plan.epochs or 1) * self.per_epoch

    def begin(self) -> None:
        """Freezes what is to stay, and makes optimizers and averages, which know nothing of the phases before."""
        names = dict(self.model.named_parameters())
        self.model.__dict__.pop("chains", None)  # those of an energy's Gibbs sampler begin anew
        for name, parameter in names.items():
            parameter.requires_grad_(name not in self.frozen)
        self.players = [self.player(i, [names[n] for n in share], share) for i, share in enumerate(self.shares)]
        self.scaler = scaler(self.plan.precision, self.device)
        trained: dict[str, Tensor] = {name: names[name] for share in self.shares for name in share}
        weights = [*trained.values()]
        self.average = Average(self.plan.averages, trained) if self.plan.averages else None
        optimizers = tuple(player.optimizer for player in self.players)
        cast = casting(self.plan.precision, self.device)
        if self.plan.is_game:
            shares = [(player.optimizer, share) for player, share in zip(self.players, self.shares, strict=True)]
            self.updates = [Round(self.plan, self.model, self.wiring, shares, cast)]
            self.train()
            return
        self.updates = [
            Update(
                u,
                self.model,
                self.wiring,
                self.wiring.of(u),
                optimizers,
                weights,
                clips(self.plan.clips, trained),
                cast,
                self.scaler,
            )
            for u in self.plan.updates
        ]
        self.train()

    def player(self, which: int, parameters: list[Tensor], names: list[str]) -> Player:
        """The optimizer of a clause, its parameters in groups by the schedule that counts for them."""
        made = optimizer(self.plan.optimizers[which], parameters)
        chosen = [assigned(name, [s.targets for s in self.plan.schedules]) for name in names]
        (group,) = made.param_groups
        kinds = sorted(set(chosen), key=lambda c: -1 if c is None else c)
        if len(kinds) > 1:
            split = [[p for p, c in zip(parameters, chosen, strict=True) if c == kind] for kind in kinds]
            made.param_groups[:] = [{**group, "params": part} for part in split]
        rate = float(group["lr"])
        plans: list[SchedulePlan | None] = [None if kind is None else self.plan.schedules[kind] for kind in kinds]
        rates = [schedule(plan, rate, self.steps, self.per_epoch) for plan in plans]
        momenta = [
            one_cycle_momentum(plan.stages[0], plan.stages[0].steps or self.steps)
            if plan is not None and plan.stages[0].name == "one_cycle" and len(plan.stages) == 1
            else None
            for plan in plans
        ]
        return Player(made, rates, momenta, [plateau(plan) for plan in plans])

    def train(self) -> None:
        """Training mode; norms that are frozen keep their statistics."""
        self.model.train()
        targets = [target for frozen in self.plan.frozen for target in frozen.targets]
        for name, module in self.model.named_modules():
            if targets and isinstance(module, NORMS) and depth(name, targets) >= 0:
                module.eval()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within: the model has the weights that count, which are the averaged ones where there are any."""
        if self.average is None:
            yield
            return
        with self.average.in_place(self.model, self.refresh):
            yield

    def refresh(self) -> None:
        """The statistics of batch norms anew, over the training part, without a trace in the random states."""
        with evaluating(self.device):
            measure_norms(self.model, lambda batch: self.wiring.forward(self.model, batch), self.batches.epoch(0))

    def packed(self) -> dict[str, Any]:
        return {
            "players": [player.optimizer.state_dict() for player in self.players],
            "plateaus": [[None if p is None else dict(p.kept) for p in player.plateaus] for player in self.players],
            "average": None if self.average is None else self.average.packed(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "chains": self.model.__dict__.get("chains"),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        for player, state, stuck in zip(self.players, saved["players"], saved["plateaus"], strict=True):
            player.optimizer.load_state_dict(state)
            player.__post_init__()  # the groups are new objects
            for one, kept in zip(player.plateaus, stuck, strict=True):
                if one is not None:
                    one.kept = dict(kept)
        if self.average is not None:
            self.average.restore(saved["average"])
        if self.scaler is not None:
            self.scaler.load_state_dict(saved["scaler"])
        if saved["chains"] is not None:
            self.model.__dict__["chains"] = [chain.to(self.device) for chain in saved["chains"]]

    def lr(self, step: int) -> float | None:
        """The rate of a step of the phase, of the first group whose rate moves; none where none does."""
        for player in self.players:
            for _, rate, _, stuck in player.moving:
                assert rate is not None
                return rate(step) if stuck is None else stuck.rate(rate(step))
        return None


def settled(
    plan: PhasePlan,
    model: nn.Module,
    wiring: Wiring,
    parts: Mapping[str, Part],
    seed: int,
    device: torch.device,
) -> Phase:
    """The phase, checked: everything is trained or frozen, and what it watches is there."""
    training = parts["train"].held(wiring.columns)
    validation = parts["validation"].held(wiring.columns) if "validation" in parts else None
    if plan.early_stop is not None and validation is None:
        raise InputFaults(NoValidation(span_of(plan.place)))
    parameters = dict(model.named_parameters())
    frozen = below(parameters, [t for f in plan.frozen for t in f.targets]) if plan.frozen else []
    frozen += [name for name, parameter in parameters.items() if not parameter.requires_grad and name not in frozen]
    shares = shared_out(plan, parameters, frozen)
    check_targets(plan, shares)
    phase = Phase(plan, model, wiring, Batches(training, plan.batch, seed, device), validation, frozen, device, shares)
    for i, share in enumerate(shares):
        phase.player(i, [parameters[name] for name in share], share)  # so that wrong arguments are told now
    return phase


def check_targets(plan: PhasePlan, shares: list[list[str]]) -> None:
    """Each clip and average is about something that is trained."""
    trained = [name for share in shares for name in share]
    for word, clauses in (("clip", plan.clips), ("ema", plan.averages)):
        for clause in clauses:
            if not below(trained, clause.targets):
                reason = f"nothing below {', '.join(clause.targets)} is trained"
                raise InputFaults(ClauseRefused(span_of(plan.place), word, reason))
