"""A unit's context that keeps what a service wants, and gives back what the test says."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from controllers.response.records import Contract
from controllers.unit.service import Issued, Notification, Result

H = 3_600_000


class Desk:
    """Requests wait in ``asked`` until the test answers them."""

    def __init__(self, unit, now_ms=0):
        self.unit, self.now_ms = unit, now_ms
        self.asked, self.decisions, self.rows, self.timers = [], [], [], {}
        self.count = 0

    @property
    def data(self):
        return self

    def issue(self, **what):
        self.count += 1
        self.asked.append(SimpleNamespace(id=f"{self.unit}#{self.count}", **what))
        return Issued(Result.ISSUED, self.asked[-1].id)

    def write(self, variable, location, value, *, policy=None, cause=""):
        value = json.loads(json.dumps(value, allow_nan=False))
        return self.issue(
            what="write", variable=variable, location=location, value=value, cause=cause
        )

    def query(self, variable, location, *, condition="", function="last", at="", cause=""):
        return self.issue(
            what="query", variable=variable, location=location, condition=condition,
            function=function, at=at, cause=cause,
        )  # fmt: skip

    def event(self, variable, location, *, condition="", reliable=False, cause=""):
        return self.issue(what="event", variable=variable, location=location)

    def decide(self, kind, element, value, causes):
        assert all(isinstance(cause, str) and cause for cause in causes)
        self.decisions.append((kind, element, json.loads(json.dumps(value, allow_nan=False))))
        return f"{self.unit}!{len(self.decisions)}"

    def record(self, table, row):
        self.rows.append((table, dict(row)))

    def set_timer(self, name, at_ms):
        self.timers[name] = at_ms

    # -- what the test does

    def told(self, service, variable, value, location=None, owner=""):
        """Notify the service of a new value."""
        self.count += 1
        service.notify(
            Notification(
                f"note#{self.count}",
                "",
                Result.OK,
                variable,
                location or self.unit,
                owner,
                value,
                self.now_ms,
            )
        )

    def answer(self, service, asked, result=Result.OK, value=None):
        """Give a request its outcome."""
        self.count += 1
        self.asked.remove(asked)
        service.notify(
            Notification(
                f"note#{self.count}",
                asked.id,
                result,
                asked.variable,
                asked.location,
                "",
                value,
                self.now_ms if value is not None else -1,
            )
        )

    def open(self, what, variable=None):
        return [
            one
            for one in self.asked
            if one.what == what and (variable is None or one.variable == variable)
        ]

    def ring(self, service, name):
        self.now_ms = max(self.now_ms, self.timers.pop(name))
        service.timer(name)

    def kinds(self):
        return [kind for kind, _, _ in self.decisions]


@pytest.fixture(name="Desk")
def desk_class():
    return Desk


@pytest.fixture
def contract():
    """Make a customer's contract, with changes."""

    def make(tail="a/1", **changes):
        terms = {
            "customer": f"customer/{tail}", "unit": f"cmu/{tail}", "meter": f"meter/{tail}",
            "max_percent": 50, "max_ms": 3 * H, "per_day": 1, "notice_ms": H, "cent_per_kwh": 20.0,
        }  # fmt: skip
        return Contract(**(terms | changes))

    return make


@pytest.fixture
def request_value():
    """The record of a request: 30 % for two hours, four hours ahead."""
    return {
        "id": "reduction-1", "issued_ms": 10 * H, "issuer": "aggregator/response", "percent": 30,
        "begins_ms": 14 * H, "ends_ms": 16 * H,
    }  # fmt: skip
