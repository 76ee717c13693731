"""Which part of a model goes from its draws to what it gives, and what the priors of its draws are."""

import pytest

from archc.compiler.decoding import decoder
from archc.compiler.passes.order import PASSES

from .spec import compiled


def chosen(lines: str, signature: str = "x: [B, 8]") -> tuple[str, list[str]] | None:
    """The output that a model makes of its priors, and the inputs it has to be given."""
    body = "".join(f"    {line}\n" for line in lines.split("\n"))
    found = decoder(PASSES.run(compiled(f"model Net({signature}) {{\n{body}}}\n").graph))
    return None if found is None else (found.graph.outputs[0].name, [one.name for one in found.given])


Q = "q = normal(x -> dense(8), x -> dense(8) -> softplus)\nz ~ q\npenalty d = kl(q, normal(0, 1))\n"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("z ~ normal(0, 1)[B, 8]\ny = z -> dense(3)\nreturn x, y", ("y", [])),
        ("z ~ normal(0, 1)[B, 8]\ny = x + z\nreturn y", None),  # noise upon an input is no decoder
        ("z ~ normal(x, 1)\ny = z -> dense(3)\nreturn y", None),  # nothing says what z is without x
        (Q + "a = z + x\ny = z -> dense(3)\nreturn a, y", ("y", [])),
        (Q + "a = z + x\nreturn a", ("a", ["x"])),
        (Q + "u ~ normal(z, 0.1)\ny = u -> dense(3)\nreturn y", ("y", [])),
        ("z ~ bernoulli(0.5)[B, 4]\ny = z -> dense(3)\nreturn y, x", ("y", [])),
        ("z ~ normal(0, 1)[B, 8]\ny = (x + z -> dense(3)) if training else (x -> dense(3))\nreturn y", None),
        ("z ~ normal(0, 1)[8]\ny = sum(z)\nreturn y, x", None),
    ],
)
def test_which_output_follows_from_the_priors(lines: str, wanted: tuple[str, list[str]] | None) -> None:
    assert chosen(lines) == wanted


def test_a_prior_of_another_distribution_is_not_that_of_the_draw() -> None:
    lines = "q = normal(x, 1)\np = normal(2 * x, 1)\nz ~ q\npenalty d = kl(p, normal(0, 1))\ny = z -> dense(3)\nreturn y"
    assert chosen(lines) is None
