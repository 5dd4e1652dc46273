"""Prices are followed down the tree, commands are written down it, answers come back as one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from controllers.signals import make_service
from controllers.unit import Loopback, UnitsCore
from controllers.unit.policy import READ_WRITE, WRITE
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading

H = 3_600_000
TOP, LV, CMUS = "tlgmu/top", "lvgmu/lv", ("cmu/lv/a", "cmu/lv/b", "cmu/lv/c")
AGG = "aggregator"
RIGHTS = {"signal.command": [[AGG, "signals", READ_WRITE, 0]],
          "signal.response": [[AGG, "signals", READ_WRITE, 0], ["all", "signals", WRITE, 0]],
          "signal.price": [[AGG, "signals", READ_WRITE, 0], ["all", "signals", 1, 0]]}  # fmt: skip
PRICE = {"issued_ms": 0, "start_ms": 0, "step_ms": H, "cent_per_mwh": [100, 200]}


def command(name="c1", issued_ms=H, **changes):
    return {"id": name, "issued_ms": issued_ms, "issuer": "aggregator/x", "action": "limit",
            "kinds": ["ev"], "times_ms": [H, 3 * H], "percent": [0]} | changes  # fmt: skip


class Obedient:
    """Stands where control stands: answers for its customer."""

    name = "control"

    def __init__(self, customer, follows):
        self.customer, self.follows = customer, follows

    def start(self, context):
        self.context = context
        context.data.event("signal.command", context.unit)

    def timer(self, name):
        pass

    def notify(self, notification):
        if notification.t_ms < 0 or self.follows is None:
            return
        out = [] if self.follows else [self.customer]
        value = {"id": notification.value["id"], "unit": self.context.unit, "silent": [],
                 "opted_in": [self.customer] if self.follows else [], "opted_out": out}  # fmt: skip
        self.context.data.write("signal.response", self.context.unit, value)


def world(follows=(True, True, True), contracts=(True, True, True), parallel=4, **options):
    """An aggregator, a top, a substation and three customers who follow, do not, or say nothing."""

    def params(source="", below=(), above="", answer_s=60.0, **more):
        spread = {
            "below": dict.fromkeys(below, ""),
            "above": above,
            "answer_s": answer_s,
            "parallel": parallel,
        } | more
        for name in spread["below"]:
            spread["below"][name] = f"customer/{name[-1]}" if name in CMUS else name
        follow = [["signal.price", source]] if source else []
        return {"follow": follow, "refresh_s": 3600.0, "patience_s": 120.0, "commands": spread}

    speaks = {"stakeholders": {"signals": AGG}, "policies": RIGHTS}
    units = [
        {"id": "supplier/p", "kind": "provider", "owner": "supplier", "instruments": ["prices"],
         "services": {}},
        {"id": "aggregator/x", "kind": "provider", "owner": AGG, "instruments": ["orders"],
         "policies": RIGHTS,
         "services": {"signals": params(below=[TOP], above="aggregator/x", answer_s=240.0)}},
        {"id": TOP, "kind": "tlgmu", "children": [LV], "owner": "operator", **speaks,
         "services": {"signals": params("supplier/p", [LV], answer_s=180.0)}},
        {"id": LV, "kind": "lvgmu", "parent": TOP, "owner": "operator", **speaks,
         "services": {"signals": params(TOP, CMUS, TOP, answer_s=120.0)}},
    ]  # fmt: skip
    for name, contract in zip(CMUS, contracts, strict=True):
        customer = f"customer/{name[-1]}"
        grant = [[AGG, "signals", WRITE, 0]] if contract else []
        prices = [[customer, "signals", READ_WRITE, 0], *RIGHTS["signal.price"]]
        units.append(
            {"id": name, "kind": "cmu", "customer": customer, "owner": customer,
             "policies": {"signal.command": grant, "signal.price": prices},
             "services": {"control": {}, "signals": params(LV, (), LV, decides=True,
                                                           as_one=customer)}}
        )  # fmt: skip
    answers = dict(zip(CMUS, follows, strict=True))

    def factory(spec, _params, _directory):
        return Obedient(spec["customer"], answers[spec["id"]])

    core = UnitsCore({"units": units}, 1, factories={"control": factory})
    return Loopback(core, **options)


def fed(at_ms, value, feed="orders", variable="signal.command"):
    return Reading(f"{feed}#{at_ms}", "", feed, variable, at_ms, at_ms, value, "1")


def newest(bus, unit, variable):
    owner = bus.core.directory.owner(unit, variable)
    series = list(bus.core.unit(unit).store.series(variable, owner, unit))
    return series[-1].value if series else None


def answers(bus, unit="aggregator/x"):
    found = [e.value for e in bus.events if e.kind == "signal_answered" and e.value["unit"] == unit]
    return [(v["opted_in"], v["opted_out"], v["silent"]) for v in found]


def test_prices_reach_everybody_and_remain_the_suppliers():
    bus = world()
    bus.run(2 * H, [fed(10, PRICE, "prices", "signal.price")])
    for unit in (TOP, LV, *CMUS):
        assert newest(bus, unit, "signal.price") == PRICE
        assert bus.core.directory.owner(unit, "signal.price") == "supplier"
    assert bus.core.counters == {}


@pytest.mark.parametrize("lost", [TOP, LV, CMUS[0]])
def test_a_lost_price_is_asked_for(lost):
    fates = lambda frame, t_ms: () if frame.dst == lost and H <= t_ms < H + 5_000 else (20,)  # noqa: E731
    bus = world(fates=fates)
    newer = PRICE | {"issued_ms": H, "cent_per_mwh": [7, 8]}
    bus.run(4 * H, [fed(10, PRICE, "prices", "signal.price"),
                    fed(H, newer, "prices", "signal.price")])  # fmt: skip
    assert newest(bus, CMUS[0], "signal.price") == newer


def test_a_command_reaches_everybody_and_all_answer_as_one():
    bus = world()
    bus.run(2 * H, [fed(H, command())])
    for unit in (TOP, LV, *CMUS):
        assert newest(bus, unit, "signal.command") == command()
    assert answers(bus) == [(["customer/a", "customer/b", "customer/c"], [], [])]
    down = [
        f for f in bus.frames if (f.src, f.dst) == (TOP, LV) and 0 <= f.ready_us / 1000 - H < 900
    ]
    assert [f.flow for f in down if f.priority == 0] == ["control"]


def test_who_has_no_contract_refuses_who_is_out_is_out_who_is_mute_is_silent():
    bus = world(follows=(True, False, None), contracts=(False, True, True))
    bus.run(2 * H, [fed(H, command())])
    assert newest(bus, CMUS[0], "signal.command") is None
    assert answers(bus)[-1] == ([], ["customer/a", "customer/b"], ["customer/c"])
    denied = [e for e in bus.events if e.kind == "access_denied"]
    assert [(e.element, e.value["stakeholder"]) for e in denied] == [(CMUS[0], AGG)]


def test_who_cannot_be_reached_is_silent_and_comes_later():
    cut = lambda frame, t_ms: () if CMUS[2] in (frame.src, frame.dst) and t_ms > 100 else (20,)  # noqa: E731
    bus = world(fates=cut)
    bus.run(2 * H, [fed(H, command())])
    assert answers(bus) == [(["customer/a", "customer/b"], [], ["customer/c"])]

    held = lambda frame, t_ms: (  # noqa: E731
        (400_000,) if frame.src == CMUS[2] and t_ms > 100 else (20,)
    )
    late = world(fates=held)
    late.run(3 * H, [fed(H, command())])
    assert answers(late, LV)[0] == (["customer/a", "customer/b"], [], ["customer/c"])
    assert answers(late)[-1] == (["customer/a", "customer/b", "customer/c"], [], [])


def test_twice_the_same_is_told_once_and_a_newer_one_replaces_it():
    bus = world()
    newer = command(issued_ms=H + 60_000, percent=[50])
    readings = [fed(H, command()), fed(H + 10_000, command()), fed(H + 60_000, newer)]
    bus.run(2 * H, readings)
    assert newest(bus, CMUS[0], "signal.command") == newer
    writes = [
        r
        for r in bus.table("request")
        if r["variable"] == "signal.command" and r["unit"] == LV and r["operation"] == "write"
    ]
    assert len(writes) == 2 * len(CMUS)
    assert len(answers(bus)) == 2


def test_nobody_below_may_command_and_nonsense_goes_nowhere():
    bus = world()
    bus.run(H)
    forger = bus.core.unit(CMUS[0]).context("signals").data
    for unit in (CMUS[1], LV, TOP):
        forger.write("signal.command", unit, command("forged"))
    bus.poke()
    bus.run(2 * H, [fed(2 * H, command(action="explode"))])
    for unit in (TOP, LV, *CMUS[1:]):
        assert newest(bus, unit, "signal.command") is None
    assert [e.element for e in bus.events if e.kind == "access_denied"] == [CMUS[1], LV, TOP]
    assert [e.element for e in bus.events if e.kind == "signal_refused"] == ["aggregator/x"]


def test_few_are_told_at_a_time():
    bus = world(parallel=1)
    bus.run(2 * H, [fed(H, command())])
    writes = [f for f in bus.frames if f.src == LV and f.dst in CMUS and f.flow == "control"]
    back = {f.src: f.ready_us for f in bus.frames
            if f.dst == LV and f.flow == "control" and f.ready_us >= H * 1000}  # fmt: skip
    told = [f for f in writes if f.ready_us >= H * 1000 and f.priority == 0]
    order = sorted(CMUS)
    assert [f.dst for f in told[: len(CMUS)]] == order
    for first, then in pairwise(told[: len(CMUS)]):
        assert then.ready_us >= back[first.dst]


def test_parameters_are_checked():
    assert make_service({}, {"commands": {"below": {}}}).name == "signals"
    with pytest.raises(ScenarioError, match="3 faults"):
        make_service({"id": "x"}, {"follow": [["weather.forecast", "y"]], "more": 1,
                                   "commands": {"to": 1}})  # fmt: skip
