"""What each pass is worth: `python benchmarks/passes.py [--blocks 40]`, some minutes.

With the pass over without it, as the median ratio of paired, interleaved blocks: below 1 it pays. First the passes there are, on specs that
give them something to do (`fold_norms` in evaluation, the others in a training step), and the control, a network beside itself. Then what
was tried and left out, because it does not pay: on real networks, or as the expression that it would be.

On two shared cores of an AMD EPYC with much other work, PyTorch 2.13, one thread, November 2026; the control was 1.03 [0.95 to 1.21]:

    fold                               0.70 [0.64 to 0.77]      left out
    share                              0.95 [0.88 to 1.09]      in place: resnet 0.95, unet 1.01, mobilenet_v2 1.01
    drop-unused                        0.87 [0.82 to 0.96]      q, k, v as one product: width 64 1.02, width 384 0.97
    route, two of eight experts        0.41 [0.38 to 0.44]      relu behind concat: 8x8 0.92, 28x28 1.09; lerp 0.68
    fold-norms, resnet                 0.93 [0.86 to 0.98]
    fold-norms, mobilenet_v2           0.84 [0.79 to 0.91]

    channels last, where the pass says so                       and where it does not
    mobilenet_v2   32x32 0.64, 96x96 0.58                       resnet of basic blocks   32x32 1.14, 224x224 0.94
    efficientnet   64x64 0.60                                   unet 64x64 0.85, densenet 64x64 1.02
    resnext        64x64 0.53, squeezenet 64x64 0.57            vgg 32x32 1.07, alexnet 224x224 0.90
    inception      64x64 0.74, resnet 64x64 0.76
    convnext       128x128 0.99

In place is within the noise on whole networks, and hooks would see what was overwritten. One product for q, k and v gains at most
3 % of the product itself, as the weights must be put side by side in each forward. A rectifier behind the concat is slower where
images are large. lerp is faster, but refuses operands of two dtypes, which autocast makes, so it does not compute all that the text
says.
"""

import argparse
import re
from collections.abc import Callable
from typing import Any

import torch
from paired import Work, paired
from torch import Tensor, nn
from torch.nn import functional

import archc
from archc.compiler.elaborate.roots import elaborate_root
from archc.compiler.emit.torch import emit_module
from archc.compiler.graph import Graph
from archc.compiler.passes.base import Pass
from archc.compiler.passes.drop_unused import DropUnused
from archc.compiler.passes.fold import Fold
from archc.compiler.passes.fold_norms import fold_norms, folded_state
from archc.compiler.passes.route import Route
from archc.compiler.passes.share import Share
from archc.compiler.resolve import resolve
from archc.compiler.values import Real
from archc.dsl.diagnostic import Report
from archc.dsl.source import Source

Network = tuple[str, dict[str, Any], tuple[int, ...]]
SPECS: list[tuple[Pass, str]] = [
    (Fold(), "x -> stack 8 { dense(64) -> relu -> relu -> path_dropout(0) -> permute(1, 0) -> permute(1, 0) }"),
    (Share(), "x -> stack 8 { Gated }"),
    (DropUnused(), "x -> stack 8 { Watched }"),
    (Route(), "x -> stack 2 { Chosen }"),
]
PARTS = """block Gated(x: [B, D]) -> [B, D] {
    h = x -> dense(D)
    return softmax(h) * x + softmax(h) * log_softmax(h)
}
block Told(x: [B, D]) {
    y = x -> dense(D) -> tanh
    spread = sum(y * log_softmax(y), dim=-1)
    return y, spread
}
block Expert(x: [B, D]) -> [B, D] {
    return x -> dense(8 * D) -> relu -> dense(D)
}
block Chosen(x: [B, D]) -> [B, D] {
    value, place = x -> dense(8) -> top_k(2)
    return weighted_sum(x -> parallel 8 { Expert }, sum(one_hot(place, 8) * softmax(value)[..., none], dim=-2))
}
block Watched(x: [B, D]) -> [B, D] {
    y, spread = x -> Told
    return x + y
}
"""


