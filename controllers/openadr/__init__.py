"""Gateway for OpenADR 2.0b at the top: events in, commands or prices down, answers out.

Nothing below knows OpenADR: what leaves this package for other units are ``signal.command`` and
``signal.price``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.openadr.events import Distribution, DrEvent, parse_document
from controllers.openadr.service import OpenAdr
from controllers.openadr.translate import Gateway, RefusalError, Translated, translate
from controllers.openadr.xmltree import DocumentError
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import Clock

__all__ = [
    "Distribution",
    "DocumentError",
    "DrEvent",
    "Gateway",
    "OpenAdr",
    "RefusalError",
    "Translated",
    "make_service",
    "parse_document",
    "translate",
]

_KEYS = {"ven", "start", "levels_percent", "kinds", "answer_s", "obeyed", "metered"}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> OpenAdr:
    """Return the service ``openadr`` of a unit, as the units' hub asks for it.

    ``params``: ``ven`` (the gateway's name), ``start`` (ISO, t = 0), ``levels_percent`` (of SIMPLE
    0 to 3), ``kinds``, ``obeyed`` (``command``, ``price``), ``answer_s``, ``metered`` (the unit
    whose energy is reported, empty: none). Raises ScenarioError.
    """
    del directory  # it speaks with its own unit alone
    unit = str(unit_spec.get("id", "?"))
    path = f"units.{unit}.services.openadr"
    faults = [
        Fault(f"{path}.{key}", "is not known" if key in params else "is missing")
        for key in sorted(_KEYS ^ set(params))
    ]
    if faults:
        raise ScenarioError(faults)
    gateway = Gateway(
        str(params["ven"]),
        unit,
        Clock.from_iso(str(params["start"])),
        tuple(params["levels_percent"]),
        tuple(params["kinds"]),
        tuple(params["obeyed"]),
    )
    return OpenAdr(gateway, round(params["answer_s"] * 1000), str(params["metered"]))
