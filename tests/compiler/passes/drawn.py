"""Drawn programs with much for the passes to do: steps that change nothing, equal ones, dead ones, parts that are read in part."""

from __future__ import annotations

from itertools import count
from random import Random

WIDTH = 6
PARTS = f"""block Hand(x: [B, D]) -> [B, D] {{
    return x * 1 -> dropout(0)
}}

block Three(inner)(x: [B, D], y: [B, D]) {{
    a = x -> dense(inner) -> tanh
    b = (a * 2 -> dense(D)) + y
    return a, b, x + 0
}}

block Idle(x: [B, D]) {{
    unread = sum(x ** 2, dim=-1)
    return x -> unsqueeze(1) -> squeeze(dim=1), tanh(x)
}}

block Twin(x: [B, D]) {{
    s = x -> dense({WIDTH}) -> relu -> relu
    a, b = s -> Idle
    return a * sigmoid(s) + sigmoid(s), b
}}

"""
IDENTITIES = (
    "{x} * 1",
    "1 * {x}",
    "{x} + 0",
    "{x} / 1",
    "{x} - 0.0",
    "{x} ** 1",
    "-(-{x})",
    "{x} -> dropout(0)",
    "{x} -> path_dropout(0)",
    "{x} -> transpose -> transpose",
    "{x} -> permute(1, 0) -> permute(1, 0)",
    "{x} -> unsqueeze(2) -> squeeze(dim=2)",
    f"{{x}} -> reshape(2, {WIDTH // 2}) -> flatten",
    "{x} -> Hand",
    "{x} -> stack 3 {{ Hand }}",
    "{x} -> stack 2 {{ dropout(0) }}",
    "{x} -> stack 0 {{ dense(3) }}",
    "{x} -> flip(dims=1) -> flip(dims=1)",
)
STEPS = (
    "{x} -> tanh",
    "{x} -> relu -> relu",
    "softmax({x}) * {y}",
    "sigmoid({x}) * {y} + sigmoid({x})",
    "{x} + {y}",
    "{x} * {y} - {x} * {y} / 2",
    f"{{x}} -> dense({WIDTH})",
    "{x} -> batch_norm",
    "{x} -> dropout(0.5)",
    "({x} -> dropout(0.5)) - ({x} -> dropout(0.5))",
    "shared({x}) + shared({x})",
    "{x} -> layer_norm -> tanh",
    "{x} -> abs -> abs -> stop_gradient -> stop_gradient",
)


class Program:
    """One drawn program. Values are rows `[B, WIDTH]`; some are never read."""

    def __init__(self, seed: int) -> None:
        self.r = Random(seed)
        self.lines = [f"    layer shared = dense({WIDTH})"]
        self.names = ["x", "y"]
        self.numbers = count(2)

    def text(self) -> str:
        for _ in range(self.r.randint(3, 12)):
            self.step()
        returned = self.r.sample(self.names, self.r.randint(1, 3))
        results = [f"{name} * {k}.5" for k, name in enumerate(returned)]
        named = [f"    out{k} = {result}" for k, result in enumerate(results)]
        gives = ", ".join(f"out{k}" for k in range(len(results)))
        body = "\n".join([*self.lines, *named, f"    return {gives}"])
        return f"{PARTS}model Net(scale = 1)(x: [B, {WIDTH}], y: [B, {WIDTH}]) {{\n{body}\n}}\n"

    def value(self) -> str:
        return self.r.choice(self.names)

    def name(self) -> str:
        self.names.append(f"v{next(self.numbers)}")
        return self.names[-1]

    def step(self) -> None:
        x, y = self.value(), self.value()
        match self.r.randint(0, 8):
            case 0 | 1 | 2:
                written = self.r.choice(IDENTITIES).format(x=x)
                self.lines.append(f"    {self.name()} = {written}")
            case 3 | 4 | 5:
                written = self.r.choice(STEPS).format(x=x, y=y)
                for _ in range(self.r.choice((1, 1, 2))):
                    self.lines.append(f"    {self.name()} = {written}")
            case 6:
                a, b, c = self.name(), self.name(), self.name()
                self.names.remove(a)  # of another width
                self.lines.append(f"    {a}, {b}, {c} = ({x}, {y}) -> Three({self.r.choice((3, WIDTH))})")
            case 7:
                a, b = self.name(), self.name()
                self.lines.append(f"    {a}, {b} = {x} -> {self.r.choice(('Twin', 'Idle'))}")
            case _:
                self.stack(x, y)

    def stack(self, x: str, y: str) -> None:
        """Two values carried, one or both of them changed; what each level returns is read in part."""
        new, all_ = self.name(), f"l{len(self.names)}"
        change = self.r.choice(("h", "h + t", f"(h -> dense({WIDTH})) * {y}", "h + s * 0", "h * 1"))
        kept = self.r.choice(("s", "s * 1", "s + h"))
        self.lines += [
            f"    {new}, s{new}, {all_} = stack {self.r.randint(1, 3)} from h = {x}, s = {y} {{",
            f"        t, u = h -> {self.r.choice(('Idle', 'Twin'))}",
            f"        h' = {change}",
            f"        s' = {kept}",
            f"        return {self.r.choice(('t', 'u', 's', y, 't, u'))}" if self.r.random() < 0.8 else "        return t",
            "    }",
        ]
        self.names.append(f"s{new}")
