"""Distributions beside torch.distributions: densities, moments, divergences, and what many draws have in common."""

from __future__ import annotations

import math
from typing import Any

import pytest
import scipy.stats
import torch
from torch import Tensor
from torch import distributions as td

from ..spec import body, compiled, network


def run(lines: str, *tensors: Tensor, signature: str = "a: [B, 5], b: [B, 5]") -> Any:
    """The outputs of a model with these lines."""
    text = "model Net(" + signature + ") {\n" + "".join(f"    {line}\n" for line in lines.split("\n")) + "}\n"
    return network(compiled(text))(*tensors)


def tensors(seed: int = 0) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(4, 5, generator=drawn), torch.randn(4, 5, generator=drawn)


class Logistic(td.TransformedDistribution):
    """By transforms of a uniform distribution; its moments by SciPy."""

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        there = [td.SigmoidTransform().inv, td.AffineTransform(mean, scale)]
        super().__init__(td.Uniform(torch.zeros_like(mean), torch.ones_like(mean)), there)
        self.known = scipy.stats.logistic(mean.numpy(), scale.numpy())

    @property
    def mean(self) -> Tensor:
        return torch.as_tensor(self.known.mean(), dtype=torch.float32)

    @property
    def variance(self) -> Tensor:
        return torch.as_tensor(self.known.var(), dtype=torch.float32)

    @property
    def stddev(self) -> Tensor:
        return torch.as_tensor(self.known.std(), dtype=torch.float32)

    def entropy(self) -> Tensor:
        return torch.as_tensor(self.known.entropy(), dtype=torch.float32)


def pair(kind: str, a: Tensor, b: Tensor) -> td.Distribution:
    """The distribution of torch that the text `TEXTS[kind]` means."""
    match kind:
        case "normal":
            return td.Normal(a, b.exp())
        case "laplace":
            return td.Laplace(a, b.exp())
        case "logistic":
            return Logistic(a, b.exp())
        case "gumbel":
            return td.Gumbel(a, b.exp())
        case "uniform":
            return td.Uniform(a, a + b.exp())
        case "bernoulli":
            return td.Bernoulli(torch.sigmoid(a))
        case "bernoulli_logits":
            return td.Bernoulli(logits=a)
    return td.Categorical(logits=a)


TEXTS = {
    "normal": "normal(a, exp(b))",
    "laplace": "laplace(a, exp(b))",
    "logistic": "logistic(a, exp(b))",
    "gumbel": "gumbel(a, exp(b))",
    "uniform": "uniform(a, a + exp(b))",
    "bernoulli": "bernoulli(sigmoid(a))",
    "bernoulli_logits": "bernoulli(logits=a)",
    "categorical": "categorical(a)",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_log_prob(kind: str) -> None:
    a, b = tensors()
    torch.manual_seed(1)
    y = pair(kind, a, b).sample()
    signature = "a: [B, 5], b: [B, 5], y: " + ("int[B]" if kind == "categorical" else "[B, 5]")
    found = run(f"return {TEXTS[kind]}.log_prob(y) + 0 * mean(b)", a, b, y, signature=signature)
    torch.testing.assert_close(found, pair(kind, a, b).log_prob(y), atol=2e-5, rtol=1e-5)


def test_log_prob_outside_of_what_a_uniform_draws() -> None:
    a, b = tensors()
    y = a + b.exp() + 1
    found = run("return uniform(a, a + exp(b)).log_prob(y)", a, b, y, signature="a: [B, 5], b: [B, 5], y: [B, 5]")
    assert (found == -math.inf).all()


MOMENTS = {"mean": "mean", "std": "stddev", "variance": "variance", "entropy": "entropy"}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", TEXTS)
def test_moments(kind: str, moment: str) -> None:
    if kind == "categorical" and moment != "entropy":
        return
    a, b = tensors()
    found = run(f"return {TEXTS[kind]}.{moment} + 0 * mean(b)", a, b)
    wanted: Any = getattr(pair(kind, a, b), MOMENTS[moment])
    torch.testing.assert_close(found, wanted() if moment == "entropy" else wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("normal(0.5, 2)", td.Normal(0.5, 2.0)),
        ("laplace(0.5, 2)", td.Laplace(0.5, 2.0)),
        ("gumbel(0.5, 2)", td.Gumbel(0.5, 2.0)),
        ("logistic(0.5, 2)", Logistic(torch.tensor(0.5), torch.tensor(2.0))),
        ("uniform(-1, 3)", td.Uniform(-1.0, 3.0)),
        ("bernoulli(0.3)", td.Bernoulli(0.3)),
    ],
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_moments_of_numbers(text: str, wanted: Any, moment: str) -> None:
    if moment == "entropy" and text.startswith("uniform"):
        wanted = td.Uniform(torch.tensor(-1.0), torch.tensor(3.0))
    known = getattr(wanted, MOMENTS[moment])
    known = known() if moment == "entropy" else known
    a, b = tensors()
    assert run(f"return 0 * a + 0 * b + {text}.{moment}", a, b)[0, 0].item() == pytest.approx(float(known), rel=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind not in ("uniform", "logistic", "gumbel")])
