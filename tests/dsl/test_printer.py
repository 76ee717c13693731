"""The formatter: what is printed reads as the same program, printing again changes nothing, comments stay."""

import re
from collections import Counter

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archc.dsl import ast
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.dsl.printer import format_source, print_file
from archc.dsl.source import Source

from . import programs

GENERATED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def read(text: str) -> ast.File:
    report = Report()
    file = parse(Source("printed", text), report)
    assert not report.diagnostics, f"{report.diagnostics[0]}\n{text}"
    return file


UNKEMPT = """\
# before
model M(a=1,b = (2), # in the head
  c=3)(x:[B,D])->[B,D]{ # beside the brace
  # first
  y=conv(width, 3, # hoisted
     bias=((false)))( x)


  if a==1{z=((x+y))*2 # beside z
  }
  # before else
  else{
     # in else
     z = x }

  z = conv(64, 7, stride=2, padding=3, bias=false)(x) -> batch_norm -> relu -> conv(64, 7, stride=2, padding=3, bias=false)(x)
  w = conv(width, 3, stride=stride, padding=1, bias=false, groups=groups, dilation=dilation, init=normal(std=0.02), extra=[1,2,3])
  return x->f # beside f
   # above g
   ->g
   -> stack 3 { # beside stack
   dense(3)

   # last in stack
   }


   # last
} # after M
# between
data d=csv("a") {
a=1 # beside a
bc   =2


cde  =3
}
train M on d{epochs 3
  optimizer a.b:adam(1)
  phase p{epochs 4}}
# end"""
KEMPT = """\
# before
# in the head
model M(a = 1, b = 2, c = 3)(x: [B, D]) -> [B, D] {  # beside the brace
    # first
    # hoisted
    y = conv(width, 3, bias=false)(x)

    if a == 1 {
        z = (x + y) * 2  # beside z
    } else {
        # before else

        # in else
        z = x
    }

    z = conv(64, 7, stride=2, padding=3, bias=false)(x) -> batch_norm -> relu
                                                        -> conv(64, 7, stride=2, padding=3, bias=false)(x)
    w = conv(
        width,
        3,
        stride=stride,
        padding=1,
        bias=false,
        groups=groups,
        dilation=dilation,
        init=normal(std=0.02),
        extra=[1, 2, 3]
    )
    return x -> f  # beside f
             # above g
             -> g
             -> stack 3 {  # beside stack
                    dense(3)

                    # last in stack
                }

    # last
}  # after M

# between
data d = csv("a") {
    a = 1  # beside a
    bc = 2

    cde = 3
}

train M on d {
    epochs    3
    optimizer a.b: adam(1)
    phase p { epochs 4 }
}

# end
"""


def test_what_the_formatter_does() -> None:
    assert format_source(Source("unkempt.arch", UNKEMPT)) == KEMPT
    assert format_source(Source("kempt.arch", KEMPT)) == KEMPT


WIDE = """\
model Net(widths = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576, 2097152, 4194304],
    depth = 3)(x: [B, 64]) {
    h = rearrange("b (t d) -> b t d", t=some_long_name_of_a_hyperparameter, d=another_long_name)(x) -> layer_norm -> dense(4) -> relu
    h = concat(h, x -> dense(64) -> batch_norm -> relu -> dropout(0.1) -> dense(64) -> batch_norm -> relu -> dense(3), dim=1)
    return h * (x -> dense(64) -> batch_norm -> relu -> dropout(0.1) -> dense(64) -> batch_norm -> relu -> dropout(0.1) -> dense(64))
}

train long: Net(widths=[64, 128, 256, 512, 1024, 2048, 4096], depth=4, dropout=0.5, classes=1000, channels=3) on photographs_of_animals {
    phase one { loss some_loss(first_output, the_target_of_it, weight=0.25) + some_loss(second_output, the_target_of_it, weight=0.75) }
}
"""
BROKEN = """\
model Net(
    widths = [
        64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576, 2097152,
        4194304
    ],
    depth = 3
)(
    x: [B, 64]
) {
    h = rearrange("b (t d) -> b t d", t=some_long_name_of_a_hyperparameter, d=another_long_name)(x)
        -> layer_norm -> dense(4) -> relu
    h = concat(
        h, x -> dense(64) -> batch_norm -> relu -> dropout(0.1) -> dense(64) -> batch_norm -> relu -> dense(3), dim=1
    )
    return h
        * (x -> dense(64) -> batch_norm -> relu -> dropout(0.1) -> dense(64) -> batch_norm -> relu -> dropout(0.1)
             -> dense(64))
}

train long: Net(
    widths=[64, 128, 256, 512, 1024, 2048, 4096], depth=4, dropout=0.5, classes=1000, channels=3
) on photographs_of_animals {
    phase one {
        loss some_loss(first_output, the_target_of_it, weight=0.25)
            + some_loss(second_output, the_target_of_it, weight=0.75)
    }
}
"""


