"""OpenADR documents of a scenario: read, and checked before anything runs."""

from __future__ import annotations

from controllers.openadr import DocumentError, parse_document
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.loader import Scenario

__all__ = ["documents"]

_MAX_BYTES = 64_000


def documents(scenario: Scenario, end_ms: int) -> list[tuple[int, str]]:
    """Return when each document arrives, and its text, in order.

    Raises ScenarioError with all documents that are none: file, place in it and why.
    """
    wanted = scenario.config.services.openadr
    faults, found = list[Fault](), list[tuple[int, str]]()
    for number, one in enumerate(wanted.events if wanted is not None else ()):
        key = "file" if one.file is not None else "inline"
        path = f"services.openadr.events[{number}].{key}"
        where = scenario.places.get(("services", "openadr", "events", number, key), "")
        try:
            if one.file is not None:
                with scenario.files[one.file].open("rb") as file:
                    raw = file.read(_MAX_BYTES + 1)  # more is refused below
            else:
                raw = (one.inline or "").encode()
            parse_document(raw)
            text = raw.decode()
        except (DocumentError, UnicodeDecodeError) as error:
            hint = "an oadrDistributeEvent of OpenADR 2.0b in UTF-8"
            name = one.file or "inline"
            faults.append(Fault(path, f"{name}: {error}", hint, where))
            continue
        t_ms = round(one.at_h * HOUR_MS)
        if t_ms < end_ms:
            found.append((t_ms, text))
    if faults:
        raise ScenarioError(faults)
    return sorted(found, key=lambda one: one[0])
