"""gpt2's small program on the help of Python beside the same network by hand with the same steps, char_rnn and lzma: bits a byte.

    python benchmarks/gpt2_small.py --steps 300        (some 5 minutes each on 2 idle cores; without --steps all of the program)
    python benchmarks/gpt2_small.py --char-rnn         (char_rnn too, by as many steps of its own program)

All are asked for the last tenth of the text. The network by hand is `by_hand.GPT`, trained by a loop of ten lines with the settings
of the spec; its sequences are drawn in another order.
"""

import argparse
import lzma
import math
import tempfile
from pathlib import Path
from pydoc_data.topics import topics

import torch
from by_hand import GPT
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

import archc

LENGTH, BATCH, EPOCHS, RATE, WARMUP = 128, 16, 20, 2e-3, 100
TEXT = "".join(f"{text}\n" for text in topics.values()).encode()


def compiled(spec: str, steps: int | None, program: str | None = None) -> float:
    """Bits of the test part by a run of archc."""
    with tempfile.TemporaryDirectory() as folder:
        run = archc.train(spec, program=program, steps=steps, out=Path(folder) / "run", progress=False)
        return float(run.metrics["test"]["bits"])


def parts() -> tuple[Tensor, Tensor]:
    """The sequences of the first 8 tenths and of the last, each a token longer than what is read of it."""
    whole = torch.frombuffer(bytearray(TEXT), dtype=torch.uint8).long()
    count = (len(whole) - 1) // LENGTH
    sequences = whole[: count * LENGTH + 1].unfold(0, LENGTH + 1, LENGTH)
    return sequences[: round(0.8 * count)], sequences[round(0.9 * count) :]


def bits(net: GPT, sequences: Tensor) -> Tensor:
    logits = net(sequences[:, :-1])
    return F.cross_entropy(logits.transpose(1, 2), sequences[:, 1:]) / math.log(2)


def by_hand(steps: int | None) -> float:
    torch.manual_seed(0)
    train, test = parts()
    net = GPT(256, 128, 4, 4, LENGTH)
    steps = steps or EPOCHS * -(-len(train) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.1)

    def factor(step: int) -> float:
        if step < WARMUP:
            return (step + 1) / WARMUP
        return 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / max(1, steps - WARMUP)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    order = torch.cat([torch.randperm(len(train)) for _ in range(1 + steps * BATCH // len(train))])
    for step in range(steps):
        optimizer.zero_grad()
        bits(net, train[order[step * BATCH : (step + 1) * BATCH]]).mul(math.log(2)).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        found = [bits(net, some) * len(some) for some in test.split(64)]
    return float(sum(found)) / len(test)


def packed() -> float:
    """What lzma takes more for the whole text than for its first 9 tenths."""
    start = len(TEXT) * 9 // 10
    whole, first = (len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) for text in (TEXT, TEXT[:start]))
    return 8 * (whole - first) / (len(TEXT) - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="gpt2's small program beside the same by hand: bits a byte")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--char-rnn", action="store_true")
    options = parser.parse_args()
    said = options.steps or "all of its"
    ours, hand = compiled("gpt2", options.steps, "topics"), by_hand(options.steps)
    print(f"gpt2, {said} steps: archc {ours:.4f}, by hand {hand:.4f}, ratio {ours / hand:.4f}")
    if options.char_rnn:
        print(f"char_rnn, {said} steps: {compiled('char_rnn', options.steps):.4f}")
    print(f"lzma: {packed():.4f}")


if __name__ == "__main__":
    main()
