"""One guarded repair of mosaik 3.6, the newest that Python 3.11 can have.

``Progress`` keeps cancelled waiters for ever, so that a step costs more the longer a run is.
mosaik 3.7 removes them itself.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["apply"]


def apply() -> bool:
    """Repair mosaik 3.6 and older; return whether there was something to repair."""
    major, minor = (int(part) for part in version("mosaik").split(".")[:2])
    if (major, minor) >= (3, 7):
        return False
    from mosaik.progress import Progress

    if getattr(Progress.set, "fernwatt", False):
        return True
    original = Progress.set

    def set_and_forget(self: Progress, time: object) -> object:
        self._futures = [waiter for waiter in self._futures if not waiter[1].done()]
        return original(self, time)

    set_and_forget.fernwatt = True  # type: ignore[attr-defined]
    Progress.set = set_and_forget
    return True
