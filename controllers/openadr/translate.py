"""What events of OpenADR come to: a command or prices of ours, or why neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controllers.openadr.events import DrEvent, Signal
from controllers.signals.records import Command
from fernwatt.timebase import Clock

__all__ = ["Gateway", "RefusalError", "Translated", "translate"]

_LOAD, _PRICE, _SIMPLE = "LOAD_CONTROL", "ELECTRICITY_PRICE", "SIMPLE"
_NOT_SUPPORTED, _NOT_TARGETED, _INVALID = 460, 462, 454
_KINDS = {
    "Electric_Vehicle": "ev",
    "EVSE": "ev",
    "Water_Heater": "boiler",
    "Thermostat": "heat_pump",
    "Strip_Heater": "heat_pump",
    "Baseboard_Heater": "heat_pump",
    "Smart_Appliance": "appliance",
    "Storage": "battery",
    "RESU": "battery",
    "Generation_Systems": "pv",
    "Smart_Inverter": "pv",
}
"""Device classes of OpenADR 2.0b that are devices here."""
_SCALES = {"none": 1.0, "k": 1e3, "M": 1e6, "c": 1e-2, "m": 1e-3}
_KWH_PER_MWH = 1000.0


class RefusalError(ValueError):
    """An event that cannot be followed; ``code`` is OpenADR's response code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the gateway goes by: its name, levels, kinds of devices, which signals are obeyed."""

    ven: str
    unit: str
    clock: Clock
    levels_percent: tuple[int, ...]
    kinds: tuple[str, ...]
    obeyed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Translated:
    """A command, a record of prices, or neither (nothing is left to do)."""

    command: Command | None = None
    price: dict[str, Any] | None = None


def translate(event: DrEvent, gateway: Gateway, now_ms: int) -> Translated:
    """Return what an event comes to; raises RefusalError."""
    if event.vens and gateway.ven not in event.vens:
        raise RefusalError(_NOT_TARGETED, "meant for another VEN")
    if event.others:
        raise RefusalError(_NOT_TARGETED, f"targets by {event.others[0]} are not known here")
    if event.status == "completed" or event.test:
        return Translated()
    wanted = [s for s in (_of_name(event, _LOAD), _of_name(event, _SIMPLE)) if s is not None]
    price = _of_name(event, _PRICE)
    if "price" in gateway.obeyed and price is not None:
        return Translated(price=_price(event, price, gateway, now_ms))
    if "command" in gateway.obeyed and wanted:
        return Translated(command=_command(event, wanted[0], gateway, now_ms))
    raise RefusalError(_NOT_SUPPORTED, "no signal of a kind that is followed here")


def _of_name(event: DrEvent, name: str) -> Signal | None:
    return next((signal for signal in event.signals if signal.name == name), None)


def _begin_ms(event: DrEvent, gateway: Gateway) -> int:
    return round((event.begins - gateway.clock.at(0)).total_seconds() * 1000)


def _command(event: DrEvent, signal: Signal, gateway: Gateway, now_ms: int) -> Command:
    """Return the command of a signal; without any interval where the event is cancelled."""
    times, percent = [_begin_ms(event, gateway)], list[int | None]()
    for interval in signal.intervals:
        times.append(times[-1] + round(interval.lasts.total_seconds() * 1000))
        limit = _limit(signal, interval.value, gateway.levels_percent)
        percent.append(limit if limit < 100 else None)
    cancelled = event.status == "cancelled"
    return Command(
        f"openadr:{event.id}",
        now_ms,
        gateway.unit,
        "limit",
        tuple(_kinds(signal, gateway)),
        () if cancelled else tuple(times),
        () if cancelled else tuple(percent),
    )


def _kinds(signal: Signal, gateway: Gateway) -> Sequence[str]:
    if not signal.classes:
        return gateway.kinds
    kinds = {_KINDS[name] for name in signal.classes if name in _KINDS}
    if not kinds:
        raise RefusalError(_NOT_TARGETED, f"device class {signal.classes[0]} is not known here")
    return sorted(kinds)


def _limit(signal: Signal, value: float, levels: Sequence[int]) -> int:
    """Return what a signal's value leaves a device, in percent of its rated power."""
    if signal.name == _SIMPLE and signal.type == "level":
        if value not in range(len(levels)):
            raise RefusalError(_INVALID, f"level {value:g} is none of 0 to 3")
        return levels[int(value)]
    if signal.type == "x-loadControlCapacity":
        if not 0 <= value <= 1:
            raise RefusalError(_INVALID, f"capacity {value:g} is not within 0 and 1")
        return round(100 * value)
    if signal.type == "x-loadControlPercentOffset":
        return min(max(round(100 + value), 0), 100)
    raise RefusalError(_NOT_SUPPORTED, f"signal type {signal.type} is not followed here")


def _price(event: DrEvent, signal: Signal, gateway: Gateway, now_ms: int) -> dict[str, Any]:
    """Return the record of prices of a signal: its intervals in one step."""
    if signal.type != "price" or event.status == "cancelled":
        raise RefusalError(_NOT_SUPPORTED, f"{signal.type}, {event.status}: not followed here")
    if (signal.units, signal.per) != ("EUR", "KWh"):
        raise RefusalError(
            _NOT_SUPPORTED, f"price in {signal.units} per {signal.per}, not EUR per KWh"
        )
    if signal.scale not in _SCALES:
        raise RefusalError(_NOT_SUPPORTED, f"scale {signal.scale} is not known here")
    steps = [round(one.lasts.total_seconds() * 1000) for one in signal.intervals]
    if len(set(steps)) > 1:
        raise RefusalError(_INVALID, "prices in steps of unequal length")
    factor = 100 * _KWH_PER_MWH * _SCALES[signal.scale]
    return {
        "issued_ms": now_ms,
        "start_ms": _begin_ms(event, gateway),
        "step_ms": steps[0],
        "cent_per_mwh": [round(one.value * factor) for one in signal.intervals],
    }
