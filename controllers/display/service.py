"""Service ``display``: what the customer sees, and what he sets, by the Data Interface alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.balancing.registers import Register
from controllers.balancing.subscriptions import Subscriptions
from controllers.control import Prices
from controllers.display.advice import Slot, advise
from controllers.signals import PRICE, Price
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import DAY_MS, HOUR_MS, SLOT_MS

__all__ = ["Display", "Setting", "Sources"]

_IMPORT, _EXPORT, _VOLTAGE = "energy.import", "energy.export", "voltage"
_QUALITY, _PAGE, _STRATEGY = "supply.quality", "display.page", "customer.strategy"
_OVERRIDE = "device.override"
_AFTER_MS = 120_000  # what is shown has come by then
_PER_DAY = DAY_MS // SLOT_MS


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom the display asks: the customer's meter, and the unit that has prices.

    ``deciders`` are units whose strategy the customer may set; ``rights`` lists (variable, unit,
    policy of a contract, value that changes nothing).
    """

    meter: str
    prices: str
    deciders: tuple[str, ...] = ()
    rights: tuple[tuple[str, str, list[list[Any]], Mapping[str, Any] | None], ...] = ()
    quality: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What the customer sets at an instant: a strategy, or whether the contract grants its rights.

    An empty ``strategy`` changes none, ``grants`` None no rights. ``overrides`` are what a person
    does at devices, and the units that control these.
    """

    at_ms: int
    strategy: Mapping[str, Any]
    grants: bool | None = None
    overrides: tuple[tuple[str, Mapping[str, Any]], ...] = ()


class Display:
    """Shows a page every ``every_ms``; does what the customer does."""

    name = "display"

    def __init__(self, sources: Sources, every_ms: int, settings: Sequence[Setting]) -> None:
        self._sources, self._every_ms, self._settings = sources, every_ms, tuple(settings)
        self._import, self._export = Register(), Register()
        self._prices = Prices()
        self._feed_in: dict[int, int] = {}
        self._volts: list[float] = []
        self._outages = (0, 0.0)
        self._causes: dict[str, str] = {}
        self._day: list[Slot] = []
        self._shown_ms = 0

    def start(self, context: UnitContext) -> None:
        """Follow what is shown; wait for what the customer does."""
        self._context, asked = context, self._sources
        self._subscriptions = Subscriptions(context)
        self._shown_ms = context.now_ms // SLOT_MS * SLOT_MS
        for variable in (_IMPORT, _EXPORT):
            self._subscriptions.want(variable, asked.meter, now_too=True)
        self._subscriptions.want(_VOLTAGE, asked.meter)
        if asked.quality:
            self._subscriptions.want(_QUALITY, asked.meter)
        if asked.prices:
            self._subscriptions.want(PRICE, asked.prices, now_too=True)
        self._next()
        for number, setting in enumerate(self._settings):
            if setting.at_ms >= context.now_ms:
                context.set_timer(f"set {number}", setting.at_ms)

    def timer(self, name: str) -> None:
        """Show a page, do what the customer does now, or ask again."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
        elif name == "page":
            self._show()
            self._next()
        else:
            self._set(self._settings[int(name.partition(" ")[2])])

    def notify(self, notification: Notification) -> None:
        """Take what is to be shown."""
        if not self._subscriptions.is_value(notification):
            return
        variable, value = notification.variable, notification.value
        self._causes[variable] = notification.id
        if variable == _IMPORT:
            self._import.add(notification.t_ms, float(value))
        elif variable == _EXPORT:
            self._export.add(notification.t_ms, float(value))
        elif variable == _VOLTAGE:
            self._volts.append(float(value))
        elif variable == _QUALITY and isinstance(value, dict):
            count, seconds = value.get("interruptions") or 0, value.get("outage_s") or 0.0
            self._outages = (self._outages[0] + int(count), self._outages[1] + float(seconds))
        elif variable == PRICE and (price := Price.of(value)) is not None:
            self._prices = self._prices.with_new(price, self._context.now_ms - DAY_MS)
            self._feed_in[price.issued_ms] = price.feed_in_cent_per_mwh[0]

    # -- what is shown -----------------------------------------------------------------------

    def _next(self) -> None:
        next_ms = (self._context.now_ms // self._every_ms + 1) * self._every_ms
        self._context.set_timer("page", next_ms + _AFTER_MS)

    def _show(self) -> None:
        """Show what was drawn, fed in and paid since the last page, and what could be saved."""
        context = self._context
        end_ms = (context.now_ms - _AFTER_MS) // SLOT_MS * SLOT_MS
        slots = range(self._shown_ms // SLOT_MS, end_ms // SLOT_MS)
        means = [(self._import.mean_w(k), self._export.mean_w(k)) for k in slots]
        whole = all(drawn is not None and fed is not None for drawn, fed in means)
        hours = SLOT_MS / HOUR_MS
        drawn_wh = [(drawn or 0.0) * hours for drawn, _ in means]
        fed_wh = [(fed or 0.0) * hours for _, fed in means]
        priced = [self._priced(*one) for one in zip(slots, drawn_wh, fed_wh, strict=True)]
        known = [slot for slot in priced if slot is not None]
        self._day = [*self._day, *known][-_PER_DAY:]
        cost = sum(s.drawn_wh * s.price - s.fed_in_wh * s.feed_in_price for s in known) / 1e6
        advice = advise(self._day)
        page = {
            "t_ms": end_ms,
            "import_wh": round(sum(drawn_wh), 3) if whole else None,
            "export_wh": round(sum(fed_wh), 3) if whole else None,
            "cost_cent": round(cost, 3) if whole and len(known) == len(priced) else None,
            "v_min_v": min(self._volts, default=None),
            "v_max_v": max(self._volts, default=None),
            "outages": self._outages[0] if self._sources.quality else None,
            "outage_s": self._outages[1] if self._sources.quality else None,
            "advice": advice.kind if advice is not None else None,
            "saving_wh": round(advice.energy_wh, 3) if advice is not None else None,
            "saving_cent": round(advice.saving_cent, 3) if advice is not None else None,
        }
        self._shown_ms, self._volts, self._outages = end_ms, [], (0, 0.0)
        told = context.decide("page_shown", context.unit, page, tuple(self._causes.values()))
        context.data.write(_PAGE, context.unit, page, cause=told)

    def _priced(self, slot: int, drawn_wh: float, fed_wh: float) -> Slot | None:
        """Return a slot with its prices, None where there are none."""
        t_ms = slot * SLOT_MS
        steps = self._prices.steps(t_ms, t_ms + 1)
        if not steps:
            return None
        paid = self._feed_in.get(self._prices.issued_ms(t_ms), 0)
        return Slot(drawn_wh, fed_wh, steps[0][2], paid)

    # -- what is set -------------------------------------------------------------------------

    def _set(self, setting: Setting) -> None:
        """Write the customer's strategy, and the rights of those with a contract."""
        context, now_ms = self._context, self._context.now_ms
        plain: dict[str, Any] = {"strategy": dict(setting.strategy), "grants": setting.grants}
        if setting.overrides:
            plain["overrides"] = [dict(value) for _, value in setting.overrides]
        told = context.decide("customer_set", context.unit, plain, ())
        if setting.strategy:
            for unit in self._sources.deciders:
                context.data.write(_STRATEGY, unit, dict(setting.strategy), cause=told)
        for unit, override in setting.overrides:
            context.data.write(_OVERRIDE, unit, dict(override), cause=told)
        if setting.grants is not None:
            for variable, unit, policy, neutral in self._sources.rights:
                value = None if neutral is None else {**neutral, "until_ms": now_ms + 1_000}
                granted = policy if setting.grants else []
                context.data.write(variable, unit, value, policy=granted, cause=told)
