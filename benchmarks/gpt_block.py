"""What a training step of a block of GPT-2 costs as archc compiles it, beside the block by hand and that of transformers: paired ratios.

    python benchmarks/gpt_block.py [--rounds 9] [--batch 4] [--steps 256]

A step is forward, backward and AdamW; nothing is dropped. All three start from the same weights and give the same output.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from by_hand import Block
from paired import paired
from torch import Tensor, nn

from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

WIDTH, HEADS = 768, 12
SPEC = Path(__file__).parents[1] / "specs" / "gpt2.arch"


def ours() -> nn.Module:
    """The block of the spec, alone."""
    blocks = SPEC.read_text(encoding="utf-8").partition("##")[0]
    text = f"{blocks}\nmodel Net(x: [B, T, {WIDTH}]) {{\n    return x -> Block({HEADS}, 0.0)\n}}\n"
    compiled, report = compile_source(Source("block.arch", text))
    assert compiled is not None, report.diagnostics
    scope: dict[str, type[nn.Module]] = {}
    exec(compiled.source, scope)
    return scope["Net"]()


def theirs() -> nn.Module:
    """The block of transformers, by its fastest attention."""
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    config = GPT2Config(n_embd=WIDTH, n_head=HEADS, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0, attn_implementation="sdpa")
    block: nn.Module = GPT2Block(config, layer_idx=0)
    return block


def like(block: nn.Module, model: nn.Module) -> nn.Module:
    """`block` with the weights of `model`: both declare them in the same order, transformers transposed."""
    with torch.no_grad():
        for mine, its in zip(block.parameters(), model.parameters(), strict=True):
            turned = its.T if type(block).__module__.startswith("transformers") and its.ndim == 2 else its
            mine.copy_(turned)
    return block


def output(block: nn.Module, x: Tensor) -> Tensor:
    y = block(x)
    return y[0] if isinstance(y, tuple) else y


def step_of(block: nn.Module, x: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(block.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        output(block, x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description="a block of GPT-2 beside the same by hand and in transformers")
    for name, default in (("rounds", 9), ("batch", 4), ("steps", 256), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x = torch.randn(options.batch, options.steps, WIDTH)
    start = Block(WIDTH, HEADS)
    ways = {"nanoGPT's style": Block(WIDTH, HEADS), "transformers": theirs()}
    print(f"B={options.batch} heads={HEADS} d={WIDTH // HEADS} T={options.steps} float32, torch {torch.__version__}")
    for name, block in ways.items():
        made = like(ours(), start)
        like(block, start)
        torch.testing.assert_close(output(made, x), output(block, x), rtol=1e-4, atol=1e-5)
        print(f"archc to {name:16} {paired(step_of(made, x), step_of(block, x), options.rounds)}")


if __name__ == "__main__":
    main()
