"""Substations publish at a broker in the cloud, and obey: over the whole simulated network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis import Run
from controllers.mqtt.packets import Connect, Publish, Stream
from controllers.unit import UnitsSimulator
from fernwatt.errors import ScenarioError
from fernwatt.messages import Command, Frame
from scenarios import load, run
from scenarios.assembly import assemble

PERIOD_MS = 900_000
GATEWAY, BROKER, APPLICATION = "lvgmu/lv1.101", "broker/cloud", "application/web"
BATTERY = "dmu/lv1.101/load-1/battery"
OTHER = "dmu/lv1.101/load-2/battery"
SMALL = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=1", "time.duration_h=2",
    "services.balancing.mode=local", "devices.battery.share=1.0",
    "orchestration.coupling=separate",
]  # fmt: skip


@dataclass
class Kept:
    """The units' core of a run, and what it handed out."""

    folder: Path = Path()
    core: Any = None
    frames: list[Frame] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def packets(self, src: str, dst: str) -> list[Any]:
        """Return what one said to the other by MQTT, as it went over the wire."""
        return [
            packet
            for frame in self.frames
            if (frame.src, frame.dst) == (src, dst)
            for packet in Stream().feed(frame.payload)
        ]

    def shown(self, variable: str = "gateway.event") -> list[Any]:
        """Return what the application has, oldest first."""
        return [one.value for one in self.core.unit(APPLICATION).store.series(
            variable, "operator", APPLICATION)]  # fmt: skip


def carried_out(folder: Path, *settings: str) -> tuple[Run, Kept]:
    """Return the run of a small street, and what its units had at the end."""
    kept, whole = Kept(), UnitsSimulator.setup

    def setup(self: Any, *args: Any) -> Any:
        made = whole(self, *args)
        kept.core = self._core
        step = self._core.step

        def watched(*given: Any, **named: Any) -> Any:
            out = step(*given, **named)
            kept.frames.extend(out.frames)
            kept.commands.extend(out.commands)
            return out

        self._core.step = watched
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UnitsSimulator, "setup", setup)
        scenario = load("street", [*SMALL, *settings])
        found = run(scenario, folder=folder, with_report=False).check()
    return Run(found.folder), kept


def order(at_h: float, location: str, name: str = GATEWAY) -> str:
    value = "{p_w: 1500.0, until_ms: 7200000}"
    return (f"{{at_h: {at_h}, gateway: {name}, variable: set_point, location: {location}, "
            f"value: {value}}}")  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Kept]:
    """Two hours, with an order that its customer allows and one that is not allowed."""
    orders = f"{order(0.6, BATTERY)}, {order(0.8, OTHER)}"
    wanted = f"services.gateway={{obeys: [{BATTERY}], orders: [{orders}]}}"
    outage = "network.outages=[{element: cloud/broker/cloud, at_h: 1.262, lasts_h: 0.3}]"
    return carried_out(tmp_path_factory.mktemp("gateway") / "run", wanted, outage)


def registers(found: Run) -> dict[tuple[str, str, int], float]:
    """Return what the meters read: by meter, variable and end of the period."""
    readings = found.series("reading")
    rows = readings[readings["instrument"].str.startswith("meter/")]
    return {
        (it.instrument.removesuffix("/register"), it.variable, round(it.t_sample_ms / PERIOD_MS)): (
            it.value
        )
        for it in rows.itertuples()
        if it.variable in {"energy.import", "energy.export"}
    }


