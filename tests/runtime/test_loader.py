"""Generated text runs as it is, and its tracebacks speak of the spec."""

import linecache
import sys
import traceback
from pathlib import Path

import pytest
import torch

from archc.dsl.span import Loc, Span
from archc.runtime.executable import executable
from archc.runtime.loader import build, load_module, load_program

from . import hand


def raised(spec: hand.Hand, batch: torch.Tensor) -> list[traceback.FrameSummary]:
    try:
        build(spec)(batch)
    except RuntimeError as error:
        return list(traceback.extract_tb(error.__traceback__))
    raise AssertionError("it did not fail")


def test_a_traceback_names_the_line_of_the_spec() -> None:
    frames = [f for f in raised(hand.lenet(), torch.zeros(2, 3, 8, 8)) if f.filename == "lenet.arch"]
    assert [(f.lineno, f.line) for f in frames] == [(3, "features = image -> conv(6, 5, padding=2) -> tanh -> avg_pool(2)")]
    assert (frames[0].colno, frames[0].end_colno) == (24, 45)


def test_a_line_without_a_place_takes_that_of_its_class() -> None:
    spec = hand.lenet(
        source=(hand.FIXTURES / "lenet_model.py.txt").read_text().replace("self.conv1(image))", "self.conv1(image).foo)")
    )
    spec.spans.pop(next(n for n, s in spec.spans.items() if s.start.line == 3), None)
    with pytest.raises(AttributeError) as caught:
        build(spec)(torch.zeros(2, 1, 8, 8))
    frames = [f for f in traceback.extract_tb(caught.tb) if f.filename == "lenet.arch"]
    assert frames[0].line == "model LeNet(classes = 10)(image: [B, 1, 8, 8]) -> [B, classes] {"


def test_columns_count_characters_and_python_counts_bytes() -> None:
    source = "class A:\n    def f(self):\n        return 1 / 0\n"
    text = "modèle é\nnäïve x = 1 / 0\n"
    spans = {1: Span("ü.arch", Loc(1, 1), Loc(1, 9)), 3: Span("ü.arch", Loc(2, 11), Loc(2, 16))}
    spec = hand.Hand("Ü", source, None, hand.lenet().plan, "", {"ü.arch": text}, spans)
    with pytest.raises(ZeroDivisionError) as caught:
        load_module(spec).A().f()
    shown = "".join(traceback.format_tb(caught.tb))
    assert 'File "ü.arch", line 2, in f\n    näïve x = 1 / 0\n' in shown
    frame = traceback.extract_tb(caught.tb)[-1]
    assert frame.colno is not None
    assert "näïve x = 1 / 0\n".encode()[frame.colno : frame.end_colno].decode() == "1 / 0"


def test_the_text_is_in_the_line_cache_whatever_is_on_disk(here: Path) -> None:
    Path("lenet.arch").write_text("something else\n")
    load_module(hand.lenet())
    linecache.checkcache()
    assert linecache.getline("lenet.arch", 1).startswith("## LeNet-5")


def test_one_text_is_one_module_and_torch_finds_it_by_name() -> None:
    one, two = load_module(hand.lenet()), load_module(hand.lenet())
    assert one is two
    assert sys.modules[build(hand.lenet()).__class__.__module__] is one
    assert load_module(hand.lenet("other.arch")) is not one


def test_the_program_may_import_the_model_and_nothing_else_changes() -> None:
    text = (hand.FIXTURES / "lenet_program.py.txt").read_text()
    spec = hand.lenet(program=text + "\nfrom model import LeNet\nimport math\n")
    program = load_program(spec)
    assert program.LeNet is load_module(spec).LeNet
    assert program.math.pi > 3
    assert "model" not in sys.modules


def test_data_is_relative_to_the_spec() -> None:
    assert executable(hand.lenet("some/where/lenet.arch")).base == Path("some/where")
    assert executable(hand.lenet("<stdin>")).base == Path()
