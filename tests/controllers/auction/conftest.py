"""Units on a wire that carries everything at once, except what a test takes away."""

from types import SimpleNamespace

import numpy as np
import pytest

from controllers.unit.service import Issued, Notification, Result


class Wire:
    """Writes and subscriptions between units; timers ring as ``run`` passes them."""

    def __init__(self):
        self.now_ms, self.count = 0, 0
        self.units, self.subscribers, self.timers = {}, {}, {}
        self.sent, self.decisions, self.rows, self.lost = [], [], [], set()

    def add(self, unit, service):
        context = SimpleNamespace(unit=unit)
        outer = self

        class Context:
            @property
            def now_ms(self):
                return outer.now_ms

            @property
            def data(self):
                return self

            def write(self, variable, location, value, *, policy=None, cause=""):
                outer.sent.append((outer.now_ms, unit, location, variable, value, cause))
                if (unit, location) not in outer.lost:
                    outer.news(location, variable, value)
                return self._issued()

            def event(self, variable, location, *, condition="", cause=""):
                issued = self._issued()
                outer.subscribers.setdefault((location, variable), []).append((unit, issued.id))
                return issued

            def query(self, variable, location, *, condition="", function="last", cause=""):
                return self._issued()

            def _issued(self):
                outer.count += 1
                return Issued(Result.ISSUED, f"{unit}#{outer.count}")

            def set_timer(self, name, at_ms):
                outer.timers[unit, name] = at_ms

            def cancel_timer(self, name):
                outer.timers.pop((unit, name), None)

            def decide(self, kind, element, value, causes):
                assert all(isinstance(cause, str) and cause for cause in causes)
                outer.decisions.append((outer.now_ms, unit, kind, element, value))
                return f"{unit}!{len(outer.decisions)}"

            def record(self, table, row):
                outer.rows.append((table, row))

            def stream(self, name):
                return np.random.default_rng(1)

        made = Context()
        made.unit = context.unit
        self.units[unit] = service
        service.start(made)
        return service

    def news(self, unit, variable, value, t_ms=None):
        for who, request in self.subscribers.get((unit, variable), []):
            if (unit, who) in self.lost:
                continue
            self.count += 1
            stamp = self.now_ms if t_ms is None else t_ms
            note = Notification(
                f"note#{self.count}", request, Result.OK, variable, unit, "", value, stamp
            )
            self.units[who].notify(note)

    def run(self, until_ms):
        while self.timers:
            (unit, name), at_ms = min(self.timers.items(), key=lambda item: (item[1], item[0]))
            if at_ms > until_ms:
                break
            self.now_ms = at_ms
            del self.timers[unit, name]
            self.units[unit].timer(name)
        self.now_ms = until_ms


@pytest.fixture
def wire():
    """A wire without anybody on it."""
    return Wire()
