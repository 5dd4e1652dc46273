"""Results of the Data Interface as results of access to data, and back (IEC 62056-5-3, 7.4.3)."""

from __future__ import annotations

from controllers.dlms.apdu import (
    DENIED,
    OTHER,
    SUCCESS,
    TEMPORARY,
    UNAVAILABLE,
    UNDEFINED,
    UNMATCHED,
)
from controllers.unit.service import Result

__all__ = ["to_access", "to_result"]

_ACCESS = {
    Result.OK: SUCCESS,
    Result.REPLACED: SUCCESS,
    Result.DENIED: DENIED,
    Result.UNKNOWN_VARIABLE: UNDEFINED,
    Result.NO_DATA: UNAVAILABLE,
    Result.UNKNOWN_SUBSCRIPTION: UNAVAILABLE,
    Result.MALFORMED: UNMATCHED,
    Result.RATE: TEMPORARY,
}
_RESULTS = {
    SUCCESS: Result.OK,
    DENIED: Result.DENIED,
    UNDEFINED: Result.UNKNOWN_VARIABLE,
    UNAVAILABLE: Result.NO_DATA,
    UNMATCHED: Result.MALFORMED,
    TEMPORARY: Result.RATE,
    OTHER: Result.OVERLOADED,
}


def to_access(result: Result) -> int:
    """Return the result of access that says ``result``."""
    return _ACCESS.get(result, OTHER)


def to_result(access: int) -> Result:
    """Return what a result of access says; what has no meaning here is MALFORMED."""
    return _RESULTS.get(access, Result.MALFORMED)
