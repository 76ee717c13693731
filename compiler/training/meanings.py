"""What some names mean in the columns of `data`: steps that are fitted, categories, missing values, sequences, and alterations of training.

Each is a hook of the body that the columns are read in. The columns are read twice where rows are altered in training: once as they are in
evaluation, and once with what is drawn for each row.
"""

from __future__ import annotations

from ...dsl.span import Span
from ..elaborate.applying import apply_layer
from ..elaborate.body import Body, Hook
from ..elaborate.building import build
from ..elaborate.expressions import operator
from ..elaborate.values import LayerRecipe, Tensor, TextColumn, Value, describe
from ..errors.calls import NotATensor
from ..errors.columns import NoSequence, NoSourceColumn, WordAsNumber
from ..errors.shapes import BadArgument
from ..graph import Input, Ref, TensorType
from ..layers import registry
from ..layers.alterations import Alteration, Mixup
from ..layers.base import Refusal
from ..layers.columns import Fill, Padded
from ..plan import DerivedPlan, DrawPlan, FitPlan
from ..shapes import Size
from .columns import BATCH, Reader, spelled

ALTERATIONS = ("random_crop", "random_shift", "random_flip", "random_rotate", "noise", "mixup")
MOST_DRAWN = 2**20  # numbers for one row


class Meanings:
    """The hooks of one reading; `fits` are what is to be fitted, and how."""

    def __init__(self, reader: Reader, *, training: bool = False) -> None:
        self.reader, self.columns, self.training = reader, reader.columns, training
        self.fits: dict[str, tuple[Tensor, str]] = {}
        self.alters = False
        self.counts: dict[str, int] = {}

    def hooks(self) -> dict[str, Hook]:
        alterations: dict[str, Hook] = dict.fromkeys(ALTERATIONS, self.alteration)
        return alterations | {
            "standardize": self.standardize,
            "categories": self.categories,
            "fill": self.fill,
            "missing": self.missing,
            "length": self.length,
            "padded": self.padded,
            "vector": self.vector,
            "columns": self.range,
            "==": self.compared,
            "!=": self.compared,
        }

    def plans(self) -> list[FitPlan]:
        """What is fitted, with its level: one more than the highest that it reads."""
        levels: dict[str, int] = {}
        found = []
        for name, (value, kind) in self.fits.items():
            read = {n.rsplit("_", 1)[0].removeprefix("fitted.") for n in inputs_of(value) if n.startswith("fitted.")}
            levels[name] = max((levels[r] + 1 for r in read if r in levels), default=0)
            size = value.type.shape[1] if value.type.rank > 1 else None
            length = str(size.value) if size is not None and size.number is None else None
            found.append(FitPlan(name=name, kind="fill" if kind == "fill" else "standardize", level=levels[name], length=length))
        return found

    # Fitted -----------------------------------------------------------------------------------------------------------

    def standardize(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        """`(x - mean) / std` with both read from what was fitted."""
        value = tensor(values, span)
        if value.type.dtype != "float":
            value = operated(body, "/", (value, Size.of(1)), span)
        name = self.name_of_fit()
        self.fits[name] = (body.local(value), "standardize")
        shape = value.type.shape[1:]
        inner = TensorType("float", shape[1:] if shape and shape[0].number is None else shape)
        mean, std = (self.input(body, f"fitted.{name}_{what}", inner, span) for what in ("mean", "std"))
        return operated(body, "/", (operated(body, "-", (value, mean), span), std), span)

    def name_of_fit(self) -> str:
        """The name of the column that is being read, with a number where something was fitted under it before."""
        count = self.counts[self.reader.current] = self.counts.get(self.reader.current, 0) + 1
        return self.reader.current if count == 1 else f"{self.reader.current}{count}"

    # Of the source --------------------------------------------------------------------------------------------------------

    def source_column(self, value: Value, what: str, span: Span) -> str:
        """The name of the source's column that this is."""
        if isinstance(value, TextColumn):
            return value.name
        if isinstance(value, Tensor) and value.name is not None and value.name in (self.reader.schema or {}) and is_input(value):
            return value.name
        raise Refusal(NoSourceColumn(span, what, describe(value), tuple(map(spelled, self.reader.schema or ()))))

    def categories(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        (value,) = values if len(values) == 1 else (None,)
        if isinstance(value, TextColumn):
            self.columns.words.setdefault(value.name)
            type_ = TensorType("int", (BATCH,))
            found = self.input(body, value.name, type_, span)
        elif (
            isinstance(value, Tensor)
            and is_input(value)
            and value.name in (self.reader.schema or {})
            and value.type.dtype == "int"
        ):
            found = value
        else:
            wanted = "categories works on a column of the source that holds texts or whole numbers"
            raise Refusal(NotATensor(span, f"{describe(value)}: {wanted}"))
        self.columns.categories.setdefault(found.name or "")
        return found

    def input(self, body: Body, name: str, type_: TensorType, span: Span) -> Tensor:
        """An input of that name, one for all that read it."""
        key = f"input {name}"
        scope = self.reader.source.scope
        if key not in scope.names:
            scope.names[key] = self.reader.source.input(name, type_, span)
        return body.local(scope.names[key])

    def fill(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        (value,) = values
        name = self.source_column(value, "fill", span)
        layer = build(body, recipe, {})
        assert isinstance(layer, Fill)
        if isinstance(value, TextColumn):
            if not isinstance(layer.value, str) or layer.value == "mean":
                raise Refusal(WordAsNumber(span, name, 'a word, for it holds words: fill("none")'))
            self.columns.gaps[name] = layer.value
            return value
        if isinstance(layer.value, str) and layer.value != "mean":
            raise Refusal(WordAsNumber(span, name, "a number or mean, for it holds numbers"))
        found = self.with_gaps(body, name, value, span)
        gone = apply_layer(body, LayerRecipe(registry()["isnan"], {}, recipe.occurrence, built=True), (found,), span, {})
        if isinstance(layer.value, str):
            self.fits.setdefault(f"{name}_filled", (found, "fill"))
            inner = TensorType("float", found.type.shape[1:])
            stand_in: Value = self.input(body, f"fitted.{name}_filled_mean", inner, span)
        else:
            stand_in = layer.value
        return operated(body, "where", (gone, stand_in, found), span)

    def with_gaps(self, body: Body, name: str, value: Tensor, span: Span) -> Tensor:
        """The column as floats, NaN where a value is missing."""
        self.columns.gaps.setdefault(name, "")
        return self.input(body, name, TensorType("float", value.type.shape), span)

    def missing(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        (value,) = values
        name = self.source_column(value, "missing", span)
        if isinstance(value, TextColumn):
            self.columns.gaps.setdefault(name, "")
            return self.equals(body, name, "", span)
        found = self.with_gaps(body, name, value, span)
        return apply_layer(body, LayerRecipe(registry()["isnan"], {}, recipe.occurrence, built=True), (found,), span, {})

    def compared(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        """`city == "Paris"` of a column of words."""
        text = next((v for v in values if isinstance(v, TextColumn)), None)
        word = next((v for v in values if isinstance(v, str)), None)
        if text is None or word is None:
            return None
        same = self.equals(body, text.name, word, span)
        if recipe.layer.name == "==":
            return same
        return apply_layer(body, LayerRecipe(registry()["not"], {}, recipe.occurrence, built=True), (same,), span, {})

    def equals(self, body: Body, column: str, word: str, span: Span) -> Tensor:
        name = f"{column} is {word}" if word else f"{column} is missing"
        self.columns.derived[name] = DerivedPlan(name=name, column=column, kind="equals", word=word)
        self.columns.words.setdefault(column)
        self.reader.reads(column)
        return self.input(body, name, TensorType("bool", (BATCH,)), span)

    def length(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        value = tensor(values, span)
        apply_layer_check(body, recipe, value, span)
        size = str(value.type.shape[1].value)
        name = next((n for n, (_, shape) in (self.reader.schema or {}).items() if shape and shape[0] == size), None)
        if name is None:
            raise Refusal(NoSequence(span, f"{value.type}, whose {size} is of no column of the source"))
        derived = f"{name} length"
        self.columns.derived[derived] = DerivedPlan(name=derived, column=name, kind="length")
        self.reader.reads(name)
        return self.input(body, derived, TensorType("int", (BATCH,)), span)

    def padded(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        value = tensor(values, span)
        layer = build(body, recipe, {})
        assert isinstance(layer, Padded)
        apply_layer_check(body, recipe, value, span)
        self.columns.pads[self.reader.current] = layer.value.value
        return value

    # Vectors ----------------------------------------------------------------------------------------------------------

    def vector(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        """Each as floats and of one dim, then joined."""
        flat = [self.flat(body, tensor((value,), span), span, recipe) for value in values]
        if len(flat) == 1:
            return flat[0]
        join = LayerRecipe(registry()["concat"], {}, recipe.occurrence, built=True)
        return apply_layer(body, join, tuple(flat), span, {})

    def flat(self, body: Body, value: Tensor, span: Span, recipe: LayerRecipe) -> Tensor:
        if any(size.number is None for size in value.type.shape[1:]):
            raise Refusal(NotATensor(span, f"{describe(value)}, a sequence", "a vector is made of rows of one size"))
        if value.type.dtype != "float":
            value = applied(body, "float", value, span, recipe)
        if value.type.rank > 2:
            value = applied(body, "flatten", value, span, recipe)
        from ..elaborate.rows import widened

        return widened(body, value, 2, span)

    def range(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        first, last = (self.source_column(value, "columns", span) for value in values)
        names = list(self.reader.schema or {})
        start, end = names.index(first), names.index(last)
        if start > end:
            rule = f"the first comes before the last in the source, which has {', '.join(map(spelled, names[:12]))}"
            raise Refusal(BadArgument(span, "columns", "first", rule, spelled(first), None))
        scope = self.reader.source.scope.names
        return self.vector(body, tuple(scope[name] for name in names[start : end + 1]), span, recipe)

    # Alterations --------------------------------------------------------------------------------------------------------

    def alteration(self, body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        """In evaluation the row itself, or the middle of it; in training with what is drawn."""
        from ..elaborate.body import LayerChecker

        value = tensor(values, span)
        layer = build(body, recipe, {})
        assert isinstance(layer, Alteration)
        self.alters = True
        result = layer.infer(LayerChecker(body, (value,), {0: span}, span), value.type)
        assert isinstance(result, TensorType)
        if not self.training:
            return value if layer.plain else body.tensor(body.add(layer, body.operands((value,)), (result,), span))
        count = layer.count(value.type).number or 1
        if count > MOST_DRAWN:
            raise Refusal(
                BadArgument(span, layer.name, "row", f"at most {MOST_DRAWN:,} numbers are drawn for a row", f"{count:,}", None)
            )
        alpha = layer.alpha.value if isinstance(layer, Mixup) else 1.0
        kind = layer.name if not isinstance(layer, Mixup) else f"mixup{alpha:g}".replace(".", "_")
        number = "" if isinstance(layer, Mixup) else str(len(self.columns.draws) + 1)
        name = f"{kind}{number}"
        self.columns.draws[name] = DrawPlan(
            name=name, kind="beta" if layer.drawn == "beta" else "uniform", count=count, alpha=alpha
        )
        drawn = self.input(body, f"draws.{name}", TensorType("float", (BATCH, Size.of(count))), span)
        return body.tensor(body.add(layer, body.operands((value, drawn)), (result,), span))


def tensor(values: tuple[Value, ...], span: Span) -> Tensor:
    """The one operand, which is a tensor."""
    if len(values) != 1 or not isinstance(values[0], Tensor):
        raise Refusal(NotATensor(span, describe(values[0] if values else None)))
    return values[0]


def applied(body: Body, name: str, value: Tensor, span: Span, recipe: LayerRecipe) -> Tensor:
    found = apply_layer(body, LayerRecipe(registry()[name], {}, recipe.occurrence, built=True), (value,), span, {})
    assert isinstance(found, Tensor)
    return found


def apply_layer_check(body: Body, recipe: LayerRecipe, value: Tensor, span: Span) -> None:
    """What the layer itself says of the operand."""
    from ..elaborate.body import LayerChecker

    build(body, recipe, {}).infer(LayerChecker(body, (value,), {0: span}, span), value.type)


def operated(body: Body, op: str, values: tuple[Value, ...], span: Span) -> Tensor:
    found = operator(body, op, values, span, (span,) * len(values))
    assert isinstance(found, Tensor)
    return found


def is_input(value: Tensor) -> bool:
    return isinstance(value.body.nodes[value.ref.node].op, Input)


def inputs_of(value: Tensor) -> set[str]:
    """The names of the inputs that a tensor is computed from."""
    found: set[str] = set()
    waiting: list[Ref] = [value.ref]
    seen: set[int] = set()
    while waiting:
        node = value.body.nodes[waiting.pop().node]
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node.op, Input):
            found.add(node.op.name)
        waiting += node.refs
    return found
