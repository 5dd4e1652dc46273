"""Documents of OpenADR made by openleadr, which is the oracle: its templates and the schema."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from openleadr import enums, objects
from openleadr.messaging import create_message, validate_xml_schema

T0 = datetime(2016, 4, 20, 16, tzinfo=UTC)


def event(number="shed-1", *, signals=None, status="far", version=0, begins=T0, hours=2.0,
          targets=("fernwatt",), answer="always", test=False):  # fmt: skip
    """Return an event of openleadr; ``signals`` are (name, type, values, measurement)."""
    signals = signals or [("SIMPLE", "level", [2.0], None)]
    made = []
    for n, (name, kind, values, measurement) in enumerate(signals):
        step = timedelta(hours=hours) / len(values)
        made.append(
            objects.EventSignal(
                intervals=[
                    objects.Interval(dtstart=begins + k * step, duration=step, uid=k,
                                     signal_payload=value)
                    for k, value in enumerate(values)
                ],
                signal_name=name, signal_type=kind, signal_id=f"s{n}", measurement=measurement,
            )
        )  # fmt: skip
    made_event = objects.Event(
        event_descriptor=objects.EventDescriptor(
            event_id=number, modification_number=version, market_context="http://example.org/dr",
            event_status=status, created_date_time=T0 - timedelta(hours=3), priority=1,
            test_event=test,
        ),
        active_period=objects.ActivePeriod(dtstart=begins, duration=timedelta(hours=hours)),
        event_signals=made,
        targets=[objects.Target(ven_id=name) for name in targets],
        response_required=answer,
    )  # fmt: skip
    plain = asdict(made_event)
    plain["event_descriptor"]["event_status"] = status  # openleadr goes by today's date
    return plain


def distribute(*events, request="r1", vtn="vtn-1"):
    """Return a document, valid by the schema of OpenADR 2.0b."""
    text = create_message("oadrDistributeEvent", request_id=request, vtn_id=vtn,
                          events=list(events))  # fmt: skip
    validate_xml_schema(text)
    return text


@pytest.fixture
def make():
    """Makers of events and documents."""

    class Make:
        T0 = T0
        AFN_PER_KWH = enums.MEASUREMENTS.CURRENCY_PER_KWH
        EUR_PER_KWH = replace(enums.MEASUREMENTS.CURRENCY_PER_KWH, unit="EUR")
        event, distribute = staticmethod(event), staticmethod(distribute)

    return Make
