"""Tables of parameters in the pages of the technologies, and the index of these pages.

``python -m simulators.network.reference`` writes the table of each technology between the marks
``<!-- parameters -->`` and ``<!-- /parameters -->`` of ``docs/technologies/<name>.md``, and the
whole of ``docs/technologies/index.md``. The rest of a page is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from simulators.network.technologies import (
    LinkTechnology,
    MediumTechnology,
    Technology,
    load,
    sources,
    titles,
)

__all__ = ["BEGIN", "END", "HEADINGS", "filled", "index_page", "parameters", "rate_text", "write"]

BEGIN, END = "<!-- parameters -->", "<!-- /parameters -->"
HEADINGS = ("Parameters", "Sources", "Limits", "Validation")
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
frame by its air time. Without waiting for the medium, acknowledgements, repetitions and set-up;
up / down where they differ.
"""
_EVIDENCE = """
Evidence of a parameter: *read* in the named source; *derived* from values of it; *standard*: as
the standard has it, the clause not read again; *assumed*: our choice, for the reason given.
"""


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
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in head + tail:
        raise ValueError(f"the page of {name} needs {BEGIN} and, after it, {END}, once each")
    return f"{head}{BEGIN}\n{parameters(name)}\n{END}{tail}"


def index_page() -> str:
    """Return the page that lists all technologies."""
    rows = ["| technology | kind | what it is | rate | typical use |", "|---|---|---|---|---|"]
    for name, technology in load().items():
        entry = titles()[name]
        rows.append(
            f"| [{name}]({name}.md) | {_KINDS.get(entry.kind, entry.kind)} | {technology.title} | "
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
    else:
        return "–"
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
        path = folder / f"{name}.md"
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
