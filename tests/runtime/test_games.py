"""Games as the engine plays them, beside loops written by hand in PyTorch with explicit detaching."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from archc.runtime.data.batches import Batch
from archc.runtime.data.sources import read_data
from archc.runtime.stops import Stopped
from archc.runtime.train.api import dry_run, found, plan_of, train
from archc.runtime.train.determinism import pinned
from archc.runtime.train.phases import Phase
from archc.runtime.train.setup import settle

STEPS = 100
SPECS = ("gan", "cgan", "lsgan", "wgan_gp", "dcgan", "cyclegan", "aae", "infogan")


def begun(spec: str) -> Phase:
    """The one phase of a shipped spec, before its first step."""
    exe = found(spec, None, {})
    plan = plan_of(exe)
    setting, _, _ = settle(exe, plan, read_data(plan.data, exe.base), torch.device("cpu"))
    setting.phases[0].begin()
    return setting.phases[0]


def batches(phase: Phase) -> Iterator[Batch]:
    for epoch in range(STEPS):
        yield from phase.batches.epoch(epoch)


def adam(*parts: nn.Module, lr: float = 2e-4, betas: tuple[float, float] = (0.5, 0.999)) -> torch.optim.Optimizer:
    return torch.optim.Adam([weight for part in parts for weight in part.parameters()], lr=lr, betas=betas, fused=True)


def adams(model: Any) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """The optimizers of most specs, of the discriminator and the generator."""
    return adam(model.D), adam(model.G)


def moved(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def gan_by_hand(model: Any, data: Iterator[Batch]) -> None:
    for_d, for_g = adam(model.D, lr=4e-4), adam(model.G, lr=1e-3)
    for (image,) in islice(data, STEPS):
        fake = model.G(torch.randn(len(image), 32))
        moved(for_d, (F.softplus(-model.D(image)) + F.softplus(model.D(fake.detach()))).mean())
        moved(for_g, F.softplus(-model.D(fake)).mean())


def cgan_by_hand(model: Any, data: Iterator[Batch]) -> None:
    for_d, for_g = adams(model)
    for image, label in islice(data, STEPS):
        fake = model.G(torch.randn(len(image), 64), label)
        moved(for_d, (F.softplus(-model.D(image, label)) + F.softplus(model.D(fake.detach(), label))).mean())
        moved(for_g, F.softplus(-model.D(fake, label)).mean())


def still(player: nn.Module, given: Tensor) -> Tensor:
    """What a player gives that does not learn from it: detached, its norms as they were."""
    norms = deepcopy(player.state_dict())
    made: Tensor = player(given).detach()
    player.load_state_dict(norms)
    return made


def wgan_gp_by_hand(model: Any, data: Iterator[Batch]) -> None:
    """Five updates of the critic, each on a batch and noise of its own; then the generator, on the noise of the first."""
    for_d, for_g = (adam(player, lr=1e-3, betas=(0.0, 0.9)) for player in (model.D, model.G))
    while five := [image for (image,) in islice(data, 5)]:
        noise = []
        for image in five:
            noise.append(torch.randn(len(image), 32))
            fake = still(model.G, noise[-1])
            share = torch.rand(len(image), 1)
            between = torch.lerp(image, fake, share).requires_grad_()
            (slope,) = torch.autograd.grad(model.D(between).sum(), between, create_graph=True)
            penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
            moved(for_d, model.D(fake).mean() - model.D(image).mean() + 10.0 * penalty)
        moved(for_g, (-model.D(model.G(noise[0]))).mean())


def cyclegan_by_hand(model: Any, data: Iterator[Batch]) -> None:
    for_paper, for_board = adam(model.OfPaper), adam(model.OfBoard)
    for_both = [adam(model.ToPaper), adam(model.ToBoard)]
    for board, paper in islice(data, STEPS):
        sheet = paper.roll(1, 0)
        inked, chalked = model.ToPaper(board), model.ToBoard(sheet)
        for optimizer, judge, real, fake in (
            (for_paper, model.OfPaper, sheet, inked),
            (for_board, model.OfBoard, board, chalked),
        ):
            moved(optimizer, (((judge(real) - 1) ** 2 + judge(fake.detach()) ** 2) / 2).mean())
        taken = ((model.OfPaper(inked) - 1) ** 2).mean() + ((model.OfBoard(chalked) - 1) ** 2).mean()
        trip = (model.ToBoard(inked) - board).abs().mean() + (model.ToPaper(chalked) - sheet).abs().mean()
        for optimizer in for_both:
            optimizer.zero_grad()
        (taken + 10.0 * trip).backward()
        for optimizer in for_both:
            optimizer.step()


def aae_by_hand(model: Any, data: Iterator[Batch]) -> None:
    """The encoder has one optimizer, which moves it twice in a round."""
    for_e, for_r, for_d = (
        adam(model.E, lr=5e-4, betas=(0.9, 0.999)),
        adam(model.R, lr=1e-3, betas=(0.9, 0.999)),
        adam(model.D, lr=5e-4),
    )
    for (image,) in islice(data, STEPS):
        z = torch.randn(len(image), 8)
        for_e.zero_grad()
        moved(for_r, ((model.R(model.E(image)) - image) ** 2).sum(-1).mean())
        for_e.step()
        code = model.E(image)
        moved(for_d, (F.softplus(-model.D(z)) + F.softplus(model.D(code.detach()))).mean())
        moved(for_e, F.softplus(-model.D(code)).mean())


BY_HAND = {
    "gan": gan_by_hand,
    "cgan": cgan_by_hand,
    "wgan_gp": wgan_gp_by_hand,
    "cyclegan": cyclegan_by_hand,
    "aae": aae_by_hand,
}


def same(left: nn.Module, right: nn.Module) -> bool:
    """All weights, statistics and counts, bit for bit."""
    other = right.state_dict()
    return all(torch.equal(value, other[name]) for name, value in left.state_dict().items())


@pytest.mark.parametrize("spec", BY_HAND)
def test_a_hundred_rounds_are_those_of_a_loop_by_hand(spec: str) -> None:
    """One optimizer moves each player; of the generator's norms too, which one update of a round alone may touch."""
    with pinned():
        phase = begun(spec)
        hand, start = deepcopy(phase.model), deepcopy(phase.model)
        torch.manual_seed(7)
        data = batches(phase)
        for _ in range(STEPS):
            phase.updates[0](tuple(islice(data, phase.plan.batches)))
        torch.manual_seed(7)
        BY_HAND[spec](hand, islice(batches(phase), STEPS * phase.plan.batches))
    assert same(phase.model, hand)
    assert not same(phase.model, start)


