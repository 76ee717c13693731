"""Names of the generated source: spec names made safe, each taken once.

Comes in: identifiers of the language. Goes out: identifiers of Python that hide nothing the generated text uses. Nothing else of a spec
reaches the text unquoted.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

# Attributes of every nn.Module; a test holds the list equal to PyTorch's. A key of one of these names would break the module.
RESERVED_KEYS = frozenset(
    """
    T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
    _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs _get_backward_hooks
    _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks
    _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members _non_persistent_buffers_set _parameters
    _register_load_state_dict_pre_hook _register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward
    _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl add_module apply bfloat16 buffers call_super_init children
    compile cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu
    load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad
    """.split()
)
_TAKEN = frozenset({"torch", "nn", "F", "math", "Tensor", "self"}) | frozenset(dir(builtins)) | frozenset(keyword.kwlist)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def is_reserved_key(key: str) -> bool:
    """May no layer or parameter have this name? Names that begin with two underscores are changed by Python inside a class."""
    return key in RESERVED_KEYS or key.startswith("__") or keyword.iskeyword(key)


def identifier(name: str) -> str:
    """`name` as it may stand in Python text: other characters become underscores, a taken name gets one at its end."""
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not safe or safe[0].isdigit() or safe.startswith("__"):
        safe = f"v{safe}"
    return f"{safe}_" if safe in _TAKEN else safe


def checked_key(key: str) -> str:
    """A key stands in the text as it is; the checker lets no other through."""
    if not _IDENTIFIER.fullmatch(key) or is_reserved_key(key):
        raise ValueError(f"{key!r} cannot be the name of a submodule")
    return key


def snake(name: str) -> str:
    """`CausalSelfAttention` to `causal_self_attention`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def camel(name: str) -> str:
    """`stack1` to `Stack1`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class Names:
    """A namespace in which each name is given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def new(self, name: str) -> str:
        """`name` made safe, with underscores after it while it is taken."""
        safe = identifier(name)
        while safe in self.taken:
            safe += "_"
        self.taken.add(safe)
        return safe

    def numbered(self, name: str) -> str:
        """`name` made safe; the second is `name2`, or `name_2` after a digit."""
        safe, number = identifier(name), 1
        joint = "_" if safe[-1].isdigit() else ""
        found = safe
        while found in self.taken:
            number += 1
            found = f"{safe}{joint}{number}"
        self.taken.add(found)
        return found
