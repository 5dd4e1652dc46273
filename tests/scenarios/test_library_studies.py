"""The studies of the library: what each asks, asked of a small street."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import analysis
from scenarios.study import load_study, run_study

STUDIES = Path(analysis.__file__).parents[1] / "scenarios" / "studies"
SMALL = {"grid.source": {"simbench": "1-LV-rural1--0-sw"}, "devices.ev.share": 1.0}
EVENING = {"time.start": "2016-04-20T15:00:00Z", "time.duration_h": 17, "units.history_days": 2}


def cut(folder: Path, name: str, values: dict[str, list[Any]], **more: Any) -> pd.DataFrame:
    """Run a study with fewer values, on a small street; return its table."""
    text: dict[str, Any] = yaml.safe_load((STUDIES / f"{name}.yaml").read_text())
    for path, wanted in values.items():
        known = text["parameters"][path]
        assert all(value in known for value in wanted), path
    text |= {"parameters": values, "seeds": [1], "reference": more.pop("reference", {})}
    fixed = {path: value for path, value in (SMALL | EVENING | more).items() if path not in values}
    text["set"] = text.get("set", {}) | fixed
    (folder / "study.yaml").write_text(yaml.safe_dump(text))
    run_study(folder / "study.yaml", folder / "runs", workers=1)
    found = folder / "runs" / name
    table = pd.read_parquet(found / "summary.parquet")
    assert set(table["status"]) == {"complete"}, table["error"].dropna().unique()
    page = (found / "report.html").read_text()
    assert page.count("<figure") >= len(set(text["kpis"]) & set(table.columns)) // 2
    for kpi in text["kpis"]:
        assert kpi in page
    return table


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_of_the_library_can_be_run(path: Path) -> None:
    study = load_study(path)
    assert study.config.name == path.stem
    assert len(study.config.description) > 100
    assert study.config.kpis


@pytest.mark.slow
@pytest.mark.requirement("QU-04")
def test_lost_messages_cost_what_negotiation_gains_and_nothing_more(tmp_path: Path) -> None:
    values = {"network.lv_fan": ["plc-prime"], "network.loss": [0.0, 0.2, 1.0]}
    table = cut(tmp_path, "message_loss", values).set_index("network.loss")
    peak = table["peak_import_w"]
    assert peak[0.0] < 0.7 * peak[1.0]
    assert 0.9 * peak[0.0] <= peak[0.2] <= 0.9 * peak[1.0]
    assert (table["ev_not_served_wh"] < 1.0).all()
    assert table["delivery_percent"].is_monotonic_decreasing
    assert table["delivery_percent"][1.0] < 1.0


@pytest.mark.slow
@pytest.mark.requirement("QU-05")
def test_protection_costs_bytes_on_any_link_and_time_on_narrow_ones(tmp_path: Path) -> None:
    levels = ["none", "integrity", "integrity+secrecy"]
    values = {"units.security": levels, "network.lv_fan": ["plc-prime", "5g-embb"]}
    table = cut(tmp_path, "street_security", values, **{"time.duration_h": 3})
    wide, narrow = (
        table[table["network.lv_fan"] == fan].set_index("units.security").loc[levels]
        for fan in ("5g-embb", "plc-prime")
    )
    for part in (wide, narrow):
        assert part["wire_bytes"].is_monotonic_increasing
    more = [part["message_delay_p95_ms"].iloc[-1] - part["message_delay_p95_ms"].iloc[0]
            for part in (wide, narrow)]  # fmt: skip
    assert more[0] < more[1]


@pytest.mark.slow
@pytest.mark.requirement("QU-04")
def test_whoever_decides_a_cut_is_noticed_by_commands_and_not_by_prices(tmp_path: Path) -> None:
    both = [[], [{"element": "cell/*", "at_h": 2, "lasts_h": 12}]]
    values = {
        "services.control.intelligence": ["central", "hybrid", "local"],
        "services.control.signal": ["command", "price"],
        "network.outages": both,
    }
    day = {"time.start": "2016-04-20T10:00:00Z", "time.duration_h": 23}
    table = cut(tmp_path, "control_intelligence", values, **day)
    cut_off = table["network.outages"].astype(str).str.contains("cell")
    commanded = table["services.control.signal"] == "command"
    free = table[~cut_off & commanded]
    assert (free["commands_followed_percent"] == 100.0).all()
    # orders differ by the time of a message
    assert free["peak_import_w"].max() - free["peak_import_w"].min() < 100.0
    assert (table[cut_off & commanded]["control_orders"] == 0).all()
    priced = table[~commanded].groupby("services.control.intelligence")["peak_import_w"]
    assert (priced.max() - priced.min() < 100.0).all()  # with and without the cut
    assert (table["ev_not_served_wh"] < 1.0).all()


@pytest.mark.slow
@pytest.mark.requirement("QU-06")
def test_the_more_that_can_wait_the_more_negotiation_helps(tmp_path: Path) -> None:
    modes = "services.balancing.mode"
    values = {
        modes: ["local", "steering"],
        "devices.pv.share": [0.8],
        "devices.ev.share": [0.0, 0.8],
        "devices.heat_pump.share": [0.4],
    }
    day = {"time.start": "2016-03-16T11:00:00Z", "time.duration_h": 24}
    table = cut(tmp_path, "shares", values, reference={modes: "local"}, **day)
    keys = ["devices.pv.share", "devices.ev.share"]
    alone, steered = (
        table[table[modes] == mode].set_index(keys).sort_index() for mode in values[modes]
    )
    less = 1.0 - steered["peak_import_w"] / alone["peak_import_w"]
    assert less[0.8, 0.8] > 0.15
    assert less[0.8, 0.8] > less[0.8, 0.0]
    assert (steered["self_consumption_percent"] >= alone["self_consumption_percent"]).all()
    assert (steered["ev_not_served_wh"].dropna() < 1.0).all()
    assert (steered["discomfort_kh"] < 0.1).all()
