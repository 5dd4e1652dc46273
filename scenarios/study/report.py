"""A study as one HTML page: means over the seeds, differences between settings, what failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np

from analysis import report
from analysis.kpis import KPIS
from analysis.plot import suitability
from analysis.plot.style import BLUE, STYLE, Picture, picture
from analysis.report.page import HEADLINES, title
from analysis.suitability import Estimate
from analysis.text import delay_text, number
from scenarios.study.differences import difference
from scenarios.study.intervals import mean_half
from scenarios.study.plan import Study
from scenarios.study.suitability import is_about_links, services
from scenarios.study.summary import Outcome, Setting

__all__ = ["label", "report_text"]

_CSS = Path(report.__file__).parent / "page.css"
_NAMED = 16  # settings that get their values written below a figure; more are numbered
_LONG = 24  # characters of a value


@dataclass(frozen=True, slots=True)
class _Cell:
    """One figure of a table; ``sure`` where its interval does not hold zero."""

    text: str
    sure: bool = False


def report_text(study: Study, outcome: Outcome) -> str:
    """Return the page; the same outcome gives the same text."""
    settings = outcome.settings()
    pairs = outcome.pairs()
    kpis = [name for name in outcome.kpis if name in HEADLINES or study.config.kpis]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    page = environment.get_template("report.html.j2").render(
        study=study.config,
        css=_CSS.read_text("utf-8"),
        parameters=outcome.parameters,
        titles=[(name, title(name), KPIS[name].definition) for name in kpis],
        arrows={name: {"good": "▲", "bad": "▼"}.get(str(KPIS[name].up), "") for name in kpis},
        points=len(outcome.points),
        failed=[(point, result) for point, result in outcome.failed],
        left=sum(result.status == "open" for _, result in outcome.points),
        means=[(_values(setting), setting.done, [_mean(setting, name) for name in kpis])
               for setting in settings],
        differences=[(_values(setting), [_difference(setting, other, name) for name in kpis])
                     for setting, other in pairs],
        first=outcome.told_reference() if pairs else "",
        figures=[(name, title(name), _figure(settings, name).svg(name)) for name in kpis],
        enough=_enough(outcome, settings),
        shown=_shown,
        delay_text=delay_text,
    )  # fmt: skip
    return page + "\n"


def _enough(outcome: Outcome, settings: list[Setting]) -> dict[str, Any]:
    """Return figures and rows on which technology is enough; empty of a study of something else."""
    found = services(settings, label)
    if not found or not is_about_links(outcome.parameters):
        return {}
    figures = [
        ("enough", "Which technology is enough for which application?", suitability.matrix),
        ("enough-delay", "Delay against what is asked", suitability.delays),
        ("enough-classes", "Against all classes", suitability.every_class),
    ]
    rows = [item for item in found if item.first and not item.network]
    return {
        "figures": [(name, text, draw(found).svg(name)) for name, text, draw in figures],
        "rows": [(item, [_told(item.p95_ms, "ms"), _told(item.delivered, "%"),
                         _told(item.in_time, "%")]) for item in rows],
    }  # fmt: skip


def _told(estimate: Estimate | None, unit: str) -> str:
    return "–" if estimate is None else _written(estimate.mean, estimate.half, unit)


def _values(setting: Setting) -> list[str]:
    return [_shown(value) for value in setting.values.values()]


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def label(setting: Setting) -> str:
    """Return a setting's values in words."""
    return _label(setting.values)


def _label(values: Mapping[str, Any]) -> str:
    return ", ".join(_shown(value) for value in values.values()) or "as it is"


def _written(mean: float | None, half: float | None, unit: str) -> str:
    return number(mean, unit) + ("" if half is None else f" ± {number(half, unit)}")


def _mean(setting: Setting, name: str) -> _Cell:
    mean, half = mean_half(np.array(list(setting.known(name).values())))
    return _Cell(_written(mean, half, KPIS[name].unit))


def _difference(setting: Setting, reference: Setting, name: str) -> _Cell:
    found = difference(setting, reference, name)
    return _Cell(found.text(KPIS[name].unit), found.sure)


def _figure(settings: list[Setting], name: str) -> Picture:
    """Return the runs of each setting as dots, their mean with its interval."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = picture(height=2.9)
        for place, setting in enumerate(settings):
            values = np.array(list(setting.known(name).values()))
            mean, half = mean_half(values)
            axes.plot(np.full(len(values), place), values, "o", color="#8a9099", markersize=4)
            if mean is not None:
                axes.errorbar(
                    [place + 0.12], [mean], yerr=[[half or 0.0]] * 2, fmt="D", color=BLUE,
                    markersize=5, capsize=3,
                )  # fmt: skip
        axes.set_xticks(range(len(settings)))
        if len(settings) <= _NAMED:
            long = len(settings) > 4 or any(len(_label(s.values)) > 12 for s in settings)
            axes.set_xticklabels(
                [_label(setting.values) for setting in settings],
                rotation=25 if long else 0, ha="right" if long else "center",
            )  # fmt: skip
        axes.set_xlim(-0.6, max(len(settings), 1) - 0.4)
        axes.yaxis.set_major_formatter(lambda value, _: number(value, KPIS[name].unit))
        axes.grid(visible=False, axis="x")
    return figure
