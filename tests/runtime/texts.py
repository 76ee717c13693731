"""Specs as texts, compiled: a small network on digits, with the clauses that a test wants."""

from archc.dsl.source import Source
from archc.runtime.compiling import Compiled, Wanted, compiled

NET = """\
block Body(x: [B, D]) -> [B, 16] {
    return x -> dense(16) -> batch_norm -> tanh
}

model Net(x: [B, 64]) {
    hidden = x -> Body as body
    logits = hidden -> stack 2 { dense(16) -> tanh } as middle -> dense(10) as head
    return logits, hidden
}

data digits = sklearn("digits") {
    x     = data / 16
    label = target
"""


def spec(*clauses: str, split: str = "split = [0.8, 0.1, 0.1]", net: str = NET, name: str = "net.arch") -> Compiled:
    """The network with a program of these clauses; a loss, an optimizer and a length where none is given."""
    said = "\n".join(clauses)
    usual = {"loss": "cross_entropy(logits, label)", "optimizer": "sgd(lr=0.1)", "epochs": "2", "batch": "64"}
    if "steps" in said:
        del usual["epochs"]
    words = {line.split()[0].rstrip(":") for line in said.split("\n") if line and not line.startswith(" ")}
    lines = [*(f"{k} {v}" for k, v in usual.items() if k not in words), *said.split("\n")]
    text = f"{net}    {split}\n}}\n\ntrain Net on digits {{\n" + "".join(f"    {line}\n" for line in lines if line) + "}\n"
    return compiled(Source(name, text), Wanted(training=True))
