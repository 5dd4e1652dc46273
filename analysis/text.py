"""Figures and tables as text a person reads."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["delay_text", "markdown_table", "number", "text_table", "time_text"]

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_SCALED = frozenset({"W", "Wh", "B", "bit/s", "var"})


def number(value: float | None, unit: str = "1") -> str:
    """Return a value with its unit, to four digits.

    >>> number(12345.6, "Wh"), number(0.25, "1"), number(None)
    ('12.35 kWh', '0.25', '–')
    """
    if value is None:
        return "–"
    if unit in _SCALED:
        for factor, prefix in _PREFIXES:
            if abs(value) >= factor:
                return f"{_digits(value / factor)} {prefix}{unit}"
    return _digits(value) if unit == "1" else f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def delay_text(delay_us: float) -> str:
    """Return a length of time.

    >>> delay_text(250), delay_text(12_300), delay_text(2_500_000), delay_text(3.6e9)
    ('0.25 ms', '12.3 ms', '2.5 s', '1 h')
    """
    for limit, factor, unit in ((1e6, 1e3, "ms"), (6e7, 1e6, "s"), (3.6e9, 6e7, "min")):
        if abs(delay_us) < limit:
            return f"{delay_us / factor:.3g} {unit}"
    return f"{delay_us / 3.6e9:.3g} h"


def time_text(t_us: int) -> str:
    """Return a simulated time.

    >>> time_text(64_800_900_000)
    '18:00:00.900'
    """
    seconds, rest = divmod(t_us, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    day = f"{days}d " if days else ""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{day}{hours:02d}:{minutes:02d}:{seconds % 60:02d}.{rest // 1000:03d}"


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of aligned columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
