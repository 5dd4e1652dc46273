"""What of customers' data is known to whom, in whole runs over the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from analysis import Run
from analysis.kpis import compute
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

SLOT = 900_000
AREA, READER = "lvgmu/lv4.101", "mvgmu/mv1.101"


def go(folder: Path, hours: float = 2, **changes: Any) -> Run:
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["time"]["duration_h"] = hours
    source["services"] = {"balancing": {"mode": "local"}, **changes.pop("services", {})}
    units = json.loads(json.dumps(changes.pop("units", {})))  # nothing in it is there twice
    source["units"] |= {"history_days": 0, **units}
    source["network"] |= changes.pop("network", {})
    folder.mkdir(parents=True)
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(source, file)
    case = load(str(folder / "case.yaml"))
    return Run(run(case, folder=folder / "run", with_report=False).check().folder)


def told(found: Run, kind: str, element: str = "") -> list[dict[str, Any]]:
    events = found.events
    events = events[events["kind"] == kind]
    if element:
        events = events[events["element"] == element]
    return [json.loads(text) for text in events["value"]]


def grown(found: Run) -> pd.DataFrame:
    """What each meter's registers grew by in each slot, by slot and meter [Wh]."""
    reading = found.series("reading")
    frames = {}
    for variable in ("energy.import", "energy.export"):
        one = reading[(reading["variable"] == variable).to_numpy()]
        meters = one["instrument"].astype(str).str.removesuffix("/register")
        one = one.assign(meter=meters, slot=(one["t_clock_ms"] / SLOT).round().astype(int))
        one = one[one["meter"].str.startswith("meter/")]
        shown = one.pivot_table(index="slot", columns="meter", values="value", aggfunc="first")
        frames[variable] = shown.astype(float).diff().shift(-1)
    return pd.concat(frames, axis=1)


