"""Files a scenario names: below its folder or not at all."""

from __future__ import annotations

from pathlib import Path

__all__ = ["below"]


def below(folder: Path, name: str) -> Path | None:
    """Return the file ``name`` below ``folder``, links followed; None where it lies elsewhere.

    The file need not exist. None as well for what no path can be: a null byte, a circle of links,
    a name longer than the file system takes.
    """
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        path.is_file()
    except (OSError, ValueError, RuntimeError):
        return None
    return path if not Path(name).is_absolute() and path.is_relative_to(base) else None
