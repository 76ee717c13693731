"""Mistakes people make, and what archc, PyTorch, Keras and ONNX's checker say to each: writes docs/mistakes.md.

    pip install -e . keras onnx
    KERAS_BACKEND=torch python benchmarks/mistakes.py
    python benchmarks/mistakes.py --archc     # archc's answers alone, when they have changed; needs neither Keras nor ONNX

The cases are data, in benchmarks/mistakes: a program with a mistake, and the same mistake made with the other three, which are really
run, in random numbers, up to the moment when they object. `at` in a case says which moment comes now, `gives` shows what came out.
"""

import contextlib
import io
import os
import re
import sys
import tomllib
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "mistakes.md"
NAME = "net.arch"
LONGEST = 300
OTHERS = {"torch": "PyTorch", "keras": "Keras", "onnx": "ONNX"}
DATE = "2026-11-22"


class Case(NamedTuple):
    mistake: str
    arch: str
    torch: str
    keras: str
    onnx: str


class Said(NamedTuple):
    """`short` stands in the table, `long` below it; `mark` is error, warning, nothing, or none where there is no equivalent."""

    mark: str
    short: str
    long: str


def chapters() -> list[tuple[str, list[Case]]]:
    """The cases with the title of their file."""
    found = []
    for file in sorted((HERE / "mistakes").glob("*.toml")):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        found.append((data["title"], [Case(*(case.get(name, "") for name in Case._fields)) for case in data["case"]]))
    return found


# archc ----------------------------------------------------------------------------------------------------------------


def archc_says(case: Case) -> Said:
    """`archc check --data`, in the one-line form."""
    from archc.dsl.render import one_line
    from archc.dsl.source import Source
    from archc.runtime.compiling import check

    found = check(Source(NAME, case.arch), data=True).ordered()
    if not found:
        return Said("nothing", "nothing", "nothing")
    marks = {diagnostic.severity for diagnostic in found}
    codes = ", ".join(dict.fromkeys(diagnostic.code for diagnostic in found))
    mark = "error" if "error" in marks else "warning"
    return Said(mark, f"{mark} {codes}", "\n".join(map(one_line, found)))


# The others -----------------------------------------------------------------------------------------------------------


class Bench:
    """Where the code of a case runs: `at` says which moment comes, `gives` keeps the shape of what came out."""

    def __init__(self, moment: str) -> None:
        self.moment, self.given = moment, ""

    def at(self, moment: str) -> None:
        self.moment = f"at {moment}"

    def gives(self, tensor: Any) -> None:
        shape = ", ".join("any" if size is None else str(size) for size in tensor.shape)
        self.given = f", gives [{shape}]"


def run(code: str, names: dict[str, Any], accepts: str) -> Said:
    """What running the code says: its error, or its warning, or nothing."""
    if not code:
        return Said("none", "—", "no equivalent")
    bench = Bench("when it is checked" if "check" in names else "when it is built")
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            exec(code, {**names, "at": bench.at, "gives": bench.gives})
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what they say
            said = f"{type(error).__name__}: {shortened(str(error))}"
            return Said("error", f"error {bench.moment}", f"{bench.moment}: {quoted(said)}")
    told = [f"{one.category.__name__}: {shortened(str(one.message))}" for one in caught if issubclass(one.category, UserWarning)]
    if told:
        return Said("warning", "warning", f"a warning: {quoted(told[0])}")
    return Said("nothing", "nothing", f"nothing: {accepts}{bench.given}")


def quoted(message: str) -> str:
    """As code of a page."""
    return f"`` {message} ``" if "`" in message else f"`{message}`"


def shortened(message: str) -> str:
    """The message on one line, without colours, places in files and addresses."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", message)
    text = re.sub(r"\s*(Arguments received by|Full traceback|==> Context)[\s\S]*", "", text)
    text = re.sub(r" at 0x[0-9a-f]+", "", re.sub(r"\s+", " ", text)).strip()
    text = re.sub(r"\(?Triggered internally at .*", "", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def torch_names() -> dict[str, Any]:
    import torch
    import torch.nn.functional as functional
    from torch import nn

    torch.manual_seed(0)
    return {"torch": torch, "nn": nn, "F": functional}


def keras_names() -> dict[str, Any]:
    import keras
    import numpy as np

    return {"keras": keras, "layers": keras.layers, "np": np}


def onnx_names() -> dict[str, Any]:
    """`check(*nodes, name=type, …)` builds a model and checks it in full, with its inference of shapes."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kinds = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64}

    def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
        return helper.make_node(op, inputs.split(" "), outputs.split(" "), **attributes)

    def check(*nodes: Any, **tensors: str) -> None:
        made = {name for one in nodes for name in one.output}
        inputs, outputs, constants = [], [], []
        for name, type_ in tensors.items():
            kind, _, rest = type_.rstrip("]").partition("[")
            dims = [int(dim) if dim.isdigit() else dim for dim in rest.split(", ") if dim]
            if kind == "weights":
                constants.append(numpy_helper.from_array(np.zeros(dims, np.float32), name))
            elif kind in ("numbers", "floats"):
                constants.append(numpy_helper.from_array(np.array(dims, np.int64 if kind == "numbers" else np.float32), name))
            else:
                (outputs if name in made else inputs).append(helper.make_tensor_value_info(name, kinds[kind], dims))
        graph = helper.make_graph(list(nodes), "net", inputs, outputs, constants)
        onnx.checker.check_model(helper.make_model(graph), full_check=True)

    return {"n": node, "check": check}


