"""PyTorch source: typed graphs in, the text that a person would have written out.

`construct`, `forward`, `loops` and `checks` write statements; `parts` and `scope` settle which classes there are and what they
take; `module` and `program` are the files.
"""

from .module import Emitted, emit_module
from .program import Function, emit_functions

__all__ = ["Emitted", "Function", "emit_functions", "emit_module"]
