"""Metrics beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn import metrics

from archc.compiler.emit.code import Code, Show
from archc.compiler.graph import TensorType
from archc.compiler.layers import registry

from .checking import Alone
from .drawing import tensor


def measured(name: str, *given: torch.Tensor, **arguments: Any) -> float:
    value = computed(name, *given, **arguments)
    assert value.shape == ()
    assert value.dtype == torch.float32
    return float(value)


def computed(name: str, *given: torch.Tensor, **arguments: Any) -> torch.Tensor:
    layer = registry()[name](**arguments)
    dtypes: dict[torch.dtype, Any] = {torch.float32: "float", torch.int64: "int", torch.bool: "bool"}
    kinds = tuple(tensor(*one.shape, dtype=dtypes[one.dtype]) for one in given)
    found = layer.infer(Alone(), *kinds)
    assert isinstance(found, TensorType)
    scope: dict[str, Any] = {"torch": torch, "F": torch.nn.functional, "Tensor": torch.Tensor}
    exec(layer.called(), scope)
    names = [Code(f"x{at}") for at in range(len(given))]
    value: torch.Tensor = eval(
        str(layer.forward(Show({}, "", kinds), *names)), scope | {f"x{at}": one for at, one in enumerate(given)}
    )
    return value


@pytest.fixture
def two() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    label = torch.randint(0, 2, (200,))
    return ((torch.randn(200) + label) * 3).round() / 3, label  # rounded: there are ties


def test_auroc(two: tuple[torch.Tensor, torch.Tensor]) -> None:
    score, label = two
    expected = metrics.roc_auc_score(label.numpy(), score.numpy())
    assert measured("auroc", score, label) == pytest.approx(expected, abs=1e-6)
    assert measured("auroc", score[:, None], label.bool()) == pytest.approx(expected, abs=1e-6)
    assert measured("auroc", torch.zeros(4), torch.tensor([0, 1, 1, 0])) == 0.5


def test_of_two_classes(two: tuple[torch.Tensor, torch.Tensor]) -> None:
    score, label = two
    said = (score > 0).numpy()
    assert measured("precision", score, label) == pytest.approx(metrics.precision_score(label, said), abs=1e-6)
    assert measured("recall", score, label) == pytest.approx(metrics.recall_score(label, said), abs=1e-6)
    assert measured("f1", score, label) == pytest.approx(metrics.f1_score(label, said), abs=1e-6)
    assert measured("accuracy", score, label) == pytest.approx(metrics.accuracy_score(label, said), abs=1e-6)
    assert measured("accuracy", score.sigmoid()[:, None], label, threshold=0.5) == pytest.approx(
        metrics.accuracy_score(label, said), abs=1e-6
    )


def test_of_many_classes() -> None:
    torch.manual_seed(1)
    logits, label = torch.randn(100, 7), torch.randint(0, 7, (100,))
    assert measured("accuracy", logits, label) == pytest.approx(metrics.accuracy_score(label, logits.argmax(1)), abs=1e-6)
    expected = metrics.top_k_accuracy_score(label.numpy(), logits.numpy(), k=3, labels=list(range(7)))
    assert measured("top_k_accuracy", logits, label, k=3) == pytest.approx(expected, abs=1e-6)
    loss = metrics.log_loss(label.numpy(), logits.double().softmax(1).numpy(), labels=list(range(7)))
    assert measured("perplexity", logits, label) == pytest.approx(2.718281828459045**loss, rel=1e-5)


def test_of_numbers() -> None:
    torch.manual_seed(2)
    y, t = torch.randn(50, 1), torch.randn(50, 1)
    assert measured("r2", y, t) == pytest.approx(metrics.r2_score(t.numpy(), y.numpy()), abs=1e-5)
    assert measured("mae", y, t) == pytest.approx(metrics.mean_absolute_error(t.numpy(), y.numpy()), abs=1e-6)
    assert measured("mse", y, t) == pytest.approx(metrics.mean_squared_error(t.numpy(), y.numpy()), abs=1e-6)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_of_several_classes(name: str, average: str) -> None:
    torch.manual_seed(3)
    label = torch.randint(0, 4, (300,))  # classes 4 and 5 are never the label
    logits = torch.randn(300, 6) + 2 * torch.nn.functional.one_hot(label, 6)
    logits[:, 5] = -9.0  # and class 5 is never said
    expected = getattr(metrics, f"{name}_score")(label, logits.argmax(1), average=average, zero_division=0)
    assert measured(name, logits, label, average=average) == pytest.approx(expected, abs=1e-6)
    sequences = logits.view(30, 10, 6), label.view(30, 10)
    assert measured(name, *sequences, average=average, dim=-1) == pytest.approx(expected, abs=1e-6)


def test_average_precision(two: tuple[torch.Tensor, torch.Tensor]) -> None:
    score, label = two
    expected = metrics.average_precision_score(label, score)
    assert measured("average_precision", score, label) == pytest.approx(expected, abs=1e-6)
    assert measured("average_precision", score[:, None], label.bool()) == pytest.approx(expected, abs=1e-6)


def test_confusion(two: tuple[torch.Tensor, torch.Tensor]) -> None:
    score, label = two
    assert computed("confusion", score, label).tolist() == metrics.confusion_matrix(label, score > 0).tolist()
    logits, classes = torch.randn(50, 5), torch.randint(0, 5, (50,))
    expected = metrics.confusion_matrix(classes, logits.argmax(1), labels=range(5))
    assert computed("confusion", logits, classes).tolist() == expected.tolist()


def test_bits() -> None:
    logits, label = torch.randn(40, 7), torch.randint(0, 7, (40,))
    expected = metrics.log_loss(label, logits.double().softmax(1), labels=range(7)) / 0.6931471805599453
    assert measured("bits", logits, label) == pytest.approx(expected, rel=1e-5)
