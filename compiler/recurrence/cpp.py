"""The steps of cells as one C++ translation unit with a plain C interface: forward and backward over the whole sequence.

One parallel region, and a barrier where a phase reads whole rows that others have made; the weights of products are packed once a call into
panels of `VL` columns, and what a product leaves in its accumulators goes straight into the equations. All widths are padded to a multiple
of `VL` columns; what stands in the padding is never read across columns, so that no number of it (not even NaN) reaches the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .backward import backward
from .forward import forward
from .loops import Cell
from .prelude import CALL, PRELUDE
from .scan import scan, scans
from .terms import Equations

SCAN = """
extern "C" void scan_@(const Call* c) { cell_@::scan(*c); }
extern "C" void scan_back_@(const Call* c) { cell_@::scan_back(*c); }
"""
INTERFACE = """
extern "C" void pack_weights_@(const Call* c) { cell_@::pack(*c); }
extern "C" void forward_steps_@(const Call* c) { cell_@::forward(*c); }
extern "C" void backward_steps_@(const Call* c) { cell_@::backward(*c); }
"""


def translation_unit(cells: Sequence[Equations], dtype: Literal["float", "double"]) -> str:
    """The whole C++ text, the functions of each cell named by its number. It depends on the equations and the dtype alone, not on widths,
    the batch or the number of steps."""
    return "".join(
        [PRELUDE, f"typedef {dtype} T;\n", CALL, *(_cell(equations, number) for number, equations in enumerate(cells))]
    )


def _cell(equations: Equations, number: int) -> str:
    cell = Cell.of(equations)
    head = f"namespace {{ namespace cell_{number} {{\nconstexpr int {cell.counts};\n"
    functions, interface = forward(cell) + backward(cell), INTERFACE
    if scans(cell):
        functions, interface = functions + scan(cell), interface + SCAN
    return "".join([head, functions, "} }\n", interface.replace("@", str(number))])
