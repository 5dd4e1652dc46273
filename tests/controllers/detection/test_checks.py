"""Single checks: what is usual passes, what is beyond a limit does not."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.detection.audit import Audit
from controllers.detection.energy import Balance, House, Registers, Silence
from controllers.detection.limits import Limits
from controllers.detection.members import Members
from controllers.detection.orders import Numbers, Signals
from controllers.detection.sun import Sun
from controllers.unit.service import Issued, Notification, Result
from fernwatt.errors import ScenarioError

SLOT = 900_000
LIMITS = Limits()


def told(variable: str, location: str, value: Any, t_ms: int, request: str = "s#1") -> Notification:
    return Notification(f"n#{t_ms}", request, Result.OK, variable, location, "o", value, t_ms)


def kinds(findings: Any) -> list[str]:
    return [finding.kind for finding in findings]


@pytest.mark.parametrize(
    ("told_wh", "found"), [(995.0, []), (940.0, []), (900.0, ["balance"]), (2000.0, ["balance"])]
)
def test_a_transformer_is_held_against_the_meters_sum(told_wh: float, found: list[str]) -> None:
    check = Balance("lvgmu/a", "lvgmu/a", LIMITS)
    for slot in range(3):
        check.take(told("energy.import", "lvgmu/a", 1000.0 * slot, slot * SLOT), slot * SLOT)
        check.take(told("energy.export", "lvgmu/a", 0.0, slot * SLOT), slot * SLOT)
    sums = {"t_ms": SLOT, "import_wh": told_wh, "export_wh": 0.0, "meters": 3, "missing": 0}
    assert kinds(check.take(told("area.energy", "lvgmu/a", sums, 2 * SLOT), 2 * SLOT)) == found
    sums["missing"] = 1  # then nobody knows
    assert kinds(check.take(told("area.energy", "lvgmu/a", sums, 2 * SLOT), 2 * SLOT)) == []


def test_missing_meters_and_silent_areas_are_found() -> None:
    check = Silence(["lvgmu/a"], LIMITS)
    sums = {"t_ms": SLOT, "import_wh": 1.0, "export_wh": 0.0, "meters": 9, "missing": 1}
    assert kinds(check.take(told("area.energy", "lvgmu/a", sums, SLOT), 2 * SLOT)) == []
    sums["missing"] = 9
    assert kinds(check.take(told("area.energy", "lvgmu/a", sums, SLOT), 2 * SLOT)) == ["silence"]
    assert kinds(check.slot(7 * SLOT)) == []
    assert kinds(check.slot(9 * SLOT)) == ["silence"]


def test_a_meter_finds_its_registers_jump_fall_and_freeze() -> None:
    def after(steps: list[float], sway_v: float = 0.0) -> list[str]:
        check, value, found = Registers("meter/x", LIMITS), 5000.0, list[str]()
        for number, step in enumerate(steps):
            value += step
            volts = told("voltage", "meter/x", 230.0 - sway_v * (number % 2), number * SLOT)
            found += kinds(check.take(volts, number * SLOT))
            reading = told("energy.import", "meter/x", value, number * SLOT)
            found += kinds(check.take(reading, number * SLOT))
        return found

    assert after([0.0, 100.0, 0.0, 2750.0, 50.0]) == []
    assert after([0.0, 1e6]) == ["reading"]
    assert after([0.0, 100.0, -50.0]) == ["reading"]
    assert after([0.0, 100.0] + [0.0] * 7) == []
    assert "reading" in after([0.0, 100.0] + [0.0] * 8)
    assert after([0.0, 100.0] + [0.0] * 8, sway_v=0.1) == []  # a battery holds the house


@pytest.mark.parametrize(("share", "found"), [(1.0, []), (0.4, ["reading"])])
def test_a_house_without_its_devices_draws_no_less_than_nothing(
    share: float, found: list[str]
) -> None:
    check, heard = House("meter/x", ["dmu/x/ev"], LIMITS), list[str]()
    for slot in range(5):
        at = slot * SLOT
        # 300 W of household, 4 kW of a vehicle
        check.take(told("energy.import", "meter/x", share * 1075.0 * slot, at), at)
        check.take(told("energy.export", "meter/x", 0.0, at), at)
        check.take(told("device.energy", "dmu/x/ev", 1000.0 * slot, at), at)
        heard += kinds(check.slot(at + 240_000))
    assert heard[:1] == found


def test_a_device_that_says_nothing_is_found() -> None:
    check = House("meter/x", ["dmu/x/ev"], LIMITS)
    check.take(told("device.energy", "dmu/x/ev", 0.0, SLOT), SLOT)
    assert kinds(check.slot(7 * SLOT)) == []
    assert kinds(check.slot(9 * SLOT)) == ["silence"]


@pytest.mark.parametrize(("factor", "found"), [(0.6, []), (1.0, []), (0.15, ["forecast"])])
def test_a_forecast_is_held_against_the_own_sun(factor: float, found: list[str]) -> None:
    check, heard = Sun("cmu/x", {"dmu/x/pv": 5000.0}, LIMITS), list[str]()
    forecast = {
        "issued_ms": 0, "start_ms": 0, "step_ms": 3_600_000,
        "ghi_w_per_m2": [600.0 * factor] * 5, "temperature_c": [10.0] * 5,
    }  # fmt: skip
    check.take(told("weather.forecast", "cmu/x", forecast, 0), 0)
    for slot in range(12):
        at = slot * SLOT
        check.take(told("device.energy", "dmu/x/pv", -5000.0 * 0.5 * slot / 4, at), at)
        heard += kinds(check.slot(at + 240_000))
    assert heard[:1] == found


def test_a_negotiation_s_number_is_near_the_clock() -> None:
    check = Numbers("cmu/x", "lvgmu/a", LIMITS)
    at = 8 * 3_600_000
    assert (
        kinds(check.take(told("balancing.request", "cmu/x", {"negotiation": 28_801}, at), at)) == []
    )
    wild = told("balancing.request", "cmu/x", {"negotiation": 2_000_000_000}, at)
    assert kinds(check.take(wild, at)) == ["request"]
    assert kinds(check.take(told("balancing.request", "cmu/x", {"negotiation": "x"}, at), at)) == [
        "request"
    ]


def test_what_is_left_to_shift_does_not_grow_within_a_negotiation() -> None:
    check, heard = Signals("cmu/x", "lvgmu/a", LIMITS), list[list[str]]()
    rounds = [(1, 1, 400), (1, 2, 300), (1, 3, 305), (2, 1, 900), (2, 2, 1000), (2, 0, 5000)]
    for negotiation, number, size in rounds:
        value = {"negotiation": negotiation, "round": number, "profile": 1, "k": 1, "d": [size]}
        heard.append(kinds(check.take(told("balancing.signal", "cmu/x", value, SLOT), SLOT)))
    assert heard == [[], [], [], [], ["signal"], []]


def test_a_negotiation_without_end_is_found() -> None:
    check, heard = Signals("cmu/x", "lvgmu/a", LIMITS), list[str]()
    for number in range(1, 12):
        value = {"negotiation": 5, "round": number, "profile": 1, "k": 1, "d": [-300, 40]}
        heard += kinds(check.take(told("balancing.signal", "cmu/x", value, SLOT), SLOT))
        assert heard == ["signal"] * max(0, number - 1 - LIMITS.stalled_rounds)


class Reader:
    """Stands for the Data Interface: notes what is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def query(self, variable: str, location: str) -> Issued:
        self.asked.append((f"q#{len(self.asked)}", variable, location))
        return Issued(Result.ISSUED, self.asked[-1][0])


