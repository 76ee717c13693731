"""Generated networks beside the same networks written by hand: `python benchmarks/generated_step.py [SPEC…] [--blocks 200] [--calls]`.

For LeNet, ResNet-18 at 32x32 and U-Net: (a) the aten calls of a training step and of a forward pass in evaluation; (b) the time of a
training step, as the median ratio of paired, interleaved blocks, which must be at most 1.02. (a) covers all specs that have a network by
hand in `tests/specs`, and says why a call is made more often; `tests/specs/test_dispatched.py` holds that in the fast tier.

Calls: LeNet 86 and 15 in evaluation, ResNet-18 355 and 89, U-Net 276 and 66, each as by hand. Steps, on two shared cores of an AMD
EPYC with much other work, PyTorch 2.13, one thread, November 2026: LeNet 0.975 [0.91 to 1.06], U-Net 1.016 [0.96 to 1.08]. ResNet-18
gave 1.06, 1.05 and 0.93 in three runs while a network beside itself gave 0.95, so that says nothing yet: it wants a machine at rest.
"""

import argparse
import sys
from pathlib import Path

import torch
from paired import Work, blocks_of, ratio_of
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.specs.dispatched import OTHERS, SHOWN, Twin, calls, extra
from tests.specs.independent import carry_over

MOST = 1.02
BUILDS = 10


def show_calls(twin: Twin) -> None:
    """The counts of both, and the reason of each call that is made more often."""
    with torch.device("meta"):
        given = [tensor.to("meta") for tensor in twin.inputs()]
        ours, theirs = calls(twin.generated(), given), calls(twin.by_hand(), given)
    for mode in ours:
        print(f"{twin.spec:14}  {mode:14}  {ours[mode].total():6d}  {theirs[mode].total():6d}")
        for name, number in sorted(extra(ours[mode], theirs[mode]).items()):
            print(f"    {number:+4d} {name}: {twin.explained.get(name, 'NOT EXPLAINED')}")


def step_of(network: nn.Module, given: list[Tensor]) -> Work:
    """A training step: forward, backward, stochastic gradient descent with momentum."""
    optimizer = torch.optim.SGD(network.train().parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(network(*given).square().mean())
        optimizer.step()

    return step


def compare(twin: Twin, blocks: int) -> bool:
    """The time of a step beside that by hand, from the same weights.

    Both are built anew ten times, in turn ours first and last, as where its tensors lie in memory makes a network faster or slower.
    """
    pairs, given = [], twin.inputs()
    for build in range(BUILDS):
        if build % 2:
            ours, theirs = twin.generated(), twin.by_hand()
        else:
            theirs, ours = twin.by_hand(), twin.generated()
        carry_over(theirs, ours)
        torch.testing.assert_close(ours(*given), theirs(*given), rtol=1e-4, atol=1e-5)
        pairs += blocks_of(step_of(ours, given), step_of(theirs, given), blocks // BUILDS)
    ratio = ratio_of(pairs)
    print(f"{twin.spec:14}  {ratio}", flush=True)
    return ratio.median <= MOST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", help="only these")
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--calls", action="store_true", help="only count the calls")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'aten calls':14}  {'':14}  {'ours':>6}  by hand")
    asked = [twin for twin in (*SHOWN, *OTHERS) if not options.specs or twin.spec in options.specs]
    for twin in asked:
        show_calls(twin)
    if options.calls:
        return
    print(f"\n{'step':14}  ratio   quartiles            by hand")
    kept = [compare(twin, options.blocks) for twin in asked if twin in SHOWN]
    print(f"at most {MOST}: {'yes' if all(kept) else 'NO'}")
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
