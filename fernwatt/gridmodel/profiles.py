"""Quarter-hour profiles of the record, for a span of simulated time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.model import FloatArray, GridModel

__all__ = ["load_profiles"]

_SLOT_S = 900


def load_profiles(
    model: GridModel, start: datetime, slots: int, before: int = 0
) -> dict[str, FloatArray]:
    """Return each profile of the record, read-only, as ``values[before + slots]``.

    Element ``before`` is the slot that begins at ``start`` (UTC where it has no zone; on a
    quarter of an hour), the ones ahead of it are the slots before. A profile is a share of the
    device's ``p_w`` or ``q_var``, see ``RecordDevice``. SimBench's year is 2016, taken as UTC: a
    calendar date of another year gets the values of the same date, one after another without
    a break, beginning again at the end of the year.

    Raises ScenarioError when ``start`` is not on a slot boundary.
    """
    profiles = model.profiles
    if not profiles.names:
        return {}
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    origin = datetime(profiles.year, 1, 1, tzinfo=UTC)
    seconds = (start.replace(year=profiles.year) - origin).total_seconds()
    if seconds % _SLOT_S:
        hint = "begin on a quarter of an hour"
        raise ScenarioError([Fault("time.start", f"{start} is within a slot", hint)])
    first = int(seconds) // _SLOT_S - before
    rows = (first + np.arange(before + slots)) % profiles.values.shape[0]
    out = {}
    for column, name in enumerate(profiles.names):
        values = np.ascontiguousarray(profiles.values[rows, column])
        values.flags.writeable = False
        out[name] = values
    return out