def graph_of(text: str) -> Graph:
    report = Report()
    program = resolve(Source("bench.arch", text), report, lambda *_: "is not there")
    graph = elaborate_root(program.roots[0], {}, report)
    if graph is None or not report.ok:
        raise SystemExit("\n".join(d.message for d in report.diagnostics))
    return graph


def network(graph: Graph) -> nn.Module:
    emitted = emit_module(graph, "bench.arch")
    scope: dict[str, object] = {"__name__": "bench"}
    exec(compile(emitted.text, "bench.py", "exec"), scope)
    values = {hyper.name: hyper.value for hyper in graph.hypers}
    numbers = {
        name: value.value if isinstance(value, Real) else value.number
        for name, value in values.items()
        if name in emitted.parameters
    }
    torch.manual_seed(0)
    built = scope[emitted.class_name](**{emitted.keywords[name]: number for name, number in numbers.items()})  # type: ignore[operator]
    assert isinstance(built, nn.Module)
    return built


def training(module: nn.Module, *given: Tensor) -> Work:
    optimizer = torch.optim.SGD(module.train().parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(module(*given).square().mean())
        optimizer.step()

    return step


def evaluation(module: nn.Module, *given: Tensor) -> Work:
    module.eval()

    def forward() -> None:
        with torch.no_grad():
            module(*given)

    return forward


def expression(function: Callable[..., Tensor], *given: Tensor) -> Work:
    """An expression forward and backward."""
    leaves = [tensor.clone().requires_grad_() for tensor in given]
    return lambda: torch.autograd.grad(function(*leaves).sum(), leaves)


def line(name: str, first: Work, second: Work, blocks: int) -> None:
    print(f"{name:44}  {paired(first, second, blocks)}", flush=True)


# The passes there are -------------------------------------------------------------------------------------------------


def kept(blocks: int) -> None:
    x = torch.randn(256, 64)
    for step, flow in SPECS:
        graph = graph_of(f"{PARTS}model M(x: [B, 64]) {{ return {flow} -> dense(8) }}")
        graph = DropUnused().run(graph) if isinstance(step, Share) else graph
        with_it = DropUnused().run(step.run(graph))
        line(step.name, training(network(with_it), x), training(network(graph), x), blocks)
    once = graph_of(f"{PARTS}model M(x: [B, 64]) {{ return x -> stack 8 {{ Gated }} -> dense(8) }}")
    line("control: nothing", training(network(once), x), training(network(once), x), blocks)
    for spec, model, shape in (("resnet", "ResNetBasic", (2, 3, 64, 64)), ("mobilenet_v2", None, (2, 3, 64, 64))):
        graph = archc.compile(spec, model=model).graph
        trained = network(graph).eval()
        folded, foldings = fold_norms(graph)
        exported = network(folded).eval()
        exported.load_state_dict(folded_state(trained.state_dict(), foldings))
        image = torch.randn(shape)
        torch.testing.assert_close(exported(image), trained(image), rtol=1e-3, atol=1e-4)
        line(f"fold-norms, {spec} in evaluation", evaluation(exported, image), evaluation(trained, image), blocks)


# How weights lie in memory ---------------------------------------------------------------------------------------------

GAINING: tuple[Network, ...] = (
    ("mobilenet_v2", {}, (8, 3, 32, 32)),
    ("mobilenet_v2", {}, (8, 3, 96, 96)),
    ("efficientnet", {}, (8, 3, 64, 64)),
    ("resnext", {}, (4, 3, 64, 64)),
    ("squeezenet", {}, (8, 3, 64, 64)),
    ("inception", {}, (4, 3, 64, 64)),
    ("resnet", {}, (4, 3, 64, 64)),
    ("convnext", {}, (2, 3, 128, 128)),
)
PLAIN: tuple[Network, ...] = (
    ("resnet", {"model": "ResNetBasic"}, (16, 3, 32, 32)),
    ("resnet", {"model": "ResNetBasic"}, (2, 3, 224, 224)),
    ("unet", {"widths": [16, 32, 64]}, (2, 3, 64, 64)),
    ("densenet", {}, (4, 3, 64, 64)),
    ("vgg", {}, (2, 3, 32, 32)),
    ("alexnet", {}, (4, 3, 224, 224)),
)


def built(compiled: archc.Compiled, changed: Callable[[str], str] = str) -> nn.Module:
    scope: dict[str, object] = {"__name__": "bench"}
    exec(compile(changed(compiled.source), "bench.py", "exec"), scope)
    torch.manual_seed(0)
    network = scope[compiled.plan.model.class_name](**compiled.plan.model.arguments)  # type: ignore[operator]
    assert isinstance(network, nn.Module)
    return network


def laid(networks: tuple[Network, ...], blocks: int) -> None:
    """Networks with all weights laid with their channels last, over the same with all laid as usual."""
    for spec, settings, shape in networks:
        compiled, image = archc.compile(spec, **settings), torch.randn(shape)
        last, usual = (built(compiled).to(memory_format=how) for how in (torch.channels_last, torch.contiguous_format))
        line(f"channels last, {spec}, {shape[2]}x{shape[3]}", training(last, image), training(usual, image), blocks)


# What was left out ----------------------------------------------------------------------------------------------------

RECTIFIED = re.compile(r"F\.(relu6?)\((self\.(?:batch_norm|conv|dense)\w*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|main \+ \w+)\)")


def in_place(text: str) -> str:
    """Rectifiers behind layers that do not keep what they give, written in place."""
    return RECTIFIED.sub(r"F.\1(\2, inplace=True)", text)


def left_out(blocks: int) -> None:
    for spec, settings, shape in (
        ("resnet", {"model": "ResNetBasic", "classes": 10}, (4, 3, 32, 32)),
        ("unet", {"widths": [16, 32, 64]}, (2, 3, 64, 64)),
        ("mobilenet_v2", {}, (4, 3, 32, 32)),
    ):
        compiled, image = archc.compile(spec, **settings), torch.randn(shape)
        plain = training(built(compiled), image)
        line(f"in place, {spec}", training(built(compiled, in_place), image), plain, blocks)
    laid(PLAIN, blocks)
    for rows, width in ((512, 64), (1024, 384)):
        x, weights = torch.randn(rows, width), [torch.randn(width, width) for _ in range(3)]
        line(f"q, k, v as one product, width {width}", expression(_joined, x, *weights), expression(_apart, x, *weights), blocks)
    for shape in ((8, 16, 8, 8), (8, 64, 28, 28)):
        a, b = torch.randn(shape), torch.randn(shape)
        after = expression(lambda a, b: functional.relu(torch.cat((a, b), dim=1)), a, b)
        before = expression(lambda a, b: torch.cat((functional.relu(a), functional.relu(b)), dim=1), a, b)
        line(f"relu behind concat, {shape[1]} channels of {shape[2]}x{shape[3]}", after, before, blocks)
    x, h, t = torch.randn(64, 512), torch.randn(64, 512), torch.rand(64, 512)
    blended = expression(torch.lerp, x, h, t)
    line("lerp (refuses two dtypes under autocast)", blended, expression(lambda x, h, t: t * h + (1 - t) * x, x, h, t), blocks)


def _joined(x: Tensor, *weights: Tensor) -> Tensor:
    q, k, v = functional.linear(x, torch.cat(weights)).chunk(3, dim=-1)
    return q * k + v


def _apart(x: Tensor, *weights: Tensor) -> Tensor:
    q, k, v = (functional.linear(x, weight) for weight in weights)
    return q * k + v


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'with / without':44}  ratio   quartiles            without")
    kept(options.blocks)
    laid(GAINING, options.blocks)
    print("left out")
    left_out(options.blocks)


if __name__ == "__main__":
    main()