def test_what_is_too_wide_is_broken_where_it_reads_well() -> None:
    assert format_source(Source("wide.arch", WIDE)) == BROKEN
    assert format_source(Source("broken.arch", BROKEN)) == BROKEN


def test_a_file_with_faults_is_left_as_it_is() -> None:
    report, text = Report(), "model  M( x: [B] ) {\n y = \n}"
    assert format_source(Source("t", text), report) == text
    assert [d.code for d in report.diagnostics] == ["E0117"]


@GENERATED
@given(programs.files())
def test_what_is_printed_reads_as_the_same_program(file: ast.File) -> None:
    text = print_file(file)
    assert read(text) == file, text


@GENERATED
@given(programs.files())
def test_printing_again_changes_nothing(file: ast.File) -> None:
    once = format_source(Source("once", print_file(file)))
    assert read(once) == file, once
    assert format_source(Source("twice", once)) == once


@GENERATED
@given(programs.files(), st.randoms(use_true_random=False))
def test_comments_and_line_breaks_of_any_kind(file: ast.File, random: object) -> None:
    """Comments at the ends of lines, between lines, in brackets; flows broken anywhere; blank lines, odd spaces."""
    text = _ruffled(print_file(file), random)
    report = Report()
    original = parse(Source("ruffled", text), report)
    assume(report.ok)  # a break after a comma outside of brackets is none
    before = comments(text)
    once = format_source(Source("once", text))
    assert read(once) == original, f"{text}\n=====\n{once}"
    assert comments(once) == before, f"{text}\n=====\n{once}"
    assert format_source(Source("twice", once)) == once, f"{text}\n=====\n{once}"


def _ruffled(text: str, random: object) -> str:
    chance = random.random  # type: ignore[attr-defined]
    count = 0

    def comment() -> str:
        nonlocal count
        count += 1
        return f"# note {count}"

    def sometimes(how_often: float, pattern: str, other: str, line: str) -> str:
        return (
            re.sub(pattern, lambda m: other.replace("#", comment()) if chance() < 0.4 else m.group(), line)
            if chance() < how_often
            else line
        )

    out = []
    for written in text.split("\n"):
        line = written
        if not line.startswith("##") and '"' not in line:
            line = sometimes(0.3, r" -> (?=\S)", "\n  -> ", line)
            line = sometimes(0.2, r"(?<=[(\[,])(?=[^()]*[)\]])", " #\n ", line)
            line = sometimes(0.2, " = ", "   = ", line)
            line = sometimes(0.2, "\n", " #\n#\n", line)
            line += f"   {comment()}" if chance() < 0.2 else ""
        out.append(line)
        out += [""] * int(chance() * 1.5) + [f"  {comment()}"] * (chance() < 0.2)
    return "\n".join(out)


def comments(text: str) -> Counter[str]:
    file = read(text)
    return Counter(c.text for c in file.comments)


def test_parentheses_after_the_head_of_a_clause_stay() -> None:
    """`loss (` is not a call: what is printed once is what is printed again."""
    text = "train Net on digits {\n    loss   (not a) or b\n    metric accuracy((a + b) * 2)\n}\n"
    assert format_source(Source("clauses", text)) == text
