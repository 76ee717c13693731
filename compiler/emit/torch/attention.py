"""An `attend` in a `forward`: heads split, the mask or bias made by broadcasting of positions, and the call that its lowering asks for.

Comes in: a writer at an `attend`. Goes out: its lines, and the function of the class that builds what is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...attention.flex import FlexAttend
from ...attention.lowering import Kind, lowering_of, said_of
from ...attention.recognise import Form
from ...attention.terms import Equation
from ...graph import Ref
from ...layers.attention import Attend
from ...shapes import Size
from ...streaming.ops import StreamedAttend
from ..code import ATOM, PRODUCT, SIGN, Code, Show, binary, call, method
from .equations import Sheet, joined
from .flex import function
from .lines import Line
from .names import Names, identifier

if TYPE_CHECKING:
    from .forward import Writer

LONGEST = 100


def write_attend(writer: Writer, i: int) -> None:
    """The lines of an `attend`, and the variable of what comes out."""
    _Attention(writer, i).write()


class _Attention:
    def __init__(self, writer: Writer, i: int) -> None:
        self.writer, self.i, self.node = writer, i, writer.wiring.nodes[i]
        assert isinstance(self.node.op, Attend)
        self.op: Attend = self.node.op
        self.operands = writer.wiring.operands[i]
        self.codes = [writer.code(operand) for operand in self.operands]
        self.types = [writer.graph.type_of(ref) for ref in self.operands if isinstance(ref, Ref)]
        self.heads, self.shared = self.op.counts(self.types[0], self.types[1])
        self.extents = dict(
            zip("bhij", (self.types[0].shape[0], self.heads, self.types[0].shape[-2], self.types[1].shape[-2]), strict=True)
        )
        self.show = Show(writer.setting.names)
        self.taken: set[str] = set()
        self.spans: dict[str, tuple[str, str]] = {}  # of a step: where the positions that an index stands for begin and end
        self.positions: dict[str, str] = {}  # of a block: the variables of its positions

    def say(self, text: str, comment: str = "") -> None:
        self.writer.lines.append(Line(text, self.node.span, comment=comment))

    def free(self, name: str) -> str:
        """A variable for this step alone, like `name`."""
        number, found = 1, identifier(name)
        while found in self.taken or not self.writer.is_free(found, self.i - 1):
            number += 1
            found = f"{identifier(name)}{number}"
        self.taken.add(found)
        return found

    def write(self) -> None:
        q, k, v = self._split()
        kind: Kind = lowering_of(self.op).kind
        if isinstance(self.op, StreamedAttend):
            kind = self._stepped(self.op, q, k, v)
        match kind:
            case _ if isinstance(self.op, FlexAttend):
                result = self._flexed(q, k, v)
            case "plain":
                result = self._plain(q, k, v)
            case "blocks":
                result = self._by_blocks(q, k, v)
            case _:
                result = self._fused(q, k, v, kind)
        ref = Ref(self.i)
        target = self.writer.assign(ref)
        if self.types[0].rank == 3:
            joined_heads = Code(f"{result.at(ATOM)}.transpose(1, 2).flatten(2)")
            if len(joined_heads.text) > LONGEST:
                self.say(f"{target} = {result}")
                joined_heads = Code(f"{target}.transpose(1, 2).flatten(2)")
            result = joined_heads
        self.say(f"{target} = {result}", self.writer.comment(self.i, [ref]))

    # Steps ------------------------------------------------------------------------------------------------------------

    def _stepped(self, op: StreamedAttend, q: str, k: str, v: str) -> Kind:
        """The keys of earlier tokens before those of this step; positions are counted from the first of all. Gives the lowering."""
        cache = self.codes[-1].text
        steps = self.show(self.extents["i"])
        self.spans["i"] = (f"{cache}.past", f"{cache}.past + {steps}")
        if op.grows:
            window = {} if op.window is None else {"window": self.show(op.window)}
            self.say(f"{k}, {v} = {call(f'{cache}.grown', k, v, **window)}")
            self.spans["j"] = (f"{cache}.past + {steps} - {k}.shape[2]", f"{cache}.past + {steps}")
        if op.score is not None:
            return "plain"
        return "whole" if op.mask is None and op.bias is None else "batch"

    # Heads ------------------------------------------------------------------------------------------------------------

    def _split(self) -> tuple[str, str, str]:
        """q, k and v as `[B, heads, T, d]`."""
        codes = [code.text for code in self.codes[:3]]
        if self.types[0].rank == 4:
            return codes[0], codes[1], codes[2]
        parts = [(codes[0], self.show(self.heads)), *((code, self.show(self.shared)) for code in codes[1:])]
        names: dict[tuple[str, str], str] = {}
        for place, part in enumerate(parts):
            if part not in names:
                names[part] = self._renamed(place, part[0])
        groups: dict[str, list[tuple[str, str]]] = {}
        for code, heads in names:
            groups.setdefault(heads, []).append((code, names[code, heads]))
        for heads, members in groups.items():
            self._split_line(heads, members)
        return names[parts[0]], names[parts[1]], names[parts[2]]

    def _renamed(self, place: int, code: str) -> str:
        """The variable of a tensor in heads: its own where nothing reads that any more."""
        ref = self.operands[place]
        assert isinstance(ref, Ref)
        own = code.isidentifier() and self.writer.is_free(code, self.i) and code not in self.taken
        if own and sum(other == ref for other in self.operands) == 1:
            self.taken.add(code)
            return code
        return self.free("qkv"[place])

    def _split_line(self, heads: str, members: list[tuple[str, str]]) -> None:
        def cut(text: str) -> str:
            return f"{text}.unflatten(-1, ({heads}, -1)).transpose(1, 2)"

        size = self.heads if heads == self.show(self.heads) else self.shared
        which = 0 if members[0][0] == self.codes[0].text else 1
        shape = self.types[which].shape
        comment = f"[{shape[0].text}, {size.text}, {shape[1].text}, {(shape[2] // size).text}]"
        if len(members) == 1:
            self.say(f"{members[0][1]} = {cut(members[0][0])}", comment)
            return
        targets, sources = (", ".join(names) for names in zip(*((new, old) for old, new in members), strict=True))
        item = next(name for name in ("t", "x", "each", "tensor") if name not in heads)
        self.say(f"{targets} = ({cut(item)} for {item} in ({sources}))", comment)

    # scaled_dot_product_attention -------------------------------------------------------------------------------------

    def _fused(self, q: str, k: str, v: str, kind: str) -> Code:
        options: dict[str, str] = {}
        if kind == "causal":
            options["is_causal"] = "True"
        elif kind in ("kept", "batch"):
            options["attn_mask"] = self._kept(q) if kind == "kept" else self._built(q)
        if self.op.drops:
            options["dropout_p"] = f"{self.show(self.op.dropout)} if self.training else 0.0"
        if self.op.scale is not None:
            options["scale"] = self.show(self.op.scale)
        if self.heads.text != self.shared.text:
            options["enable_gqa"] = "True"
        return call("F.scaled_dot_product_attention", q, k, v, **options)

    def _by_blocks(self, q: str, k: str, v: str) -> Code:
        """Blocks of queries, each with the keys near it: the attention of a block is a function of its own."""
        assert self.op.mask is not None
        near = Form(self.op.mask).near
        assert near is not None
        given = {
            name: self.show.dim(b.text).text for name, b in (("before", near.before), ("after", near.after)) if b is not None
        }
        given |= self._numbers(q, near.ours, near.theirs)
        name, lines = self.free("attention"), self.writer.lines
        read = set(re.findall(r"\w+", " ".join(code.text for code in self.codes[3:])))
        own = {letter: self.free(letter) if letter in read else letter for letter in "qkvij"}
        query, key, value = (own[letter] for letter in "qkv")
        self.positions = {letter: own[letter] for letter in "ij"}
        self.writer.lines = []
        written_out = self.op.score is not None
        result = self._plain(query, key, value) if written_out else self._fused(query, key, value, "batch")
        self.say(f"return {result}")
        inside, self.writer.lines = self.writer.lines, lines
        parameters = ", ".join(f"{parameter}: Tensor" for parameter in own.values())
        self.say("")
        self.say(f"def {name}({parameters}) -> Tensor:")
        lines += (line.moved(1) for line in (*(Line(text, self.node.span) for text in docstring_of(said_of(self.op))), *inside))
        self.say("")
        self.positions = {}
        return call("by_blocks", name, q, k, v, **given)

    def _numbers(self, q: str, ours: int | None, theirs: int | None) -> dict[str, str]:
        """The numbers of the documents of queries and of keys, if there are documents."""
        if self.op.mask is None or ours is None or theirs is None:
            return {}
        numbers = {"ours": self.op.mask.value_at(ours), "theirs": self.op.mask.value_at(theirs)}
        sheet = self._sheet(self.show, f"{q}.device", f"{q}.dtype", self.free, equations=numbers)
        codes = {name: sheet.value(name).text for name in numbers}
        for line in sheet.lines:
            self.say(line)
        return codes

    def _built(self, q: str) -> str:
        """A mask or bias that is built here."""
        mask, bias = self.op.mask, self.op.bias
        sheet = self._sheet(self.show, f"{q}.device", f"{q}.dtype", self.free)
        code = sheet.mask_of(mask is not None, bias is not None)
        for line in sheet.lines:
            self.say(line)
        name = self.free("bias" if mask is None else "mask")
        axes = ", ".join(sheet.shape_of(self.extents))
        self.say(f"{name} = {code}", "" if self.spans or self.positions else f"[{axes}]")
        return name

    def _sheet(
        self, show: Show, device: str, dtype: str, free: object, score: str = "", equations: Mapping[str, Equation] | None = None
    ) -> Sheet:
        tensors = {place: code for place, code in enumerate(self.codes) if place >= 3}
        sheet = Sheet(joined(equations or self.op.equations), show, self.extents, tensors, device, dtype, free, score)  # type: ignore[arg-type]
        if isinstance(self.op, StreamedAttend):
            sheet.walk(self.spans, self.op.moving)
        elif self.positions:
            sheet.stand(self.positions)
        return sheet

    def _kept(self, q: str) -> str:
        """A mask or bias that depends on sizes alone: a function of the class builds it once."""
        mask, bias = self.op.mask, self.op.bias
        numbers: dict[str, None] = {}

        def record(name: str) -> str:
            numbers[name] = None
            return parameters.setdefault(name, names.new(name))

        names = Names({"device", "dtype"})
        parameters: dict[str, str] = {}
        sheet = self._sheet(Show(record), "device", "dtype", names.new)
        code = sheet.mask_of(mask is not None, bias is not None)
        keys = {node.key for node in self.writer.graph.nodes} | {hyper.name for hyper in self.writer.graph.hypers}
        methods = Names({*(key for key in keys if key), *(name.lower() for name in self.writer.graph.dims), *self.writer.methods})
        name = methods.new("bias" if mask is None else "mask")
        real = sheet.reals
        given = [f"{parameters[n]}: {'float' if n in real else 'int'}" for n in numbers] + ["device: torch.device"]
        given += ["dtype: torch.dtype"] if sheet.typed else []
        lines = [
            Line("@staticmethod", self.node.span),
            Line("@kept", self.node.span),
            Line(f"def {name}({', '.join(given)}) -> Tensor:", self.node.span),
            *(Line(text, self.node.span, 1) for text in docstring_of(said_of(self.op))),
            *(Line(text, self.node.span, 1) for text in (*sheet.lines, f"return {code}")),
        ]
        self.writer.methods[name] = lines
        arguments = [str(self.writer.setting.names(n)) for n in numbers] + [f"{q}.device"]
        return call(f"self.{name}", *arguments, *([f"{q}.dtype"] if sheet.typed else [])).text

    # FlexAttention ----------------------------------------------------------------------------------------------------

    def _flexed(self, q: str, k: str, v: str) -> Code:
        """A function of the mask, one of the score, and the call."""
        given = self.op.equations
        parts = {"mask": {"mask"} & given.keys(), "score": {"score", "bias"} & given.keys()}
        tensors = {place: code for place, code in enumerate(self.codes) if place >= 3}
        options: dict[str, str] = {}
        for part, names in parts.items():
            if names:
                equations = {name: equation for name, equation in given.items() if name in names}
                options[part] = self.free(part)
                self.say("")
                for line in function(options[part], equations, self.extents, tensors, self.writer.setting.names, f"{q}.dtype"):
                    self.say(line)
        self.say("")
        if self.op.mask is not None:
            axes = self.op.mask.axes()[-1]
            options |= {flag: "True" for flag, index in (("batch", "b"), ("heads", "h")) if index in axes}
            options |= {} if self.op.mask.reads else {"kept": "True"}
        if self.op.scale is not None:
            options["scale"] = self.show(self.op.scale)
        return call("flexed", q, k, v, **options)

    # Written out ------------------------------------------------------------------------------------------------------

    def _plain(self, q: str, k: str, v: str) -> Code:
        """Scores, their softmax, and the sum, one after the other."""
        if self.heads.text != self.shared.text:
            shares = self.show(Size.of(self.heads.value // self.shared.value, self.heads.text // self.shared.text))
            for name in dict.fromkeys((k, v)):
                self.say(f"{name} = {name}.repeat_interleave({shares}, dim=1)")
        score = self.free("score")
        width = Code(f"{q}.shape[-1]")
        scale = binary("**", width, Code("-0.5", SIGN)) if self.op.scale is None else self.show.code(self.op.scale)
        axes = ", ".join(str(self.extents[axis].text) for axis in "bhij")
        self.say(f"{score} = {q} @ {k}.mT * {scale.at(PRODUCT + 1)}", "" if self.positions else f"[{axes}]")
        sheet = self._sheet(self.show, f"{q}.device", f"{q}.dtype", self.free, score)
        roots = {name: sheet.truth(name) if name == "mask" else sheet.number(name) for name in self.op.equations}
        for line in sheet.lines:
            self.say(line)
        if "score" in roots:
            whole = sheet.axes[sheet.roots["score"]] >= set("bhij")
            self.say(f"{score} = {roots['score'] if whole else method(roots['score'], 'expand_as', score)}")
        if "bias" in roots:
            self.say(f"{score} = {binary('+', Code(score), roots['bias'])}")
        weights = Code(score)
        if "mask" in roots:
            mask = self.free("mask")
            self.say(f"{mask} = {roots['mask']}")
            lowest = f"torch.finfo({score}.dtype).min"
            weights = method(weights, "masked_fill", f"~{mask}", lowest)
        weights = method(weights, "softmax", "-1")
        if "mask" in roots:
            weights = binary("*", weights, Code(mask))
        self.say(f"{score} = {weights}")
        if self.op.drops:
            self.say(f"{score} = {call('F.dropout', score, self.show(self.op.dropout), 'self.training')}")
        return Code(f"{score} @ {v}", PRODUCT)


def docstring_of(said: str) -> list[str]:
    from .lines import docstring

    return docstring([f"{said}."])
