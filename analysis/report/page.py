"""Puts a run's KPIs, figures and provenance into one offline page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from analysis.kpis import KPIS
from analysis.report import information, traffic
from analysis.report.skills import NAIVE, skills
from analysis.report.stakes import stakes
from analysis.text import delay_text, number, time_text
from fernwatt.errors import UsageError

if TYPE_CHECKING:
    from analysis.plot import Picture
    from analysis.regression import Check
    from analysis.run import Run
    from analysis.trail import Node

__all__ = ["render", "summary", "write"]

GAP = 1e-6
FAMILIES = {
    "energy": "Energy", "profile": "Power profile", "grid": "Grid",
    "lighting": "Public lighting", "reliability": "Reliability",
    "quality": "Quality of supply", "vehicles": "Vehicles", "warmth": "Comfort",
    "communication": "Communication", "services": "Services",
    "signals": "Signals and control",
    "response": "Demand response",
    "flexibility": "Flexibility",
    "money": "Money and CO2",
    "membership": "Groups of units",
    "attacks": "Attacks and their detection",
    "privacy": "Privacy", "maintenance": "Maintenance of units",
    "predictions": "Predictions",
    "users": "Users and their access",
}  # fmt: skip
HEADLINES = (
    "peak_import_w", "imported_wh", "losses_percent", "voltage_min_pu", "self_consumption_percent",
    "ev_not_served_percent", "delivery_percent", "message_delay_p95_ms",
    "deadline_misses_percent", "experience", "distance_reduction_percent",
)  # fmt: skip
_INDICES = {"saifi", "saidi", "caidi", "maifi"}
_ACRONYMS = {"ev": "EV", "thd": "THD", "en50160": "EN 50160"}
_TRAILS = ("peak_import_w", "message_delay_p99_ms", "messages_lost")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the page."""

    name: str
    title: str
    caption: str
    svg: str
    wide: bool = False


_CAPTIONS = {
    "power": """Mean active power of each recording interval, drawn positive, fed in negative:
        at the upstream grid (black) and of all devices by kind [kW].""",
    "voltage": """Voltage of all energised buses [pu]: lowest to highest at any moment, the middle
        nine tenths of the interval means, and their median. Dashed: limits of EN 50160, where
        near.""",
    "storage": """Energy stored in all batteries at the end of each interval [kWh], and number of
        vehicles plugged in.""",
    "loading": """Highest loading at any moment of the interval, over all transformers and all lines
        [%]; dashed: 100 %, where near.""",
    "supply": """Customers without supply, and nodes of the network without power. Dotted: a
        fault begins.""",
    "lighting": """Public lighting, by segment: mean power of each recording interval with its part
        of the cable [W], and lamps that ought to burn and do not.""",
    "requests": """Requests of the Data Interface whose outcome is known, by variable and result,
        the eight most frequent variables.""",
    "diagram": """Single-line diagram in the interval of the largest exchange with the upstream
        grid. Lines: mean loading [%], by colour and width. Dots: mean voltage [pu]; crosses are
        not recorded or not energised.""",
    "latency": """Share of messages that were there within a delay [ms], from sending tick to
        delivery tick, by flow (messages whose fate is known; what is lost is never there). Dashed:
        the limit that the flow's application is judged by; dotted: the network's own part of
        it.""",
    "delay_parts": "Mean delay of each flow [ms] by its parts (messages that arrived).",
    "technology_parts": """Mean delay [ms] by its parts, by the technologies on the way with the
        fewest hops between sender and receiver (messages that arrived), the most frequent
        first.""",
    "losses": "Messages lost, by flow (how many) and cause [% of those whose fate is known].",
    "media": """Time that the busiest links and media of each technology are busy: mean of the run
        (bar) and busiest recording interval (stroke) [%]; of the transmissions, what failed for
        collisions or noise, and what collided.""",
    "network": """Tree of management units; the colour of a link is the share of the messages
        between the units on its two sides that was delivered [%], grey: none.""",
    "information": """Frames that carried a value from one kind of unit to another, by flow of
        information: upwards on the right, downwards on the left. Number: frames; width: bytes
        (logarithmic).""",
    "negotiation": """Distance of the sum of all plans from the desired profile after each round
        [% of the distance before the first], by level of the parent.""",
    "response": """Demand response: power of the customers that follow [kW], by their meters, and
        what it was held against, the plan agreed to before the request and the days before, both
        fixed before anybody was called. Grey: the window; orange: what was asked for. Without the
        request: the same customers in the run that the report was given as counterfactual. The
        lines step where customers opt out.""",
    "flexibility": """Transformers that an operator watches: power drawn through each [kW], its
        limit, and what was bought to be drawn less, summed over all orders; what was moved twice
        counts twice. Without flexibility: the run that the report was given as counterfactual.""",
    "events": "What happened when, by kind (number of events).",
}
_FIGURES = (  # section, method of run.plot, title, whether it takes the whole width
    ("grid", "power", "Power", False),
    ("grid", "voltage", "Voltage", False),
    ("grid", "loading", "Loading", False),
    ("grid", "storage", "State of charge", False),
    ("grid", "supply", "Supply", True),
    ("grid", "lighting", "Public lighting", True),
    ("grid", "diagram", "Grid at the peak", True),
    ("communication", "latency", "Latency", False),
    ("communication", "delay_parts", "Where the time goes", False),
    ("communication", "technology_parts", "Where it goes by technology", False),
    ("communication", "media", "Load of the media", False),
    ("communication", "losses", "Losses", False),
    ("communication", "network", "Management units", True),
    ("data", "information", "Flows of information", True),
    ("services", "negotiation", "Negotiation", False),
    ("services", "requests", "Requests", False),
    ("services", "response", "Demand response", True),
    ("services", "flexibility", "Flexibility", True),
    ("events", "events", "Events", True),
)
_COMPARED = ("response", "flexibility")
"""Figures that show a counterfactual beside the run."""


