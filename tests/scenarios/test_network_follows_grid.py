"""Power-line carriers follow the conductors, and nodes the supply, through whole runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from analysis import Run
from fernwatt.gridmodel import GridModel, load_grid
from scenarios import load, run

GRID = "1-LV-semiurb4--0-sw"
QUIET = [
    "units.history_days=0",
    "services.balancing.mode=local",
    "devices.ev.share=0",
    "devices.battery.share=0",
    "network.reach=grid",
    "network.lv_fan=plc-g3",
]
FORECAST = ["services.forecast={every_h: 1, horizon_h: 4}"]
QUARTER_MS = 900_000


@pytest.fixture(scope="module")
def model() -> GridModel:
    return load_grid({"simbench": GRID})


def go(folder: Path, *changes: str) -> Run:
    scenario = load("street", [*QUIET, *changes])
    return Run(run(scenario, folder=folder, with_report=False).check().folder)


def behind(model: GridModel, line: str) -> set[str]:
    """Return the meters that hang behind a line: those it alone joins to the busbar."""
    area = next(area for area in model.areas if area.kind == "lv")
    graph = nx.Graph([(it.from_bus, it.to_bus) for it in model.lines if it.id != line])
    near = nx.node_connected_component(graph, area.bus)
    cut = [t.id for t in model.terminals if t.customer and t.bus not in near]
    return {name.replace("terminal/", "meter/") for name in cut}


def middle_line(model: GridModel) -> str:
    """Return a line that about a third of the meters hang behind."""
    sizes = {line.id: len(behind(model, line.id)) for line in model.lines}
    return min(sizes, key=lambda line: (abs(sizes[line] - 14), line))


def heard(messages: pd.DataFrame, since_ms: int, until_ms: int) -> set[str]:
    """Return the meters of which something arrived at the substation within a time."""
    sent_ms = messages["t_send_us"] / 1000
    arrived = messages[
        (messages["fate"] == "delivered")
        & messages["src"].str.startswith("meter/")
        & messages["dst"].str.startswith("lvgmu/")
        & (sent_ms >= since_ms)
        & (sent_ms < until_ms)
    ]
    return set(arrived["src"])


def everybody(model: GridModel) -> set[str]:
    return {t.id.replace("terminal/", "meter/") for t in model.terminals if t.customer}


def hold_cut(found: Run, model: GridModel, line: str) -> None:
    """Hold a run in which a line is cut from 0:16 to 1:16 to the graph of the grid."""
    messages, cut, all_meters = found.messages, behind(model, line), everybody(model)
    assert 5 < len(cut) < len(all_meters) - 5
    assert heard(messages, 0, QUARTER_MS + 60_000) == all_meters
    for quarter in (2, 3, 4):
        begin_ms = quarter * QUARTER_MS
        assert heard(messages, begin_ms, begin_ms + 60_000) == all_meters - cut
    assert heard(messages, 7 * QUARTER_MS, 8 * QUARTER_MS) == all_meters  # they rejoined
    forecasts = messages[
        messages["src"].str.startswith("lvgmu/")
        & messages["dst"].str.startswith("cmu/")
        & messages["t_send_us"].between(4 * QUARTER_MS * 1000, 5 * QUARTER_MS * 1000)
    ]  # at 1:00 to all units, those without supply on batteries
    fates = {
        fate: {name.replace("cmu/", "meter/") for name in set(group["dst"])}
        for fate, group in forecasts.groupby("fate")
    }
    assert fates == {"delivered": all_meters - cut, "lost": cut}
    lost = forecasts[forecasts["fate"] == "lost"]
    assert set(lost["loss"]) <= {"no-route", "retries"}


@pytest.mark.requirement("NW-05")
def test_an_open_switch_cuts_exactly_the_meters_behind_it(tmp_path: Path, model: GridModel) -> None:
    line = middle_line(model)
    switch = next(it.id for it in model.switches if it.element == line)
    operations = [
        f"{{at_h: {16 / 60}, switch: {switch}, closed: false}}",
        f"{{at_h: {76 / 60}, switch: {switch}, closed: true}}",
    ]
    found = go(
        tmp_path / "open", "time.duration_h=2", "network.battery_s=7200", *FORECAST,
        f"operations=[{', '.join(operations)}]",
    )  # fmt: skip
    hold_cut(found, model, line)


@pytest.mark.slow
@pytest.mark.requirement("NW-05")
def test_a_broken_cable_cuts_exactly_the_meters_behind_it(tmp_path: Path, model: GridModel) -> None:
    line = middle_line(model)
    fault = (
        f"faults=[{{at_h: {16 / 60}, line: {line}, kind: broken-conductor, phases: [1, 2, 3], "
        f"repaired_after_h: 1}}]"
    )
    found = go(
        tmp_path / "broken", "time.duration_h=2", "network.battery_s=7200", *FORECAST, fault,
        "grid.solver=four-wire", "protection.scheme=none",
    )  # fmt: skip
    hold_cut(found, model, line)


@pytest.mark.requirement("NW-05")
def test_a_blackout_takes_nodes_down_when_their_batteries_are_empty_and_they_rejoin(
    tmp_path: Path, model: GridModel
) -> None:
    """From 0:16 to 1:01 the transformer is off; houses last 10 minutes, the substation 30."""
    switch = next(it.id for it in model.switches if it.kind == "transformer")
    operations = [
        f"{{at_h: {16 / 60}, switch: {switch}, closed: false}}",
        f"{{at_h: {61 / 60}, switch: {switch}, closed: true}}",
    ]
    found = go(
        tmp_path / "dark", "time.duration_h=2", f"operations=[{', '.join(operations)}]",
        "network.battery_s=600", "network.substation_battery_s=1800",
        "network.base_stations.battery_s=1800",
    )  # fmt: skip
    events = found.events
    events = events[events["source"] == "network"]
    houses = events["element"].str.startswith(("meter/", "cmu/", "dmu/"))
    who = houses.map({True: "house", False: "station"})
    minutes = {
        (kind, place): set(group["t_us"] // 60_000_000)
        for (kind, place), group in events.groupby([events["kind"], who])
        if kind in ("node_down", "node_up")
    }
    assert minutes == {
        ("node_down", "house"): {26}, ("node_up", "house"): {61},
        ("node_down", "station"): {46}, ("node_up", "station"): {61},
    }  # fmt: skip
    down, up = (events[events["kind"] == kind]["element"] for kind in ("node_down", "node_up"))
    assert Counter(down) == Counter(up)
    assert everybody(model) <= set(down)
    messages = found.messages
    assert heard(messages, 2 * QUARTER_MS, 4 * QUARTER_MS) == set()
    assert heard(messages, 6 * QUARTER_MS, 8 * QUARTER_MS) == everybody(model)
