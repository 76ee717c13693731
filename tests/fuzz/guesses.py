"""Programs that are nearly right: any layer, any form of the language, mostly with names that are in scope and arguments that might fit.

They get past the parser and into the elaborator, where changed text seldom comes.
"""

from __future__ import annotations

from functools import cache
from random import Random

from archc.compiler.layers import registry

DIMS = ("B", "T", "H", "W", "D", "C", "S", "N")
SIZES = (
    *DIMS,
    "1",
    "2",
    "3",
    "4",
    "8",
    "16",
    "64",
    "width",
    "2 * D",
    "D // 2",
    "H + 1",
    "D / heads",
    "H % 4",
    "T - 1",
    "...",
    "0",
    "-1",
)
NUMBERS = (
    "0 1 2 3 4 7 8 16 64 -1 -2 0.5 0.1 1e-3 2.0 1e300 0.0 100000 10**6 10**30 width depth heads D H B T -1/2 D//2 2**width inf pi true "
    "false none"
).split()
LISTS = (
    "[]",
    "[1]",
    "[1, 2]",
    "[3, 3]",
    "[8, 16, 8]",
    "widths",
    "range(3)",
    "range(depth)",
    "reverse(widths)",
    "[[1, 2], [3, 4]]",
    "(1, 2)",
)
WORDS = (
    '"same"',
    '"valid"',
    '"mean"',
    '"reflect"',
    '"zeros"',
    '"nearest"',
    '"bilinear"',
    '"b t d -> b d t"',
    '"b d, b d -> b"',
    '"b ... -> ..."',
    '""',
)
CALLABLES = (
    "relu",
    "tanh",
    "dense(8)",
    "dense(width)",
    "conv(8, 3)",
    "batch_norm",
    "layer_norm",
    "gelu -> dense(D)",
    "act",
    "dropout(0.1)",
)
STARTS = ("zeros", "ones", "normal(std=0.02)", "uniform(-1, 1)", "constant(width)", "kaiming_normal", "learned", "x", "0")
OPERATORS = ("+", "-", "*", "/", "//", "%", "@", "**", "==", "<", ">=", "!=", "and", "or")
FUNCTIONS = "len min max sum abs sqrt log exp ceil floor range enumerate zip reverse".split()
TYPES = (": int", ": float", ": bool", ": list", ": str", ": callable", "", "", "", "")
KINDS = ("model", "block", "block", "block", "cell", "attention", "energy", "adversarial")


@cache
def layers() -> list[str]:
    return sorted(name for name in registry() if name.isidentifier())


