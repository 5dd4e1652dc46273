"""OpenDSS contexts: one per circuit, used again when a circuit is gone.

dss-python keeps every context that it ever made, so that a process that solves many grids one
after another would grow without end.
"""

from __future__ import annotations

import weakref
from typing import Any

from dss import DSS

__all__ = ["context_for"]

_free: list[Any] = []


def context_for(owner: object) -> Any:
    """Return an empty context that belongs to ``owner`` as long as this lives."""
    try:
        context = _free.pop()
    except IndexError:
        context = DSS.NewContext()
        context.AllowForms = False
        context.AllowChangeDir = False  # else `set datapath` moves the whole process
    weakref.finalize(owner, _release, context).atexit = False
    return context


def _release(context: Any) -> None:
    context.Text.Command = "clear"
    _free.append(context)
