"""Scenarios: load one, run it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.loader import load
    from scenarios.runner import run

__all__ = ["load", "run"]


def __getattr__(name: str) -> Any:
    """Import on demand: the command line starts fast that way."""
    if name == "load":
        from scenarios.loader import load

        return load
    if name == "run":
        from scenarios.runner import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
