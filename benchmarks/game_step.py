"""A round of a game beside a loop written by hand in PyTorch, in one process: paired medians of interleaved blocks.

    python benchmarks/game_step.py [--blocks 31] [--epochs 2] [gan wgan_gp cyclegan]

The loops are those that people write: what a player makes is detached by hand for who is not to learn from it, and a generator's loss goes
back through the judge, whose gradients of that pass are thrown away by the next `zero_grad`. They have the same networks, batches and fused
optimizers, the tensors in memory, and no journal, metrics or checkpoint. The engine does all that it does in a run. That both come to the
same weights, bit for bit, is a test (tests/runtime/test_games.py). Time is the processor's, on one thread.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import train_step
from torch import Tensor, nn
from train_step import Ours, engine_of, paired

from archc.runtime.loader import build
from archc.runtime.train import determinism

SPECS = Path(__file__).parent.parent / "specs"
Round = Callable[[Sequence[Sequence[Tensor]]], None]


def adam(*parts: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    return torch.optim.Adam([weight for part in parts for weight in part.parameters()], lr=lr, betas=betas, fused=True)


def gan(model: Any) -> Round:
    for_d, for_g = (adam(part, lr=lr, betas=(0.5, 0.999)) for part, lr in ((model.D, 4e-4), (model.G, 1e-3)))

    def round_(batches: Sequence[Sequence[Tensor]]) -> None:
        ((image,),) = batches
        fake = model.G(torch.randn(len(image), 32))
        for_d.zero_grad()
        (F.softplus(-model.D(image)) + F.softplus(model.D(fake.detach()))).mean().backward()
        for_d.step()
        for_g.zero_grad()
        F.softplus(-model.D(fake)).mean().backward()
        for_g.step()

    return round_


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), 1)
    between = torch.lerp(real, fake, share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


def wgan_gp(model: Any) -> Round:
    for_d, for_g = (adam(part, lr=1e-3, betas=(0.0, 0.9)) for part in (model.D, model.G))

    def round_(batches: Sequence[Sequence[Tensor]]) -> None:
        noise = []
        for (image,) in batches:
            noise.append(torch.randn(len(image), 32))
            fake = model.G(noise[-1]).detach()
            for_d.zero_grad()
            loss = model.D(fake).mean() - model.D(image).mean() + 10.0 * gradient_penalty(model.D, image, fake)
            loss.backward()  # type: ignore[no-untyped-call]
            for_d.step()
        for_g.zero_grad()
        (-model.D(model.G(noise[0]))).mean().backward()
        for_g.step()

    return round_


def cyclegan(model: Any) -> Round:
    for_paper, for_board, for_both = (
        adam(*parts, lr=2e-4, betas=(0.5, 0.999))
        for parts in ((model.OfPaper,), (model.OfBoard,), (model.ToPaper, model.ToBoard))
    )

    def round_(batches: Sequence[Sequence[Tensor]]) -> None:
        ((board, paper),) = batches
        sheet = paper.roll(1, 0)
        inked, chalked = model.ToPaper(board), model.ToBoard(sheet)
        for optimizer, judge, real, fake in (
            (for_paper, model.OfPaper, sheet, inked),
            (for_board, model.OfBoard, board, chalked),
        ):
            optimizer.zero_grad()
            (((judge(real) - 1) ** 2 + judge(fake.detach()) ** 2) / 2).mean().backward()
            optimizer.step()
        taken = ((model.OfPaper(inked) - 1) ** 2).mean() + ((model.OfBoard(chalked) - 1) ** 2).mean()
        trip = (model.ToBoard(inked) - board).abs().mean() + (model.ToPaper(chalked) - sheet).abs().mean()
        for_both.zero_grad()
        (taken + 10.0 * trip).backward()
        for_both.step()

    return round_


BY_HAND = {"gan": gan, "wgan_gp": wgan_gp, "cyclegan": cyclegan}


class Hand:
    """Blocks of rounds of a loop by hand, over columns that are in memory."""

    def __init__(self, play: Round, columns: list[Tensor], batch: int, each: int, rounds: int) -> None:
        self.play, self.columns, self.batch, self.each, self.rounds = play, columns, batch, each, rounds

    def batches(self) -> Iterator[list[Tensor]]:
        for index in torch.randperm(len(self.columns[0])).split(self.batch):  # type: ignore[no-untyped-call]
            yield [column.index_select(0, index) for column in self.columns]

    def block(self) -> float:
        """Seconds a round."""
        done = 0
        begun = time.process_time()
        while done < self.rounds:
            batches = [*self.batches()]
            for first in range(0, len(batches), self.each):
                self.play(batches[first : first + self.each])
                done += 1
        return (time.process_time() - begun) / done


def compare(name: str, blocks: int, epochs: int, folder: Path) -> None:
    text = (SPECS / f"{name}.arch").read_text(encoding="utf-8")
    with determinism.pinned():
        engine = engine_of(text, folder / name)
        phase: Any = engine.phase
        rounds = epochs * phase.per_epoch
        model = build(engine.setting.exe).train()
        hand = Hand(BY_HAND[name](model), list(phase.batches.held.columns), phase.plan.batch, phase.plan.batches, rounds)
        a, b, ratio = paired(Ours(engine, rounds).block, hand.block, blocks)
    print(f"{name:9} archc {a * 1e6:8.1f} us a round   by hand {b * 1e6:8.1f} us   ratio {ratio:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(BY_HAND), help=", ".join(BY_HAND))
    parser.add_argument("--blocks", type=int, default=31)
    parser.add_argument("--epochs", type=int, default=2, help="epochs a block")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_step.time.perf_counter = time.process_time  # on a machine that does other things as well
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            compare(name, options.blocks, options.epochs, Path(folder))


if __name__ == "__main__":
    main()
