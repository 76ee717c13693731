"""Cells drawn at random, as text: one to four states, one to six gates, any functions of single numbers that the language has; every
other one also reads what its step has computed, in dense maps and in functions of whole rows."""

from hypothesis import strategies as st

# Each keeps what it is given within bounds or far from where its slope has none, so that numbers after several steps can be compared.
# hardsigmoid is left out: its derivative in PyTorch takes 1/6 as a float32, so that in float64 it is itself off by 5e-9; so is that of
# celu where 1 / alpha is no float32.
ONE = (
    *("sigmoid({a})", "tanh({a})", "relu({a})", "silu({a})", "abs({a})", "sin({a})", "cos({a})", "logsigmoid({a})", "-{a}"),
    *("exp(tanh({a}))", "log(1.5 + abs({a}))", "sqrt(1 + square({a}))", "clip({a}, min=-0.8, max=1.1)", "square(tanh({a}))"),
    *("softplus({a})", "softsign({a})", "tanhshrink({a})", "relu6({a})", "hardswish({a})", "mish({a})"),
    *("reciprocal(2 + sin({a}))", "rsqrt(1 + square({a}))", "0.7 * {a}", "1 - {a}"),
    *("erf({a})", "gelu({a})", "atan({a})", "elu({a})", "celu({a})", "selu({a})", "leaky_relu({a})", "softshrink({a})"),
    *(
        'gelu({a}, approximate="tanh")',
        "softplus({a}, beta=1.5)",
        "leaky_relu({a}, negative_slope=0.2)",
        "hardshrink({a}, lambd=0.3)",
    ),
    *(
        "threshold({a}, threshold=0.1, value=-0.2)",
        "celu({a}, alpha=0.5)",
        "sign({a}) * 0.5",
        "stop_gradient({a})",
        "tanh({a}) ** 3",
    ),
    *("hardtanh({a})", "expm1(tanh({a}))", "log1p(abs({a}))", "log2(1.5 + abs({a}))", "log10(1.5 + abs({a}))", "tan(tanh({a}))"),
)
TWO = (
    *("{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (1 + abs({b}))", "maximum({a}, {b})", "minimum({a}, {b})"),
    *("where({a} > {b}, {a}, 0.5 * {b})", "where({a} <= 0 and not ({b} > 0.2), {b}, -{a})", "float({a} >= {b}) * {a}"),
)
ROWS = (
    *(
        "softmax({a} + {s})",
        "layer_norm({a} + {s})",
        "rms_norm(eps=0.01)({a} + {s})",
        "log_softmax({a} * {s})",
        "softmin({a} - {s})",
    ),
    *("({a} + {s} - mean({a} + {s}, dim=-1, keepdim=true))", "tanh(sum({a} * {s}, dim=-1, keepdim=true)) * {s}"),
    *("logsumexp({a} + {s}, dim=-1, keepdim=true) * {s}", "({s} - max({a} + {s}, dim=-1, keepdim=true))"),
    *("var({a} + {s}, dim=-1, keepdim=true) * {s}", "dense(width)({a} * {s})", "dense(width, bias=false)({s}, {a} + {s})"),
    *("sigmoid(dense(1)({s})) * {s}", "dense(width)(dense(3)({a} + {s}))"),
)
WITHOUT = "rrelu({a})"  # it draws: it has no kernel, nor has a cell that uses it
WIDTH = 5


@st.composite
def cells(draw: st.DrawFn, *, products: bool = True) -> str:
    """A cell `Drawn(width)` and a model that runs it over x: [B, T, 3], some of them backward, of examples as long as n says. Without
    `products` its maps are of the inputs alone."""
    states = [f"s{k}" for k in range(draw(st.integers(1, 4)))]
    gates = [f"g{k}" for k in range(draw(st.integers(1, 6)))]
    has_vector = draw(st.booleans())
    ones = (*ONE, WITHOUT) if draw(st.integers(0, 9)) == 9 else ONE
    known = [*states, *(["v"] if has_vector else [])]
    staged = products and draw(st.booleans())
    kinds = ("leaf", "one", "two", "row") if staged else ("leaf", "one", "two")

    def leaf() -> str:
        state = draw(st.sampled_from(states))
        maps = ["dense(width)(x)", f"dense(width)(x, {state})", f"dense(width, bias=false)({state})", f"dense(width)({state})"]
        return draw(st.sampled_from([*(maps if products else maps[:1]), *known]))

    def value(depth: int) -> str:
        kind = draw(st.sampled_from(kinds)) if depth else "leaf"
        if kind == "leaf":
            return leaf()
        if kind == "row":
            return row(depth)
        if kind == "one":
            return f"({draw(st.sampled_from(ones)).format(a=value(depth - 1))})"
        return f"({draw(st.sampled_from(TWO)).format(a=value(depth - 1), b=value(depth - 1))})"

    def row(depth: int) -> str:
        return draw(st.sampled_from(ROWS)).format(a=value(depth - 1), s=draw(st.sampled_from(states)))

    starts = ("", " = 0.5", " = learned")
    lines = [f"state {state}: [B, width]{draw(st.sampled_from(starts))}" for state in states]
    lines += ["param v: [width] = ones"] if has_vector else []
    for gate in gates:
        lines.append(f"{gate} = sigmoid({leaf()} + {value(2)})")
        known.append(gate)
    for state in states:
        lines.append(
            f"{state}' = tanh({draw(st.sampled_from(gates))} * {state} + {row(2) if staged and state == 's0' else value(2)})"
        )
        known.append(f"{state}'")
    outputs = draw(st.integers(1, len(states)))
    lines.append("return " + ", ".join(f"{state}'" for state in states[:outputs]))
    body = "".join(f"    {line}\n" for line in lines)
    names = [f"y{k}" for k in range(outputs)]
    options = "length=n, reverse=true" if draw(st.booleans()) else "length=n"
    return (
        f"cell Drawn(width)(x: [B, D]) {{\n{body}}}\n"
        f"model Net(x: [B, T, 3], n: int[B]) -> [B, T, {WIDTH}] {{\n"
        f"    {', '.join(names)} = recur(Drawn({WIDTH}), {options})(x)\n    return {' + '.join(names)}\n}}\n"
    )
