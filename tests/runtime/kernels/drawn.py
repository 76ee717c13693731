"""Cells drawn at random: states, gates and functions of numbers in any order, as text of the language."""

import random

GATES = ("sigmoid({})", "exp(-abs({}))", "tanh({}) ** 2", "1 - sigmoid({})", "clip({}, min=0.0, max=1.0)")
# PyTorch's gradients of hardsigmoid, and of celu where 1 / alpha is no float32, are those of float32 in float64, too.
FUNCTIONS = (
    *(
        "tanh({})",
        "sin({})",
        "cos({})",
        "relu({})",
        "silu({})",
        "gelu({})",
        'gelu({}, approximate="tanh")',
        "elu({})",
        "celu({}, alpha=0.5)",
    ),
    *(
        "selu({})",
        "softplus({}, beta=1.5)",
        "mish({})",
        "leaky_relu({}, negative_slope=0.2)",
        "relu6({})",
        "hardtanh({})",
        "hardswish({})",
    ),
    *(
        "softsign({})",
        "tanhshrink({})",
        "softshrink({})",
        "hardshrink({}, lambd=0.3)",
        "threshold({}, threshold=0.1, value=-0.2)",
    ),
    *("logsigmoid({})", "atan({})", "erf({})", "square({})", "abs({})", "sqrt(1 + {} ** 2)", "log1p(abs({}))", "expm1(-abs({}))"),
    *(
        "reciprocal(1.5 + sin({}))",
        "rsqrt(2 + cos({}))",
        "log2(1.5 + abs({}))",
        "sign({}) * 0.5",
        "tan(tanh({}))",
        "stop_gradient({})",
    ),
)
PAIRS = ("({a} + {b})", "({a} - {b})", "{a} * {b}", "{a} / (1.5 + abs({b}))", "maximum({a}, {b})", "minimum({a}, {b})")
CHOICES = ("where({a} > {b}, {a}, 0.5 * {b})", "where({a} <= 0 and not ({b} > 0.2), {b}, -{a})", "float({a} >= {b}) * {a}")


class Cell:
    """One drawn cell: 1 to 4 states, 1 to 6 gates, a few further values, as a model over time."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.width, self.states = self.draw.randint(1, 35), [f"s{k}" for k in range(self.draw.randint(1, 4))]
        self.names = list(self.states)
        lines = [f"    state {name}: [B, width]{self.draw.choice(['', ' = 0.5', ' = learned'])}" for name in self.states]
        lines += ["    param p: [width] = normal(std=0.5)"]
        self.names.append("p")
        for k in range(self.draw.randint(1, 6)):
            lines.append(f"    gate g{k} = {self.draw.choice(GATES).format(self.product())}")
            self.names.append(f"g{k}")
        for k in range(self.draw.randint(1, 4)):
            lines.append(f"    v{k} = {self.value()}")
            self.names.append(f"v{k}")
        gates = [name for name in self.names if name.startswith("g")]
        for name in self.states:
            gate = self.draw.choice(gates)
            lines.append(f"    {name}' = {gate} * {name} + (1 - {gate}) * tanh({self.value()})")
        read = [*gates, "p", *(name for name in self.names if name.startswith("v"))]
        outputs = [f"{self.draw.choice(self.states)}' + 0 * ({' + '.join(read)})", f"tanh({self.value()})"][
            : self.draw.randint(1, 2)
        ]
        self.text = (
            "cell C(width)(x: [B, D]) {\n" + "\n".join(lines) + f"\n    return {', '.join(outputs)}\n}}\n"
            f"model Net(x: [B, T, 3], n: int[B]) {{\n    made = recur(C({self.width}), length=n)(x)\n"
        )
        first = "made" if len(outputs) == 1 else "a"
        if len(outputs) == 2:
            self.text = self.text.replace("    made = recur", "    a, b, _ = recur")
            self.text += "    return a + 0.5 * b\n}\n"
        else:
            self.text = self.text.replace("    made = recur", "    made, _ = recur")
            self.text += f"    return {first}\n}}\n"

    def product(self) -> str:
        """What a gate is made of: a map of the input, of a state or of both, and perhaps a state or a parameter beside it."""
        state = self.draw.choice(self.states)
        read = self.draw.choice(["x", f"x, {state}", state])
        bias = self.draw.choice(["", ", bias=false"])
        return f"dense(width{bias})({read})" + self.draw.choice(["", f" + p * {state}"])

    def value(self) -> str:
        a, b = (self.draw.choice([*self.names, self.product()]) for _ in "ab")
        joined = self.draw.choice((*PAIRS, *CHOICES)).format(a=f"({a})", b=f"({b})")
        return self.draw.choice((*FUNCTIONS, "{}")).format(f"({joined})")
