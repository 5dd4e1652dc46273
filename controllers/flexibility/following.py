"""Puts what is assigned to a house's devices into effect, quarter-hour by quarter-hour."""

from __future__ import annotations

from controllers.balancing.devices import Power
from controllers.flexibility.offers import Profile
from controllers.unit.service import UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Following"]

_BEYOND_MS, _KEPT = 60_000, 16


class Following:
    """Writes a device's set-point at the begin of each slot that something is assigned for.

    It holds a minute beyond the slot: what is lost ends soon, and the device's own rule goes on.
    """

    def __init__(self, context: UnitContext, units: dict[str, str]) -> None:
        self._context, self._units = context, units
        self._assigned: dict[str, tuple[Profile, str]] = {}
        self._power: dict[str, list[tuple[int, float]]] = {}
        self._ordered: dict[str, tuple[int, int]] = {}

    def follow(self, device: str, profile: Profile, decision: str) -> None:
        """Take a profile into effect; until it begins the one before goes on."""
        now = self._context.now_ms // SLOT_MS
        before = self._assigned.get(device)
        if before is not None and now < profile.slot:
            old = before[0]
            kept = [s for s in range(now, profile.slot) if s < old.slot + len(old.wh)]
            if kept and len(kept) == profile.slot - now and kept[0] >= old.slot:
                profile = Profile(now, (*(old.at(s) for s in kept), *profile.wh))
        self._assigned[device] = (profile, decision)
        self._order(device)

    def profile(self, device: str) -> Profile | None:
        """Return what is assigned to a device, None where it is over."""
        held = self._assigned.get(device)
        return held[0] if held is not None else None

    def drop(self, device: str) -> None:
        """Forget a device, whose vehicle has left."""
        self._assigned.pop(device, None)
        self._power.pop(device, None)

    def power(self, device: str, until_ms: int) -> Power:
        """Return since when what power was ordered, and what will be by then; NaN-free, in W.

        From the end of what is assigned on nothing is ordered; devices charge by themselves then.
        """
        out = list(self._power.get(device, ()))
        held = self._assigned.get(device)
        slot = self._context.now_ms // SLOT_MS + 1
        while held is not None and slot * SLOT_MS < until_ms:
            if slot < held[0].slot + len(held[0].wh):
                out.append((slot * SLOT_MS, _watts(held[0].at(slot))))
            slot += 1
        return out

    def slot(self) -> None:
        """Order what is assigned for the slot that begins now."""
        now = self._context.now_ms // SLOT_MS
        for device in sorted(self._assigned):
            profile, _ = self._assigned[device]
            if now >= profile.slot + len(profile.wh):
                self.drop(device)
            else:
                self._order(device)

    def _order(self, device: str) -> None:
        profile, decision = self._assigned[device]
        slot = self._context.now_ms // SLOT_MS
        if not 0 <= slot - profile.slot < len(profile.wh):
            return
        wh = profile.at(slot)
        if self._ordered.get(device) == (slot, wh):
            return
        self._ordered[device] = (slot, wh)
        power = self._power.setdefault(device, [])
        power.append((self._context.now_ms, _watts(wh)))
        del power[:-_KEPT]
        value = {"p_w": _watts(wh), "until_ms": (slot + 1) * SLOT_MS + _BEYOND_MS}
        self._context.data.write("set_point", self._units[device], value, cause=decision)


def _watts(wh: int) -> float:
    return wh * (HOUR_MS / SLOT_MS)
