"""Substation, house or device decide: the same vehicle, the same signals, the same orders."""

from __future__ import annotations

from itertools import pairwise

import pytest

from controllers.control import Capability, make_service
from controllers.unit import Loopback, UnitsCore
from controllers.unit.policy import READ, READ_WRITE, WRITE
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading

H, SLOT = 3_600_000, 900_000
LV, CMU, EV, BAT = "lvgmu/lv", "cmu/lv/a", "dmu/lv/a/ev", "dmu/lv/a/battery"
AGG, CUSTOMER = "aggregator", "customer/a"
SESSION = {"session": "s1", "energy_wh": 11_000.0, "departure_ms": 9 * H, "p_max_w": 11_000.0,
           "p_min_w": 0.0}  # fmt: skip
PLATES = {
    EV: {"device": "ev/lv/a", "customer": CUSTOMER, "kind": "ev", "p_max_w": 11_000.0},
    BAT: {"device": "battery/lv/a", "customer": CUSTOMER, "kind": "battery", "p_max_w": 4_000.0,
          "efficiency": 0.95},
}  # fmt: skip
DECIDES = {"central": LV, "hybrid": CMU, "local": EV}
MODES = sorted(DECIDES)


class Teller:
    """Writes signals to the unit that decides, as signals would; keeps the answers."""

    name = "signals"

    def __init__(self):
        self.answers = []

    def start(self, context):
        self.context = context
        context.data.event("signal.response", context.unit)

    def timer(self, name):
        pass

    def notify(self, notification):
        if notification.t_ms >= 0 and notification.variable == "signal.response":
            self.answers.append(notification.value)


def world(mode, signal="command", *, contract=True, hold_s=3600.0, fates=None, **limits):
    decider, tellers = DECIDES[mode], {}
    deciding = {"signal": signal, "decides": True, "hold_s": hold_s, **limits}
    open_to = [[AGG, "signals", READ_WRITE, 0], [AGG, "control", READ_WRITE, 0]]
    own = [[CUSTOMER, "signals", READ_WRITE, 0], ["all", "control", READ, 0]]
    rights = dict.fromkeys(
        ("signal.command", "signal.price", "signal.response"),
        open_to if mode == "central" else own,
    )  # fmt: skip
    granted = {}
    if mode == "central" and contract:
        granted = {"set_point": [[AGG, "control", READ_WRITE, 0]],
                   "ev.session": [[AGG, "control", READ, 0]],
                   "device.energy": [[AGG, "control", READ, 0]]}  # fmt: skip
    rights["control.capability"] = [[AGG, "control", READ_WRITE, 0], ["all", "control", WRITE, 0]]
    units = [
        {"id": LV, "kind": "lvgmu", "children": [CMU], "owner": "operator", "services": {},
         "stakeholders": {"control": AGG, "signals": AGG}},
        {"id": CMU, "kind": "cmu", "parent": LV, "children": [EV, BAT], "customer": CUSTOMER,
         "owner": CUSTOMER, "services": {}},
    ]  # fmt: skip
    for dmu, plate in PLATES.items():
        service = {"signal": signal, "device": plate, "announce_to": decider}
        if mode == "local":
            service = deciding | {"device": plate, "announce_to": ""}
        name = dmu.rpartition("/")[2]
        units.append({"id": dmu, "kind": "dmu", "parent": CMU, "customer": CUSTOMER,
                      "owner": CUSTOMER, "instruments": [f"i/{name}"], "policies": dict(granted),
                      "actuators": {"set_point": f"actuator/{name}"},
                      "services": {"control": service}})  # fmt: skip
    for unit in units:
        if unit["id"] in (decider, BAT if mode == "local" else decider):
            unit["services"] |= {"signals": {}} if mode == "local" else {
                "control": deciding, "signals": {}}  # fmt: skip
            unit["policies"] = {**unit.get("policies", {}), **rights}

    def factory(spec, _params, _directory):
        return tellers.setdefault(spec["id"], Teller())

    core = UnitsCore({"units": units}, 1, factories={"signals": factory})
    bus = Loopback(core, fates=fates)
    bus.run(2 * 60_000)  # devices have announced themselves
    return bus, tellers


def say(bus, tellers, variable, value):
    for teller in tellers.values():
        teller.context.data.write(variable, teller.context.unit, value)
    bus.poke()


