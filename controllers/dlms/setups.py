"""Which of a meter's push set-ups a reader's subscriptions have."""

from __future__ import annotations

from typing import NamedTuple

from controllers.dlms.apdu import Attribute
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.objects import Objects, push_setup, pushed, without_policy
from controllers.dlms.results import to_result
from controllers.unit.notes import Notebook
from controllers.unit.service import Result
from controllers.unit.wire import Notify, Operation, Request, ValueRefusedError, strict_value

__all__ = ["Setups"]

_COUNT = 63


class _Taken(NamedTuple):
    """A push set-up's subscription: the request for it, its variable, and what it is."""

    request: str
    variable: str
    what: str


class Setups:
    """Gives each subscription a push set-up of its own.

    One that takes another's place gets a new one: what the meter sent before is then told from
    what it sends after. Which ones the meter has in use is noted, so that a reader that begins anew
    does not take them for others.
    """

    __slots__ = ("_last", "_notes", "_numbers", "_taken", "_where")

    def __init__(self, where: str, notes: Notebook) -> None:
        self._where, self._notes = where, notes
        # what a subscription is -> its push set-up at the meter
        self._numbers: dict[str, int] = notes.items(where)
        self._taken: dict[int, _Taken] = {}
        self._last = 0

    def take(self, request: Request) -> int:
        """Return the number of a free push set-up for a subscription; 0 where there is none."""
        known = self.of(request.id)
        if known:
            return known
        used = {*self._numbers.values(), *self._taken}
        places = ((self._last + step) % _COUNT + 1 for step in range(_COUNT))
        number = next((one for one in places if one not in used), 0)
        if number:
            self._last = number
            self._taken[number] = _Taken(request.id, request.variable, _what(request))
        return number

    def of(self, request: str) -> int:
        """Return the number of the push set-up that a request took, 0 where it has none."""
        return next((number for number, one in self._taken.items() if one.request == request), 0)

    def confirmed(self, request: Request, result: Result) -> Result:
        """Take the meter's answer to a subscription; return what its caller is told."""
        number = self.of(request.id)
        if result is not Result.OK or not number:
            self._taken.pop(number, None)
            return result
        what = self._taken[number].what
        before = self._numbers.get(what, number)
        self._numbers[what] = number
        self._notes.put(self._where, what, number)
        if before == number:
            return Result.OK
        self._taken.pop(before, None)
        return Result.REPLACED

    def give_up(self, request: str) -> None:
        """Forget a subscription that was never confirmed."""
        number = self.of(request)
        if number not in self._numbers.values():
            self._taken.pop(number, None)

    def end(self, request: str) -> None:
        """Forget a subscription that has ended."""
        taken = self._taken.pop(self.of(request), None)
        if taken is not None and self._numbers.pop(taken.what, None) is not None:
            self._notes.drop(self._where, taken.what)

    def read(
        self,
        name: str,
        content: tuple[Data, ...],
        number: int,
        objects: Objects,
        ends: tuple[str, str],
    ) -> Notify:
        """Return the notification that a push set-up sent; raises DlmsError.

        One that has no subscription (any more) is for request 0, which nobody waits for.
        """
        unit, peer = ends
        push = pushed(Attribute(push_setup(1).class_id, name))
        if not push or not number:
            raise DlmsError("no push set-up of ours")
        taken = self._taken.get(push)
        if taken is None:
            return Notify(f"{unit}#0", Result.NO_DATA, "", peer, "", None, -1, number)
        notify = Notify(taken.request, Result.OK, taken.variable, peer, "", None, -1, number)
        found = objects.of(taken.variable)
        if len(content) == 1 and content[0].tag is Tag.ENUM:
            notify.result = to_result(content[0].value)
        elif found is not None:
            held, notify.policy = without_policy(content)
            value, notify.t_ms = found.decode(held)
            try:
                notify.value = strict_value(value)
            except ValueRefusedError as error:
                raise DlmsError("no value") from error
        if notify.result is Result.DENIED:
            self.end(taken.request)
        return notify


def _what(request: Request) -> str:
    """Return what a subscription is: a second one of the same takes its place."""
    text = "" if request.operation is Operation.PERIODIC else request.condition.strip() or "true"
    return "\x1f".join(
        (request.stakeholder, request.service, request.operation.label, request.variable, text)
    )
