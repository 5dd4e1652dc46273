"""What the specifications of all kinds of devices share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PHASES", "DeviceSpec", "FloatArray", "Head"]

FloatArray = NDArray[np.float64]
PHASES = {
    "abc": (1 / 3, 1 / 3, 1 / 3),
    "a": (1.0, 0.0, 0.0),
    "b": (0.0, 1.0, 0.0),
    "c": (0.0, 0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What all kinds have in common; ``phase`` is ``abc`` (balanced), ``a``, ``b`` or ``c``."""

    id: str
    kind: str
    terminal: str
    phase: str


Head = tuple[str, str, str, str]
"""Identifier, kind, terminal and phase: the first fields of every specification."""
