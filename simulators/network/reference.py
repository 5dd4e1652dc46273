"""Tables of parameters in the pages of the technologies, and the index of these pages.

``python -m simulators.network.reference`` writes the table of each technology between the marks
``<!-- parameters -->`` and ``<!-- /parameters -->`` of ``docs/technologies/<name>.md``, and the
whole of ``docs/technologies/index.md``. The rest of a page is written by hand. Technologies that
share a page have marks with their names: ``<!-- parameters: edge -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from simulators.network.technologies import (
    CellTechnology,
    LinkTechnology,
    MediumTechnology,
    Technology,
    load,
    sources,
    titles,
)

__all__ = [
    "HEADINGS",
    "filled",
    "index_page",
    "marks",
    "page_of",
    "parameters",
    "rate_text",
    "write",
]

HEADINGS = ("Parameters", "Sources", "Limits", "Validation")
_SHARED = dict.fromkeys(("core-2g", "core-3g", "core-4g", "core-5g", "edge", "cloud"), "core")
_KINDS = {
    "medium": "shared medium",
    "link": "link of two ends",
    "cell": "cell of a base station",
}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_INDEX = """<!-- made by `python -m simulators.network.reference`; do not edit -->

# Link technologies

Each page has the parameters with their sources, what the model leaves out, and what it was held
against. A scenario names a technology in `network.han`, `lv_fan`, `wan` or `backbone`, and
overrides any parameter by `network.technologies.<name>.<parameter>`. How they work together:
[network](../models/network.md).

Rate: of the physical layer; where preambles and blocks take their share, bits of the largest
frame by its air time; of a cell, what one subscriber alone in it gets at its default reception.
Without waiting for the medium, acknowledgements, repetitions and set-up; up / down where they
differ.
"""
_EVIDENCE = """
Evidence of a parameter: *read* in the named source; *derived* from values of it; *standard*: as
the standard has it, the clause not read again; *assumed*: our choice, for the reason given.
"""


def page_of(name: str) -> str:
    """Return the name of the page that a technology is on."""
    return _SHARED.get(name, name)


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after the table of a technology."""
    which = f": {name}" if name in _SHARED else ""
    return f"<!-- parameters{which} -->", f"<!-- /parameters{which} -->"


def parameters(name: str) -> str:
    """Return the table of a technology's parameters: value, evidence, source."""
    lines = ["| parameter | value | evidence | source |", "|---|---|---|---|"]
    lines += [
        f"| `{key}` | {item.value} | {item.evidence} | {item.source} |"
        for key, item in sources()[name].items()
    ]
    return "\n".join(lines)


def filled(text: str, name: str) -> str:
    """Return the text of a page with the table of ``name`` between its marks.

    Raises ValueError where the page has not each mark once, in order.
    """
    first, last = marks(name)
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end or first in rest or last in head + tail:
        raise ValueError(f"the page of {name} needs {first} and, after it, {last}, once each")
    return f"{head}{first}\n{parameters(name)}\n{last}{tail}"


def index_page() -> str:
    """Return the page that lists all technologies."""
    rows = ["| technology | kind | what it is | rate | typical use |", "|---|---|---|---|---|"]
    for name, technology in load().items():
        entry = titles()[name]
        kind = _KINDS.get(entry.kind, entry.kind)
        rows.append(
            f"| [{name}]({page_of(name)}.md) | {kind} | {technology.title} | "
            f"{rate_text(technology)} | {entry.use} |"
        )
    return "\n".join([_INDEX, *rows, _EVIDENCE])


def rate_text(technology: Technology) -> str:
    """Return the rate, up and down where they differ: as declared, else of a full frame."""
    if isinstance(technology, MediumTechnology):
        rates = [_rate_bps(technology.air_us(), technology.mtu_bytes)]
    elif isinstance(technology, LinkTechnology):
        declared = (technology.rate_up_bps, technology.rate_down_bps)
        rates = [
            rate or _rate_bps(technology.air_us(up=up), technology.mtu_bytes)
            for up, rate in zip((True, False), declared, strict=True)
        ]
    elif isinstance(technology, CellTechnology):
        rates = [technology.rate_bps(up=True), technology.rate_bps(up=False)]
    else:
        raise TypeError(f"{technology.name} is of no known kind")
    return " / ".join(dict.fromkeys(map(_text, rates)))


def _rate_bps(air_us: Callable[[int], int], size: int) -> float:
    return 8e6 * size / air_us(size)


def _text(bps: float) -> str:
    for factor, prefix in _PREFIXES:
        if bps >= factor:
            return f"{bps / factor:.3g} {prefix}bit/s"
    return f"{bps:.3g} bit/s"


def write(folder: Path) -> list[str]:
    """Write the tables into the pages in ``folder``, and the index; return who has no page."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for name in load():
        path = folder / f"{page_of(name)}.md"
        if not path.is_file():
            missing.append(name)
            continue
        path.write_text(filled(path.read_text("utf-8"), name), "utf-8", newline="\n")
    (folder / "index.md").write_text(index_page(), "utf-8", newline="\n")
    return missing


if __name__ == "__main__":
    without = write(Path(__file__).parents[2] / "docs/technologies")
    if without:
        sys.exit(f"no page: {', '.join(without)}")
