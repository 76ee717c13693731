"""Advice as pairs of files: a spec, and what a terminal shows. And no advice on what is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from archc.compiler.layers import registry
from archc.compiler.layers.examples import example_block
from archc.compiler.pipeline import check_source
from archc.dsl.diagnostic import Fault, Report
from archc.dsl.render import one_line, render_report
from archc.dsl.source import Source

from ..spec import columns_of, compiled, reader
from ..test_faults import edited
from .drawn import Program

ROOT = Path(__file__).parent.parent.parent.parent
CASES = sorted((ROOT / "tests" / "golden" / "advice").glob("*.arch"))
PARTS = "block Wide(x: [B, D]) {\n    return x -> dense(4 * D) -> relu\n}\n\nblock Narrow(x: [B, D]) {\n    return x -> dense(D // 4)\n}\n"


def advised(name: str, text: str, *, data: bool = True) -> Report:
    read = reader({"parts.arch": PARTS, name: text})
    return check_source(Source(name, text), read=read, schema=columns_of) if data else check_source(Source(name, text), read=read)


@cache
def found(case: Path) -> Report:
    return advised(case.name, case.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_what_the_terminal_shows(case: Path, golden: Callable[[str, str], None]) -> None:
    assert found(case).ok
    golden(f"advice/{case.stem}.txt", render_report(found(case)) + "\n")


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_the_data_need_not_be_opened(case: Path) -> None:
    assert advised(case.name, case.read_text(encoding="utf-8"), data=False).ordered() == found(case).ordered()


def test_every_advice_has_a_case() -> None:
    import_module("archc.compiler.errors.advice")
    shown = {diagnostic.code for case in CASES for diagnostic in found(case).diagnostics}
    told = {code for code, fault in Fault.registry.items() if fault.__module__.startswith("archc.compiler.")}
    assert shown == {code for code in told if code.startswith("W")}


def test_every_mend_mends_and_brings_nothing_new() -> None:
    """Carried out, the advice is gone and no other has come, nor an error."""
    mended = set()
    for case in CASES:
        for diagnostic in found(case).diagnostics:
            for help in diagnostic.helps:
                if help.edits:
                    text = edited(case.read_text(encoding="utf-8"), help.edits)
                    left = advised(case.name, text)
                    assert len(left.diagnostics) == len(found(case).diagnostics) - 1, f"{text}\n{render_report(left)}"
                    assert diagnostic not in left.diagnostics
                    mended.add(diagnostic.code)
    assert mended >= set("W0201 W0204 W0205 W0206 W0301 W0302 W0303 W0304 W0305 W0306 W0801 W0802 W0803 W0804".split())


def test_compiling_gives_the_same_advice() -> None:
    case = next(case for case in CASES if case.stem == "a_softmax_before_cross_entropy")
    made = compiled(case.read_text(encoding="utf-8"), training=True)
    assert [d.code for d in made.report.diagnostics] == ["W0801"]


def test_a_spec_with_errors_gets_no_advice() -> None:
    report = advised("a.arch", "model Net(x: [B, 8]) {\n    unused = x -> relu -> relu\n    return x -> dens(3)\n}\n")
    assert [d.code for d in report.diagnostics] == ["E0201"]


# What is right --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", sorted((ROOT / "specs").rglob("*.arch")), ids=lambda p: p.stem)
def test_the_specs_need_no_advice(spec: Path) -> None:
    from archc.runtime.compiling import check_spec

    assert [one_line(diagnostic) for diagnostic in check_spec(spec).diagnostics] == []


def test_the_examples_of_the_layers_need_no_advice() -> None:
    for name, layer in registry().items():
        if layer.family not in ("initialiser", "distribution", "column"):
            assert [one_line(d) for d in advised(name, example_block(layer)).diagnostics] == []


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_drawn_correct_programs_need_no_advice(start: int) -> None:
    for seed in range(start, start + 20):
        text = Program(seed).text()
        assert [one_line(d) for d in advised("drawn.arch", text).diagnostics] == [], text


def net(body: str, signature: str = "(x: [B, 64])") -> str:
    return f"model Net{signature} {{\n    {body}\n}}\n"


IMAGE = "(image: [B, 3, 32, 32])"
TRAINED = """
data digits = sklearn("digits") {
    x     = data / 16
    label = target
}