def write(
    folder: Path | str,
    *,
    baseline: Path | str | None = None,
    counterfactual: Path | str | None = None,
) -> Path:
    """Write ``report.html`` into a run folder; the same run gives the same bytes.

    ``counterfactual`` is the folder of a run without the service in question: demand response is
    held against it, and what each stakeholder pays and emits.
    """
    from analysis.run import Run

    run, other = Run(folder), None if counterfactual is None else Run(counterfactual)
    path = run.folder / "report.html"
    text = render(run, baseline=baseline, counterfactual=other)
    path.write_text(text, "utf-8", newline="\n")
    return path


def render(
    run: Run, *, baseline: Path | str | None = None, counterfactual: Run | None = None
) -> str:
    """Return the report as HTML."""
    from analysis.regression import check

    held = None
    if baseline is not None and run.status == "complete":
        held = check(run, baseline)
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    families, without = _families(run)
    page = environment.get_template("page.html.j2").render(
        run=run,
        css=(folder / "page.css").read_text("utf-8"),
        description=str(run.scenario.get("description") or "").strip(),
        span=f"{run.clock.iso(0)[:16]} to {run.clock.iso(run.duration_ms)[:16]} UTC",
        verdicts=_verdicts(run, held),
        headlines=_headlines(run),
        families=families,
        without=without,
        figures=_figures(run, counterfactual),
        responses=_responses(run, counterfactual),
        stakes=stakes(run, counterfactual),
        skills=skills(run),
        naive=NAIVE,
        books=traffic.books(run),
        asked=traffic.requirements(run),
        flow_rows=information.flow_rows(run),
        data_groups=information.data_groups(run),
        trail=_trail(run),
        held=held,
        number=number,
        scenario=_scenario_text(run),
        provenance=_provenance(run),
        delay_text=delay_text,
        time_text=time_text,
    )
    return page + "\n"


def _verdicts(run: Run, held: Check | None) -> list[tuple[str, str, str]]:
    """Return (good | bad | open, title, words) of each verdict."""
    state = "good" if run.status == "complete" else "bad"
    error = str(run.manifest.get("error") or "").strip()
    words = (
        "The run came to its end."
        if state == "good"
        else (error or "The run was cut off; figures are of what was recorded until then.")
    )
    verdicts = [(state, f"Run {run.status}", words)]
    gap = run.kpis.get("energy_balance_gap", {}).get("value")
    if gap is None:
        verdicts.append(("open", "Energy balance", "Nothing to balance."))
    else:
        closes = gap <= GAP
        verdicts.append((
            "good" if closes else "bad",
            "Energy balance closes" if closes else "Energy balance does not close",
            f"Gap {gap:.1e} of the energy exchanged, at most {GAP:.0e}.",
        ))  # fmt: skip
    if held is None:
        verdicts.append(("open", "No baseline", "This run was not held against a baseline."))
    else:
        verdicts.append((
            "bad" if held.failed else "good",
            "Baseline left" if held.failed else "Baseline held",
            f"{len(held.failed)} of {len(held.rows)} KPIs outside tolerance ({held.baseline}).",
        ))  # fmt: skip
    return verdicts


def _headlines(run: Run) -> list[tuple[str, str]]:
    found = []
    for name in HEADLINES:
        entry = run.kpis.get(name)
        if entry is not None and entry["value"] is not None:
            found.append((title(name), number(entry["value"], entry["unit"])))
    return found