def plug(bus, at_ms, session=SESSION, energy_wh=500.0):
    bus.run(at_ms, [
        Reading(f"i/ev#{at_ms}", "", "i/ev", "ev.session", at_ms, at_ms, session, "1"),
        Reading(f"i/ev#{at_ms}e", "", "i/ev", "device.energy", at_ms, at_ms, energy_wh, "Wh"),
    ])  # fmt: skip


def command(percent=30, begins_ms=H, lasts_ms=2 * H, **changes):
    return {"id": "c1", "issued_ms": 600_000, "issuer": "aggregator/x", "action": "limit",
            "kinds": ["ev", "battery"], "times_ms": [begins_ms, begins_ms + lasts_ms],
            "percent": [percent]} | changes  # fmt: skip


def orders(bus, name="ev"):
    return [(c.at_ms, c.value["p_w"], c.value["until_ms"]) for c in bus.commands
            if c.actuator == f"actuator/{name}"]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_a_command_moves_the_vehicle_when_it_begins_and_is_renewed(mode):
    bus, tellers = world(mode)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(lasts_ms=3 * H))
    bus.run(6 * H)
    found = orders(bus)
    assert [p_w for _, p_w, _ in found] == [3_300.0] * len(found)
    assert 0 <= found[0][0] - H < 100
    assert found[0][2] == 2 * H
    assert max(until for _, _, until in found) == 4 * H
    for (_, _, until), (at, _, _) in pairwise(found):
        assert at < until  # no gap
    assert orders(bus, "battery") == []


@pytest.mark.parametrize("mode", MODES)
def test_a_vehicle_that_comes_within_a_command_is_limited_at_once(mode):
    bus, tellers = world(mode)
    say(bus, tellers, "signal.command", command(begins_ms=600_000))
    bus.run(H)
    assert orders(bus) == []  # no vehicle, nothing to order
    plug(bus, H + 1234)
    bus.run(H + 5_000)
    ((at_ms, p_w, _),) = orders(bus)
    assert 0 <= at_ms - H - 1234 < 600
    assert p_w == 3_300.0


@pytest.mark.parametrize("mode", MODES)
def test_by_price_the_vehicle_waits_for_the_cheap_hour(mode):
    bus, tellers = world(mode, "price")
    say(bus, tellers, "signal.price", {"issued_ms": 0, "start_ms": 0, "step_ms": H,
                                       "cent_per_mwh": [9, 9, 9, 2, 9, 9, 9, 9, 9, 9]})  # fmt: skip
    plug(bus, H // 2)
    bus.run(5 * H)
    found = orders(bus)
    assert {p_w for _, p_w, _ in found} == {0.0}
    assert 0 <= found[0][0] - H // 2 < 600
    assert max(until for _, _, until in found) == 3 * H
    # the battery is filled in that hour
    charged = orders(bus, "battery")
    assert {p_w for _, p_w, _ in charged} == {4_000.0}
    assert 3 * H <= charged[0][0] < 3 * H + 5_000
    assert max(until for _, _, until in charged) == 4 * H


@pytest.mark.parametrize("mode", MODES)
def test_what_is_charged_already_needs_no_hour(mode):
    bus, tellers = world(mode, "price")
    say(bus, tellers, "signal.price", {"issued_ms": 0, "start_ms": 0, "step_ms": H,
                                       "cent_per_mwh": [9, 1, 2, 9, 9]})  # fmt: skip
    plug(bus, 300_000, SESSION | {"energy_wh": 22_000.0, "departure_ms": 5 * H})
    bus.run(2 * H - 1)
    full = Reading("i/ev#9", "", "i/ev", "device.energy", 2 * H, 2 * H, 22_500.0, "Wh")
    bus.run(2 * H, [full])  # all 22 kWh are in
    before = len(orders(bus))
    bus.run(4 * H)
    assert len(orders(bus)) == before


@pytest.mark.parametrize("mode", ["central", "hybrid"])
def test_when_nobody_speaks_any_more_the_order_ends(mode):
    cut = lambda frame, t_ms: () if t_ms > H + 60_000 else (20,)  # noqa: E731
    bus, tellers = world(mode, fates=cut, hold_s=1800.0)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(lasts_ms=6 * H))
    bus.run(5 * H)
    (only,) = orders(bus)
    assert only[1:] == (3_300.0, H + 1_800_000)  # after that the device goes by its own rule


def test_a_device_that_decides_by_itself_needs_nobody_once_it_knows():
    bus, tellers = world("local", fates=lambda frame, t_ms: () if t_ms > 700_000 else (20,))
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(lasts_ms=6 * H))
    bus.run(8 * H)
    assert max(until for _, _, until in orders(bus)) == 7 * H


