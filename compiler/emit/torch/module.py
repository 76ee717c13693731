"""model.py: the source of a network, from its typed graph.

Comes in: a root. Goes out: a file that imports torch alone, with a class for each part, the root's last, and the place in the
spec of each line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ....dsl.span import Span
from ...game.shared import Sharing, sharing
from ...graph import Game, Graph, Recur, Repeat, SlopePenalty, Use
from ...passes.pin import pin, shown
from .cells import recur_helpers
from .classes import ClassWriter
from .games import GRADIENT_PENALTY
from .lines import Page, docstring
from .loops import ROUTED
from .machines import bodies, machine_helpers
from .names import Names
from .parts import Census, Part
from .penalties import into_objectives, threaded
from .scope import plans
from .updates import updates_last

VERSION = "0.1"
IMPORTS = (
    ("math", "import math"),
    ("lru_cache", "from functools import {}"),
    ("torch", "import torch"),
    ("Tensor nn", "from torch import {}"),
    ("F", "from torch.nn import functional as F"),
    ("create_block_mask flex_attention", "from torch.nn.attention.flex_attention import {}"),
)


@dataclass(frozen=True)
class Emitted:
    """A generated file. `spans` has the place in the spec of each line, `parameters` the hyperparameters that the root's constructor takes.

    `keywords` are their names in the constructor, where a word of Python stands in the way of the spec's. `sharing`: of a game, what its
    objectives have in common.
    """

    text: str
    spans: dict[int, Span]
    class_name: str = ""
    parameters: tuple[str, ...] = ()
    keywords: dict[str, str] = field(default_factory=dict)
    sharing: Sharing | None = None


def emit_module(root: Graph, file_name: str) -> Emitted:
    """The PyTorch source of a network."""
    given, root = root, pin(root)
    root = updates_last(root)
    root, penalties = (into_objectives(root), ()) if isinstance(root, Game) else threaded(root)
    census = Census(root)
    called = helpers(root)
    reserved = frozenset((*function_names(called), *_name(census.root, function_names(called))))
    page = Page()
    averaging: list[str] = []
    kept = [hyper.name for hyper in root.hypers]
    fixed = {hyper.name: shown(hyper.value) for hyper in given.hypers if hyper.name not in kept}
    for plan in plans(census, kept):
        if page.lines:
            page.blank(2)
        is_root = plan.part is census.root
        if is_root:
            plan.parameters = kept
        if is_root:
            writer = ClassWriter(plan, census.purity, fixed, reserved, penalties, averaging)
        else:
            writer = ClassWriter(plan, census.purity, None, reserved)
            if plan.graph.averages:
                averaging.append(plan.part.name)
        writer.write(page)
    return replace(
        finished(page, root.doc, file_name, called),
        class_name=census.root.name,
        parameters=tuple(kept),
        keywords=writer.arguments,
        sharing=sharing(root) if isinstance(root, Game) else None,
    )


def _name(root: Part, taken: Iterable[str]) -> set[str]:
    """Give the classes names in the order of their use; a second structure of a declaration gets a number after its name."""
    names = Names(taken)
    pending, seen = [root], set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        part.name = names.numbered(part.graph.name)
        pending.extend(part.kids[site] for site in sorted(part.kids, reverse=True))
    return names.taken


def helpers(graph: Graph) -> list[str]:
    """The helper functions that layers of the graph call, each once."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    pending = [graph]
    while pending:
        here = pending.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        pending.extend(bodies(here))
        for helper in machine_helpers(here):
            found[helper.strip("\n")] = None
        for node in here.nodes:
            called = [node.op.called()] if hasattr(node.op, "called") else []
            if isinstance(node.op, Repeat) and node.op.routed:
                called = [ROUTED]
            for helper in recur_helpers(node.op) if isinstance(node.op, Recur) else called:
                for function in helper.split("\f") if helper else ():
                    found[function.strip("\n")] = None
            if isinstance(node.op, SlopePenalty):
                found[GRADIENT_PENALTY.strip("\n")] = None
            if isinstance(node.op, Use):
                pending.append(node.op.graph)
            elif isinstance(node.op, Repeat):
                pending.extend(level.graph for level in node.op.levels)
    return sorted(found)


def function_names(functions: Iterable[str]) -> list[str]:
    """What helper functions are called."""
    return [name for function in functions for name in re.findall(r"^(?:def|class) (\w+)", function, re.MULTILINE)]


def finished(body: Page, doc: str | None, file_name: str, functions: Iterable[str], head: str = "") -> Emitted:
    """The file around a body: first words, imports, helper functions."""
    text = "\n\n\n".join([*functions, body.text()])
    origin = f"Generated by archc {VERSION} from {file_name}. Needs only torch."
    page = Page()
    for line in docstring([doc or "", origin]):
        page.raw(line)
    page.blank()
    page.raw("\n".join([*imports(text), *([head] if head else [])]))
    page.blank(2)
    for function in functions:
        page.raw(function)
        page.blank(2)
    before = len(page.lines)
    page.lines += body.lines
    spans = {before + number: span for number, span in body.spans.items()}
    return Emitted(page.text(), spans)


def imports(text: str) -> Iterator[str]:
    """The imports that a text needs."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for names, statement in IMPORTS:
        wanted = [name for name in names.split() if name in used]
        if wanted:
            yield statement.format(", ".join(wanted))