@pytest.mark.requirement("NW-08")
def test_every_meter_of_every_period_arrives_once_in_order_and_as_it_was_read(
    outcome: tuple[Run, Kept],
) -> None:
    found, kept = outcome
    shown, read = kept.shown(), registers(found)
    meters = sorted(unit["id"] for unit in found.topology["units"] if unit["kind"] == "meter")
    areas = [one for one in shown if "missing" in one]
    assert [one["end_ms"] // PERIOD_MS for one in areas] == list(range(1, 8))
    assert all(one["missing"] == [] and one["answered"] == len(meters) for one in areas)
    for number in range(1, 8):
        ofs = [one for one in shown if one["end_ms"] == number * PERIOD_MS and "unit" in one]
        assert [one["unit"] for one in ofs] == meters
        for one in ofs:
            for variable, (value, _) in one["values"].items():
                assert value == pytest.approx(read[one["unit"], variable, number])
    events = found.events
    assert "application_gap" not in set(events["kind"])


def test_the_gateway_authenticates_with_real_packets_and_leaves_a_will(
    outcome: tuple[Run, Kept],
) -> None:
    _, kept = outcome
    hello = kept.packets(GATEWAY, BROKER)[0]
    assert isinstance(hello, Connect)
    assert (hello.client, hello.user) == (GATEWAY, "gateway")
    assert hello.will == Publish(f"fernwatt/{GATEWAY}/status", b"offline", 1, True)


def test_what_was_kept_while_the_cloud_was_away_is_published_afterwards(
    outcome: tuple[Run, Kept],
) -> None:
    found, kept = outcome
    told = found.events[found.events["kind"].isin(["gateway_online", "gateway_lost"])]
    assert list(told["kind"])[:2] == ["gateway_online", "gateway_lost"]
    assert list(told["kind"])[-1] == "gateway_online"
    assert told["t_us"].iloc[-1] > 1.5 * 3.6e9
    again = [it for it in kept.packets(GATEWAY, BROKER) if isinstance(it, Publish) and it.duplicate]
    assert again  # at least once on the wire, once in effect
    assert False in [one["online"] for one in kept.shown("gateway.status")]


@pytest.mark.requirement("NW-08")
def test_an_order_moves_the_device_whose_customer_lets_it_and_no_other(
    outcome: tuple[Run, Kept],
) -> None:
    found, kept = outcome
    ordered = [command for command in kept.commands if command.action == "set_power"]
    assert [(it.unit, it.value["p_w"]) for it in ordered] == [(BATTERY, 1500.0)]
    assert [one["result"] for one in kept.shown("gateway.reply")] == ["ok", "denied"]
    events = found.events
    (denied,) = events[events["kind"] == "access_denied"].to_dict("records")
    assert json.loads(denied["value"])["service"] == "gateway"
    moved = events[events["kind"] == "set_point_changed"].to_dict("records")
    assert [json.loads(one["value"])["p_w"] for one in moved] == [1500.0]
    # from the device back to the application, all that led to it is on record
    assert chain(found, moved[0]["id"])[-1].startswith(f"{APPLICATION}#")


def chain(found: Run, identifier: str) -> list[str]:
    """Return the identifiers from one to the first that made it happen."""
    causes = dict(zip(found.events["id"], found.events["cause"], strict=True))
    messages = found.messages
    causes |= dict(zip(messages["id"], messages["cause"], strict=True))
    requests = found.series("request")
    causes |= dict(zip(requests["id"], requests["cause"], strict=True))
    out = [identifier]
    while causes.get(out[-1]):
        out.append(causes[out[-1]])
    return out


def test_wrong_passwords_are_refused_and_nothing_leaves_the_area(tmp_path: Path) -> None:
    found, kept = carried_out(
        tmp_path / "run", "services.gateway={password: guess, retry_max_s: 60}",
        "time.duration_h=0.5",
    )  # fmt: skip
    kinds = found.events["kind"].value_counts()
    assert kinds["broker_refused"] == kinds["gateway_refused"] > 20
    assert kept.shown() == []
    assert not any(isinstance(it, Publish) for it in kept.packets(GATEWAY, BROKER))


@pytest.mark.slow
@pytest.mark.parametrize("security", ["none", "integrity+secrecy"])
def test_line_sensors_of_a_substation_take_part(tmp_path: Path, security: str) -> None:
    sensor = "{at: ['line/lv1.101/line-1*'], accuracy_class: 0.5, rated_a: 200, period_s: 60}"
    sensors = f"field.sensors=[{sensor}]"
    _, kept = carried_out(
        tmp_path / "run", "services.gateway={meters: [], period_s: 300}", sensors,
        "time.duration_h=0.5", "grid.solver=four-wire", f"units.security={security}",
    )  # fmt: skip
    events = [one for one in kept.shown() if "unit" in one]
    assert len({one["unit"] for one in events}) > 1
    assert {one["unit"].partition("/")[0] for one in events} == {"line"}
    assert len({one["end_ms"] for one in events}) >= 5
    payloads = [frame.payload for frame in kept.frames if frame.dst == BROKER]
    assert any(b"fernwatt" in one for one in payloads) is (security == "none")


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        (f"{{orders: [{order(1, BATTERY, 'lvgmu/lv9')}]}}", "orders[0].gateway"),
        ("{shares: [nobody]}", "shares[0]"), ("{obeys: ['x/*']}", "obeys[0]"),
        ("{meters: [energy.inport]}", "meters[0]"), ("{period_s: 1000}", "period_s"),
        ("{period_s: 60, timeout_s: 60}", "timeout_s"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(setting: str, path: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", [*SMALL, f"services.gateway={setting}"]))
    named = [fault.path for fault in caught.value.faults]
    assert f"services.gateway.{path}" in named


@pytest.mark.slow
def test_where_every_tenth_frame_is_lost_all_still_arrives_once_and_in_order(
    tmp_path: Path,
) -> None:
    found, kept = carried_out(tmp_path / "run", "services.gateway={}", "network.loss=0.1")
    areas = [one for one in kept.shown() if "missing" in one]
    assert [one["end_ms"] // PERIOD_MS for one in areas] == list(range(1, 8))
    assert sum(len(one["missing"]) for one in areas) <= 3  # of 91: joined late, or asked in vain
    assert "application_gap" not in set(found.events["kind"])


@pytest.mark.slow
def test_gateways_boxes_and_pairs_are_the_same_however_simulators_are_coupled(
    tmp_path: Path,
) -> None:
    pair = "{controller: cmu/lv1.101/load-2, device: dmu/lv1.101/load-1/battery}"
    settings = [
        *SMALL, "time.duration_h=0.75", "services.gateway={}", "units.security=integrity",
        "units.black_boxes={battery: modbus, pv: zigbee}", f"services.pairing={{pairs: [{pair}]}}",
    ]  # fmt: skip
    runs = []
    for coupling in ("separate", "fused"):
        scenario = load("street", [*settings, f"orchestration.coupling={coupling}"])
        done = run(scenario, folder=tmp_path / coupling, with_report=False).check()
        runs.append(Run(done.folder))
    assert runs[0].messages.equals(runs[1].messages)
    assert runs[0].events.equals(runs[1].events)
    assert len(runs[0].messages) > 500


@pytest.mark.slow
def test_street_lights_are_watched_and_switched_through_the_broker(tmp_path: Path) -> None:
    feeder = "lighting/lv4.101/main-street"
    order_ = (
        "{at_h: 2.0, gateway: lvgmu/lv4.101, variable: light.order, location: lvgmu/lv4.101, "
        f"value: {{element: {feeder}, on: false}}}}"
    )
    settings = [
        "time.duration_h=2.5", "units.history_days=0", "lighting.failures=[]", "faults=[]",
        "field.contactors={}",
        f"services.gateway={{meters: [], period_s: 300, timeout_s: 60, orders: [{order_}]}}",
    ]  # fmt: skip
    done = run(load("lights", settings), folder=tmp_path / "run", with_report=False).check()
    found = Run(done.folder)
    events = found.events
    off = events[(events["kind"] == "lighting_off") & (events["element"] == feeder)]
    assert len(off) == 1
    assert 0 < off["t_us"].iloc[0] - 2 * 3_600_000_000 < 2_000_000
    assert chain(found, off["id"].iloc[0])[-1].startswith(f"{APPLICATION}#")
    periods = [
        json.loads(value) for value in events.loc[events["kind"] == "gateway_period", "value"]
    ]
    assert len(periods) >= 28
    assert all(one == one | {"answered": 4, "missing": []} for one in periods[1:])


@pytest.mark.slow
def test_a_gateway_that_was_dead_names_what_it_missed_and_goes_on(tmp_path: Path) -> None:
    failure = f"units.failures=[{{unit: {GATEWAY}, at_h: 0.6, lasts_s: 2400}}]"
    found, kept = carried_out(tmp_path / "run", "services.gateway={}", failure)
    areas = [one for one in kept.shown() if "missing" in one]
    assert [one["end_ms"] // PERIOD_MS for one in areas] == list(range(1, 8))
    assert [one["answered"] for one in areas] == [13, 13, 0, 0, 13, 13, 13]
    assert [one["online"] for one in kept.shown("gateway.status")] == [True, False, True]
    assert "application_gap" not in set(found.events["kind"])
