"""What a meter does for its customer's privacy: it hides its energies in sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.privacy.contribution import Contribution
from controllers.unit.directory import Directory

__all__ = ["Contribution", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Contribution:
    """Return the service ``privacy`` of a unit, as the units' hub asks for it."""
    return Contribution.make(spec, params, directory)
