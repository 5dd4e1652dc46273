"""One APDU of a client, as requests to a meter's unit and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from controllers.dlms import apdu as apdus
from controllers.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    Apdu,
    Attribute,
    Outcome,
    Selection,
    SetRequest,
    SetResponse,
)
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.history import merge, read_selection
from controllers.dlms.objects import HISTORY, MESSAGES, CosemObject, Objects, pushed
from controllers.dlms.pushes import read_wanted
from controllers.dlms.results import to_access
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.service import Result
from controllers.unit.wire import (
    Message,
    Notify,
    Operation,
    Request,
    ValueRefusedError,
    strict_value,
)

__all__ = ["Answers", "Asking", "Setup", "Slot"]

Answers = Mapping[str, Notify]
Slot = Callable[[Answers], Outcome]
_DONE = (Result.OK, Result.REPLACED)


class Setup(NamedTuple):
    """What a push set-up is for: a subscription, and the client whose it is."""

    subscription: str
    client: int
    stakeholder: str
    service: str


class Asking:
    """Gathers ``messages`` for the unit.

    The answers to those in ``awaited`` are needed for the response, those to ``silent`` by nobody.
    """

    __slots__ = ("_codec", "_ends", "_identifier", "_objects", "_who", "awaited", "messages",
                 "silent")  # fmt: skip

    def __init__(
        self,
        ends: tuple[str, str],
        objects: Objects,
        codec: CborCodec,
        who: tuple[str, str],
        identifier: str,
    ) -> None:
        self._ends, self._objects, self._codec = ends, objects, codec
        self._who, self._identifier = who, identifier
        self.messages: list[Message] = []
        self.silent: set[str] = set()
        # request -> its variable, and function
        self.awaited: dict[str, tuple[str, str]] = {}

    def _ask(self, operation: Operation, variable: str, **more: Any) -> str:
        """Ask the unit, once for a whole APDU; return the request's identifier."""
        what = (variable, more.get("function", "last"))
        for identifier, asked in self.awaited.items():
            if asked == what:
                return identifier
        identifier = self._name()
        unit, peer = self._ends
        stakeholder, service = self._who
        self.messages.append(
            Request(operation, identifier, peer, service, stakeholder, variable, unit, **more)
        )
        self.awaited[identifier] = what
        return identifier

    def _name(self) -> str:
        """Return a name for the next request: the frame's, and parts of it."""
        place = len(self.messages)
        return f"{self._identifier}.{place}" if place else self._identifier

    # -- GET ---------------------------------------------------------------------------------

    def slot(self, attribute: Attribute, selection: Selection | None) -> Slot:
        """Return what gives the outcome of one attribute when the unit has answered."""
        constant = self._objects.constant(attribute)
        if constant is not None and selection is None:
            return lambda _: constant
        if attribute == HISTORY:
            return self._history(selection)
        found = self._objects.at(attribute)
        if found is None or attribute not in found.reads or selection is not None:
            return lambda _: apdus.UNDEFINED
        identifier = self._ask(Operation.QUERY, found.variable.name)
        place = found.reads.index(attribute)
        # other makers' clients know of no policies
        knows = bool(self._who[1])
        return lambda answers: _part(found, answers[identifier], place, knows=knows)

    def _history(self, selection: Selection | None) -> Slot:
        try:
            wanted = read_selection(selection, self._objects)
        except DlmsError:
            return lambda _: apdus.UNMATCHED
        condition = f"{wanted.begin_ms} <= t <= {wanted.end_ms}"
        names = {
            column.variable.name: self._ask(
                Operation.QUERY, column.variable.name, condition=condition, function="values"
            )
            for column in wanted.columns
        }
        return lambda answers: _merged(wanted.columns, names, answers)

    # -- SET ---------------------------------------------------------------------------------

    def written(
        self,
        apdu: SetRequest,
        client: int,
        pushes: Mapping[int, Setup],
        set_up: Callable[[int, Setup | None], None],
    ) -> Callable[[Answers], Apdu]:
        """Return what gives the response to a SET when the unit has answered."""
        number, attribute = apdu.number, apdu.attribute
        push = pushed(attribute)
        if push:
            return self._pushed(apdu, push, client, pushes, set_up)
        found = self._objects.at(attribute)
        if found is None or attribute != found.value:
            known = found is not None and attribute in found.reads
            refused = apdus.DENIED if known else apdus.UNDEFINED
            return lambda _: SetResponse(number, refused)
        try:
            value = strict_value(found.read_written(apdu.data))
        except (DlmsError, ValueRefusedError):
            return lambda _: SetResponse(number, apdus.UNMATCHED)
        identifier = self._ask(Operation.WRITE, found.variable.name, value=value)
        return lambda answers: SetResponse(number, to_access(answers[identifier].result))

    def _pushed(
        self,
        apdu: SetRequest,
        push: int,
        client: int,
        pushes: Mapping[int, Setup],
        set_up: Callable[[int, Setup | None], None],
    ) -> Callable[[Answers], Apdu]:
        number = apdu.number
        try:
            wanted = read_wanted(apdu.attribute, apdu.data, self._objects)
        except DlmsError:
            return lambda _: SetResponse(number, apdus.UNMATCHED)
        if wanted is None:
            return lambda _: SetResponse(number, apdus.UNDEFINED)
        before = pushes.get(push)
        if before is not None and (before.stakeholder, before.service) != self._who:
            return lambda _: SetResponse(number, apdus.DENIED)
        if wanted.found is None:
            if before is None:  # ended before: to say so twice does no harm
                return lambda _: SetResponse(number)
            return self._ended(number, push, before, set_up)
        operation = Operation.PERIODIC if wanted.period_ms else Operation.EVENT
        identifier = self._ask(
            operation,
            wanted.found.variable.name,
            condition=wanted.condition,
            period_ms=wanted.period_ms,
        )
        if before is not None and before.subscription != identifier:
            self.silent.add(self._unsubscribe(before))  # what the set-up was for ends with it

        def finish(answers: Answers) -> Apdu:
            result = answers[identifier].result
            if result in _DONE:
                set_up(push, Setup(identifier, client, *self._who))
            elif before is not None:
                set_up(push, None)
            return SetResponse(number, to_access(result))

        return finish

    def _ended(
        self, number: int, push: int, before: Setup, set_up: Callable[[int, Setup | None], None]
    ) -> Callable[[Answers], Apdu]:
        identifier = self._unsubscribe(before)
        self.awaited[identifier] = ("", "")

        def finish(answers: Answers) -> Apdu:
            set_up(push, None)
            return SetResponse(number, to_access(answers[identifier].result))

        return finish

    def _unsubscribe(self, before: Setup) -> str:
        identifier = self._name()
        unit, peer = self._ends
        self.messages.append(
            Request(
                Operation.UNSUBSCRIBE,
                identifier,
                peer,
                before.service,
                before.stakeholder,
                "",
                unit,
                subscription=before.subscription,
            )
        )
        return identifier

    # -- ACTION ------------------------------------------------------------------------------

    def carried(self, apdu: ActionRequest) -> Callable[[Answers], Apdu]:
        """Return what gives the response to a message in the platform's own protocol.

        Raises DlmsError where it is none. A request must be of whom the association is.
        """
        number, data = apdu.number, apdu.data
        if apdu.method != MESSAGES or data is None or data.tag is not Tag.OCTET_STRING:
            return lambda _: ActionResponse(number, apdus.UNDEFINED)
        unit, peer = self._ends
        try:
            message = self._codec.decode(data.value, peer, unit)
        except DecodeError as error:
            raise DlmsError(str(error)) from error
        if not isinstance(message, Request):
            self.messages.append(message)
            return lambda _: ActionResponse(number)
        if (message.stakeholder, message.service) != self._who:
            return lambda _: ActionResponse(number, apdus.DENIED)
        self.messages.append(message)
        identifier = message.id
        self.awaited[identifier] = ("", "")

        def finish(answers: Answers) -> Apdu:
            content = self._codec.encode(answers[identifier], unit, peer)
            return ActionResponse(number, apdus.SUCCESS, Data(Tag.OCTET_STRING, content))

        return finish


def _part(found: CosemObject, answer: Notify, place: int, *, knows: bool) -> Outcome:
    if answer.result is not Result.OK:
        return to_access(answer.result)
    try:
        policy = answer.policy if knows else None
        return found.encode((answer.value, answer.t_ms), policy)[place]
    except DlmsError:
        return apdus.OTHER


def _merged(
    columns: tuple[CosemObject, ...], names: Mapping[str, str], answers: Answers
) -> Outcome:
    values: dict[str, list[Any]] = {}
    for variable, identifier in names.items():
        answer = answers[identifier]
        if answer.result not in (Result.OK, Result.NO_DATA):
            return to_access(answer.result)
        values[variable] = [(value, t_ms) for t_ms, value in answer.value or ()]
    try:
        return merge(columns, values)
    except DlmsError:
        return apdus.OTHER