def test_rounds_take_fresh_batches_and_draws() -> None:
    """The discriminator of lsgan moves on both batches of a round, the generator on the first and on its noise."""
    with pinned():
        phase = begun("lsgan")
        hand: Any = deepcopy(phase.model)
        pairs = [*islice(batches(phase), 2)]
        torch.manual_seed(3)
        phase.updates[0](pairs)
        torch.manual_seed(3)
        for_d, for_g = adams(hand)
        noise = [torch.randn(64, 32)]
        for at, (image,) in enumerate(pairs):
            if at:
                noise.append(torch.randn(64, 32))
            norms = deepcopy(hand.G.state_dict())
            fake = hand.G(noise[at]).detach()
            hand.G.load_state_dict(norms)  # a generator that stands still keeps its statistics
            moved(for_d, (((hand.D(image) - 1) ** 2 + hand.D(fake) ** 2) / 2).mean())
        moved(for_g, ((hand.D(hand.G(noise[0])) - 1) ** 2 / 2).mean())
    assert same(phase.model, hand)


def test_an_epoch_is_one_pass_by_the_player_that_sees_most(tmp_path: Path) -> None:
    """1,797 digits are 29 batches: 15 rounds of two, of which the last has one."""
    run = train("lsgan", out=tmp_path / "run", epochs=1, progress=False)
    assert len(run.losses) == 15


def test_standing_still_is_no_work() -> None:
    """What a player's objective leaves alone has no gradient, not even for a moment."""
    phase = begun("gan")
    model: Any = phase.model
    asked: list[bool] = []
    model.G.register_forward_hook(lambda module, given, made: asked.append(made.requires_grad))
    phase.updates[0]((next(iter(phase.batches.epoch(0))),))
    assert asked == [True]
    assert all(weight.grad is None for weight in model.D.parameters())
    assert all(weight.grad is not None for weight in model.G.parameters())


@pytest.mark.parametrize("spec", SPECS)
def test_one_batch_of_each_spec(spec: str) -> None:
    assert 0 < abs(dry_run(spec).loss) < 100