def test_divergence(kind: str) -> None:
    a, b = tensors()
    right = {
        "normal": "normal(b, exp(a))",
        "laplace": "laplace(b, exp(a))",
        "categorical": "categorical(b)",
        "bernoulli_logits": "bernoulli(logits=b)",
    }
    q = right.get(kind, "bernoulli(sigmoid(b))")
    found = run(f"return kl({TEXTS[kind]}, {q}) + 0 * mean(b)", a, b)
    wanted = td.kl_divergence(pair(kind, a, b), pair(kind, b, a))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_divergence_of_uniforms() -> None:
    a, b = tensors()
    wider = run("return kl(uniform(a, a + exp(b)), uniform(a - 1, a + exp(b) + 2))", a, b)
    wanted = td.kl_divergence(td.Uniform(a, a + b.exp()), td.Uniform(a - 1, a + b.exp() + 2))
    torch.testing.assert_close(wider, wanted, atol=1e-5, rtol=1e-5)
    assert (run("return kl(uniform(a, a + exp(b)), uniform(a + 0.1, a + exp(b) + 2))", a, b) == math.inf).all()


@pytest.mark.parametrize(("p", "q"), [((0.0, 1.0), None), (None, (0.0, 1.0)), (None, (0.5, 2.0)), ((0.5, 2.0), None)], ids=str)
def test_divergence_from_numbers(p: tuple[float, float] | None, q: tuple[float, float] | None) -> None:
    a, b = tensors()
    texts = ["normal(a, exp(b))" if given is None else f"normal({given[0]}, {given[1]})" for given in (p, q)]
    kinds = [
        td.Normal(a, b.exp()) if given is None else td.Normal(torch.tensor(given[0]), torch.tensor(given[1])) for given in (p, q)
    ]
    torch.testing.assert_close(run(f"return kl({texts[0]}, {texts[1]})", a, b), td.kl_divergence(*kinds), atol=1e-5, rtol=1e-5)


# Draws ----------------------------------------------------------------------------------------------------------------

MANY = 40_000


@pytest.mark.parametrize("kind", TEXTS)
def test_draws_have_the_moments_of_their_distribution(kind: str) -> None:
    a, b = tensors()
    wide = (a.expand(MANY, 4, 5), b.expand(MANY, 4, 5))
    torch.manual_seed(3)
    drawn = run(f"z ~ {TEXTS[kind]}\nreturn z, b", *wide, signature="a: [N, B, 5], b: [N, B, 5]")[0]
    q = pair(kind, a, b)
    if kind == "categorical":
        assert drawn.dtype == torch.long
        shares = torch.stack([(drawn == k).float().mean(0) for k in range(5)], -1)
        torch.testing.assert_close(shares, torch.softmax(a, -1), atol=0.015, rtol=0)
        return
    torch.testing.assert_close(drawn.mean(0), q.mean, atol=0.06, rtol=0.02)
    torch.testing.assert_close(drawn.var(0), q.variance, atol=0.06, rtol=0.05)


def test_draws_in_another_shape() -> None:
    a, b = tensors()
    signature = "a: [B, 5], b: [B, 5]"
    lines = (
        "z ~ normal(0.5, 2)[30, B, 7]\nu ~ uniform(a, 9)[3, 2]\nc ~ categorical(a)[40]\nk ~ bernoulli(0.25)[B, 900]\n"
        "g ~ gumbel_softmax(b, hard=true)[3]\nn ~ normal(mean(a, dim=0), exp(b))\nreturn z, u, c, k, g, n"
    )
    torch.manual_seed(0)
    z, u, c, k, g, n = run(lines, a, b, signature=signature)
    assert [tuple(t.shape) for t in (z, u, c, k, g, n)] == [
        (30, 4, 7), (3, 2, 4, 5), (40, 4), (4, 900), (3, 4, 5), (4, 5),
    ]  # fmt: skip
    assert z.mean().item() == pytest.approx(0.5, abs=0.3)
    assert ((u >= a) & (u < 9)).all()
    assert k.mean().item() == pytest.approx(0.25, abs=0.05)
    assert (g.sum(-1) == 1).all()
    assert len(torch.unique(c)) > 1


def test_the_gradient_of_a_draw_is_that_of_the_same_noise() -> None:
    a, b = (t.requires_grad_() for t in tensors())
    torch.manual_seed(5)
    run("z ~ normal(a, exp(b))\nu ~ uniform(a, a + exp(b))\nreturn sum(z ** 2 + u)", a, b).backward()
    found = a.grad, b.grad
    a2, b2 = (t.requires_grad_() for t in tensors())
    torch.manual_seed(5)
    z = a2 + b2.exp() * torch.randn(4, 5)
    u = a2 + (a2 + b2.exp() - a2) * torch.rand(4, 5)
    torch.autograd.backward((z**2 + u).sum())
    torch.testing.assert_close(found, (a2.grad, b2.grad))


