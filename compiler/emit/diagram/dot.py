"""Scene to DOT text. All that knows Graphviz is here: attributes, escapes, spacing.

Whatever comes from a spec is escaped for the place where it stands; names of nodes are made here, never taken from a spec. Labels are
set in Helvetica, whose widths every renderer knows or replaces by a font of the same widths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from ...attention.picture import BLIND, DEPENDS, SEES
from .palette import BLUE, GREY, GROUND, HUES, INK, LINE, PALE, HueName
from .scene import Group, Item, Scene, Strip, Wire
from .words import LONGEST

_HEAD = f"""\
  graph [rankdir=RANKS, compound=true, bgcolor="white", pad=0.25, nodesep=0.45, ranksep=0.32, splines=spline, fontname="Helvetica",
    fontsize=10, fontcolor="{INK}"]
  node [shape=plain, fontname="Helvetica", fontsize=10, fontcolor="{INK}"]
  edge [fontname="Helvetica", fontsize=9, fontcolor="{GREY}", color="{LINE}", arrowsize=0.6, penwidth=0.9]
"""


def write(scene: Scene) -> str:
    """The scene as one DOT graph, the same text for the same scene."""
    lines = ["digraph archc {", _HEAD.rstrip("\n").replace("RANKS", "LR" if scene.sideways else "TB")]
    lines.append(f"  label=<{_heading(scene)}>; labelloc=t; labeljust=l; tooltip={_quoted(scene.tip)}")
    lines += _children(scene.main.children, scene.main.wires, "  ", 0)
    for panel, sketch in scene.panels:
        lines += _group(panel, sketch.wires, "  ", 0, panel=True)
    return "\n".join([*lines, "}", ""])


def _children(children: tuple[Item | Group, ...], wires: Sequence[Wire], indent: str, floor: int) -> Iterator[str]:
    """What is in a group, with the wires that stay in it: those of a deeper group stand there, so that they run inside its border."""
    deeper = set()
    for child in children:
        if isinstance(child, Group):
            inside = [wire for wire in wires if {wire.tail, wire.head} <= _items(child)]
            deeper.update(inside)
            yield from _group(child, inside, indent, floor)
        else:
            yield f"{indent}{_name(child.id)} {_item(child)}"
    for wire in wires:
        if wire not in deeper:
            yield f"{indent}{_wire(wire)}"


def _items(group: Group) -> frozenset[str]:
    found: set[str] = set()
    for child in group.children:
        found |= _items(child) if isinstance(child, Group) else {child.id}
    return frozenset(found)


def _group(group: Group, wires: Sequence[Wire], indent: str, floor: int, panel: bool = False) -> Iterator[str]:
    style = "rounded,filled,dashed" if panel or group.dashed else "rounded,filled"
    line = HUES[group.hue].line if group.hue is not None else PALE
    ground = HUES[group.hue].fill if group.hue is not None else GROUND[floor % 2]
    yield f"{indent}subgraph {_cluster(group.id)} {{"
    yield f'{indent}  label=<{_frame_title(group.title)}>; labeljust=l; style="{style}"; fillcolor="{ground}"; color="{line}"'
    yield f"{indent}  penwidth={1.5 if group.hue is not None else 1}; margin=12; tooltip={_quoted(group.tip)}"
    yield from _children(group.children, wires, f"{indent}  ", floor + 1)
    yield f"{indent}}}"


# Items ----------------------------------------------------------------------------------------------------------------


_CIRCLE = (
    "shape=circle, width=0.24, height=0.24, fixedsize=true, margin=0, fontsize=12, "
    f'style=filled, fillcolor="white", color="{LINE}", penwidth=0.9'
)
_DOT = f'shape=circle, label="", width=0.06, height=0.06, fixedsize=true, style=filled, fillcolor="{LINE}", color="{LINE}"'
_MORE = f'shape=box, style="rounded,dashed", color="{LINE}", fontcolor="{GREY}", margin="0.14,0.06", height=0.3'


def _item(item: Item) -> str:
    strip, tip = item.strips[0], f"tooltip={_quoted(item.tip)}"
    match item.kind:
        case "circle":
            return f"[label=<{_html(strip.name)}>, {_CIRCLE}, {tip}]"
        case "gate":
            hue = HUES[strip.hue]
            look = _CIRCLE.replace(LINE, hue.line).replace('"white"', f'"{hue.fill}"').replace("0.24", "0.34")
            name = f'<font color="{hue.line}" point-size="10"><b> {_html(strip.name)} </b></font>'
            size = 12 if len(strip.size) < 2 else 8 if len(strip.size) < 5 else 7
            return f'[label=<<font point-size="{size}">{_html(strip.size)}</font>>, {look}, xlabel=<{name}>, {tip}]'
        case "dot":
            return f"[{_DOT}, {tip}]"
        case "name":
            return f"[label=<{_inline(strip)}>, margin=0.03, {tip}]"
        case "more":
            return f"[label=<{_html(strip.name)}>, {_MORE}, {tip}]"
    pills = "".join(f"<tr><td>{_pill(one, item.dashed)}</td></tr>" for one in item.strips)
    return f'[label=<<table border="0" cellborder="0" cellspacing="1" cellpadding="0">{pills}</table>>, {tip}]'


def _pill(strip: Strip, dashed: bool) -> str:
    hue = HUES[strip.hue]
    style = "rounded,dashed" if dashed else "rounded"
    cost = f'<td align="right"> <font color="{hue.line}">{_html(strip.cost)}</font> </td>' if strip.cost else ""
    return (
        f'<table border="1" cellborder="0" cellspacing="0" cellpadding="4" style="{style}" color="{hue.line}" bgcolor="{hue.fill}">'
        f'<tr><td align="{"left" if cost else "center"}"> {_named(strip)} </td>{cost}</tr>{_mask(strip, hue.line)}</table>'
    )


def _mask(strip: Strip, colour: str) -> str:
    """A row below the name with a square for each place of a mask: filled where the query sees the key, grey where that depends."""
    if not strip.mask:
        return ""
    fills = {SEES: colour, BLIND: "white", DEPENDS: PALE}
    rows = "".join(
        "<tr>" + "".join(f'<td width="5" height="5" fixedsize="true" bgcolor="{fills[cell]}"></td>' for cell in row) + "</tr>"
        for row in strip.mask
    )
    side = 5 * len(strip.mask) + 2
    size = f'fixedsize="true" width="{side}" height="{side}"'  # else it is stretched to the name's width
    table = f'<table border="1" cellborder="0" cellspacing="0" cellpadding="0" {size} color="{colour}">{rows}</table>'
    return f'<tr><td colspan="{2 if strip.cost else 1}">{table}</td></tr>'


def _frame_title(strip: Strip) -> str:
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="3"><tr><td>{_inline(strip)}</td></tr></table>'


def _inline(strip: Strip) -> str:
    cost = f'  <font color="{GREY}">{_html(strip.cost)}</font>' if strip.cost else ""
    lines = _lines(strip.size)
    if len(lines) < 2:
        return f"{_named(strip)}{cost}"
    below = "".join(f'<font color="{GREY}">{_html(line)}</font>{BREAK}' for line in lines)
    return f"{_named(Strip(strip.name, times=strip.times, strong=strip.strong))}{cost}{BREAK}{below}"


def _named(strip: Strip) -> str:
    """The name, then what stands behind it."""
    name = f"<b>{_html(strip.name)}</b>" if strip.strong else _html(strip.name)
    times = f'  <font color="{BLUE}"><b>{_html(strip.times)}</b></font>' if strip.times else ""
    lines = [f'<font color="{GREY}">  {_html(line)}</font>' for line in _lines(strip.size)]
    size = f"{BREAK.join(lines)}{BREAK}" if len(lines) > 1 else "".join(lines)
    blank = f'<font color="{GREY}"> </font>'  # a line of one font sits lower
    return f"{name}{times}{size or blank}"


BREAK = '<br align="left"/>'


def _lines(size: str) -> list[str]:
    """What stands behind a name, in lines: broken after a comma where there is one in time."""
    lines: list[str] = []
    for piece in re.split(r"(?<=[,;]) ", size) if size else ():
        if lines and len(lines[-1]) + len(piece) < LONGEST:
            lines[-1] += f" {piece}"
        else:
            lines += wrap(piece, LONGEST, break_long_words=False)
    return lines


# Lines ----------------------------------------------------------------------------------------------------------------


def _wire(wire: Wire) -> str:
    given = []
    if wire.kind == "skip":
        given += [f'color="{PALE}"', "weight=0"]
    elif wire.kind == "shared":
        given += ["style=dashed", "arrowhead=none", "constraint=false", f'color="{PALE}"']
    elif wire.kind in ("mutual", "down"):
        given += ["dir=none" if wire.kind == "mutual" else "dir=back", "penwidth=1.6", "weight=100"]
    elif wire.kind == "moves" and wire.hue is not None:
        line = HUES[wire.hue].line
        given += ["style=dashed", "constraint=false", f'color="{line}"', f'fontcolor="{line}"']
    elif wire.kind == "state":
        given += [f'color="{BLUE}"', "penwidth=2.2", "weight=50"]
    elif wire.kind == "next":
        given += ["style=dashed", "constraint=false", f'color="{BLUE}"', f"label=<{_delayed(wire.label)}>"]
    else:
        given.append("weight=100" if wire.main else "weight=1")
    if wire.into:
        given.append(f"lhead={_cluster(wire.into)}")
    if wire.label and wire.kind != "next":
        given.append(f"label=< {_html(wire.label)}>")
    return f"{_name(wire.tail)} -> {_name(wire.head)} [{', '.join(given)}]"


def _delayed(label: str) -> str:
    """The mark of a delay by one step, and what is delayed."""
    frame = f'border="1" cellborder="0" cellspacing="0" cellpadding="1" color="{BLUE}"'
    mark = f'<table {frame}><tr><td><font color="{BLUE}">z⁻¹</font></td></tr></table>'
    return f'<table border="0" cellborder="0" cellspacing="1" cellpadding="0"><tr><td>{mark}</td><td> {_html(label)}</td></tr></table>'


# The heading ----------------------------------------------------------------------------------------------------------


def _heading(scene: Scene) -> str:
    title = f'<font point-size="15"><b>{_html(scene.title.name)}</b></font>'
    rows = [f'{title}   <font color="{GREY}" point-size="11">{_html(scene.title.size)}</font>']
    rows += (f'<font color="{GREY}">{_html(line)}</font>' for line in wrap(scene.subtitle, 64, max_lines=3, placeholder=" …"))
    if scene.hues:
        rows.append(_legend(scene.hues))
    rows += (f'<font color="{GREY}" point-size="9">{_html(note)}</font>' for note in scene.notes)
    cells = "".join(f'<tr><td align="left" balign="left">{row}</td></tr>' for row in rows)
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="3">{cells}<tr><td height="6"></td></tr></table>'


def _legend(hues: tuple[HueName, ...]) -> str:
    chips = "".join(
        f'<td><table border="1" cellborder="0" cellspacing="0" cellpadding="2" style="rounded" color="{hue.line}" bgcolor="{hue.fill}"><tr>'
        f'<td><font point-size="8" color="{hue.line}"> {_html(hue.legend)} </font></td></tr></table></td>'
        for hue in map(HUES.__getitem__, hues)
    )
    return f'<table border="0" cellborder="0" cellspacing="2" cellpadding="0"><tr>{chips}</tr></table>'


# Escapes --------------------------------------------------------------------------------------------------------------


def _name(item: str) -> str:
    return f"n{item}"


def _cluster(group: str) -> str:
    return f"cluster_{group}"


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(
        char
        for char in text
        if char in "\n\t" or " " <= char < "\x7f" or "\xa0" <= char < "\ud800" or "\ue000" <= char < "\ufffe" or char > "\uffff"
    )


def _html(text: str) -> str:
    plain = _clean(text).replace("\n", " ").replace("\t", " ")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _quoted(text: str) -> str:
    """A tooltip: entities for all that SVG or DOT reserve. Never empty, or Graphviz would show the source of the label.

    Graphviz expands backslashes in tooltips several times over, versions differ in how often; so none gets there: ∖ looks like one.
    """
    plain = _clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return '"' + (plain.replace("\\", "∖").replace("\n", "&#10;").replace("\t", " ") or " ") + '"'
