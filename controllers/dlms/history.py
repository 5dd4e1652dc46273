"""The past of registers as a profile, read by range (selector 1; IEC 62056-6-2, 4.3.6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controllers.dlms.apdu import Selection
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.clock import EARLIEST_MS, LATEST_MS, from_clock
from controllers.dlms.objects import (
    CLOCK,
    CosemObject,
    Objects,
    Stamped,
    defined,
    definition,
    read_stamp,
    stamp,
)

__all__ = ["Range", "bounds", "merge", "read_rows", "read_selection", "selection"]

_BY_RANGE = 1
_FINEST_MS = 10
_TOKEN = re.compile(r"-?[\d.]+|[<>=!]=?|[A-Za-z_][\w.]*")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


@dataclass(frozen=True, slots=True)
class Range:
    """From when to when [ms], both included, and which registers."""

    begin_ms: int
    end_ms: int
    columns: tuple[CosemObject, ...]


def bounds(condition: str) -> tuple[int, int]:
    """Return a range of time [ms] outside of which ``condition`` certainly does not hold.

    It is as wide as can be unless the condition is a conjunction of plain comparisons.
    """
    low, high = EARLIEST_MS, LATEST_MS
    if re.search(r"\b(or|not)\b|[()']", condition):
        return low, high
    for part in re.split(r"\band\b", condition):
        tokens = _TOKEN.findall(part)
        for left, relation, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
            known = _MIRRORED.get(relation, "") if right == "t" else relation
            other = left if right == "t" else right
            if "t" not in (left, right) or not re.fullmatch(r"-?\d+", other):
                continue
            if known in {"<", "<=", "=="}:
                high = min(high, int(other))
            if known in {">", ">=", "=="}:
                low = max(low, int(other))
    return low, high


def selection(begin_ms: int, end_ms: int, column: CosemObject) -> Selection:
    """Return the selective access to one register's rows of a range, the instants rounded out."""
    begin_ms -= begin_ms % _FINEST_MS
    end_ms += -end_ms % _FINEST_MS
    columns = Data(Tag.ARRAY, (definition(CLOCK), definition(column.value)))
    parts = (definition(CLOCK), stamp(begin_ms), stamp(end_ms), columns)
    return _BY_RANGE, Data(Tag.STRUCTURE, parts)


def read_selection(wanted: Selection | None, objects: Objects) -> Range:
    """Return what a client wants of the profile; raises DlmsError."""
    if wanted is None:
        return Range(EARLIEST_MS, LATEST_MS, objects.registers)
    selector, data = wanted
    parts = data.parts
    if selector != _BY_RANGE or len(parts) != 4 or defined(parts[0]) != CLOCK:
        raise DlmsError("no range of time")
    if any(part.tag is not Tag.OCTET_STRING for part in parts[1:3]):
        raise DlmsError("no instant")
    begin_ms, end_ms = (from_clock(part.value) for part in parts[1:3])
    if parts[3].tag is not Tag.ARRAY:
        raise DlmsError("no columns")
    named = [defined(one) for one in parts[3].value]
    found = [objects.at(one) for one in named if one != CLOCK]
    columns = tuple(one for one in found if one is not None and one.kind == "register")
    if len(columns) != len(found):
        raise DlmsError("a column that the profile does not have")
    return Range(begin_ms, end_ms, columns or objects.registers)


def merge(columns: Sequence[CosemObject], values: Mapping[str, Iterable[Stamped]]) -> Data:
    """Return the rows of a profile, by time: a clock, and each register's value or null.

    ``values`` are those of each column's variable.
    """
    rows: dict[tuple[int, int], dict[str, Data]] = {}
    for column in columns:
        name = column.variable.name
        at_once: Counter[int] = Counter()
        for value, t_ms in values[name]:
            at_once[t_ms] += 1  # a second value of one instant has a row of its own
            rows.setdefault((t_ms, at_once[t_ms]), {})[name] = column.scale.encode(value)
    null = Data(Tag.NULL)
    return Data(
        Tag.ARRAY,
        tuple(
            Data(
                Tag.STRUCTURE,
                (stamp(t_ms), *(cells.get(one.variable.name, null) for one in columns)),
            )
            for (t_ms, _), cells in sorted(rows.items(), key=lambda row: row[0])
        ),
    )


def read_rows(data: Data, column: CosemObject) -> list[Stamped]:
    """Return the values of one column with their time stamps; raises DlmsError."""
    if data.tag is not Tag.ARRAY:
        raise DlmsError("no profile")
    read = []
    for row in data.value:
        if row.tag is not Tag.STRUCTURE or len(row.value) != 2:
            raise DlmsError("no row of two")
        if row.value[1].tag is not Tag.NULL:
            read.append((column.scale.decode(row.value[1]), read_stamp(row.value[0])))
    return read
