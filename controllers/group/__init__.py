"""Group management: joining with a certificate, signs of life, loss, other parents, revocation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.group.service import GroupManagement
from controllers.group.settings import Settings, parse_settings
from controllers.unit.directory import Directory

__all__ = ["GroupManagement", "Settings", "make_service", "parse_settings"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> GroupManagement:
    """Return the service ``group`` of a unit, as the units' hub asks for it.

    ``params``: ``beat_s``, ``suspect``, ``lost``, ``join_s``, ``rekey_s``, ``return_s``,
    ``lists_s``, ``backups`` (units), ``accepts`` (units that take this one for their backup),
    ``sensors`` ({instrument: period_ms}), ``parent`` (in place of the directory's), ``office``,
    ``revoke`` ([{unit, at_ms}]), ``leave_ms``, ``return_ms``. Raises ScenarioError.
    """
    unit = unit_spec["id"]
    path = f"units.{unit}.services.group"
    return GroupManagement(parse_settings(params, directory[unit].parent, path))
