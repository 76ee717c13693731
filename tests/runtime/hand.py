"""Compiled specs written by hand: what the compiler is to give for the .arch files beside their texts in `fixtures/`."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archc.compiler.plan import (
    ColumnPlan,
    DataPlan,
    EarlyStopPlan,
    FitPlan,
    InputPlan,
    ModelPlan,
    OptimizerPlan,
    PhasePlan,
    Place,
    Plan,
    SchedulePlan,
    SourceCall,
    SplitPlan,
    StagePlan,
    Term,
    TrainPlan,
    UpdatePlan,
)
from archc.dsl.span import Loc, Span

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Hand:
    """Has the attributes of the compiler's `Compiled`."""

    name: str
    source: str
    program: str | None
    plan: Plan
    graph_hash: str
    sources: dict[str, str]
    spans: dict[int, Span] = field(default_factory=dict)
    program_spans: dict[int, Span] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)


def one_phase(changes: dict[str, Any], **fields: Any) -> TrainPlan:
    """A program of one phase without a name, from the fields of both; `changes` win."""
    said = {**fields, **changes}
    if "losses" in said:
        said["updates"] = [UpdatePlan(losses=said.pop("losses"))]
    if "optimizer" in said:
        said["optimizers"] = [said.pop("optimizer")]
    if said.get("steps") is not None:
        said["epochs"] = None
    program = {k: said.pop(k) for k in ("name", "data", "seed", "split_seed", "phases") if k in said}
    phase = PhasePlan(**said)
    return TrainPlan(**{"phases": [phase], **program}, place=phase.place)


def place(file: str, text: str, word: str) -> Place:
    """Where a word first stands in a text."""
    before = text[: text.index(word)]
    return Place(file=file, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def mapped(text: str, generated: str, pairs: list[tuple[str, str]], file: str) -> dict[int, Span]:
    """The span map: for each pair, the line of the generated text that holds the first, and where the second stands in the spec."""
    spans = {}
    for ours, theirs in pairs:
        number = next(i for i, line in enumerate(generated.split("\n"), start=1) if ours in line)
        at = place(file, text, theirs)
        spans[number] = Span(file, Loc(at.line, at.column), Loc(at.line, at.column + len(theirs)))
    return spans


def lenet(name: str = "lenet.arch", source: str | None = None, program: str | None = None, **changes: Any) -> Hand:
    """LeNet on digits. `source` and `program` stand in for the texts, `changes` for fields of the train plan."""
    text = (FIXTURES / "lenet.arch").read_text(encoding="utf-8")
    source = source or (FIXTURES / "lenet_model.py.txt").read_text(encoding="utf-8")
    program = program or (FIXTURES / "lenet_program.py.txt").read_text(encoding="utf-8")
    at = {
        word: place(name, text, word)
        for word in ("data digits", "sklearn", "image =", "label =", "train LeNet", "cross", "accuracy", "adam", "cosine")
    }
    data = DataPlan(
        name="digits",
        source=SourceCall(kind="sklearn", args=["digits"], place=at["sklearn"]),
        reads=["images", "target"],
        columns=[
            ColumnPlan(name="image", dtype="float", shape=[1, 8, 8], place=at["image ="]),
            ColumnPlan(name="label", dtype="int", shape=[], place=at["label ="]),
        ],
        split=SplitPlan(fractions=[0.8, 0.1, 0.1]),
        place=at["data digits"],
    )
    train = one_phase(
        changes,
        name="LeNet",
        data=data,
        losses=[Term(name="cross_entropy", function="loss", arguments=["logits", "label"], better="lower", place=at["cross"])],
        metrics=[
            Term(
                name="accuracy", function="metric_accuracy", arguments=["logits", "label"], better="higher", place=at["accuracy"]
            )
        ],
        optimizer=OptimizerPlan(name="adam", arguments={"lr": 3e-3}, place=at["adam"]),
        schedules=[SchedulePlan(stages=[StagePlan(name="cosine", arguments={"warmup": 10})], place=at["cosine"])],
        epochs=4,
        batch=64,
        place=at["train LeNet"],
    )
    model = ModelPlan(
        class_name="LeNet",
        arguments={"classes": 10},
        inputs=[InputPlan(name="image", dtype="float", shape=["B", 1, 8, 8])],
        outputs=["logits"],
    )
    layers = [
        ("class LeNet", "model LeNet"),
        ("conv1(image)", "conv(6, 5, padding=2)"),
        ("dense1(features", "dense(120)"),
        ("return", "dense(classes)"),
    ]
    return Hand(
        name="LeNet",
        source=source,
        program=program,
        plan=Plan(model=model, train=train),
        graph_hash="0" * 16,
        sources={name: text},
        spans=mapped(text, source, [p for p in layers if p[0] in source], name),
        program_spans=mapped(
            text, program, [("image = ", "images / 16 -> reshape(1, 8, 8)"), ("F.cross", "cross_entropy(logits, label)")], name
        )
        if re.search("F.cross", program)
        else {},
        hyperparameters={"classes": 10},
    )


def autoencoder(name: str = "autoencoder.arch", **changes: Any) -> Hand:
    """Autoencoder on cells."""
    text = (FIXTURES / "autoencoder.arch").read_text(encoding="utf-8")
    words = ("data cells", "sklearn", "x        =", "abnormal =", "train Auto", "mean(anomaly)", "auroc", "sgd")
    at = {word: place(name, text, word) for word in words}
    data = DataPlan(
        name="cells",
        source=SourceCall(kind="sklearn", args=["breast_cancer"], place=at["sklearn"]),
        reads=["data", "target"],
        columns=[
            ColumnPlan(name="x", dtype="float", shape=[30], place=at["x        ="]),
            ColumnPlan(name="abnormal", dtype="bool", shape=[], place=at["abnormal ="]),
        ],
        fits=[FitPlan(name="x", kind="standardize")],
        train_where=True,
        split=SplitPlan(fractions=[0.7, 0.15, 0.15]),
        place=at["data cells"],
    )
    auroc = Term(
        name="auroc",
        function="metric_auroc",
        arguments=["anomaly", "abnormal"],
        reduce="collect",
        better="higher",
        place=at["auroc"],
    )
    train = one_phase(
        changes,
        name="Autoencoder",
        data=data,
        losses=[Term(name="mean", function="loss", arguments=["anomaly"], better="lower", place=at["mean(anomaly)"])],
        metrics=[auroc],
        optimizer=OptimizerPlan(name="sgd", arguments={"lr": 1e-2, "momentum": 0.9}, place=at["sgd"]),
        epochs=6,
        batch=32,
        early_stop=EarlyStopPlan(patience=3),
        place=at["train Auto"],
    )
    model = ModelPlan(
        class_name="Autoencoder",
        arguments={"code": 8},
        inputs=[InputPlan(name="x", dtype="float", shape=["B", 30])],
        outputs=["rebuilt", "z", "anomaly"],
    )
    return Hand(
        name="Autoencoder",
        source=(FIXTURES / "autoencoder_model.py.txt").read_text(encoding="utf-8"),
        program=(FIXTURES / "autoencoder_program.py.txt").read_text(encoding="utf-8"),
        plan=Plan(model=model, train=train),
        graph_hash="1" * 16,
        sources={name: text},
        hyperparameters={"code": 8},
    )