@pytest.mark.parametrize(("share", "found"), [(1.0, []), (0.8, ["audit"])])
def test_an_audit_holds_sums_against_registers(share: float, found: list[str]) -> None:
    meters = ["meter/x", "meter/y"]
    check, heard = Audit({"lvgmu/a": meters}, 4, LIMITS), list[str]()
    for slot in range(9):
        at = slot * SLOT
        heard += kinds(check.slot(at + 240_000))
        reader = Reader()
        for meter in check.due(at + 60_000):
            check.ask(meter, reader)  # type: ignore[arg-type]
        assert len(reader.asked) == (0 if slot % 4 else 4)
        for request, variable, meter in reader.asked:
            value = 500.0 * slot if variable == "energy.import" else 0.0
            assert check.answered(told(variable, meter, value, at, request))
        sums = {
            "t_ms": at, "import_wh": share * 1000.0, "export_wh": 0.0, "meters": 2, "missing": 0,
        }  # fmt: skip
        check.take(told("area.energy", "lvgmu/a", sums, at), at)
    heard += kinds(check.slot(9 * SLOT + 240_000))
    assert heard[:1] == found


def test_wrong_limits_are_refused() -> None:
    with pytest.raises(ScenarioError) as caught:
        Limits.of({"nonsense": 1, "base_w": -1}, "limits")
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    ("state", "why", "found"),
    [
        ("refused", "expired", ["certificate"]),
        ("lost", "beats", ["silence"]),
        ("lost", "restart", []),
        ("joined", "", []),
    ],
)
def test_what_group_management_refuses_or_misses_is_found(
    state: str, why: str, found: list[str]
) -> None:
    value = {"unit": "cmu/x", "kind": "unit", "state": state, "why": why, "silent_ms": 0}
    check = Members("meter/x")
    assert kinds(check.take(told("group.member", "meter/x", value, SLOT), SLOT)) == found
