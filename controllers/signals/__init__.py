"""Signals of suppliers and aggregators: informational ones are followed, commands are written.

A unit's ``signals`` follows prices and the grid's state at the unit above and has them for those
below; a command that is written to it is written on, and answered upwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.signals.follower import Followed
from controllers.signals.records import (
    COMMAND,
    CONSUMERS,
    GRID,
    KINDS,
    PRICE,
    RESPONSE,
    Answer,
    Command,
    GridState,
    Price,
    is_grid_state,
    is_price,
)
from controllers.signals.service import Signals
from controllers.signals.spread import Spreading
from fernwatt.errors import Fault, ScenarioError

__all__ = [
    "COMMAND",
    "CONSUMERS",
    "GRID",
    "KINDS",
    "PRICE",
    "RESPONSE",
    "Answer",
    "Command",
    "GridState",
    "Price",
    "Signals",
    "make_service",
]

_VALID = {PRICE: is_price, GRID: is_grid_state}
_KEYS = {"follow", "refresh_s", "patience_s", "commands"}
_SPREAD = {"below", "decides", "above", "as_one", "answer_s", "parallel"}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Signals:
    """Return the service ``signals`` of a unit, as the units' hub asks for it.

    ``params``: ``follow`` (``[[variable, unit above], …]``) with ``refresh_s`` (how often to ask
    for what did not come by itself) and ``patience_s``; ``commands``: None, or ``{below: {unit:
    who is behind it}, decides, above, as_one, answer_s, parallel}``. Raises ScenarioError.
    """
    del directory  # whom to follow and to tell is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.signals"
    commands = params.get("commands")
    faults = [Fault(f"{path}.{key}", "is not known") for key in sorted(set(params) - _KEYS)]
    faults += [
        Fault(f"{path}.commands.{key}", "is not known")
        for key in sorted(set(commands or ()) - _SPREAD)
    ]
    followed = []
    for variable, source in params.get("follow", ()):
        if variable not in _VALID:
            faults.append(Fault(f"{path}.follow", f"{variable} is no informational signal"))
            continue
        times = [round(float(params.get(key, 0)) * 1000) for key in ("refresh_s", "patience_s")]
        if min(times) <= 0:
            faults.append(Fault(path, "refresh_s and patience_s must be more than 0"))
        followed.append(
            Followed(
                variable, source, _VALID[variable], times[0], times[1], times[0],
                timer=f"{variable}@{source}",
            )
        )  # fmt: skip
    if faults:
        raise ScenarioError(faults)
    return Signals(followed, None if commands is None else _spreading(commands))


def _spreading(commands: Mapping[str, Any]) -> Spreading:
    return Spreading(
        dict(commands.get("below", {})),
        decides=bool(commands.get("decides", False)),
        above=str(commands.get("above", "")),
        as_one=str(commands.get("as_one", "")),
        answer_ms=round(commands.get("answer_s", 60.0) * 1000),
        parallel=int(commands.get("parallel", 4)),
    )