def test_draws_by_exponentials_have_gradients_in_both_parameters() -> None:
    """Those of the same noise: d z / d mean is 1, d z / d scale is how far the noise lies from the mean."""
    for kind in ("laplace", "logistic", "gumbel"):
        a, b = (t.requires_grad_() for t in tensors())
        torch.manual_seed(5)
        z = run(f"z ~ {kind}(a, exp(b))\nreturn z", a, b)
        z.sum().backward()
        assert a.grad is not None
        torch.testing.assert_close(a.grad, torch.ones_like(a))
        torch.testing.assert_close(b.grad, (z - a).detach())


@pytest.mark.parametrize("hard", [False, True])
def test_relaxed_coins(hard: bool) -> None:
    """More than a half as often as a coin of these logits shows 1; with `hard`, 1 or 0 with the slope of the soft draw."""
    a, b = tensors()
    wide = a.expand(MANY, 4, 5).clone().requires_grad_()
    torch.manual_seed(1)
    z = run(f"z ~ relaxed_bernoulli(a, temperature=0.7, hard={str(hard).lower()})\nreturn z + 0 * b", wide, b,
            signature="a: [N, B, 5], b: [B, 5]")  # fmt: skip
    torch.testing.assert_close((z > 0.5).float().mean(0), a.sigmoid(), atol=0.015, rtol=0)
    z.sum().backward()
    assert wide.grad is not None
    assert (wide.grad >= 0).all()
    if hard:
        assert set(z.detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    else:
        torch.testing.assert_close(wide.grad, (z * (1 - z) / 0.7).detach())
        known = td.RelaxedBernoulli(torch.tensor(0.7), logits=a).sample(torch.Size((MANY,)))  # type: ignore[no-untyped-call]
        torch.testing.assert_close(z.mean(0), known.mean(0), atol=0.02, rtol=0)


@pytest.mark.parametrize("kind", ["laplace", "logistic", "gumbel"])
def test_parameters_start_from_them(kind: str) -> None:
    made = compiled(body(f"param w: [40000] = {kind}(1, 0.5)\ny = x * mean(w)"))
    torch.manual_seed(0)
    w = network(made).w.detach()
    known = {"laplace": scipy.stats.laplace, "logistic": scipy.stats.logistic, "gumbel": scipy.stats.gumbel_r}[kind](1, 0.5)
    assert scipy.stats.kstest(w.numpy(), known.cdf).pvalue > 1e-3


def test_hard_choices_have_soft_gradients() -> None:
    a, b = tensors()
    a.requires_grad_()
    torch.manual_seed(7)
    hard = run("z ~ gumbel_softmax(a, temperature=0.5, hard=true)\nreturn z * b", a, b)
    hard.sum().backward()
    torch.manual_seed(7)
    other = tensors()[0].requires_grad_()
    soft = torch.nn.functional.gumbel_softmax(other, tau=0.5, hard=True)
    torch.autograd.backward((soft * b).sum())
    torch.testing.assert_close(a.grad, other.grad)
    assert set((hard / b).detach().round(decimals=4).unique().abs().tolist()) == {0.0, 1.0}


def test_draws_of_classes_have_no_gradient() -> None:
    a, b = tensors()
    a.requires_grad_()
    classes, coins = run("k ~ categorical(a)\nc ~ bernoulli(logits=a)\nreturn k, c", a, b, signature="a: [B, 5], b: [B, 5]")
    assert not classes.requires_grad
    (coins * 3).sum().backward()
    assert a.grad is None or (a.grad == 0).all()


def test_a_draw_is_made_once_however_often_it_is_read() -> None:
    a, b = tensors()
    same, other = run("z ~ normal(a, b)\ny ~ normal(a, b)\nsame = z - z\nother = z - y\nreturn same, other", a, b)
    assert (same == 0).all()
    assert (other != 0).all()


def test_parameters_start_from_a_distribution() -> None:
    made = compiled(body("q = bernoulli(0.5)\nparam w: [64] = q\nparam v: [64] = uniform(2, 3)[64]\ny = x * w + v"))
    net = network(made)
    assert set(net.w.unique().tolist()) == {0.0, 1.0}
    assert ((net.v >= 2) & (net.v < 3)).all()


# The mode -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "training", "evaluation"),
    [
        ("a if training else b", "a", "b"),
        ("a if not training else b", "b", "a"),
        ("where(training, a, b)", "a", "b"),
        ("a + (a if training else 0)", "2a", "a"),
        ("(1 if not training else a) * b", "ab", "b"),
    ],
)
def test_a_choice_by_the_mode(text: str, training: str, evaluation: str) -> None:
    a, b = tensors()
    net = network(compiled(f"model Net(a: [B, 5], b: [B, 5]) {{\n    y = {text}\n    return y, b\n}}\n"))
    known = {"a": a, "b": b, "2a": a + a, "ab": a * b}
    assert torch.equal(net(a, b)[0], known[training])
    assert torch.equal(net.eval()(a, b)[0], known[evaluation])
