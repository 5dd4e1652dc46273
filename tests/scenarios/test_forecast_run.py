"""A provider's forecast crosses the whole network, and reaches the customers as it was issued."""

from __future__ import annotations

import json

import pytest

from analysis import Run
from controllers.unit import UnitsSimulator
from scenarios import load, run
from scenarios.assembly import assemble

H = 3_600_000
SMALL = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=1", "time.duration_h=5",
    "services.forecast={every_h: 2, horizon_h: 24}", "orchestration.coupling=separate",
]  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The run, and the units' core as it was at the end."""
    cores = []
    whole = UnitsSimulator.setup

    def setup(self, *args):
        made = whole(self, *args)
        cores.append(self._core)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UnitsSimulator, "setup", setup)
        folder = tmp_path_factory.mktemp("forecast") / "run"
        found = run(load("street", SMALL), folder=folder, with_report=False).check()
    return Run(found.folder), cores[0]


def kept(core, unit):
    owner = core.directory.owner(unit, "weather.forecast")
    return list(core.unit(unit).store.series("weather.forecast", owner, unit))


def test_what_arrives_at_a_customer_is_what_was_issued_and_comes_later(outcome):
    found, core = outcome
    readings = found.series("reading")
    feed = readings[readings["variable"] == "weather.forecast"]
    issued = [json.loads(text) for text in feed["record"]]
    assert [value["issued_ms"] for value in issued] == [0, 2 * H, 4 * H]
    assert all(len(value["ghi_w_per_m2"]) == 24 for value in issued)
    assert set(feed["instrument"]) == {"provider/weather/feed"}
    cmus = [unit["id"] for unit in found.topology["units"] if unit["kind"] == "cmu"]
    assert len(cmus) > 5
    for cmu in cmus:
        instances = kept(core, cmu)
        assert [one.value for one in instances] == issued
        delays = [one.t_ms - one.value["issued_ms"] for one in instances[1:]]
        assert min(delays) > 100  # a power line and a radio are in between
        assert max(delays) < 60_000


def test_it_goes_over_every_level_of_the_network(outcome):
    found, _ = outcome
    messages = found.series("message")
    late = messages[(messages["t_send_us"] >= 4 * H * 1000) & (messages["flow"] == "management")]
    hops = {(src.split("/")[0], dst.split("/")[0]) for src, dst in
            zip(late["src"], late["dst"], strict=True)}  # fmt: skip
    assert {("provider", "tlgmu"), ("tlgmu", "mvgmu"), ("mvgmu", "lvgmu"), ("lvgmu", "cmu")} <= hops
    first = late[late["src"] == "provider/weather"].iloc[0]
    assert first["cause"] == "provider/weather/feed#3"


def test_no_unit_is_told_the_truth_only_the_forecast(outcome):
    plan = assemble(load("street", SMALL))
    units = json.dumps(plan.params["units"], default=str)
    assert "ghi" not in units
    (feed,) = plan.params["field"]["feeds"]
    true_c = assemble(load("street", [*SMALL, "devices.heat_pump.share=1.0"])).params["devices"][
        "climate"
    ]["temperature_c"]
    said = [value["temperature_c"] for value in feed["values"]]
    hours = [true_c[4 * k : 4 * k + 4].mean() for k in range(5)]
    assert all(abs(a - b) < 3 for a, b in zip(said[0], hours, strict=False))
    assert all(a != b for a, b in zip(said[0], hours, strict=False))


def test_it_can_end_above_the_customers(tmp_path):
    plan = assemble(load("street", [*SMALL[:3], "services.forecast={to: mvgmu}"]))
    told = {unit["kind"] for unit in plan.params["units"]["spec"]["units"]
            if "forecast" in unit["services"]}  # fmt: skip
    assert told == {"tlgmu", "mvgmu"}
    provider = next(u for u in plan.params["units"]["spec"]["units"] if u["kind"] == "provider")
    assert provider["owner"] == "weather-provider"
    links = plan.params["network"]["spec"]["links"]
    assert [(one["a"], one["b"]) for one in links if "provider" in one["id"]] == [
        ("provider/weather", "tlgmu/top")
    ]