@pytest.mark.parametrize("mode", MODES)
def test_a_command_that_is_taken_back_frees_the_vehicle(mode):
    bus, tellers = world(mode)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(0))
    bus.run(H + 600_000)
    back = command() | {"issued_ms": H + 600_000, "times_ms": [], "percent": []}
    say(bus, tellers, "signal.command", back)
    bus.run(3 * H)
    assert [p_w for _, p_w, _ in orders(bus)] == [0.0, 11_000.0]


@pytest.mark.parametrize("mode", MODES)
def test_beyond_the_contract_the_customer_opts_out(mode):
    bus, tellers = world(mode, max_percent=50, max_h=4.0)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(40))
    say(bus, tellers, "signal.command", command(60, id="c2", begins_ms=3 * H, lasts_ms=5 * H))
    say(bus, tellers, "signal.command", command(60, id="c3", begins_ms=3 * H))
    bus.run(6 * H)
    answers = {
        a["id"]: (a["opted_in"], a["opted_out"]) for t in tellers.values() for a in t.answers
    }
    out, followed = ([], [CUSTOMER]), ([CUSTOMER], [])
    assert answers == {"c1": out, "c2": out, "c3": followed}
    assert {p_w for _, p_w, _ in orders(bus)} == {6_600.0}


def test_without_a_contract_the_substation_is_refused_and_says_so():
    bus, tellers = world("central", contract=False)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command())
    bus.run(3 * H)
    assert orders(bus) == []
    (answer,) = tellers[LV].answers
    assert (answer["opted_in"], answer["opted_out"]) == ([], [CUSTOMER])
    assert {e.element for e in bus.events if e.kind == "access_denied"} == {EV, BAT}


def test_a_customer_who_takes_the_right_away_is_out_from_then_on():
    bus, tellers = world("central")
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(lasts_ms=6 * H))
    bus.run(H + 60_000)
    owner = bus.core.unit(EV).context("control").data
    last = {"p_w": 11_000.0, "until_ms": H + 120_000}
    owner.write("set_point", EV, last, policy=[])
    bus.poke()
    bus.run(5 * H)
    assert orders(bus)[-1][1] == 11_000.0
    answer = tellers[LV].answers[-1]
    assert (answer["opted_in"], answer["opted_out"]) == ([CUSTOMER], [])  # its battery follows


def test_who_obeys_prices_follows_no_command():
    bus, tellers = world("hybrid", "price")
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command())
    bus.run(3 * H)
    assert orders(bus) == []


@pytest.mark.parametrize("mode", ["central", "hybrid"])
def test_who_begins_anew_still_knows_its_devices_and_what_was_said(mode):
    bus, tellers = world(mode)
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command(lasts_ms=3 * H))
    bus.run(H + 600_000)
    bus.core.kill(DECIDES[mode])
    bus.run(H + 1_200_000)
    bus.core.revive(DECIDES[mode])
    bus.run(4 * H)
    later = [one for one in orders(bus) if one[0] > H + 1_200_000]
    assert {p_w for _, p_w, _ in later} == {3_300.0}
    assert max(until for _, _, until in later) == 4 * H


def test_every_order_names_what_led_to_it():
    bus, tellers = world("hybrid")
    plug(bus, 300_000)
    say(bus, tellers, "signal.command", command())
    bus.run(H + 60_000)
    bus.close()
    (told,) = [e for e in bus.events if e.kind == "control"]
    assert told.element == "ev/lv/a"
    assert told.value == {"p_w": 3_300.0, "until_ms": 2 * H, "due_ms": H}
    causes = {row["cause"] for row in bus.table("cause") if row["id"] == told.id}
    assert len(causes) >= 2  # the command and the vehicle


def test_capabilities_that_are_none_are_not_met():
    good = {"device": "ev/a", "unit": EV, "customer": "c", "kind": "ev", "p_max_w": 1.0}
    assert Capability.of(good) is not None
    for wrong in ({"kind": "toaster"}, {"p_max_w": "much"}, {"p_max_w": -1.0}, {"device": 7},
                  {"order": "explode"}, {"p_max_w": None}):  # fmt: skip
        assert Capability.of(good | wrong) is None
    assert Capability.of(Capability.of(good).plain()) == Capability.of(good)


def test_parameters_are_checked():
    with pytest.raises(ScenarioError, match="4 faults"):
        make_service({"id": "x"}, {"signal": "hunch", "device": {}, "hold_s": 0, "more": 1})
