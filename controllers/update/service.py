"""Service ``update``: packages on their way down, and what became of them on the way up.

A unit that has a package offers it to its children, some at a time, and pushes the blocks that a
child says it lacks; every offer and block is a ``write``, so acknowledged and repeated. A child
takes a package if it or a unit below it is meant. Having it whole, it installs it on trial, if
it is meant itself; the trial is confirmed if the unit has reached its parent meanwhile and the
manifest's checks have held. What became of all units below is told upwards.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controllers.security.errors import RefusedError
from controllers.unit.maintenance import ORDER, STATE
from controllers.unit.service import Notification, Result, UnitContext
from controllers.update.manifest import Kind, Manifest, open_manifest, read_body
from controllers.update.push import OFFERED, Push, Step
from controllers.update.tally import OPEN, Tally, read_counts

__all__ = ["Settings", "Update"]

OFFER, BLOCK, ANSWER = "update.offer", "update.block", "update.answer"
_AGAIN_MS = 600_000
_TELL_MS = 30_000
_MOST_SPOILT = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """What a unit's service is told: keys of the signers, the run, places, paces.

    ``below`` are the units below each child, that child among them. ``packages`` are
    ``{at_ms, signed_b64, body_b64}``: what the operator's engineer puts in here. ``boot_ms`` is
    how long the unit takes to begin anew; ``parallel``, how many children are served at a time.
    """

    run: str
    keys: Mapping[str, str]
    parent: str = ""
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parallel: int = 1
    boot_ms: int = 30_000
    packages: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class _Package:
    """One package, as far as it is here."""

    signed: bytes
    manifest: Manifest
    tally: Tally
    push: Push
    blocks: list[bytes] = field(default_factory=list)
    ordered: bool = False
    passing_on: bool = False
    spoilt: int = 0

    @property
    def whole(self) -> bool:
        """Whether all blocks are here."""
        return len(self.blocks) >= self.manifest.blocks

    @property
    def wants_more(self) -> bool:
        """Whether blocks are lacking that somebody here or below needs."""
        return not self.whole and bool(self.tally.own == OPEN or self.tally.children)


class Update:
    """Takes, installs, passes on."""

    name = "update"

    __slots__ = ("_context", "_module", "_packages", "_reached", "_requests", "_settings", "_told")

    _context: UnitContext

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._packages: dict[int, _Package] = {}
        # request -> purpose, serial, and child and block of a step
        self._requests: dict[str, tuple[str, int, Step]] = {}
        self._module: dict[str, Any] = {"serial": 0, "phase": "first", "why": ""}
        self._reached = False
        self._told: set[int] = set()

    # -- stimuli -----------------------------------------------------------------------------

    def start(self, context: UnitContext) -> None:
        """Follow what is written here, and remember what was."""
        self._context = context
        for variable in (OFFER, BLOCK, ANSWER, STATE):
            context.data.event(variable, context.unit)
        context.data.query(STATE, context.unit)
        self._recall(-1)
        for number, package in enumerate(self._settings.packages):
            context.set_timer(f"publish {number}", max(context.now_ms, package["at_ms"]))

    def timer(self, name: str) -> None:
        """Publish a package, end a trial, tell the parent, or try again who failed."""
        what, _, which = name.partition(" ")
        number = int(which)
        if what == "publish":
            self._publish(number)
        elif what == "trial":
            self._end_trial(number)
        elif what == "tell":
            self._tell(number)
        else:
            self._again(number)

    def notify(self, notification: Notification) -> None:
        """Take what was written here, or the outcome of a request."""
        purpose, serial, step = self._requests.pop(notification.request, ("", 0, Step("", 0)))
        fine = notification.result is Result.OK
        if purpose == "push":
            self._pushed(serial, step, fine)
        elif purpose == "remember":
            self._remembered(serial, notification)
        elif purpose == "recall" and fine and notification.t_ms >= 0:
            self._recall(notification.t_ms)
            self._offered(notification)
        elif purpose == "told":
            self._reached = self._reached or fine
            if not fine:
                self._tell_later(serial, _AGAIN_MS)
        elif not fine or notification.t_ms == -1 or type(notification.value) is not dict:
            return
        elif notification.variable == OFFER:
            self._offered(notification)
        elif notification.variable == BLOCK:
            self._take_block(notification)
        elif notification.variable == ANSWER:
            self._answered(notification)
        elif notification.variable == STATE:
            self._module_is(notification)

    # -- taking ------------------------------------------------------------------------------

    def _publish(self, number: int) -> None:
        """Put in a package of the operator's; it must be signed like any other."""
        put, context = self._settings.packages[number], self._context
        told = {"package": number}
        decision = context.decide("update_published", context.unit, told, ())
        package = self._accept(b64decode(put["signed_b64"]), decision)
        if package is not None and not package.whole:
            body, size = b64decode(put["body_b64"]), package.manifest.block
            package.blocks = [body[i : i + size] for i in range(0, len(body), size)]
        if package is not None:
            self._go_on(package, decision)

    def _offered(self, notification: Notification) -> None:
        package = self._accept(_bytes(notification.value.get("signed_b64")), notification.id)
        if package is None:
            return
        if package.wants_more and not package.blocks and not package.spoilt:
            self._remember(package)
        else:
            self._go_on(package, notification.id)

    def _accept(self, signed: bytes, cause: str) -> _Package | None:
        """Return the package of a manifest, if that is signed as it must be and not an old one."""
        settings, unit = self._settings, self._context.unit
        try:
            manifest = open_manifest(signed, settings.run, settings.keys)
        except RefusedError as error:
            self._refuse(0, str(error.why), cause)
            return None
        known = self._packages.get(manifest.serial)
        if known is not None and known.signed != signed:
            self._refuse(manifest.serial, "another of that serial", cause)
            return None
        if known is None:
            below = {kid: sum(map(manifest.means, all_)) for kid, all_ in settings.below.items()}
            tally = Tally(manifest.means(unit), below)
            push = Push(tally.children, manifest.blocks, settings.parallel)
            known = self._packages[manifest.serial] = _Package(signed, manifest, tally, push)
            newest = self._module["serial"]
            if tally.own and manifest.serial == newest:
                tally.is_now(self._module["phase"])
            elif tally.own and manifest.serial < newest:
                self._refuse(manifest.serial, "old", cause)
        return known

    def _package_of(self, value: Mapping[str, Any]) -> _Package | None:
        serial = value.get("serial")
        return self._packages.get(serial) if type(serial) is int else None

    def _refuse(self, serial: int, why: str, cause: str) -> None:
        told = {"serial": serial, "why": why}
        self._context.decide("update_refused", self._context.unit, told, (cause,))
        if serial in self._packages and self._packages[serial].tally.own == OPEN:
            self._packages[serial].tally.is_now("refused")

    def _recall(self, after_ms: int) -> None:
        """Ask the unit's own store for the next offer that came before it began anew."""
        unit = self._context.unit
        condition = f"t > {after_ms}"
        issued = self._context.data.query(OFFER, unit, condition=condition, function="first")
        self._requests[issued.id] = ("recall", 0, Step("", 0))

    def _remember(self, package: _Package) -> None:
        """Ask the unit's own store for the next block: it may have come before a restart."""
        serial, index = package.manifest.serial, len(package.blocks)
        condition = f"value.serial == {serial} and value.index == {index}"
        issued = self._context.data.query(BLOCK, self._context.unit, condition=condition)
        self._requests[issued.id] = ("remember", serial, Step("", index))

    def _remembered(self, serial: int, notification: Notification) -> None:
        package = self._packages[serial]
        if notification.result is Result.OK and type(notification.value) is dict:
            package.blocks.append(_bytes(notification.value.get("bytes_b64")))
            if not package.whole:
                self._remember(package)
                return
        self._go_on(package, notification.id)

    def _take_block(self, notification: Notification) -> None:
        value = notification.value
        package = self._package_of(value)
        if package is None or value.get("index") != len(package.blocks):
            return
        last = package.manifest.blocks - 1
        if value["index"] <= last:
            package.blocks.append(_bytes(value.get("bytes_b64")))
        if value["index"] == last:
            self._go_on(package, notification.id)

    def _go_on(self, package: _Package, cause: str) -> None:
        """Say what is lacking, or pass on and install what is here."""
        if package.whole and not package.passing_on:
            try:
                read_body(b"".join(package.blocks), package.manifest)
            except RefusedError as error:
                self._spoilt(package, str(error.why), cause)
            else:
                package.passing_on = True
                self._send(package, package.push.steps())
        self._tell(package.manifest.serial)
        self._install()

    def _spoilt(self, package: _Package, why: str, cause: str) -> None:
        """Have the blocks again from the parent, some times; there is nobody else to ask."""
        told = {"serial": package.manifest.serial, "why": why}
        self._context.decide("update_refused", self._context.unit, told, (cause,))
        package.spoilt += 1
        package.blocks.clear()
        if package.spoilt >= _MOST_SPOILT or not self._settings.parent:
            package.tally.is_now("refused")

    # -- passing on --------------------------------------------------------------------------

    def _send(self, package: _Package, steps: Iterable[Step]) -> None:
        serial, data = package.manifest.serial, self._context.data
        for step in steps:
            if step.block == OFFERED:
                value: dict[str, Any] = {"signed_b64": b64encode(package.signed).decode()}
                issued = data.write(OFFER, step.child, value)
            else:
                raw = package.blocks[step.block]
                value = {"serial": serial, "index": step.block, "bytes_b64": _text(raw)}
                issued = data.write(BLOCK, step.child, value)
            self._requests[issued.id] = ("push", serial, step)
        if package.push.silent() or package.push.failed:
            self._context.set_timer(f"again {serial}", self._context.now_ms + _AGAIN_MS)

    def _pushed(self, serial: int, step: Step, fine: bool) -> None:
        package = self._packages[serial]
        push = package.push
        steps = push.arrived(step.child, step.block) if fine else push.lost(step.child)
        self._send(package, steps)

    def _again(self, serial: int) -> None:
        """Try again who failed, and who has not answered for so long."""
        package = self._packages[serial]
        for child in package.push.silent():
            self._send(package, package.push.lost(child))
        self._send(package, package.push.again())

    def _answered(self, notification: Notification) -> None:
        """Take what a child tells: which block it lacks, and what became of those below."""
        value = notification.value
        package = self._package_of(value)
        child, lacking, t_ms = (value.get(key) for key in ("unit", "next", "t_ms"))
        if package is None or type(child) is not str:
            return
        if type(lacking) is not int or type(t_ms) is not int:
            return
        before = package.tally.counts
        if not package.tally.told(child, read_counts(value.get("units")), t_ms):
            return
        if package.passing_on:  # else it has to wait until all is here
            push = package.push
            self._send(package, push.lacks(child, lacking) if lacking >= 0 else push.has_all(child))
        if package.tally.counts != before:
            self._tell_later(package.manifest.serial, _TELL_MS)

    # -- installing --------------------------------------------------------------------------

    def _install(self) -> None:
        """Install the next package that is whole and means this unit, if none is on trial."""
        if self._module["phase"] == "trial" or any(one.ordered for one in self._packages.values()):
            return
        for serial, package in sorted(self._packages.items()):
            if package.tally.own == OPEN and package.whole and serial > self._module["serial"]:
                package.ordered = True
                self._order(package)
                return

    def _order(self, package: _Package) -> None:
        manifest, context = package.manifest, self._context
        order: dict[str, Any] = {
            "serial": manifest.serial,
            "boot_ms": self._settings.boot_ms,
            "keep": manifest.keep,
        }
        if manifest.kind is Kind.RESET:
            order |= {"do": "reset"}
        else:
            modules = read_body(b"".join(package.blocks), manifest)
            checks = [[check.variable, check.condition] for check in manifest.checks]
            order |= {"do": "install", "modules": modules, "checks": checks}
            order |= {"trial_ms": manifest.trial_ms}
        context.data.write(ORDER, context.unit, order)

    def _module_is(self, notification: Notification) -> None:
        """Learn what the unit runs; a trial is ended when its time is over."""
        self._module = dict(notification.value)
        serial, phase = self._module["serial"], self._module["phase"]
        package = self._packages.get(serial)
        if package is not None:
            package.ordered = False
            package.tally.is_now(phase)
        if phase == "trial":
            self._reached = not self._settings.parent
            at_ms = self._context.now_ms + self._module["trial_ms"]
            self._context.set_timer(f"trial {serial}", at_ms)
        self._tell(serial)
        self._install()

    def _end_trial(self, serial: int) -> None:
        if self._module["serial"] != serial or self._module["phase"] != "trial":
            return
        order: dict[str, Any] = {"do": "confirm", "serial": serial}
        if not self._reached:
            order = {"do": "back", "serial": serial, "why": "the parent does not answer"}
            order["boot_ms"] = self._settings.boot_ms
        self._context.data.write(ORDER, self._context.unit, order)

    # -- telling -----------------------------------------------------------------------------

    def _tell_later(self, serial: int, after_ms: int) -> None:
        if serial not in self._told:
            self._told.add(serial)
            self._context.set_timer(f"tell {serial}", self._context.now_ms + after_ms)

    def _tell(self, serial: int) -> None:
        """Tell the parent what is lacking and what became of all units here and below."""
        self._told.discard(serial)
        package, context = self._packages.get(serial), self._context
        value: dict[str, Any] = {"serial": serial, "unit": context.unit, "t_ms": context.now_ms}
        if package is None:  # it forgot its data with a reset
            value |= {"next": 0, "units": {}}
        else:
            lacking = len(package.blocks) if package.wants_more else -1
            value |= {"next": lacking, "units": package.tally.counts}
        if self._settings.parent:
            issued = context.data.write(ANSWER, self._settings.parent, value)
            self._requests[issued.id] = ("told", serial, Step("", 0))
        elif package is not None:
            context.decide("update_report", context.unit, value, ())


def _bytes(text: Any) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError):
        return b""


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
