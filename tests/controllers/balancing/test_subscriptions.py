"""Wishes that fail on the way are repeated, ever more rarely, and never twice at a time."""

from __future__ import annotations

from itertools import pairwise

from controllers.balancing.subscriptions import Subscriptions


class Asker:
    """A service that asks every quarter of an hour, as a house does of silent devices."""

    def start(self, context):
        self.context, self.told = context, []
        self.wishes = Subscriptions(context)
        self.wishes.want("ev.session", "dmu/a/ev")
        context.set_timer("again", 900_000)

    def timer(self, name):
        if name == Subscriptions.TIMER:
            self.wishes.timer()
            return
        self.wishes.ask("device.energy", "dmu/a/ev")
        self.context.set_timer("again", self.context.now_ms + 900_000)

    def notify(self, notification):
        if self.wishes.is_value(notification):
            self.told.append((notification.variable, notification.value))


def asked(bus):
    return [entry for entry in bus.asked if entry[1] == "device.energy"]


def test_a_silent_device_is_asked_ever_more_rarely_by_one_question_at_a_time(Bus):
    bus = Bus(lambda src, dst, random: [])
    service = bus.add("cmu/a", Asker())
    bus.asked = []
    context = bus.contexts["cmu/a"]
    inner = context.query

    def query(variable, location, **more):
        bus.asked.append((bus.now_ms, variable))
        return inner(variable, location, **more)

    context.query = query
    bus.start()
    bus.run(24 * 3_600_000)
    times = [t_ms for t_ms, _ in asked(bus)]
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[0] == 90_000  # a minute after the 30 s that the request was given
    assert gaps == sorted(gaps)
    assert gaps[-1] == 1_830_000
    bus.schedule = lambda src, dst, random: [20]
    bus.instance("dmu/a/ev", "device.energy", 5.0)
    bus.run(26 * 3_600_000)
    assert ("device.energy", 5.0) in service.told
    bus.instance("dmu/a/ev", "ev.session", None)
    bus.run(26 * 3_600_000 + 1000)
    assert ("ev.session", None) in service.told
