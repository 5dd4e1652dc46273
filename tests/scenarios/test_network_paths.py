"""The same reports over every kind of path: gateways, mobile networks, edge and cloud."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
QUIET = [
    "units.history_days=0",
    "services.balancing.mode=local",
    "time.duration_h=0.5",
    "devices.ev.share=0",
    "devices.battery.share=0",
]
PATHS = {
    "plc+gprs": ["network.lv_fan=plc-g3", "network.wan=gprs"],
    "mesh+lte": ["network.lv_fan=rf-mesh-wisun", "network.wan=lte"],
    "5g+edge": ["network.lv_fan=5g-embb", "network.hosting.lvgmu=edge"],
    "5g+cloud": ["network.lv_fan=5g-embb", "network.hosting.lvgmu=cloud"],
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Return the table of messages of a short run by each path."""
    found = {}
    for name, changes in PATHS.items():
        folder = tmp_path_factory.mktemp("paths") / name.replace("+", "-")
        scenario = load("street", [*QUIET, "network.reach=grid", *changes])
        found[name] = Run(run(scenario, folder=folder, with_report=False).check().folder).messages
    return found


def reports(table: pd.DataFrame) -> pd.DataFrame:
    """Return the delivered reports of meters to their substation's unit."""
    return table[
        table["src"].str.startswith("meter/")
        & table["dst"].str.startswith("lvgmu/")
        & (table["fate"] == "delivered")
    ]


@pytest.mark.requirement("NW-03")
@pytest.mark.parametrize("path", PATHS)
def test_the_parts_of_a_delay_add_up_to_it_exactly(
    messages: dict[str, pd.DataFrame], path: str
) -> None:
    table = messages[path][messages[path]["fate"] == "delivered"]
    assert len(table) > 80
    parts = table[[f"{part}_us" for part in PARTS]]
    assert (parts >= 0).all().all()
    assert (parts.sum(axis=1) == table["delay_us"]).all()


def test_each_path_passes_what_it_is_made_of(messages: dict[str, pd.DataFrame]) -> None:
    hops = {name: set(reports(table)["hops"]) for name, table in messages.items()}
    assert hops["5g+edge"] == {2}  # base station, edge
    assert hops["5g+cloud"] == {3}  # base station, core, cloud
    assert min(hops["plc+gprs"]) == min(hops["mesh+lte"]) == 1
    for name, table in messages.items():
        assert len(reports(table)) > 80, name  # 41 meters at 10:15 and 10:30
    up = {
        name: table[
            table["src"].str.startswith("lvgmu/")
            & table["dst"].str.startswith("mvgmu/")
            & (table["fate"] == "delivered")
        ]
        for name, table in messages.items()
    }
    assert set(up["plc+gprs"]["hops"]) == {3}  # base station, core, upper unit
    assert up["plc+gprs"]["delay_us"].min() > 100_000 > up["mesh+lte"]["delay_us"].max()


@pytest.mark.requirement("MU-04")
def test_the_edge_saves_core_and_distance_but_not_the_radio(
    messages: dict[str, pd.DataFrame],
) -> None:
    edge, cloud = (reports(messages[name]) for name in ("5g+edge", "5g+cloud"))
    assert edge["core_us"].median() < 1000
    assert cloud["core_us"].median() > 10_000
    radio = ["access_us", "air_us"]
    assert edge[radio].sum(axis=1).median() == pytest.approx(
        cloud[radio].sum(axis=1).median(), rel=0.3
    )
    assert edge["delay_us"].median() < cloud["delay_us"].median() - 10_000


@pytest.mark.requirement("MU-04")
def test_where_a_unit_runs_is_where_its_host_is() -> None:
    hosts = {}
    for where in ("in-place", "edge", "cloud"):
        scenario = load("street", [*QUIET, f"network.hosting.lvgmu={where}"])
        units = assemble(scenario).params["units"]["spec"]["units"]
        hosts[where] = next(unit["host"] for unit in units if unit["kind"] == "lvgmu")
    assert hosts == {"in-place": "embedded", "edge": "edge", "cloud": "cloud"}
