"""What a reader asks of a meter: each message of the Data Interface as one request of COSEM."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from controllers.dlms import apdu as apdus
from controllers.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    Apdu,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetRequest,
    GetResponse,
    Outcome,
    SetRequest,
    SetResponse,
    decode_outcomes,
)
from controllers.dlms.axdr import Data, DlmsError, Reader, Tag
from controllers.dlms.history import bounds, read_rows, selection
from controllers.dlms.objects import (
    HISTORY,
    MESSAGES,
    CosemObject,
    Objects,
    Stamped,
    without_policy,
)
from controllers.dlms.results import to_result
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.condition import parse
from controllers.unit.functions import FunctionError, reduce_values
from controllers.unit.policy import Policy
from controllers.unit.service import Result
from controllers.unit.store import Instance
from controllers.unit.wire import (
    Message,
    Notify,
    Request,
    ValueRefusedError,
    strict_value,
)

__all__ = ["Job", "carrying", "failed", "reading", "writing"]

_OF_PLACE = re.compile(r"\b(owner|location)\b")


@dataclass(slots=True)
class Job:
    """A message, the APDU that it goes as, and what its response says.

    ``finish`` raises DlmsError for a response that is none to it; it returns None where nobody
    waits for an answer. ``blocks`` is what has come of a long one.
    """

    message: Message
    make: Callable[[int], Apdu]
    finish: Callable[[Apdu], Notify | None]
    since_ms: int
    sent_ms: int = -1
    sent: Apdu | None = None
    blocks: bytearray = field(default_factory=bytearray)
    block: int = 0

    @property
    def request(self) -> str:
        """The request's identifier; empty for the unit's own answers."""
        return self.message.id if isinstance(self.message, Request) else ""

    def begin_anew(self) -> None:
        """Forget what was sent and what has come."""
        self.sent, self.block = None, 0
        self.blocks.clear()

    def whole(self, last: GetBlock) -> Apdu:
        """Return the answer that came in blocks, of which this is the last; raises DlmsError."""
        if last.error:
            return GetResponse(last.number, last.error)
        content = bytes(self.blocks) + last.content
        if isinstance(self.sent, GetListRequest):
            return GetListResponse(last.number, decode_outcomes(content))
        reader = Reader(content)
        data = reader.data()
        reader.end()
        return GetResponse(last.number, data)


def failed(request: Request, result: Result) -> Notify:
    """Return the answer to a request that brought nothing."""
    return Notify(request.id, result, request.variable, request.location, "", None, -1)


def reading(request: Request, objects: Objects, t_ms: int) -> Job | None:
    """Return the job of a query; None where COSEM cannot say it."""
    found = objects.of(request.variable)
    if found is None:
        return None
    if request.function == "last" and not request.condition.strip():
        return _newest(request, found, t_ms)
    if found.kind != "register" or _OF_PLACE.search(request.condition):
        return None
    begin_ms, end_ms = bounds(request.condition)
    wanted = selection(begin_ms, max(begin_ms, end_ms), found)
    return Job(
        request,
        lambda number: GetRequest(number, HISTORY, wanted),
        lambda apdu: _reduced(request, found, apdu),
        t_ms,
    )


def _newest(request: Request, found: CosemObject, t_ms: int) -> Job:
    reads = found.reads

    def make(number: int) -> Apdu:
        if len(reads) == 1:
            return GetRequest(number, reads[0])
        return GetListRequest(number, tuple((one, None) for one in reads))

    def finish(apdu: Apdu) -> Notify:
        outcomes = _outcomes(apdu)
        wrong = next((one for one in outcomes if isinstance(one, int)), None)
        if wrong is not None:
            return failed(request, to_result(wrong or apdus.OTHER))
        held, policy = without_policy(tuple(one for one in outcomes if isinstance(one, Data)))
        told = _told(request, found.decode(held))
        told.policy = policy
        return told

    return Job(request, make, finish, t_ms)


def _told(request: Request, stamped: Stamped) -> Notify:
    value, t_ms = stamped
    try:
        value = strict_value(value)
    except ValueRefusedError as error:
        raise DlmsError("no value") from error
    return Notify(request.id, Result.OK, request.variable, request.location, "", value, t_ms)


def _outcomes(apdu: Apdu) -> tuple[Outcome, ...]:
    if isinstance(apdu, GetListResponse):
        return apdu.outcomes
    if isinstance(apdu, GetResponse):
        return (apdu.outcome,)
    raise DlmsError("no answer to a GET")


def _reduced(request: Request, found: CosemObject, apdu: Apdu) -> Notify:
    """Return what the rows of a range come to: COSEM has no functions, so the reader reckons."""
    (outcome, *more) = _outcomes(apdu) or (apdus.OTHER,)
    if more or isinstance(outcome, int):
        return failed(request, to_result(outcome if isinstance(outcome, int) else apdus.OTHER))
    holds = parse(request.condition)
    kept = []
    for value, t_ms in read_rows(outcome, found):
        instance = Instance("", request.variable, value, t_ms, request.location, "", Policy.of(()))
        if holds is None or holds(instance):
            kept.append((value, t_ms))
    try:
        reduced = reduce_values(request.function, [t for _, t in kept], [v for v, _ in kept])
    except FunctionError:
        return failed(request, Result.MALFORMED)
    if reduced is None:
        return failed(request, Result.NO_DATA)
    told = _told(request, reduced)
    told.policy = []  # rows have none: the owner alone may read a copy
    return told


def writing(
    request: Request,
    apdu: Callable[[int], SetRequest],
    t_ms: int,
    done: Callable[[Result], Result],
) -> Job:
    """Return the job of a SET; ``done`` is told its result, and returns the caller's."""

    def finish(response: Apdu) -> Notify:
        if not isinstance(response, SetResponse):
            raise DlmsError("no answer to a SET")
        return failed(request, done(to_result(response.result)))

    return Job(request, apdu, finish, t_ms)


def carrying(message: Message, codec: CborCodec, ends: tuple[str, str], t_ms: int) -> Job:
    """Return the job of a message that COSEM has no form for, in the platform's protocol."""
    content = Data(Tag.OCTET_STRING, codec.encode(message, *ends))

    def finish(response: Apdu) -> Notify | None:
        if not isinstance(response, ActionResponse):
            raise DlmsError("no answer to an ACTION")
        if not isinstance(message, Request):
            return None
        if response.result:
            return failed(message, to_result(response.result))
        data = response.data
        if data is None or data.tag is not Tag.OCTET_STRING:
            raise DlmsError("no message")
        unit, peer = ends
        try:
            answer = codec.decode(data.value, peer, unit)
        except DecodeError as error:
            raise DlmsError(str(error)) from error
        if not isinstance(answer, Notify) or answer.request != message.id or answer.number:
            raise DlmsError("no answer to that message")
        return answer

    return Job(message, lambda number: ActionRequest(number, MESSAGES, content), finish, t_ms)
