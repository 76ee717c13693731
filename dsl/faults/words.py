"""How faults of syntax speak of a piece of text."""

LONGEST = 40


def quoted(text: str) -> str:
    """`text` in backticks, short, with nothing in it that a terminal would obey."""
    shown = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text[: LONGEST + 1])
    if len(text) > LONGEST:
        shown = shown[: LONGEST - 1] + "…"
    return f"`{shown}`"


def listed(words: list[str], last: str = "or") -> str:
    """a, b or c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
