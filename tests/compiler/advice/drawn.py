"""Drawn correct programs: networks of flows, stacks, branches, blocks and shared layers, in which every name is used."""

from __future__ import annotations

from random import Random

ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "leaky_relu(0.2)", "softplus")
BLOCKS = """block Residual(width, act: callable = relu)(x: [B, D]) -> [B, D] {
    h = x -> dense(width) -> act -> dense(D)
    return x + h
}

block Unit(width, norm: callable = batch_norm, stride = 1)(x: [B, C, H, W]) {
    h = x -> conv(width, 3, stride=stride, padding=1) -> norm -> relu
    if stride != 1 or C != width {
        skip = x -> conv(width, 1, stride=stride)
    } else {
        skip = x
    }
    return h + skip
}

"""
DATA = """
data digits = sklearn("digits") {
    image = images / 16 -> reshape(1, 8, 8)
    label = target
}

train Net on digits {
    loss      cross_entropy(logits, label)
    metric    accuracy(logits, label)
    optimizer adam(lr=1e-3)
    epochs    2
}
"""


class Program:
    """One drawn program: values that are not read yet, each with its width (a row) or its channels and side (an image)."""

    def __init__(self, seed: int) -> None:
        self.r = Random(seed)
        self.lines: list[str] = []
        self.count = 0
        self.images: list[tuple[str, int, int]] = [("image", 1, 8)]
        self.rows: list[tuple[str, int]] = []

    @property
    def act(self) -> str:
        return self.r.choice(ACTIVATIONS)

    def name(self) -> str:
        self.count += 1
        return f"h{self.count}"

    def say(self, line: str) -> None:
        self.lines.append(f"    {line}")

    def text(self) -> str:
        for _ in range(self.r.randint(2, 9)):
            self.image_step() if self.images and self.r.random() < 0.5 else self.row_step()
        while self.images:
            self.flattened()
        names = [name for name, _ in self.rows]
        joined = names[0] if len(names) == 1 else f"concat({', '.join(names)}, dim=-1)"
        self.say(f"logits = {joined} -> dense(64) -> {self.act} -> dropout(rate) -> dense(classes)")
        self.say("return logits")
        model = "model Net(classes = 10, rate = 0.1, depth = 2)(image: [B, 1, 8, 8]) -> [B, classes] {\n"
        depth = f"    assert depth > 0\n{self.choice()}"
        return f"{BLOCKS}{model}" + "\n".join(self.lines[:-2]) + f"\n{depth}" + "\n".join(self.lines[-2:]) + f"\n}}\n{DATA}"

    def choice(self) -> str:
        """A branch in which each side reads a value; it gives the first row anew."""
        name, width = self.rows[0]
        other = f"{name} -> stack depth {{ dense({width}) -> {self.act} }}"
        then, otherwise = f"        {name} = {other}", f"        {name} = {name} -> tanh"
        return f"    if depth > {self.r.randint(0, 3)} {{\n{then}\n    }} else {{\n{otherwise}\n    }}\n"

    # Images -----------------------------------------------------------------------------------------------------------

    def image_step(self) -> None:
        name, _, side = self.images.pop(self.r.randrange(len(self.images)))
        new, width = self.name(), self.r.choice((4, 8, 12))
        match self.r.randint(0, 6):
            case 0:
                self.say(f"{new} = {name} -> conv({width}, 3, padding=1, bias=false) -> batch_norm -> {self.act}")
            case 1:
                self.say(f"{new} = {name} -> conv({width}, 3, padding=1) -> {self.act} -> dropout(rate)")
            case 2:
                self.say(f"{new} = relu(conv({width}, 3, padding=1)({name}))")
            case 3 if side >= 4:
                self.say(f"{new} = {name} -> conv({width}, 1) -> {self.act} -> {self.r.choice(('max_pool', 'avg_pool'))}(2)")
                side //= 2
            case 4:
                self.say(f"{new} = {name} -> Unit({width}) -> Unit({width}, norm=group_norm(2))")
            case 5:
                self.say(f"{new} = {name} -> permute(0, 2, 3, 1) -> dense({width}) -> {self.act} -> permute(0, 3, 1, 2)")
            case _:
                self.say(
                    f"{new} = concat({name} -> conv({width}, 3, padding=1), {name} -> conv({width}, 1), dim=1) -> {self.act}"
                )
                width *= 2
        self.images.append((new, width, side))
        if self.r.random() < 0.3:
            self.flattened()

    def flattened(self) -> None:
        name, channels, side = self.images.pop()
        new = self.name()
        if self.r.random() < 0.5:
            self.say(f"{new} = {name} -> flatten")
            self.rows.append((new, channels * side * side))
        else:
            self.say(f"{new} = {name} -> global_avg_pool")
            self.rows.append((new, channels))

    # Rows -------------------------------------------------------------------------------------------------------------

    def row_step(self) -> None:
        if not self.rows:
            self.flattened()
        name, width = self.rows.pop(self.r.randrange(len(self.rows)))
        new, wide = self.name(), self.r.choice((8, 16, 24))
        match self.r.randint(0, 8):
            case 0:
                self.say(f"{new} = {name} -> dense({wide}) -> {self.act}")
            case 1:
                self.say(f"{new} = {name} -> dense({wide}) -> layer_norm -> {self.act} -> dropout(rate)")
            case 2:
                self.say(f"{new} = {name} -> dense({wide}, bias=false) -> batch_norm -> {self.act}")
            case 3:
                self.say(f"{new} = {name} -> stack w in [32, {wide}] {{ dense(w) -> {self.act} }}")
            case 4:
                self.say(f"{new} = {name} -> Residual({wide}) -> Residual({wide}, act={self.act})")
                wide = width
            case 5:
                self.say(f"layer f{new} = dense({wide})")
                self.say(f"{new} = f{new}({name}) * sigmoid(f{new}(-{name}))")
            case 6:
                self.say(f"param w{new}: [{width}] = ones")
                self.say(f"{new} = w{new} * {name} -> dense({wide}) -> {self.act}")
            case 7:
                self.say(f"{new}, all{new} = stack depth from u = {name} {{")
                self.say(f"    v  = u -> dense({width}) -> {self.act}")
                self.say("    u' = u + v\n        return v\n    }")
                self.say(f"{new} = {new} + sum(all{new})")
                wide = width
            case _:
                self.say(f"gate{new} = softmax({name} -> dense({wide}))")
                self.say(f"{new} = gate{new} * ({name} -> dense({wide}) -> {self.act})")
        self.rows.append((new, wide))
        if self.r.random() < 0.3:  # read twice
            again = self.name()
            self.say(f"{again} = {new} -> dense({wide}) -> {self.act}")
            self.rows.append((again, wide))