@pytest.mark.requirement("SP-05")
@pytest.mark.parametrize(
    ("scheme", "loss"),
    [("masking", 0.0), pytest.param("masking", 0.05, marks=pytest.mark.slow),
     pytest.param("elgamal", 0.12, marks=pytest.mark.slow)],
)  # fmt: skip
def test_sums_nobody_below_can_read_are_the_registers_differences(
    tmp_path: Path, scheme: str, loss: float
) -> None:
    units: dict[str, Any] = {"security": "with-privacy", "privacy": {"scheme": scheme}}
    if loss:
        units["failures"] = [{"unit": "meter/lv4.101/load-1?", "at_h": 0.6, "lasts_s": 1500}]
    found = go(tmp_path / scheme, units=units, network={"loss": loss})
    energy = grown(found)
    hidden = {one["t_ms"]: one for one in told(found, "hidden_sum", AREA)}
    sums = {one["t_ms"]: one for one in told(found, "area_energy", READER)}
    assert told(found, "area_energy", AREA) == []
    checked = 0
    for t_ms, record in sums.items():
        if not record["meters"]:
            continue
        there = [meter for meter in energy["energy.import"].columns
                 if meter not in hidden[t_ms]["absent"]]  # fmt: skip
        assert record["meters"] == len(there) >= 15
        for key, variable in (("import_wh", "energy.import"), ("export_wh", "energy.export")):
            total = energy[variable].loc[t_ms // SLOT, there].sum()
            assert record[key] == pytest.approx(total, abs=1e-6)
        checked += 1
    assert checked >= 4
    requests = found.series("request")
    of_area = requests[(requests["unit"] == AREA).to_numpy()]
    assert not of_area["variable"].isin(["energy.import", "energy.export"]).any()
    values = compute(found)
    assert values["hidden_sums"]["value"] == len(hidden)
    assert values["suppressed_sums"]["value"] == len(told(found, "sum_suppressed"))
    if loss and scheme == "masking":
        rounds = [one["rounds"] for one in hidden.values()]
        assert any(rounds)
        assert any(len(one["absent"]) >= 10 for one in hidden.values())


READERS = [
    {"name": "billing", "stakeholder": "supplier", "variables": ["energy.import"]},
    {"name": "hasty", "stakeholder": "supplier", "variables": ["energy.import"], "every_s": 300,
     "customers": "lv4.101/*-2?"},
    {"name": "stranger", "stakeholder": "aggregator", "customers": "lv4.101/*-2?",
     "variables": ["energy.import", "device.energy"]},
    {"name": "friend", "stakeholder": "aggregator", "customers": "lv4.101/*-2?", "via": "cmu",
     "variables": ["energy.import", "device.energy"], "every_s": 300},
]  # fmt: skip
GIVEN = [
    {"variables": ["energy.import"],
     "grants": [{"stakeholder": "supplier", "service": "reader", "min_delay_s": 840},
                {"stakeholder": "operator"},
                {"stakeholder": "aggregator", "service": "reader", "min_delay_s": 60}]},
    {"variables": ["device.energy"],
     "grants": [{"stakeholder": "aggregator", "service": "reader"}]},
    {"customers": "lv4.101/*-1?", "variables": ["energy.import"],
     "grants": [{"stakeholder": "operator"}], "at_h": 1.0},
]  # fmt: skip


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Run:
    contract = {"stakeholder": "supplier", "variables": ["energy.import"], "min_delay_s": 840}
    readers = [{**one, "from_h": 0.3} for one in READERS]
    units = {"custody": True, "contracts": [contract], "policies": GIVEN, "readers": readers}
    return go(tmp_path_factory.mktemp("privacy") / "read", units=units)


def results(found: Run, reader: str, variable: str = "energy.import") -> dict[str, int]:
    frame = found.series("request")
    frame = frame[(frame["unit"] == f"reader/{reader}").to_numpy()]
    counts = frame[(frame["variable"] == variable).to_numpy()]["result"].value_counts()
    return {str(key): int(value) for key, value in counts.items() if value}


@pytest.mark.slow
@pytest.mark.requirement("SP-12")
def test_meters_answer_whom_contracts_name_at_their_rate_and_others_ask_the_customers_unit(
    read: Run,
) -> None:
    billing, hasty = read.series("request"), results(read, "hasty")
    billing = billing[(billing["unit"] == "reader/billing").to_numpy()]
    unhurried = ~billing["location"].astype(str).str.match(r"meter/lv4.101/load-[12]\d")
    assert unhurried.sum() > 60
    assert set(billing[unhurried.to_numpy()]["result"]) == {"ok"}
    assert hasty["rate"] > hasty.get("ok", 0) > 0
    assert set(results(read, "stranger")) == {"denied"}
    assert set(results(read, "stranger", "device.energy")) == {"denied"}
    assert set(results(read, "friend")) == {"ok"}
    assert set(results(read, "friend", "device.energy")) == {"ok"}
    messages = read.messages
    friends = messages[(messages["src"] == "reader/friend").to_numpy()]
    assert set(friends["dst"].str.partition("/")[0]) == {"cmu"}
    assert compute(read)["reads_refused"]["by"]["ok"] > 300


@pytest.mark.slow
@pytest.mark.requirement("SP-13")
def test_what_the_contract_grants_and_a_new_policy_denies_is_told_to_both(read: Run) -> None:
    changed = told(read, "policy_changed")
    assert {one["result"] for one in changed} == {"ok"}
    conflicts = read.events[read.events["kind"] == "access_conflict"]
    assert len(conflicts) > 20
    assert conflicts["element"].str.match(r"meter/lv4.101/load-1\d").all()
    assert (conflicts["t_us"] > 3_600_000_000).all()
    assert len(told(read, "conflict_heard")) == len(told(read, "conflict_told")) == len(conflicts)
    assert compute(read)["access_conflicts"]["by"] == {"supplier": len(conflicts)}


@pytest.mark.slow
def test_the_copies_of_a_run_know_the_policies_of_their_instances(read: Run) -> None:
    granted = read.series("request")
    granted = granted[(granted["unit"] == "reader/friend").to_numpy()]
    late = granted[(granted["t_ms"] > 1.2 * 3_600_000).to_numpy()]
    assert (late["result"] == "ok").all()  # others' changes are no business of these customers


@pytest.mark.slow
@pytest.mark.requirement("DI-07")
def test_a_substations_copies_are_ruled_by_the_policies_that_came_with_them(tmp_path: Path) -> None:
    """An event at the top: the operator's tool looks at single customers, where they let it."""
    tool = {"name": "tool", "stakeholder": "operator", "variables": ["energy.import"],
            "via": "lvgmu", "every_s": 600, "from_h": 0.6}  # fmt: skip
    grants = [{"stakeholder": "operator", "service": "aggregation"},
              {"stakeholder": "operator", "service": "reader", "min_delay_s": 500}]  # fmt: skip
    policies = [
        {"variables": ["energy.import"], "grants": grants},
        {"customers": "lv4.101/*-1?", "variables": ["energy.import"], "grants": grants[:1]},
        {"customers": "lv4.101/*-2?", "variables": ["energy.import"], "grants": grants[:1],
         "at_h": 1.0},
    ]  # fmt: skip
    units = {"privacy": {"copies": ["energy.import"]}, "policies": policies, "readers": [tool]}
    found = go(tmp_path / "drill", 1.75, units=units)
    requests = found.series("request")
    asked = requests[(requests["unit"] == "reader/tool").to_numpy()]
    asked = asked.assign(house=asked["location"].astype(str).str.extract(r"load-(\d+)")[0].values)
    outcome = asked.groupby(asked["house"].str.len().eq(2) * asked["house"].str[0].astype(int))
    results = {int(key): set(part["result"].astype(str)) for key, part in outcome}
    assert results[1] == {"denied"}
    assert results[3] == results[4] == {"ok"}
    twenties = asked[asked["house"].str.match(r"2\d")]
    early = twenties[twenties["t_ms"] < 3_600_000]
    late = twenties[twenties["t_ms"] > 4_600_000]  # a quarter of an hour later it has new ones
    assert set(early["result"]) == {"ok"}
    assert set(late["result"]) == {"denied"}
    messages = found.messages
    sent = messages[(messages["src"] == "reader/tool").to_numpy()]
    assert set(sent["dst"].astype(str)) == {AREA}  # no meter was asked


@pytest.mark.slow
@pytest.mark.requirement("SP-06")
def test_a_thousand_meters_in_hidden_sums_of_areas_that_are_large_enough(tmp_path: Path) -> None:
    case = load("metering", ["units.security=with-privacy", "time.duration_h=0.75"])
    found = Run(run(case, folder=tmp_path / "run", with_report=False).check().folder)
    [record] = [one for one in told(found, "area_energy") if one["t_ms"] == 0 and one["meters"]][:1]
    assert record["meters"] + record["missing"] == 1000
    assert record["meters"] > 900
    small = {one["absent"][0].split("/")[1] for one in told(found, "sum_suppressed")}
    assert small == {"lv1.101"}  # thirteen houses
    energy = grown(found)
    absent = {name for one in told(found, "hidden_sum") if one["t_ms"] == 0
              for name in one["absent"]}  # fmt: skip
    absent |= {name for one in told(found, "sum_suppressed") if one["t_ms"] == 0
               for name in one["absent"]}  # fmt: skip
    there = [name for name in energy["energy.import"].columns if name not in absent]
    total = energy["energy.import"].loc[0, there].sum()
    assert record["import_wh"] == pytest.approx(total, abs=1e-6)


@pytest.mark.slow
@pytest.mark.requirement("CP-09")
def test_what_is_critical_to_a_customer_keeps_off_the_internet(tmp_path: Path) -> None:
    prosumers = {"customers": "lv4.101/*-1?", "variables": ["weather.forecast"], "critical": True}
    found = go(
        tmp_path / "net",
        1.0,
        services={"forecast": {}},
        network={"internet": True},
        units={"critical": [prosumers]},
    )
    messages = found.messages
    sent = messages[(messages["fate"] == "delivered").to_numpy()]
    pairs = sent.assign(
        src=sent["src"].astype(str), dst=sent["dst"].astype(str), flow=sent["flow"].astype(str)
    )
    told = pairs[(pairs["src"] == "provider/weather") & pairs["dst"].str.startswith("cmu/")]
    critical = told["dst"].str.match(r"cmu/lv4.101/load-1\d$")
    assert critical.sum() >= 20
    assert set(told[critical]["flow"]) == {"control"}
    assert (told[critical]["hops"] > 4).all()  # top, substations, meter, house
    assert set(told[~critical]["hops"]) == {2}
    assert not set(told[~critical]["flow"]) & {"control"}
    assert pairs[pairs["flow"] == "control"]["hops"].min() > 0
    own = pairs[pairs["src"].str.startswith(("meter/", "lvgmu/"))]
    assert (own["hops"] <= 4).all()


def test_what_is_stated_of_nobody_is_refused(tmp_path: Path) -> None:
    for units, path in (
        ({"policies": [{"variables": ["energy.imprt"]}]}, "units.policies[0].variables"),
        ({"readers": [{"name": "a", "stakeholder": "x", "variables": ["voltage"],
                       "customers": "lv9*"}]}, "units.readers[0].customers"),
        ({"contracts": [{"stakeholder": "x", "variables": ["nothing"]}]},
         "units.contracts[0].variables"),
    ):  # fmt: skip
        with pytest.raises(ScenarioError) as error:
            go(tmp_path / path, units=units)
        assert error.value.faults[0].path == path


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    spec = assemble(load("street", ["time.duration_h=1"])).params["units"]["spec"]
    for unit in spec["units"]:
        assert not {"contracts", "copies", "shut", "policies"} & unit.keys()
        assert not {"privacy", "custodian", "reader"} & unit["services"].keys()
        assert not {"hiding", "disclosure"} & unit["services"].get("aggregation", {}).keys()
