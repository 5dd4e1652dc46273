"""Named random streams: one per entity, never shared, never global."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["stream"]


def stream(seed: int, component: str, entity: str) -> np.random.Generator:
    """Return the random stream of one entity.

    The stream depends on the three arguments alone, so an entity that is added or removed
    leaves every other one's draws as they were.
    """
    name = f"{seed}\x1f{component}\x1f{entity}".encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(name).digest())))