train Net on digits {
    loss      LOSS
    optimizer adam(lr=1e-3)
    epochs    2
}
"""
RIGHT = {
    "a norm that is a hyperparameter": net("return image -> conv(8, 3) -> norm", f"(norm: callable = batch_norm){IMAGE}"),
    "a norm that an if puts there": net(
        "h = image -> conv(8, 3)\n    if normed {\n        h = h -> batch_norm\n    }\n    return h", f"(normed = true){IMAGE}"
    ),
    "a norm that a choice puts there": net(
        "return image -> conv(8, 3) -> (batch_norm if normed else relu)", f"(normed = true){IMAGE}"
    ),
    "a bias that is a hyperparameter": net("return image -> conv(8, 3, bias=bias) -> batch_norm", f"(bias = true){IMAGE}"),
    "a bias that something else reads too": net("h = image -> conv(8, 3)\n    return h, h -> batch_norm as normed", IMAGE),
    "a bias along another dim than the norm": net("return x -> dense(8) -> batch_norm", "(x: [B, 16, 64])"),
    "a layer norm": net("return x -> dense(8) -> layer_norm"),
    "a dense along the channels of an image": net("return image -> permute(0, 2, 3, 1) -> dense(8)", IMAGE),
    "a dense along the features of heads": net("return x -> dense(8)", "(x: [B, 8, 128, 64])"),
    "a dense on an image that has its channels last": net("return x -> dense(8)", "(x: [B, 32, 32, 3])"),
    "a convolution of one place": "block Mix(x: [B, S, D]) {\n    return x -> conv(8, 1)\n}\n\n"
    + net("return x -> Mix", "(x: [B, 16, 64])"),
    "a convolution along the time": net("return x -> transpose(1, 2) -> conv(8, 3)", "(x: [B, T, 64])"),
    "frames as channels": net("return x -> max_pool(2)", "(x: [B, T, 64, 64])"),
    "an activation that is a hyperparameter": net("return x -> act -> relu", "(act: callable = relu)(x: [B, 64])"),
    "two activations": net("return x -> dense(8) -> relu -> tanh"),
    "two softmaxes along two dims": net("return x -> softmax(dim=1) -> softmax(dim=2)", "(x: [B, 8, 8])"),
    "a narrow middle": net("return x -> dense(4) -> dense(64)"),
    "a code with a name": net("return x -> dense(64) as code -> dense(64)"),
    "a softmax of one class by choice": net("return x -> dense(classes) -> softmax", "(classes = 1)(x: [B, 64])"),
    "a value that one branch reads": net(
        "skip = x -> dense(8)\n    h = x -> dense(8) -> relu\n    if residual {\n        h = h + skip\n    }\n    return h",
        "(residual = false)(x: [B, 64])",
    ),
    "a value that only a nested stack reads": net(
        "scale = x -> sigmoid\n    h = stack 2 from u = x {\n        u' = stack 2 from v = u {\n"
        "            v' = v * scale\n        }\n    }\n    return h"
    ),
    "an output that is not wanted": net("_, y = x -> chunk(2)\n    return y"),
    "one of two outputs": net("a, b = x -> chunk(2)\n    return b"),
    "a tensor whose dims are used": "block Like(x: [B, D], other: [B, K]) -> [B, K] {\n    return x -> dense(K)\n}\n\n"
    + net("return Like(x, y)", "(x: [B, 64], y: [B, 32])"),
    "a hyperparameter that a type alone reads": net("return x -> dense(8)", "(width = 64)(x: [B, width])"),
    "a hyperparameter that a default alone reads": net("return x -> dense(inner)", "(width = 64, inner = 2 * width)(x: [B, 64])"),
    "a file that hands imports on": 'from "./parts.arch" import Wide, Narrow\n',
    "probabilities beside the scores": net("logits = x -> dense(10)\n    return logits, softmax(logits) as chances")
    + TRAINED.replace("LOSS", "cross_entropy(logits, label)"),
    "a softmax along another dim": net(
        "logits = x -> dense(70) -> reshape(10, 7) -> softmax(dim=2) -> mean(dim=2)\n    return logits"
    )
    + TRAINED.replace("LOSS", "cross_entropy(logits, label)"),
    "the logarithms that nll wants": net("chances = x -> dense(10) -> log_softmax\n    return chances")
    + TRAINED.replace("LOSS", "nll(chances, label)"),
    "dropout before the last layer": net("logits = x -> dropout(0.5) -> dense(10)\n    return logits")
    + TRAINED.replace("LOSS", "cross_entropy(logits, label)"),
    "an input that only the loss reads": net(
        "rebuilt = x -> dense(8) -> relu -> dense(64)\n    return rebuilt", "(x: [B, 64], label: int[B])"
    )
    + TRAINED.replace("LOSS", "mse(rebuilt, x) + 0 * mean(float(label))"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_gets_no_advice(case: str) -> None:
    report = advised("right.arch", RIGHT[case])
    assert [one_line(diagnostic) for diagnostic in report.diagnostics] == []


# Mends in the text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "mended"),
    [
        ("return (x -> dense(8)) -> relu -> relu", "return (x -> dense(8)) -> relu"),
        ("return x -> dense(8)\n             -> relu\n             -> relu", "return x -> dense(8)\n             -> relu"),
        ("return relu(relu(x))", "return relu(x)"),
        ("h = x -> relu\n    return relu(h + 0 if false else h)", "h = x -> relu\n    return (h + 0 if false else h)"),
        ("return x -> (relu) -> relu", "return x -> (relu)"),
        ("return x -> dense(8, ) -> batch_norm", "return x -> dense(8, bias=false) -> batch_norm"),
        ("return x -> dense(out_features=8) -> batch_norm", "return x -> dense(out_features=8, bias=false) -> batch_norm"),
        ("return x -> dense(8, bias=true) -> batch_norm", "return x -> dense(8, bias=false) -> batch_norm"),
        ("return x -> softmax -> softmax(dim=-1)", "return x -> softmax"),
    ],
)
def test_mends(body: str, mended: str) -> None:
    (diagnostic,) = advised("a.arch", net(body)).diagnostics
    (help,) = diagnostic.helps
    assert edited(net(body), help.edits) == net(mended)


DRAWN = """
model Net(image: [B, 64]) -> [B, 10] {
    scores = image -> dense(8)
    BODY
    return logits
}