FOLLOWED = """
block Generator(latent)(z: [B, latent]) -> [B, 64] {
    h = z -> dense(32, bias=false) -> batch_norm -> relu
    penalty small = 0.1 * mean(h ** 2)
    return h -> dense(64) -> sigmoid
}

block Discriminator(image: [B, 64]) -> [B, 1] {
    score = image -> dense(32) -> leaky_relu(0.2) -> dense(1)
    penalty drift = 0.001 * score ** 2
    return score
}

adversarial Followed(latent = 8)(image: [B, 64]) {
    player G = Generator(latent)
    player D = Discriminator
    layer slow = ema(G, decay=0.99)
    z ~ normal(0, 1)[B, latent]
    fake   = G(z)
    smooth = slow(z)
    penalty spread = 0.01 * mean(fake ** 2)
    D minimizes softplus(-D(image)) + softplus(D(fake)) + mean(gradient_penalty(D, image, fake))
    G minimizes softplus(-D(fake))
}

data digits = sklearn("digits") {
    image = data / 16
}

train Followed on digits {
    optimizer sgd(lr=0.1)
    rounds    D: 2
    clip      D: norm=0.5
    clip      G: value=0.01
    ema       G: 0.9
    epochs    1
    batch     64
}
"""


def followed_by_hand(model: Any, data: list[Batch]) -> list[Tensor]:
    """The rounds of `FOLLOWED`; gives the averaged weights of the generator."""
    d, g, slow = model.D, model.G, model.slow
    averages = [weight.detach().clone() for weight in g.parameters()]
    descend = {player: torch.optim.SGD(player.parameters(), lr=0.1, fused=True) for player in (d, g)}
    for (image,), (other,) in zip(data[::2], data[1::2], strict=True):
        noise = torch.randn(len(image), 8)
        for at, real in enumerate((image, other)):
            z = torch.randn(len(real), 8) if at else noise
            made, small = (deepcopy(g) if at else g)(z)  # one that stands still keeps its statistics
            if not at:
                fake, worth = made, small
            (true, drift), (false, more) = d(real), d(made.detach())
            share = torch.rand(len(real), 1)
            between = torch.lerp(real, made.detach(), share).requires_grad_()
            (slope,) = torch.autograd.grad(d(between)[0].sum(), between, create_graph=True)
            loss = (F.softplus(-true) + F.softplus(false) + ((slope.norm(dim=1) - 1) ** 2).mean()).mean() + drift + more
            descend[d].zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(d.parameters(), 0.5)
            descend[d].step()
        score, drift = d(fake)
        descend[g].zero_grad()
        (F.softplus(-score).mean() + worth + 0.01 * (fake**2).mean() + drift).backward()
        nn.utils.clip_grad_value_(g.parameters(), 0.01)
        descend[g].step()
        with torch.no_grad():
            for mine, weight in zip(slow.parameters(), g.parameters(), strict=True):
                mine.lerp_(weight, 1 - 0.99)
            for mine, weight in zip(slow.buffers(), g.buffers(), strict=True):
                mine.copy_(weight)
            for average, weight in zip(averages, g.parameters(), strict=True):
                average.lerp_(weight, 1 - 0.9)
    return averages


def test_penalties_and_what_follows_a_player(tmp_path: Path) -> None:
    """A penalty is added to each objective that ran it; a slow copy moves with its player alone; clip and ema are of one player."""
    (tmp_path / "followed.arch").write_text(FOLLOWED)
    with pinned():
        phase = begun(str(tmp_path / "followed.arch"))
        hand = deepcopy(phase.model)
        data = [*islice(batches(phase), 20)]
        average = phase.average
        assert average is not None
        torch.manual_seed(5)
        for i in range(0, 20, 2):
            phase.updates[0](tuple(data[i : i + 2]))
            average.after_step()
        torch.manual_seed(5)
        averages = followed_by_hand(hand, data)
    assert same(phase.model, hand)
    assert all(map(torch.equal, average.values, averages))


def test_a_clip_of_what_is_not_trained(tmp_path: Path) -> None:
    text = FOLLOWED.replace("clip      G: value=0.01", "clip      slow: value=0.01")
    (tmp_path / "followed.arch").write_text(text)
    with pytest.raises(Stopped, match="nothing below slow is trained"):
        begun(str(tmp_path / "followed.arch"))
