"""Service ``der`` of a generator's or store's own unit (DERMU)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.der.service import Der, Plate

__all__ = ["Der", "Plate", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Der:
    """Return the service; ``params`` are the device's name plate (``Plate``)."""
    del unit_spec, directory
    return Der(Plate(**{**params, "takes": tuple(params["takes"])}))