def title(name: str) -> str:
    """Return a KPI's name as words: its unit is told apart."""
    words = name.split("_")
    if words[0] in _INDICES:
        return words[0].upper()
    if words[-1] in {"w", "wh", "percent", "pu", "ms", "s", "c", "kh"}:
        words = words[:-1]
    text = " ".join(_ACRONYMS.get(word, word) for word in words)
    return text[0].upper() + text[1:]


def _families(run: Run) -> tuple[list[tuple[str, list[dict[str, Any]]]], list[str]]:
    """Return the families of KPIs with their rows, and those of which the run has no value."""
    families: dict[str, list[dict[str, Any]]] = {family: [] for family in FAMILIES}
    for name, entry in run.kpis.items():
        known = KPIS.get(name)
        family = known.family if known else "other"
        where = [str(entry["element"])] if "element" in entry else []
        if "t_ms" in entry:
            where.append(time_text(entry["t_ms"] * 1000))
        families.setdefault(family, []).append({
            "name": name,
            "title": title(name),
            "value": number(entry["value"], entry["unit"]),
            "known": entry["value"] is not None,
            "reason": entry.get("reason", ""),
            "where": " at ".join(where),
            "definition": known.definition if known else "",
            "source": known.source if known else "",
            "up": str(known.up) if known else "neither",
            "parts": [(key, number(value, entry["unit"])) for key, value in
                      list(entry.get("by", {}).items())[:40]],
        })  # fmt: skip
    order = list(KPIS)
    for rows in families.values():
        rows.sort(key=lambda row: order.index(row["name"]) if row["name"] in KPIS else len(order))
    filled = {name for name, rows in families.items() if any(row["known"] for row in rows)}
    named = [(FAMILIES.get(name, "Other"), name, rows) for name, rows in families.items() if rows]
    return (
        [(heading, rows) for heading, name, rows in named if name in filled],
        [heading for heading, name, _ in named if name not in filled],
    )


def _responses(run: Run, other: Run | None) -> list[tuple[str, list[str]]]:
    """Return each request's energies as texts, by each baseline; of the last without a run."""
    from analysis.response import against

    if other is None:
        return []
    return [
        (str(key), ["–" if math.isnan(value) else number(value, "Wh") for value in row])
        for key, row in against(run, other).iterrows()
    ]


def _figures(run: Run, other: Run | None) -> dict[str, list[Figure]]:
    from analysis.plot.flexibility import was_watched
    from analysis.plot.lighting import is_lit
    from analysis.plot.response import was_asked
    from analysis.plot.supply import was_interrupted

    shown = {
        "supply": was_interrupted, "lighting": is_lit, "information": information.described,
        "response": was_asked, "flexibility": was_watched,
    }  # fmt: skip
    figures: dict[str, list[Figure]] = {}
    for section, name, heading, wide in _FIGURES:
        if name in shown and not shown[name](run):
            continue
        draw: Callable[..., Picture] = getattr(run.plot, name)
        drawn = draw(other) if name in _COMPARED else draw()
        figure = Figure(name, heading, " ".join(_CAPTIONS[name].split()), drawn.svg(name), wide)
        figures.setdefault(section, []).append(figure)
    return figures


def _trail(run: Run) -> tuple[str, Node] | None:
    """Return the first trail of some KPIs that reaches a cause."""
    from analysis.trail import explain

    for name in _TRAILS:
        entry = run.kpis.get(name)
        if not entry or not entry["value"]:
            continue
        try:
            trail = explain(run, name, width=3)
        except UsageError:
            continue
        if any(child.causes for child in trail.root.causes):
            return name, trail.root
    return None


def _scenario_text(run: Run) -> str:
    path = run.folder / "scenario.yaml"
    return path.read_text("utf-8") if path.is_file() else ""


def _provenance(run: Run) -> list[tuple[str, str]]:
    rows = [("scenario", run.name), ("seed", str(run.manifest.get("seed", "–")))]
    hashes = run.manifest.get("hashes") or {}
    rows += [(f"SHA-256 of {key}", str(hashes[key])) for key in sorted(hashes) if
             isinstance(hashes[key], str)]  # fmt: skip
    rows += [
        (f"SHA-256 of {path}", str(value))
        for path, value in sorted((hashes.get("tables") or {}).items())
    ]
    versions = run.manifest.get("versions") or {}
    rows += [(f"version of {key}", str(versions[key])) for key in sorted(versions)]
    return rows


_SUMMARY = jinja2.Environment(autoescape=True).from_string(
    "<div><strong>{{ name }}</strong> ({{ status }})<table>"
    "{% for title, value in rows %}<tr><td>{{ title }}</td>"
    '<td style="text-align:right">{{ value }}</td></tr>{% endfor %}</table></div>'
)


def summary(run: Run) -> str:
    """Return the main KPIs as a small HTML table, for a notebook."""
    return _SUMMARY.render(name=run.folder.name, status=run.status, rows=_headlines(run))
