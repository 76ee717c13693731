"""`archc layers`: the reference of the layers and ops, each with an example that runs."""

import inspect
import re
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .options import Json
from .show import out, out_json, table

if TYPE_CHECKING:
    from ...compiler.emit.summary import Summary
    from ...compiler.layers.base import Layer
    from ..library import Part

LONGEST = 110


def run(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The layer to show; its name in PyTorch or Keras does too.")
    ] = None,
    json: Json = False,
) -> None:
    """List the layers, the ops and the standard library, or show one with a runnable example."""
    from ...compiler.layers import registry
    from ...compiler.scopes import synonyms
    from ..library import parts

    known = registry()
    if name is None:
        shown = sorted(known.values(), key=lambda layer: (layer.family, layer.name))
        if json:
            for layer in shown:
                out_json(described(layer))
        else:
            out(f"{_list(shown)}\n\n{_library()}")
        return
    part = _part(name)
    if part is not None:
        out_json(described_part(part)) if json else out(part_page(part))
        return
    found = known.get(name) or known.get(synonyms().get(name, ""))
    if found is None:
        _unknown(name, (*known, *(part.name for part in parts())))
    elif json:
        example = summary_of_example(found)
        out_json(described(found) | {"example_costs": None if example is None else example.json_object()})
    else:
        out(page(found, name))


def _unknown(name: str, known: tuple[str, ...]) -> NoReturn:
    from ...dsl.span import NOWHERE
    from ..faults.specs import NotKnown
    from ..stops import Misused

    raise Misused(NotKnown(NOWHERE, "layer or op", name, known))


def _list(layers: "list[type[Layer]]") -> str:
    blocks = []
    for family in dict.fromkeys(layer.family for layer in layers):
        rows = [[f"  {layer.name}", first_sentence(layer)] for layer in layers if layer.family == family]
        blocks.append(f"{family}\n{table(rows)}")
    return "\n\n".join(blocks)


def _library() -> str:
    """The parts of the standard library, a paragraph for each module."""
    from ..library import parts

    modules = dict.fromkeys(part.module for part in parts())
    return "\n\n".join(
        f"from {module} import …\n{table([[f'  {p.name}', p.sentence] for p in parts() if p.module == module])}"
        for module in modules
    )


def _part(name: str) -> "Part | None":
    from ..library import parts

    return next((part for part in parts() if part.name == name), None)


def part_page(part: "Part") -> str:
    """The reference of a part of the standard library: how it is imported, and its text."""
    return f"from {part.module} import {part.name}\n\n{part.text}"


def described_part(part: "Part") -> dict[str, Any]:
    """The same as data."""
    return {"name": part.name, "module": part.module, "signature": part.head, "doc": part.doc, "source": part.text}


def page(layer: "type[Layer]", asked: str) -> str:
    """The reference of one layer."""
    from ...compiler.layers.examples import example_block

    parts = [f"{asked} is {layer.name} here.\n"] if asked != layer.name else []
    parts += [signature(layer), "", inspect.cleandoc(layer.__doc__ or "")]
    if layer.formula:
        parts += ["", f"    {layer.formula}"]
    parts += ["", "example:", "", *(f"    {line}" for line in example_block(layer).rstrip().split("\n"))]
    example = summary_of_example(layer)
    if example is not None:
        parts += ["", f"it gives {', '.join(map(str, example.rows[-1].outputs))}, and costs {_costs(example)}"]
    if layer.synonyms:
        parts += ["", f"elsewhere: {', '.join(layer.synonyms)}"]
    return "\n".join(parts)


def summary_of_example(layer: "type[Layer]") -> "Summary | None":
    """What the example gives and costs; none of what stands in a column or a train program, not in a body."""
    from ...compiler.emit.summary import summarise
    from ...compiler.layers.examples import example_block
    from ...compiler.pipeline import elaborate_source
    from ...dsl.source import Source

    if layer.family in ("column", "energy"):
        return None
    found, _ = elaborate_source(Source(f"{layer.name}.arch", example_block(layer).replace("block ", "model ", 1)))
    return None if found is None else summarise(found.graph)


def _costs(summary: "Summary") -> str:
    """`448 parameters, 432·B·H·W multiply-adds, 64·B·H·W bytes of activations`."""
    from ..summary_table import shown

    counts = [
        (f"{summary.parameters:,} parameters", summary.parameters != 0),
        (f"{shown(summary.multiply_adds)} multiply-adds", summary.multiply_adds != 0),
        (f"{shown(summary.activation_bytes)} bytes of activations", summary.activation_bytes != 0),
    ]
    return ", ".join(count for count, some in counts if some) or "nothing"


def signature(layer: "type[Layer]") -> str:
    """`conv(channels, kernel, stride=1, …)`."""
    from ...compiler.emit.summary import written
    from ...compiler.layers.base import positional

    given = []
    by_name = [name for name in ("init", "bias_init") if name in layer.model_fields]
    for name in (*positional(layer), *([layer.further] if layer.further else []), *by_name):
        field = layer.model_fields[name]
        if name == layer.further:
            given.append("name=size, …")
        elif name == layer.variadic:
            given.append(f"{name}, …")
        else:
            given.append(name if field.required else f"{name}={written(field.default)}")
    return f"{layer.name}({', '.join(given)})"


def first_sentence(layer: "type[Layer]") -> str:
    """What it is, in one sentence, cut where it is long."""
    text = " ".join(inspect.cleandoc(layer.__doc__ or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.:;])\s", text, maxsplit=1)[0].rstrip(".:;")
    return sentence if len(sentence) <= LONGEST else f"{sentence[: LONGEST - 1].rstrip()}…"


def described(layer: "type[Layer]") -> dict[str, Any]:
    """The reference as data."""
    from ...compiler.layers.examples import example_block

    return {
        "name": layer.name,
        "family": layer.family,
        "signature": signature(layer),
        "doc": inspect.cleandoc(layer.__doc__ or ""),
        "formula": layer.formula,
        "example": example_block(layer),
        "owns_weights": layer.owns,
        "synonyms": list(layer.synonyms),
    }
