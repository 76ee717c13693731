"""The three formats: from a traced network, or its weights, to a file.

ONNX: one file, named inputs and outputs, sizes under the names of the spec, what it was made from in its metadata. pt2: what
`torch.export.load` reads, with the same as an extra file `archc.json`. safetensors: each tensor once, tied ones under their other names
in the metadata, where safetensors' own `load_model` looks for them; with the spec beside them, so that `archc.load` needs nothing else.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn

from ...compiler.plan import ModelPlan
from ...dsl.span import NOWHERE, Loc, Span
from ..executable import Executable
from ..faults.exports import NotInFormat, PackageMissing, TooBigForOnnx
from ..stops import InputFaults, Misused
from .onnx_ops import table
from .traced import Traced, layer_of, quiet

OPSET = 20
SPEC = "archc_spec"
LARGEST_ONNX = 2**31 - 2**24  # bytes of weights that fit into one protobuf message, the graph beside them
INSTALL_ONNX = "'archc[onnx]', or: pip install onnx onnxscript onnxruntime"


def names_of(plan: ModelPlan) -> tuple[list[str], list[str]]:
    """The names of inputs and outputs in the file: those of the spec; an output called as an input, or as another output, gets a number."""
    inputs = [item.name for item in plan.inputs]
    outputs: list[str] = []
    for name in plan.outputs:
        taken, number, unique = {*inputs, *outputs}, 2, name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        outputs.append(unique)
    return inputs, outputs


def description(exe: Executable) -> dict[str, str]:
    """What a file says of where it came from, as texts."""
    from ... import __version__

    plan = exe.plan.model
    inputs, outputs = names_of(plan)
    config = {
        "model": exe.name,
        "class": plan.class_name,
        "arguments": plan.arguments,
        "hyperparameters": dict(exe.hyperparameters),
        "inputs": [{"name": n, "dtype": i.dtype, "shape": i.shape} for n, i in zip(inputs, plan.inputs, strict=True)],
        "outputs": outputs,
    }
    return {
        "archc_version": __version__,
        "archc_spec_hash": exe.graph_hash,
        "archc_config": json.dumps(config, ensure_ascii=False, default=str),
    }


# ONNX -------------------------------------------------------------------------------------------------------------------


def need_onnx() -> None:
    from importlib.util import find_spec

    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise Misused(PackageMissing(NOWHERE, package, "export to ONNX", INSTALL_ONNX))


def write_onnx(traced: Traced, model: nn.Module, exe: Executable, path: Path) -> None:
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    if size > LARGEST_ONNX:
        raise InputFaults(TooBigForOnnx(NOWHERE, f"{size / 2**30:.1f} GiB"))
    import onnx

    inputs, outputs = names_of(exe.plan.model)
    try:
        # As it was traced: which kernel attention takes, and so the order in memory of what it gives, depends on gradients.
        with quiet(), torch.no_grad():
            made: Any = torch.onnx.export(
                traced.program,
                (),
                dynamo=True,
                verbose=False,
                input_names=inputs,
                output_names=outputs,
                opset_version=OPSET,
                custom_translation_table=table(),
            )
            proto = made.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise InputFaults(_refused(error, exe)) from error
    _call_sizes(proto.graph, traced.symbols)
    proto.producer_name, proto.producer_version = "archc", description(exe)["archc_version"]
    proto.doc_string = f"{exe.name}, compiled by archc"
    onnx.helper.set_model_props(proto, description(exe))
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def _call_sizes(graph: Any, symbols: Mapping[str, str]) -> None:
    """Sizes under the names of the spec; of what is only between, nothing need be said."""
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = symbols.get(dim.dim_param) or _renamed(dim.dim_param, symbols)


def _renamed(formula: str, symbols: Mapping[str, str]) -> str:
    def name(match: re.Match[str]) -> str:
        found = symbols.get(match[0], match[0])
        return found if found.isidentifier() else f"({found})"

    return re.sub(r"[A-Za-z_]\w*", name, formula)


def _refused(error: BaseException, exe: Executable) -> NotInFormat:
    """The operation that ONNX does not have, at its place in the spec."""
    cause: BaseException | None = error
    said, node = "", None
    while cause is not None:
        said = str(cause)
        node = _node_of(cause) or node
        cause = cause.__cause__
    layer, trace = layer_of(node) if node is not None else ("", "")
    return NotInFormat(place_in(trace, exe), "ONNX", _written_as(node) or said.splitlines()[0], layer)


def _written_as(node: fx.Node | None) -> str:
    """What the network calls, of which the node is a part: `cumprod`, not one of the steps that torch makes of it."""
    if node is None:
        return ""
    sources, name = node.meta.get("from_node"), node.name
    while sources:
        name, sources = sources[-1].name, sources[-1].from_node
    return re.sub(r"_\d+$", "", name)


def _node_of(error: BaseException) -> fx.Node | None:
    """The node that was being translated when this was raised."""
    trace: TracebackType | None = error.__traceback__
    found = None
    while trace is not None:
        node = trace.tb_frame.f_locals.get("node")
        found = node if isinstance(node, fx.Node) else found
        trace = trace.tb_next
    return found


def place_in(trace: str, exe: Executable) -> Span:
    """The innermost place of the spec in a traceback's text."""
    for file, line in reversed(re.findall(r'File "([^"\n]+)", line (\d+)', trace)):
        if file in exe.sources:
            lines = exe.sources[file].split("\n")
            text = lines[int(line) - 1] if int(line) <= len(lines) else ""
            return Span(file, Loc(int(line), len(text) - len(text.lstrip()) + 1), Loc(int(line), len(text.rstrip()) + 1))
    return NOWHERE


# pt2 --------------------------------------------------------------------------------------------------------------------


def write_pt2(traced: Traced, exe: Executable, path: Path) -> None:
    with quiet():
        torch.export.save(traced.program, path, extra_files={"archc.json": json.dumps(description(exe), ensure_ascii=False)})


# safetensors ------------------------------------------------------------------------------------------------------------


def write_safetensors(model: nn.Module, exe: Executable, path: Path) -> None:
    path.write_bytes(safetensors_bytes(model, exe))


def safetensors_bytes(model: nn.Module, exe: Executable) -> bytes:
    """A file that `archc.load` and `init` take: the weights, and the spec beside them."""
    from ..train import weights

    twins = weights.tied(model)
    spec = {"sources": relative_sources(exe), "model": exe.name, "hyperparameters": dict(exe.hyperparameters)}
    notes = {**description(exe), SPEC: json.dumps(spec, ensure_ascii=False, default=str)}
    return weights.packed(weights.snapshot(model, twins), twins, notes)


def relative_sources(exe: Executable) -> dict[str, str]:
    """The texts of the spec, the root first, under names that say nothing of the machine: `spec.arch`, `parts/block.arch`."""
    root = next(iter(exe.sources), "")
    home = os.path.dirname(root) or "."

    def relative(name: str) -> str:
        return name.replace(":", "/") if ":" in name else os.path.relpath(name, home).replace(os.sep, "/")

    return {"spec.arch" if name == root else relative(name): text for name, text in exe.sources.items()}