data digits = sklearn("digits") {
    image = data / 16
    label = target
}

train Net on digits {
    loss      cross_entropy(logits, label)
    optimizer adam(lr=1e-3)
    epochs    1
}
"""


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("z ~ bernoulli(logits=scores)\nlogits = z -> dense(10)", True),
        ("k ~ categorical(scores)\nlogits = k -> embedding(8, 10)", True),
        ("z ~ bernoulli(logits=scores)\nu ~ bernoulli(sigmoid(z))\nlogits = u -> dense(10)", True),
        ("z ~ relaxed_bernoulli(scores, hard=true)\nlogits = z -> dense(10)", False),
        ("z ~ bernoulli(logits=scores)\nlogits = concat(z, scores) -> dense(10)", False),  # they learn beside the draw
        ("q = bernoulli(logits=scores)\nz ~ q\nlogits = z -> dense(10)\npenalty p = mean(logits ** 2) * q.log_prob(z)", False),
        ("z ~ bernoulli(0.5)[B, 8]\nlogits = z * scores -> dense(10)", False),
        ("z ~ bernoulli(clip(image, 0, 1))\nlogits = z -> dense(10)\nlogits = logits + mean(scores)", False),
    ],
)
def test_a_draw_that_leaves_weights_without_a_gradient(lines: str, told: bool) -> None:
    report = advised("net.arch", DRAWN.replace("BODY", lines.replace("\n", "\n    ")))
    assert report.ok, render_report(report)
    assert ("W0940" in [d.code for d in report.diagnostics]) == told
