"""Inputs of the scenario ``ten_houses``: a street of ten houses, ten winter days, five seeds.

``python -m scenarios.ten_houses`` makes them anew, byte for byte: the grid, each seed's loads and
charging sessions, prices by a sine, and statistics of all that. The model is the project's own,
with no data of others: people who wake, leave, come home and sleep, what they switch on, and how
far they drive. Its figures are stylised; see docs/scenarios/ten_houses.md.
"""

from __future__ import annotations

from scenarios.ten_houses.calendar import DAYS, HISTORY_DAYS, SEEDS, START
from scenarios.ten_houses.drives import CARS, Session, sessions
from scenarios.ten_houses.homes import HOUSES, house_course

__all__ = [
    "CARS",
    "DAYS",
    "HISTORY_DAYS",
    "HOUSES",
    "SEEDS",
    "START",
    "Session",
    "house_course",
    "sessions",
]
