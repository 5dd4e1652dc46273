"""What persons of a role may ask of the Data Interface.

After the roles of IEC 62351-8, whose rights are brought down to five here: to view values, to
control devices, to set parameters and policies, to see the audit log, and to manage security.
"""

from __future__ import annotations

from enum import StrEnum

from controllers.security.certificates import Role
from controllers.unit.catalogue import Variable

__all__ = ["RIGHTS", "Right", "needed"]


class Right(StrEnum):
    """What may be done."""

    VIEW = "view"
    CONTROL = "control"
    SET = "set"
    AUDIT = "audit"
    SECURITY = "security"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.CONTROL}),
    Role.ENGINEER: frozenset({Right.VIEW, Right.SET}),
    Role.INSTALLER: frozenset({Right.VIEW, Right.SET}),
    Role.SECADM: frozenset({Right.VIEW, Right.SECURITY}),
    Role.SECAUD: frozenset({Right.VIEW, Right.AUDIT}),
    Role.RBACMNT: frozenset({Right.SECURITY}),
}
_SECURITY = ("users.", "group.", "update.", "module.")


def needed(operation: str, variable: Variable) -> Right:
    """Return the right that an operation (``query`` or ``write``) on a variable takes."""
    if variable.name.startswith("audit."):
        return Right.AUDIT
    if operation == "query":
        return Right.VIEW
    if variable.name.startswith(_SECURITY):
        return Right.SECURITY
    return Right.CONTROL if variable.critical else Right.SET
