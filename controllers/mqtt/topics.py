"""Topics and their filters: ``+`` stands for one level, ``#`` for all that follow."""

from __future__ import annotations

__all__ = ["covers", "matches"]


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic is one of those that a filter means (MQTT 3.1.1, 4.7)."""
    levels, wanted = topic.split("/"), topic_filter.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(levels) == len(wanted)


def covers(allowed: str, wanted: str) -> bool:
    """Tell whether every topic that the filter ``wanted`` means is one that ``allowed`` means."""
    inner, outer = wanted.split("/"), allowed.split("/")
    if wanted.startswith("$") and outer[0] in ("+", "#"):
        return False
    for place, level in enumerate(outer):
        if level == "#":
            return True
        if place >= len(inner) or inner[place] == "#":
            return False
        if level != "+" and level != inner[place]:
            return False
    return len(inner) == len(outer)
