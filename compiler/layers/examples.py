"""The example of a layer as a declaration, as `archc layers` shows it."""

import re

from .base import Layer

_REAL = "sum(v ** 2, dim=-1) / 2 "
ENERGY = """energy RBM(hidden)(v: {kind}[B, 64]) {{
    latent h: binary[B, hidden]
    param W: [64, hidden] = normal(std=0.01)
    return {own}- sum((v @ W) * h, dim=-1)
}}

data digits = sklearn("digits") {{
    v = data / 16
}}

train RBM(32) on digits {{
    {clause}
    optimizer sgd(lr=0.01)
    epochs 1
}}
"""


def example_block(layer: type[Layer]) -> str:
    """The example of a layer as a declaration.

    `x: [B, 8] -> relu` lets its tensors flow, several as a tuple; `a: [B, 8], b: [8] => a + b` returns an expression over them.
    """
    example = layer.example
    if layer.family == "energy":
        return ENERGY.format(
            clause=example, kind="real" if "score" in layer.name else "binary", own=_REAL if "score" in layer.name else ""
        )
    if " => " in example:
        tensors, expression = example.split(" => ", 1)
    else:
        tensors, flow = example.split(" -> ", 1)
        names = re.findall(r"(\w+):", tensors)
        expression = f"{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'} -> {flow}"
    return f"block Example({tensors}) {{\n    return {expression}\n}}\n"