# The page -------------------------------------------------------------------------------------------------------------


def say_all(case: Case, names: dict[str, dict[str, Any]]) -> dict[str, Said]:
    said = {"archc": archc_says(case), "torch": run(case.torch, names["torch"], "it runs")}
    said["keras"] = run(case.keras, names["keras"], "it runs")
    said["onnx"] = run(case.onnx, names["onnx"], "the model is valid")
    return said


def page(results: list[tuple[str, list[tuple[Case, dict[str, Said]]]]]) -> str:
    """The whole page."""
    cases = [one for _, chapter in results for one in chapter]
    lines = [HEAD.format(count=len(cases), date=DATE, versions=versions()), *counts(cases), ""]
    lines += ["|  | mistake | archc | PyTorch | Keras | ONNX |", "| --: | --- | --- | --- | --- | --- |"]
    for number, (case, said) in enumerate(cases, 1):
        cells = " | ".join(said[name].short for name in ("archc", *OTHERS))
        lines.append(f"| [{number}](#m{number}) | {case.mistake} | {cells} |")
    number = 0
    for title, chapter in results:
        lines += ["", f"## {title}"]
        for case, said in chapter:
            number += 1
            lines += ["", *section(number, case, said)]
    return "\n".join(lines) + "\n"


def section(number: int, case: Case, said: dict[str, Said]) -> list[str]:
    lines = [f'<a id="m{number}"></a>', f"### {number}. {case.mistake}", "", "```arch", case.arch.rstrip(), "```", ""]
    lines += ["archc says", "```", said["archc"].long, "```"]
    return [*lines, *(f"- {title}: {said[name].long}" for name, title in OTHERS.items())]


def counts(cases: list[tuple[Case, dict[str, Said]]]) -> list[str]:
    lines = []
    for name, title in {"archc": "archc", **OTHERS}.items():
        early = sum(said[name].short == "error when it is built" for _, said in cases)
        lines.append(counted(name, title, [said[name].mark for _, said in cases], early))
    return lines


def counted(name: str, title: str, marks: list[str], early: int) -> str:
    when = ", before anything runs" if name in ("archc", "onnx") else f", {early} of them when the network is built"
    none = f", no equivalent for {marks.count('none')}" if "none" in marks else ""
    told = f"a warning for {marks.count('warning')}; silence for {marks.count('nothing')}{none}"
    return f"- {title}: an error for {marks.count('error')}{when}; {told}."


def versions() -> str:
    return ", ".join(f"{title} {version(name)}" for title, name in (("PyTorch", "torch"), ("Keras", "keras"), ("ONNX", "onnx")))


HEAD = """# {count} mistakes, and who says what

The mistakes that people make most often when they write a network, each as the smallest program that has it. The same mistake was made
with PyTorch, with Keras and in an ONNX graph, and their code was really run, up to the moment when it objects: when the network is
built, at the first batch, or never. archc was asked with `archc check --data`, before anything runs, and its answers are shown in one
line each; on a terminal they come with the lines of the program, where each size comes from, and a mend.

Made by `KERAS_BACKEND=torch python benchmarks/mistakes.py` on {date} with
{versions}; ONNX's checker with `full_check`, which infers shapes.
The code of every case is in [benchmarks/mistakes](../benchmarks/mistakes). A test holds archc's answers to what it says today.

Silence is not always wrong: Keras takes labels as floats or as `[B, 1]` for what they are meant to be. Where the others have the mistake
in another form (Keras has its channels last), the case says so.
"""


def renewed(text: str) -> str:
    """The page with archc's answers as they are today, and all else as it was."""
    marks = []
    for number, case in enumerate((case for _, chapter in chapters() for case in chapter), 1):
        said = archc_says(case)
        marks.append(said.mark)
        row = re.compile(rf"^(\| \[{number}\]\(#m{number}\) \| [^|]* \| )[^|]*( \|)", re.MULTILINE)
        text = row.sub(lambda found, said=said: f"{found[1]}{said.short}{found[2]}", text)
        start = text.index(f'<a id="m{number}"></a>')
        answer = re.compile(r"archc says\n```\n.*?\n```\n", re.DOTALL).search(text, start)
        assert answer is not None, f"{PAGE.name} has no answer {number}"
        text = f"{text[: answer.start()]}archc says\n```\n{said.long}\n```\n{text[answer.end() :]}"
    return re.sub(r"^- archc: .*$", counted("archc", "archc", marks, 0), text, flags=re.MULTILINE)


def main() -> None:
    if "--archc" in sys.argv[1:]:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    os.environ.setdefault("KERAS_BACKEND", "torch")
    makers: dict[str, Callable[[], dict[str, Any]]] = {"torch": torch_names, "keras": keras_names, "onnx": onnx_names}
    names = {name: make() for name, make in makers.items()}
    results = [(title, [(case, say_all(case, names)) for case in cases]) for title, cases in chapters()]
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