class Guess:
    """One program, of a few declarations that use one another."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.parts: list[str] = []
        self.tensors: list[str] = []
        self.depth = 0

    def some(self, chance: float) -> bool:
        return self.draw.random() < chance

    def pick(self, *pools: tuple[str, ...] | list[str]) -> str:
        return self.draw.choice(self.draw.choice([pool for pool in pools if pool]))

    def text(self) -> str:
        made = [self.declaration(f"Part{i}", self.pick(KINDS)) for i in range(self.draw.randint(0, 2))]
        made.append(self.declaration("Net", "model"))
        if self.some(0.3):
            self.draw.shuffle(made)
        if self.some(0.3):
            made += [self.data(), self.train()]
        return "\n".join(made)

    # Declarations -----------------------------------------------------------------------------------------------------

    def declaration(self, name: str, kind: str) -> str:
        self.tensors = self.draw.sample(["x", "y", "z", "m"], self.draw.choice((1, 1, 1, 2, 3)))
        given = ", ".join(f"{t}: {self.type()}{' = none' if self.some(0.05) else ''}" for t in self.tensors)
        hypers = ", ".join(self.hyper(n) for n in ("width", "depth", "heads", "widths", "act") if self.some(0.6))
        result = f" -> {self.type()}" if self.some(0.15) else ""
        lines = [self.statement(1) for _ in range(self.draw.randint(1, 6))]
        end = (
            ""
            if self.some(0.05)
            else f"    return {', '.join(self.expression(1) for _ in range(self.draw.choice((1, 1, 1, 2))))}\n"
        )
        self.parts.append(name)
        return f"{kind} {name}({hypers})({given}){result} {{\n{''.join(lines)}{end}}}\n"

    def hyper(self, name: str) -> str:
        value = {"widths": LISTS, "act": CALLABLES}.get(name, NUMBERS)
        default = f" = {self.pick(value)}" if self.some(0.85) else ""
        return f"{name}{self.draw.choice(TYPES) if self.some(0.1) else ''}{default}"

    def type(self) -> str:
        dtype = self.draw.choice(("int", "bool", "binary")) if self.some(0.12) else ""
        first = [] if self.some(0.1) else ["B"]
        return f"{dtype}[{', '.join([*first, *(self.draw.choice(SIZES) for _ in range(self.draw.choice((0, 1, 1, 2, 3, 3))))])}]"

    def data(self) -> str:
        columns = "".join(f"    {n} = {self.expression(2)}\n" for n in ("x", "label", "split") if self.some(0.8))
        return f'data digits = {self.pick(("sklearn", "csv", "npz"))}("digits") {{\n    image = images / 16\n{columns}}}\n'

    def train(self) -> str:
        clauses = [
            f"loss {self.pick(['cross_entropy', 'mse', 'l1'])}({self.expression(2)}, label)",
            f"metric accuracy({self.expression(2)}, label)",
            f"optimizer adam(lr={self.pick(NUMBERS)})",
            f"schedule {self.pick(['cosine', 'linear', 'step', 'cosine(warmup=3)'])}",
            f"epochs {self.pick(NUMBERS)}",
            f"phase one {{ loss {self.expression(2)} }}",
            f"freeze {self.name()}",
            "clip 1.0",
        ]
        chosen = "".join(f"    {clause}\n" for clause in clauses if self.some(0.5))
        return f"train Net({self.arguments(2)}) on digits {{\n{chosen}}}\n"

    # Statements -------------------------------------------------------------------------------------------------------

    def statement(self, level: int) -> str:
        pad = "    " * level
        new = self.draw.choice(("a", "b", "c", "h", *self.tensors))
        value = self.expression
        match self.draw.randint(0, 19):
            case 0:
                line = f"layer {new} = {self.callable(1)}"
            case 1:
                line = f"param {new}: {self.type()} = {self.pick(STARTS)}"
            case 2:
                line = f'assert {value(2)} {self.draw.choice(OPERATORS)} {value(2)}, "why"'
            case 3 if level < 3:
                body = "".join(self.statement(level + 1) for _ in range(2))
                other = f" else {{\n{self.statement(level + 1)}{pad}}}" if self.some(0.5) else ""
                line = f"if {value(2)} {self.draw.choice(OPERATORS)} {self.pick(NUMBERS)} {{\n{body}{pad}}}{other}"
            case 4:
                line = f"gate {new} = {value(0)}"
            case 5:
                line = f"{new}, {self.draw.choice(('p', 'q', '_'))} = {value(0)}"
            case 6 if level < 3:
                line = self.carried(new, level)
            case 7:
                line = self.draw.choice(
                    (
                        f"state {new}: {self.type()}",
                        f"{new}' = {value(0)}",
                        f"{new} ~ normal(0, {value(2)})",
                        f"mask[i, j] = {value(2)} < j",
                        f"penalty {new} = {value(1)}",
                        f"latent {new}: binary{self.type()}",
                        f"player {new} = {self.callable(1)}",
                        f"{new} minimizes {value(1)}",
                        f"buffer {new}: {self.type()}",
                    )
                )
            case _:
                line = f"{new} = {value(0)}"
        self.tensors.append(new)
        return f"{pad}{line}\n"

    def carried(self, new: str, level: int) -> str:
        pad = "    " * level
        head = self.pick(
            [
                "depth",
                "3",
                "w in widths",
                "i in 0..3",
                "w, v in zip(widths, widths)",
                "i, w in enumerate(widths)",
                "2 tied",
                "10**9",
            ]
        )
        inner = "".join(self.statement(level + 1) for _ in range(self.draw.randint(0, 2)))
        result = f"{pad}    return {self.expression(1)}\n" if self.some(0.4) else ""
        return f"{new}, all = stack {head} from u = {self.expression(1)} {{\n{inner}{pad}    u' = {self.expression(1)}\n{result}{pad}}}"

    # Expressions ------------------------------------------------------------------------------------------------------

    def name(self) -> str:
        return (
            "nothing"
            if self.some(0.02)
            else self.pick(self.tensors, self.tensors, self.tensors, list(DIMS), ["width", "depth", "widths"])
        )

    def expression(self, depth: int) -> str:
        if depth > 3:
            return self.pick(self.tensors, self.tensors, NUMBERS, LISTS)
        less = depth + 1
        value = self.expression
        match self.draw.randint(0, 17):
            case 0 | 1 | 2 | 3 | 4 | 5:
                return self.flow(less) if depth == 0 else f"({self.flow(less)})"
            case 6:
                return f"{value(less)} {self.draw.choice(OPERATORS[:8])} {value(less)}"
            case 7:
                return f"({value(less)}) {self.draw.choice(OPERATORS)} ({value(less)})"
            case 8:
                return f"{self.draw.choice(FUNCTIONS)}({', '.join(value(less) for _ in range(self.draw.choice((1, 1, 2))))})"
            case 9:
                return f"{self.pick(layers())}({value(less)}, {self.arguments(less)})"
            case 10:
                return f"({value(less)} if {value(less)} {self.draw.choice(OPERATORS)} {self.pick(NUMBERS)} else {value(less)})"
            case 11:
                return f"{self.name()}[{', '.join(self.index(less) for _ in range(self.draw.choice((1, 1, 2))))}]"
            case 12:
                return f"concat({value(less)}, {value(less)}, dim={self.pick(NUMBERS, DIMS)})"
            case 13:
                return f"-({value(less)})" if self.some(0.7) else f"(not ({value(less)}))"
            case 14:
                return f"(({value(less)}, {value(less)}) -> {self.callable(less)})"
            case 15:
                return f"{self.name()}.{self.pick(['weight', 'bias', 'h', 'last'])}"
        return self.pick(self.tensors, self.tensors, self.tensors, NUMBERS)

    def index(self, depth: int) -> str:
        ends = [self.pick(NUMBERS, ["", ""]), self.pick(NUMBERS, ["", ""])]
        return self.pick([":".join(ends), ":", "none", "...", self.expression(depth), self.pick(NUMBERS)])

    def flow(self, depth: int) -> str:
        return f"{self.name()} -> {' -> '.join(self.callable(depth) for _ in range(self.draw.choice((1, 1, 2, 3))))}"

    def callable(self, depth: int) -> str:
        if depth <= 2 and self.some(0.15):
            kind = self.pick(["stack", "stack", "parallel"])
            over = self.pick(["2", "depth", "3 tied", "w in widths", "w in [8, 16]", "i in 0..depth", "0", "10000", "1000000000"])
            return f"{kind} {over} {{ {self.flow_of(depth + 1)} }}"
        if self.some(0.2) and self.parts:
            return f"{self.pick(self.parts)}({self.arguments(depth)})" if self.some(0.6) else self.pick(self.parts)
        if self.some(0.1):
            return self.pick(CALLABLES, self.tensors, ["act"])
        if self.some(0.08):
            return f"recur({self.pick(self.parts or ['Cell'])}({self.arguments(depth)}), reverse=true)"
        name = self.pick(layers())
        return f"{name}({self.arguments(depth, name)})" if self.some(0.75) else name

    def flow_of(self, depth: int) -> str:
        return " -> ".join(self.callable(depth) for _ in range(self.draw.choice((1, 2))))

    def arguments(self, depth: int, layer: str = "") -> str:
        """Some without names, some by the names of the layer's fields."""
        plain = [self.argument(depth) for _ in range(self.draw.choice((0, 1, 1, 2)))]
        fields = list(registry()[layer].model_fields) if layer else ["width", "depth", "act", "widths"]
        named = [f"{name}={self.argument(depth)}" for name in fields if self.some(0.2)]
        return ", ".join([*plain, *named])

    def argument(self, depth: int) -> str:
        if depth < 3 and self.some(0.1):
            return self.expression(depth + 1)
        return self.pick(NUMBERS, NUMBERS, NUMBERS, LISTS, WORDS, CALLABLES, STARTS, DIMS)
