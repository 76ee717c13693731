"""A summary as a table for the terminal. Rich is imported when a table is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.emit.sizes import worded
from ..compiler.emit.summary import Row, Summary
from ..compiler.graph import TensorType
from ..compiler.shapes import Dim

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

LONGEST = 32  # characters of a formula in a row; the totals are written out
WIDEST = 56  # characters of a step and what is said of it; more goes on in the next line
UNITS = ("", "k", "M", "G", "T", "P")


def table(summary: Summary) -> Table:
    """The rows, indented by nesting, with the totals under them.

    Texts of the spec are set as they are: nothing in them is read as markup.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    free = f"  over {', '.join(summary.dims)}" if summary.dims else ""
    made = Table(
        box=box.SIMPLE_HEAD,
        title=Text(f"{summary.model}{free}"),
        title_justify="left",
        title_style="bold",
        show_footer=True,
        pad_edge=False,
    )
    made.add_column("layer", footer="total", no_wrap=True)
    made.add_column("key", style="dim", overflow="fold")
    made.add_column("gives", overflow="fold")
    made.add_column("parameters", footer=f"{summary.parameters:,}", justify="right", no_wrap=True)
    made.add_column("multiply-adds", footer=shown(summary.multiply_adds), justify="right", overflow="fold")
    made.add_column(
        "activations" if not summary.dims else "activations (bytes)",
        footer=size(summary.activation_bytes),
        justify="right",
        overflow="fold",
    )
    for row in summary.rows:
        made.add_row(
            _layer(row),
            Text(row.path.rpartition(".")[2]),
            Text(" ".join(_shape(tensor) for tensor in row.outputs)),
            Text(f"{row.parameters:,}" if row.parameters else "", style="blue"),
            "" if row.multiply_adds == 0 else brief(shown(row.multiply_adds)),
            "" if row.activation_bytes == 0 else brief(size(row.activation_bytes)),
        )
    return made


def _layer(row: Row) -> Text:
    """The step, with its arguments and what is said of it: lines of words, those after the first further in."""
    from rich.text import Text

    pieces = [(row.layer, ""), (row.arguments, "dim"), ("" if row.count == 1 else f"×{row.count}", "bold blue")]
    words = [(word, style) for text, style in (*pieces, (row.note, "italic dim")) for word in text.split(" ") if word]
    text = Text("  " * row.depth)
    length = 2 * row.depth
    for word, style in words:
        if length + 1 + len(word) > max(WIDEST, 2 * row.depth + WIDEST // 2):
            text.append("\n" + "  " * (row.depth + 2))
            length = 2 * (row.depth + 2)
        elif length > 2 * row.depth:
            text.append(" ")
            length += 1
        text.append(word, style=style)
        length += len(word)
    return text


def _shape(tensor: TensorType) -> str:
    dims = ", ".join(worded(size.value, _up) for size in tensor.shape)
    return f"[{dims}]" if tensor.dtype == "float" else f"{tensor.dtype}[{dims}]"


def _up(left: str, right: str) -> str:
    return f"⌈{left}/{right}⌉"


def shown(formula: Dim) -> str:
    """A count: 4.09 G, or its formula in the free dims."""
    return worded(formula, _up) if formula.constant is None else _scaled(formula.constant, 1000, "")


def size(formula: Dim) -> str:
    """Bytes: 2.3 MiB, or their formula."""
    return worded(formula, _up) if formula.constant is None else _scaled(formula.constant, 1024, "iB")


def brief(text: str) -> str:
    """Cut where a row would become a page; `--dim` puts numbers in."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _scaled(number: int, step: int, unit: str) -> str:
    scaled, place = float(number), 0
    while scaled >= step and place < len(UNITS) - 1:
        scaled, place = scaled / step, place + 1
    if place == 0:
        return f"{number}{' B' if unit else ''}"
    prefix = UNITS[place].upper() if unit else UNITS[place]
    return f"{scaled:.3g} {prefix}{unit}" if scaled < 1000 else f"{scaled:.0f} {prefix}{unit}"
