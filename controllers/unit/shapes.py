"""Whether a value that came from elsewhere is of the shape that its readers rely on.

A unit that is compromised, or newer, may write anything that its rights allow; services take what
fits and leave the rest. Letters: ``n`` number, ``i`` integer, ``s`` text, ``b`` truth, ``d``
record, ``l`` list, ``N`` list of numbers and nulls, ``P`` list of pairs of integers; small letters
with ``?`` may be null or missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["fits"]

_LIMIT = 1 << 53


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e15


def _integer(value: Any) -> bool:
    return type(value) is int and abs(value) < _LIMIT


def _numbers(value: Any) -> bool:
    return type(value) is list and all(item is None or _number(item) for item in value)


def _pairs(value: Any) -> bool:
    return type(value) is list and all(
        type(pair) is list and len(pair) == 2 and all(map(_integer, pair)) for pair in value
    )


def _states(value: Any) -> bool:
    return type(value) is dict and all(type(state) is dict for state in value.values())


def _of(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


_KINDS: dict[str, Callable[[Any], bool]] = {
    "n": _number,
    "i": _integer,
    "s": _of(str),
    "b": _of(bool),
    "d": _of(dict),
    "l": _of(list),
    "N": _numbers,
    "P": _pairs,
    "S": _states,
}
_SHAPES = {
    "meter.values": "t_ms:i import_wh:n export_wh:n p_w:n? q_var:n? power_factor:n? demand_w:n "
    "reactive_varh:n i_a:N v_v:N",
    "supply.quality": "samples:i outside:i v_min_v:n? v_max_v:n? interruptions:i outage_s:n "
    "interrupted_ms:P",
    "house.status": "flexible_w:n",
    "area.values": "t_ms:i p_w:n q_var:n v_min_v:n? v_max_v:n? meters:i missing:i flexible_w:n "
    "houses:i",
    "quality.summary": "samples:i outside:i v_min_v:n? v_max_v:n? interruptions:i outage_s:n "
    "supplies:i",
    "regulation.state": "active:b q_var:n?",
    "regulation.summary": "units:i active:i q_var:n",
    "area.der": "units:S",
    "load.diagram": "criterion:s customers:i mean_w:N days:i",
    "der.parameters": "kind:s p_max_w:n q_max_var:n takes:l v_nominal_v:n?",
    "der.measurements": "v_v:n i_a:n p_w:n q_var:n energy_wh:n",
    "der.alarm": "kind:s active:b",
    "der.configuration": "items:d",
    "der.set_point": "p_w:n? q_var:n? power_factor:n? v_v:n? until_ms:i?",
    "der.command": "run:b",
    "regulation.command": "active:b v_pu:n? until_ms:i? target:s?",
    "area.set_point": "target:s? import_max_w:n? export_max_w:n? run:b? until_ms:i?",
    "load.set_point": "import_max_w:n? export_max_w:n? until_ms:i?",
    "registry.change": "data:s target:s version:i base:i set:d drop:l",
    "registry.have": "unit:s versions:d",
    "grid.model": "version:i items:d",
    "grid.phases": "version:i items:d",
    "loss.reference": "version:i items:d",
    "tariff.table": "version:i items:d",
    "line.phases": "element:s end:i v_v:N i_a:N p_w:N q_var:N",
    "area.energy": "t_ms:i import_wh:n export_wh:n meters:i missing:i",
    "switch.position": "element:s closed:b",
    "tap.position": "element:s position:i",
    "light.position": "element:s on:b",
    "fault.passage": "element:s end:i",
}
_PARSED = {
    name: tuple(
        (key, _KINDS[kind[0]], kind.endswith("?"))
        for key, _, kind in (part.partition(":") for part in text.split())
    )
    for name, text in _SHAPES.items()
}


def fits(variable: str, value: Any) -> bool:
    """Tell whether a value has the shape of its variable; any has where none is known."""
    shape = _PARSED.get(variable)
    if shape is None:
        return True
    if type(value) is not dict:
        return False
    return all(
        optional if value.get(key) is None else fitting(value[key])
        for key, fitting, optional in shape
    )
