"""Programs beside loops written by hand with PyTorch's own optimizers, schedulers and averages: the same weights to the last figures."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import lr_scheduler, swa_utils

from archc.compiler.plan import SchedulePlan, StagePlan
from archc.runtime.loader import build
from archc.runtime.run import Run
from archc.runtime.stops import InputFaults
from archc.runtime.train import checkpoints, weights
from archc.runtime.train.api import train
from archc.runtime.train.schedules import Plateau, one_cycle_momentum, schedule

from . import hand
from .texts import NET, spec

PLAIN = NET.replace("batch_norm -> ", "")  # the gradient of a bias in front of a norm is nothing but rounding

ROWS = 1797
DOUBLE = ("precision float64", f"batch {ROWS}")  # one batch in double precision: the order of the rows is a matter of rounding
WHOLE = "split = [1, 0]"
PLACE = hand.lenet().plan.train.place  # type: ignore[union-attr]


def trained(tmp_path: Path, *clauses: str, net: str = NET) -> Run:
    return train(spec(*DOUBLE, *clauses, split=WHOLE, net=net), out=tmp_path / "run", progress=False)


def digits() -> tuple[Tensor, Tensor]:
    data, target = load_digits(return_X_y=True)
    return torch.from_numpy(data) / 16, torch.from_numpy(target).long()


def fresh(net: str = NET) -> nn.Module:
    """The network as seed 0 starts it."""
    torch.manual_seed(0)
    return build(spec(*DOUBLE, net=net)).double()


def by_hand(
    steps: int, optimizer: torch.optim.Optimizer, model: nn.Module, after: Callable[[], None] = lambda: None, cut: Any = None
) -> dict[str, Tensor]:
    x, label = digits()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(model(x)[0], label)
        loss.backward()  # type: ignore[no-untyped-call]
        if cut is not None:
            cut(model.parameters())
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
        after()
    return model.state_dict()


def assert_weights(run: Run, expected: dict[str, Tensor], rel: float = 1e-7) -> None:
    found = weights.read(run.folder / "model.safetensors")
    assert set(found) == set(expected)
    for key, tensor in expected.items():
        if key == "body.dense1.bias":
            continue  # in front of a norm
        assert torch.allclose(found[key], tensor, rtol=rel, atol=1e-9), key


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd(lr=0.1, momentum=0.9, nesterov=true, weight_decay=1e-3)": lambda p: torch.optim.SGD(
        p, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3
    ),
    "adam(lr=1e-2, betas=[0.8, 0.9], weight_decay=1e-2)": lambda p: torch.optim.Adam(p, 1e-2, (0.8, 0.9), weight_decay=1e-2),
    "adamw(lr=1e-2, weight_decay=0.1)": lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=0.1),
    "rmsprop(lr=1e-3, momentum=0.5, centered=true)": lambda p: torch.optim.RMSprop(p, 1e-3, momentum=0.5, centered=True),
    "adagrad(lr=1e-2, lr_decay=1e-2)": lambda p: torch.optim.Adagrad(p, 1e-2, lr_decay=1e-2),
    "adadelta(lr=1, rho=0.8)": lambda p: torch.optim.Adadelta(p, 1, rho=0.8),
    'lbfgs(lr=0.5, max_iter=4, line_search_fn="strong_wolfe")': lambda p: torch.optim.LBFGS(
        p, 0.5, max_iter=4, line_search_fn="strong_wolfe"
    ),
}


@pytest.mark.parametrize("clause", OPTIMIZERS)
def test_optimizers_go_where_pytorchs_go(tmp_path: Path, clause: str) -> None:
    model = fresh(PLAIN)
    expected = by_hand(6, OPTIMIZERS[clause](model.parameters()), model)
    assert_weights(trained(tmp_path, f"optimizer {clause}", "steps 6", net=PLAIN), expected, rel=1e-6)


def test_lion_as_its_paper_has_it(tmp_path: Path) -> None:
    model = fresh(PLAIN)
    x, label = digits()
    momenta = [torch.zeros_like(p) for p in model.parameters()]
    for _ in range(5):
        grads = torch.autograd.grad(cross_entropy(model(x)[0], label), list(model.parameters()))
        with torch.no_grad():
            for weight, grad, m in zip(model.parameters(), grads, momenta, strict=True):
                update = torch.sign(0.9 * m + 0.1 * grad)
                weight.sub_(1e-3 * (update + 0.1 * weight))
                m.copy_(0.99 * m + 0.01 * grad)
    assert_weights(trained(tmp_path, "optimizer lion(lr=1e-3, weight_decay=0.1)", "steps 5", net=PLAIN), model.state_dict())


def rates(name: str, total: int = 40, epoch: int = 4, **arguments: Any) -> list[float]:
    plan = SchedulePlan(stages=[StagePlan(name=name, arguments=arguments)], place=PLACE)
    rate = schedule(plan, 0.1, total, epoch)
    assert rate is not None
    return [rate(step) for step in range(total)]


def theirs(make: Callable[[torch.optim.Optimizer], Any], total: int = 40, every: int = 1, key: str = "lr") -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1, momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for step in range(total):
        found.append(float(optimizer.param_groups[0][key]))
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return found


SCHEDULES: dict[str, tuple[list[float], list[float]]] = {
    "cosine": (rates("cosine", to=0.01), theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, 40, 0.01))),
    "linear": (rates("linear", to=0.02), theirs(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, 40))),
    "polynomial": (rates("polynomial", power=2.0), theirs(lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0))),
    "exponential": (rates("exponential", gamma=0.9), theirs(lambda o: lr_scheduler.ExponentialLR(o, 0.9), every=4)),
    "exponential per step": (
        rates("exponential", gamma=0.9, per="step"),
        theirs(lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    ),
    "step": (rates("step", size=3, gamma=0.5), theirs(lambda o: lr_scheduler.StepLR(o, 3, 0.5), every=4)),
    "multistep": (rates("multistep", milestones=[2, 7]), theirs(lambda o: lr_scheduler.MultiStepLR(o, [2, 7]), every=4)),
    "one_cycle": (rates("one_cycle", max_lr=0.5), theirs(lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=41))[:40]),
}


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "one_cycle"])
def test_schedules_are_pytorchs(name: str) -> None:
    ours, torchs = SCHEDULES[name]
    assert ours == pytest.approx(torchs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_is_pytorchs(strategy: str) -> None:
    arguments: dict[str, Any] = {"max_lr": 0.5, "pct_start": 0.25, "anneal_strategy": strategy}

    def make(optimizer: torch.optim.Optimizer) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=40, pct_start=0.25, anneal_strategy=strategy)  # type: ignore[arg-type]

    assert rates("one_cycle", **arguments)[:39] == pytest.approx(theirs(make, 39), rel=1e-9)
    momentum = one_cycle_momentum(StagePlan(name="one_cycle", arguments=arguments), 40)
    assert momentum is not None
    assert [momentum(step) for step in range(39)] == pytest.approx(theirs(make, 39, key="momentum"), rel=1e-9)


def test_schedules_one_after_another_are_sequential() -> None:
    stages = [
        StagePlan(name="warmup", arguments={"start": 0.1}, steps=8),
        StagePlan(name="constant", steps=5),
        StagePlan(name="cosine"),
    ]
    rate = schedule(SchedulePlan(stages=stages, place=PLACE), 0.1, 40)
    assert rate is not None

    def make(o: torch.optim.Optimizer) -> Any:
        parts: list[Any] = [lr_scheduler.LinearLR(o, 0.1, 1.0, 8), lr_scheduler.ConstantLR(o, 1.0, 1)]
        return lr_scheduler.SequentialLR(o, [*parts, lr_scheduler.CosineAnnealingLR(o, 27)], [8, 13])

    assert [rate(step) for step in range(40)] == pytest.approx(theirs(make), rel=1e-9)


def test_plateau_is_pytorchs() -> None:
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.99999, 2.1, 2.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
    torchs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, min_lr=0.01)
    ours = Plateau(factor=0.5, patience=2, cooldown=1, min_lr=0.01)
    for loss in losses:
        torchs.step(loss)
        ours.see(-loss)
        assert ours.rate(0.1) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    parts = train(
        spec("precision float64", "batch 600", "accumulate 3", "steps 4", split=WHOLE, net=PLAIN),
        out=tmp_path / "parts",
        progress=False,
    )
    whole = train(spec(*DOUBLE, "steps 4", split=WHOLE, net=PLAIN), out=tmp_path / "whole", progress=False)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-9)
    assert len(parts.history) == 4  # three batches are an epoch, and one step
    assert_weights(parts, weights.read(whole.folder / "model.safetensors"))


@pytest.mark.parametrize(
    ("clause", "cut"),
    [
        ("clip 0.05", lambda p: nn.utils.clip_grad_norm_(p, 0.05)),
        ("clip value=0.001", lambda p: nn.utils.clip_grad_value_(p, 0.001)),
    ],
)
def test_clipped_gradients(tmp_path: Path, clause: str, cut: Any) -> None:
    model = fresh()
    expected = by_hand(5, torch.optim.SGD(model.parameters(), 0.1), model, cut=cut)
    assert_weights(trained(tmp_path, clause, "steps 5"), expected)


def test_an_exponential_average_is_what_counts(tmp_path: Path) -> None:
    model = fresh()
    average = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8))  # type: ignore[no-untyped-call]
    average.update_parameters(model)  # its first is a copy
    by_hand(6, torch.optim.SGD(model.parameters(), 0.1), model, lambda: average.update_parameters(model))
    run = trained(tmp_path, "ema 0.8", "steps 6")
    expected = {**model.state_dict(), **dict(average.module.named_parameters())}
    assert_weights(run, expected)
    saved, _ = checkpoints.latest(run.folder / "checkpoints", print)
    assert saved is not None
    for key, tensor in saved["model"].items():
        assert torch.allclose(tensor, model.state_dict()[key]), key


def test_the_mean_of_the_last_epochs_has_norms_of_its_own(tmp_path: Path) -> None:
    model = fresh()
    average = swa_utils.AveragedModel(model)
    steps = itertools.count(1)
    by_hand(
        5,
        torch.optim.SGD(model.parameters(), 0.1),
        model,
        lambda: average.update_parameters(model) if next(steps) >= 3 else None,
    )
    swa_utils.update_bn([digits()[0]], average)
    run = trained(tmp_path, "average 3", "epochs 5")
    counts = {k: t for k, t in average.module.state_dict().items() if not k.endswith("num_batches_tracked")}
    found = weights.read(run.folder / "model.safetensors")
    for key, tensor in counts.items():
        assert torch.allclose(found[key], tensor, rtol=1e-7), key


def test_parts_have_optimizers_and_schedules_of_their_own(tmp_path: Path) -> None:
    model = fresh()
    named = dict(model.named_parameters())
    middle = [p for n, p in named.items() if n.startswith("middle.")]
    norms = [p for n, p in named.items() if n.startswith("body.batch_norm1")]
    rest = [p for p in named.values() if not any(p is q for q in (*middle, *norms))]
    rest = [p for p in rest if p is not named["head.bias"]]
    groups: list[dict[str, Any]] = [{"params": rest}, {"params": [named["head.bias"]], "lr": 0.1}]
    one = torch.optim.SGD(groups, 0.1)
    both = [one, torch.optim.AdamW(middle, 1e-2), torch.optim.SGD(norms, 0.5)]
    decay = lr_scheduler.LambdaLR(one, [lambda s: 1.0, lambda s: 0.5**s])
    x, label = digits()
    for _ in range(4):
        for optimizer in both:
            optimizer.zero_grad()
        cross_entropy(model(x)[0], label).backward()  # type: ignore[no-untyped-call]
        for optimizer in both:
            optimizer.step()
        decay.step()
    clauses = ("optimizer sgd(lr=0.1)", "optimizer middle.dense1: adamw(lr=1e-2)", "optimizer Body.batch_norm1: sgd(lr=0.5)")
    clauses = (clauses[0], clauses[1], clauses[2].replace("Body.", "body."))
    run = trained(tmp_path, *clauses, 'schedule head.bias: exponential(gamma=0.5, per="step")', "steps 4")
    assert_weights(run, model.state_dict())


def test_what_is_frozen_stays_and_a_parameter_without_optimizer_is_told(tmp_path: Path) -> None:
    run = trained(tmp_path, "freeze Body, head", "steps 3")
    before, after = fresh().state_dict(), weights.read(run.folder / "model.safetensors")
    moved = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert moved == {"middle"}
    with pytest.raises(InputFaults, match=r"E0720.*no optimizer trains body.*head.bias"):
        train(spec("optimizer middle: sgd(lr=0.1)"), out=tmp_path / "other", progress=False)
    with pytest.raises(InputFaults, match=r"E0721.*sgd of middle has no parameters"):
        train(
            spec("optimizer middle: sgd(lr=0.1)", "optimizer adam(lr=0.1)", "freeze middle"), out=tmp_path / "x", progress=False
        )


PHASES = (
    "optimizer sgd(lr=0.1)",
    "metric accuracy(logits, label)",
    "phase first {\n        epochs 2\n        freeze head\n    }",
    """phase second {
        loss mean(hidden ** 2)
        loss ce: cross_entropy(logits, label)
        optimizer adam(lr=1e-2)
        steps 40
        batch 128
        early_stop 9, metric=ce
    }""",
)


def test_phases_go_on_from_the_best_weights_of_the_one_before(tmp_path: Path) -> None:
    run = train(spec(*PHASES), out=tmp_path / "run", progress=False)
    rows = run.history
    assert [row["phase"] for row in rows] == ["first"] * 2 + ["second"] * 4
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert list(rows[-1]["validation"]) == ["loss", "mean", "ce", "accuracy"]
    assert len(run.losses) == 2 * 23 + 40
    first, second = run.metrics["phases"]
    assert (first["phase"], first["steps"], second["steps"]) == ("first", 46, 40)
    assert run.metrics["best_epoch"] > 2
    alone = train(spec(*PHASES[:2], "epochs 2", "freeze head"), out=tmp_path / "alone", progress=False)
    assert [row["validation"] for row in alone.history] == [row["validation"] for row in rows[:2]]
    assert alone.losses == run.losses[:46]
    head = fresh().float().state_dict()["head.weight"]
    assert torch.equal(weights.read(alone.folder / "model.safetensors")["head.weight"], head)


def test_a_phase_begins_with_an_optimizer_of_its_own(tmp_path: Path) -> None:
    """The second of two equal phases steps as a new run from the weights of the first does."""
    one = "optimizer sgd(lr=0.05, momentum=0.9)"
    both = trained(tmp_path, one, "phase a {\n        steps 3\n    }", "phase b {\n        steps 2\n    }")
    first = train(spec(*DOUBLE, one, "steps 3", split=WHOLE), out=tmp_path / "first", progress=False)
    again = spec(*DOUBLE, one, "steps 2", f'init checkpoint("{first.folder}")', split=WHOLE)
    second = train(again, out=tmp_path / "second", progress=False)
    assert both.losses == pytest.approx([*first.losses, *second.losses], rel=1e-9)


def test_init_takes_a_part_from_a_run_or_a_file(tmp_path: Path) -> None:
    first = trained(tmp_path, "steps 3")
    tensors = weights.read(first.folder / "model.safetensors")
    run = train(spec("freeze body", f'init body: checkpoint("{first.folder}")', "steps 1"), out=tmp_path / "a", progress=False)
    after = weights.read(run.folder / "model.safetensors")
    assert torch.equal(after["body.dense1.weight"], tensors["body.dense1.weight"].float())
    assert not torch.equal(after["head.weight"], tensors["head.weight"].float())
    torch.save({k.removeprefix("body."): t for k, t in tensors.items() if k.startswith("body.")}, tmp_path / "body.pt")
    alone = train(
        spec("freeze body", f'init body: checkpoint("{tmp_path}/body.pt")', "steps 1"), out=tmp_path / "b", progress=False
    )
    assert torch.equal(weights.read(alone.folder / "model.safetensors")["body.dense1.bias"], after["body.dense1.bias"])


def test_init_that_does_not_fit_says_what_moved(tmp_path: Path) -> None:
    first = trained(tmp_path, "steps 1")
    tensors = weights.read(first.folder / "model.safetensors")
    moved = {k.replace("dense1", "dense2") if k.startswith("body") else k: t for k, t in tensors.items() if k != "head.bias"}
    moved["head.weight"] = torch.zeros(11, 16)
    torch.save(moved, tmp_path / "moved.pt")
    clause = f'init checkpoint("{tmp_path}/moved.pt")'
    with pytest.raises(InputFaults) as caught:
        train(spec(clause), out=tmp_path / "a", progress=False)
    (diagnostic,) = caught.value.report.diagnostics
    assert diagnostic.code == "E0723"
    assert "head.weight is [10, 16] here and [11, 16] there" in diagnostic.notes
    assert "body.dense1.weight seems to have moved: there is body.dense2.weight of its kind and shape" in diagnostic.notes
    assert "head.bias is not there" in diagnostic.notes
    partial = clause.replace('")', '", partial=true)')
    assert train(spec(partial, "steps 1"), out=tmp_path / "b", progress=False).status == "finished"
    for problem, path in (("No such file", "nothing.pt"), ("cannot be read", "empty.pt")):
        (tmp_path / "empty.pt").write_bytes(b"")
        with pytest.raises(InputFaults, match=f"E0722.*{problem}"):
            train(spec(f'init checkpoint("{tmp_path}/{path}")'), out=tmp_path / "c", progress=False)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_and_keeps_full_weights(tmp_path: Path, precision: str) -> None:
    run = train(spec(f"precision {precision}", "clip 1", "epochs 4"), out=tmp_path / "run", progress=False)
    assert run.losses[-1] < 0.8 * run.losses[0]
    assert {t.dtype for t in weights.read(run.folder / "model.safetensors").values()} <= {torch.float32, torch.int64}
    assert run.evaluate("validation") == run.metrics["validation"]


def test_double_precision_is_double_in_evaluation_too(tmp_path: Path) -> None:
    run = train(spec("precision float64", "epochs 1"), out=tmp_path / "run", progress=False)
    assert run.evaluate() == run.metrics["test"]
    assert run.model().state_dict()["head.weight"].dtype == torch.float64


@pytest.mark.parametrize(
    "loss", ["cross_entropy(logits, label, weight=W)", "logits -> log_softmax(dim=1) -> nll(label, weight=W)"]
)
def test_balanced_classes_count_alike(tmp_path: Path, loss: str) -> None:
    """Against PyTorch's weights with scikit-learn's numbers, on a training part from which most rows of some classes are gone."""
    from sklearn.utils.class_weight import compute_class_weight

    _, label = digits()
    net = PLAIN + "    train_where label >= 5 or x[20] > 0.6\n"
    kept = label[(label >= 5) | (digits()[0][:, 20] > 0.6)]
    numbers = compute_class_weight("balanced", classes=np.arange(10), y=kept.numpy())
    runs = []
    for name, weight in (("ours", '"balanced"'), ("theirs", str([float(n) for n in numbers]))):
        program = spec(*DOUBLE, f"loss {loss.replace('W', weight)}", "steps 3", split=WHOLE, net=net)
        runs.append(train(program, out=tmp_path / name, progress=False))
    assert runs[0].losses == pytest.approx(runs[1].losses, rel=1e-5)
    assert_weights(runs[0], weights.read(runs[1].folder / "model.safetensors"), rel=1e-4)
    text = (runs[0].folder / "program.py").read_text()
    assert "label_weight" in text
