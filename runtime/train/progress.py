"""What the person sees of a run, on standard error: a live line on a terminal, plain lines elsewhere, or nothing.

It only listens: no number of a run depends on it.
"""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ...dsl.diagnostic import Diagnostic

if TYPE_CHECKING:
    from .gallery import Picture

PLAIN_EVERY = 2.0  # seconds between plain lines
LIVE_EVERY = 0.25


class Progress(Protocol):
    """Listens to a run."""

    def begin(self, title: str, steps: int, step: int, epochs: int | None) -> None: ...
    def step(self, step: int, loss: float) -> None: ...
    def epoch(self, step: int, row: Mapping[str, Any]) -> None: ...
    def picture(self, step: int, picture: "Picture") -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, diagnostic: Diagnostic, sources: Mapping[str, str]) -> None: ...
    def end(self, final: Mapping[str, Any], folder: str) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Says nothing."""

    def begin(self, title: str, steps: int, step: int, epochs: int | None) -> None: ...
    def step(self, step: int, loss: float) -> None: ...
    def epoch(self, step: int, row: Mapping[str, Any]) -> None: ...
    def picture(self, step: int, picture: "Picture") -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, diagnostic: Diagnostic, sources: Mapping[str, str]) -> None: ...
    def end(self, final: Mapping[str, Any], folder: str) -> None: ...
    def close(self) -> None: ...


def shown(values: Mapping[str, Any]) -> str:
    """`loss 0.1234  accuracy 0.98`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items() if not isinstance(value, list))


def duration(seconds: float) -> str:
    """`42 s`, `3:07`, `2:03:07`."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class Lines:
    """Plain lines, at most one every two seconds, and the table at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.steps = self.first = 0
        self.epochs: int | None = None
        self.started = self.last = time.monotonic()

    def begin(self, title: str, steps: int, step: int, epochs: int | None) -> None:
        self.steps, self.first, self.epochs = steps, step, epochs
        self.started = self.last = time.monotonic()
        self.say(title)

    def step(self, step: int, loss: float) -> None:
        if time.monotonic() - self.last >= PLAIN_EVERY:
            self.line(step, f"loss {loss:.4g}")

    def epoch(self, step: int, row: Mapping[str, Any]) -> None:
        if time.monotonic() - self.last >= PLAIN_EVERY or step >= self.steps:
            of = f"/{self.epochs}" if self.epochs else ""
            validation = f"  validation {shown(row['validation'])}" if "validation" in row else ""
            self.line(step, f"epoch {row['epoch']}{of}  train {shown(row['train'])}{validation}")

    def line(self, step: int, text: str) -> None:
        self.last = time.monotonic()
        self.say(f"step {step}/{self.steps}  {text}  {self.pace(step)}")

    def pace(self, step: int) -> str:
        """Steps a second, and the time that is left."""
        seconds = time.monotonic() - self.started
        rate = (step - self.first) / seconds if seconds > 0 else 0.0
        left = f"  {duration((self.steps - step) / rate)} left" if rate > 0 and step < self.steps else ""
        return f"{rate:.0f} steps/s{left}" if rate >= 10 else f"{rate:.2g} steps/s{left}"

    def picture(self, step: int, picture: "Picture") -> None: ...

    def note(self, text: str) -> None:
        self.say(text)

    def warn(self, diagnostic: Diagnostic, sources: Mapping[str, str]) -> None:
        from ...dsl.render import render
        from ...dsl.source import Source

        self.say(render(diagnostic, {name: Source(name, text) for name, text in sources.items()}))

    def end(self, final: Mapping[str, Any], folder: str) -> None:
        self.say("\n".join(table(final)))
        self.say(f"run folder: {folder}")

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def close(self) -> None: ...


class Live(Lines):
    """One line that is rewritten in place, by rich; what stays is said above it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.console = Console(file=self.stream)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[said]}"))
        self.bar = Bar(*columns, console=self.console, auto_refresh=False, transient=True)
        self.task = self.bar.add_task("", total=1, said="")
        self.values = ""

    def begin(self, title: str, steps: int, step: int, epochs: int | None) -> None:
        super().begin(title, steps, step, epochs)
        self.last, self.furthest = 0.0, step
        self.bar.update(self.task, total=steps, completed=step)
        self.bar.start()

    def step(self, step: int, loss: float) -> None:
        self.show(step, f"loss {loss:.4g}")

    def epoch(self, step: int, row: Mapping[str, Any]) -> None:
        self.values = shown(row.get("validation", row["train"]))
        of = f"/{self.epochs}" if self.epochs else ""
        self.bar.update(self.task, description=f"epoch {row['epoch']}{of}")
        self.show(step, shown(row["train"]))

    def show(self, step: int, text: str) -> None:
        if time.monotonic() - self.last >= LIVE_EVERY or step >= self.steps:
            self.last = time.monotonic()
            said = "  ".join(part for part in (text, f"validation {self.values}" if self.values else "", self.pace(step)) if part)
            self.furthest = max(step, self.furthest)  # an epoch's values may come when steps have gone on
            self.bar.update(self.task, completed=self.furthest, said=said)
            self.bar.refresh()

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def end(self, final: Mapping[str, Any], folder: str) -> None:
        self.close()
        super().end(final, folder)

    def close(self) -> None:
        self.bar.stop()


def table(final: Mapping[str, Any]) -> list[str]:
    """The final table: a row a part, a column a loss or metric; then a row a gate where they are watched."""
    parts = {name: final[name] for name in ("validation", "test") if final.get(name)}
    head = f"{final['epochs']} epochs, {final['steps']} steps" + (", stopped early" if final.get("stopped_early") else "")
    if "best_epoch" in final:
        head += f"; best after epoch {final['best_epoch']}"
    return [head, *_aligned("", parts), *_aligned("gate", final.get("gates") or {})]


def _aligned(title: str, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row of numbers for each name, under the names of the numbers."""
    if not rows:
        return []
    names = [name for name, value in next(iter(rows.values())).items() if not isinstance(value, list)]
    cells = [[title, *names], *([name, *(f"{values[n]:.4g}" for n in names)] for name, values in rows.items())]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names) + 1)]
    return [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]


def chosen(progress: bool) -> Progress:
    """Live on a terminal, lines elsewhere, silence where it is not wanted."""
    if not progress:
        return Silent()
    return Live() if sys.stderr.isatty() else Lines()
