"""A reader's end: the COSEM clients of a concentrator at one meter, one for each of its services.

A client opens its association when it first has something to ask, and again when the meter says
that there is none (it began anew). What was asked and not answered is then asked again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controllers.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    Apdu,
    DataNotification,
    ExceptionResponse,
    GetBlock,
    GetNext,
    SetRequest,
    encode_apdu,
)
from controllers.dlms.association import Aarq, read_aare
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.jobs import Job, carrying, failed, reading, writing
from controllers.dlms.link import Link
from controllers.dlms.meter import MAX_PDU
from controllers.dlms.objects import ASSOCIATION, MESSAGES, objects_of
from controllers.dlms.pushes import Wanted, mark_of, wanted
from controllers.dlms.setups import Setups
from controllers.unit.catalogue import Catalogue
from controllers.unit.channels import Received, Reply
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.notes import Notebook
from controllers.unit.service import Result
from controllers.unit.wire import Message, Operation, Request

__all__ = ["ReaderEnd"]

_FIRST_CLIENT, _NUMBERS = 0x11, 16
_AGAIN_MS = 3_000  # an association is not asked for more often
_STALLED_MS = 20_000  # an answer in blocks is given so long for each
_PATIENCE_MS = 600_000  # longer than any caller waits
_CHALLENGE_BYTES, _FAILURES = 12, 3
_CIPHERED = 24  # what ciphering adds at most


@dataclass(slots=True)
class _Client:
    """One service's: its address, where its association stands, what waits and what is asked."""

    address: int
    name: str
    state: str = "closed"  # opening, proving, open
    asked_ms: int = -(1 << 40)
    challenge: bytes = b""
    failed: int = 0
    waiting: list[Job] = field(default_factory=list)
    asked: dict[int, Job] = field(default_factory=dict)
    last: int = 0


class ReaderEnd:
    """All clients of one unit at one meter."""

    def __init__(
        self, unit: str, peer: str, catalogue: Catalogue, notes: Notebook, link: Link
    ) -> None:
        self._ends, self._link, self._notes = (unit, peer), link, notes
        self._objects, self._codec = objects_of(catalogue), CborCodec(catalogue)
        self._clients: dict[tuple[str, str], _Client] = {}
        self._setups = Setups(f"dlms-push/{peer}", notes)

    # -- what the unit sends -----------------------------------------------------------------

    def send(self, message: Message, t_ms: int) -> list[bytes]:
        """Return what goes out of a request, or of the unit's answer to one of the meter's.

        Raises DlmsError for what is longer than a meter takes.
        """
        who = (message.stakeholder, message.service) if isinstance(message, Request) else ("", "")
        client = self._client(who)
        self._drop_old(client, t_ms)
        job = self._job(client, message, t_ms)
        if len(encode_apdu(job.make(0))) + _CIPHERED > MAX_PDU:
            raise DlmsError("longer than a meter takes")
        if client.state != "open":
            if job not in client.waiting:
                client.waiting.append(job)
            return self._open(client, t_ms)
        return self._send(client, job, t_ms)

    def _client(self, who: tuple[str, str]) -> _Client:
        client = self._clients.get(who)
        if client is None:
            address = _FIRST_CLIENT + len(self._clients)
            client = self._clients[who] = _Client(address, "\x1f".join(who))
        return client

    def _job(self, client: _Client, message: Message, t_ms: int) -> Job:
        """Return what is under way of a message that is sent again, or a new job."""
        for job in (*client.asked.values(), *client.waiting):
            if isinstance(message, Request) and job.request == message.id:
                return job
        job_of = self._plan(message, t_ms) if isinstance(message, Request) else None
        return job_of or carrying(message, self._codec, self._ends, t_ms)

    def _send(self, client: _Client, job: Job, t_ms: int) -> list[bytes]:
        number = next((number for number, one in client.asked.items() if one is job), -1)
        if number >= 0:
            if job.block and t_ms - job.sent_ms < _STALLED_MS:
                return []  # its answer is coming, block by block
        else:
            number = self._free(client)
            if number < 0:
                if job not in client.waiting:
                    client.waiting.append(job)
                return []
            job.sent, client.asked[number], client.last = job.make(number), job, number
        assert job.sent is not None
        job.sent_ms = t_ms
        again = GetNext(number, job.block) if job.block else job.sent
        return [self._link.wrap(client.address, again)]

    @staticmethod
    def _free(client: _Client) -> int:
        """Return a request's number that is not in use, -1 where all are."""
        places = (client.last + step for step in range(1, _NUMBERS + 1))
        return next((one % _NUMBERS for one in places if one % _NUMBERS not in client.asked), -1)

    def _open(self, client: _Client, t_ms: int) -> list[bytes]:
        """Return the request for an association, unless one was made just now."""
        if client.state != "closed" and t_ms - client.asked_ms < _AGAIN_MS:
            return []
        ciphering, title = self._link.ciphering, None
        if ciphering is not None:
            title = ciphering.title
            if client.state == "closed":  # else the request is repeated, and may cross its answer
                client.challenge = ciphering.fresh(_CHALLENGE_BYTES)
        client.state, client.asked_ms = "opening", t_ms
        request = Aarq(
            max_pdu=MAX_PDU,
            title=title,
            challenge=client.challenge or None,
            client=client.name,
        )
        return [self._link.wrap(client.address, request.encoded(ciphering))]

    def _drop_old(self, client: _Client, t_ms: int) -> None:
        """Forget what its caller has given up long ago."""
        for number, job in list(client.asked.items()):
            if t_ms - job.since_ms > _PATIENCE_MS:
                del client.asked[number]
                self._setups.give_up(job.request)
        old = [job for job in client.waiting if t_ms - job.since_ms > _PATIENCE_MS]
        for job in old:
            client.waiting.remove(job)
            self._setups.give_up(job.request)

    # -- requests ----------------------------------------------------------------------------

    def _plan(self, request: Request, t_ms: int) -> Job | None:
        """Return the job of a request; None where COSEM has no form for it."""
        if request.location != self._ends[1] or request.policy is not None or request.reliable:
            return None
        plans = {
            Operation.QUERY: self._reading,
            Operation.WRITE: self._writing,
            Operation.EVENT: self._subscribing,
            Operation.PERIODIC: self._subscribing,
            Operation.UNSUBSCRIBE: self._unsubscribing,
        }
        plan = plans.get(request.operation)
        return None if plan is None else plan(request, t_ms)

    def _reading(self, request: Request, t_ms: int) -> Job | None:
        return reading(request, self._objects, t_ms)

    def _writing(self, request: Request, t_ms: int) -> Job | None:
        found = self._objects.of(request.variable)
        if found is None:
            return None
        value, attribute = found.written(request.value), found.value
        return writing(
            request, lambda number: SetRequest(number, attribute, value), t_ms, lambda one: one
        )

    def _subscribing(self, request: Request, t_ms: int) -> Job | None:
        found = self._objects.of(request.variable)
        push = 0 if found is None else self._setups.take(request)
        if not push:
            return None
        what = Wanted(found, request.condition.strip(), request.period_ms)
        attribute, data = wanted(push, what)
        return writing(
            request,
            lambda number: SetRequest(number, attribute, data),
            t_ms,
            lambda result: self._setups.confirmed(request, result),
        )

    def _unsubscribing(self, request: Request, t_ms: int) -> Job | None:
        push = self._setups.of(request.subscription)
        if not push:
            return None
        attribute, data = wanted(push, Wanted(None))

        def done(result: Result) -> Result:
            if result is Result.NO_DATA:  # the meter has ended it itself
                result = Result.UNKNOWN_SUBSCRIPTION
            if result in (Result.OK, Result.UNKNOWN_SUBSCRIPTION):
                self._setups.end(request.subscription)
            return result

        return writing(request, lambda number: SetRequest(number, attribute, data), t_ms, done)

    # -- what the meter sends ----------------------------------------------------------------

    def receive(self, payload: bytes, t_ms: int) -> Received:
        """Take a meter's APDU; raises DlmsError, and then nothing has changed."""
        address, apdu = self._link.unwrap(payload)
        if isinstance(apdu, DataNotification):
            return Received((self._pushed(apdu),))
        client = next((one for one in self._clients.values() if one.address == address), None)
        if client is None:
            raise DlmsError("for no client of ours")
        if isinstance(apdu, bytes):
            return self._associated(client, apdu, t_ms)
        if isinstance(apdu, ExceptionResponse):
            return self._refused(client, apdu, t_ms)
        if client.state == "proving":
            return self._proved(client, apdu, t_ms)
        return self._answered(client, apdu, t_ms)

    def _associated(self, client: _Client, content: bytes, t_ms: int) -> Received:
        ciphering = self._link.ciphering
        answer = read_aare(content, ciphering)
        if client.state != "opening":
            return Received()
        if answer.result or (ciphering is not None and not answer.challenge):
            return self._closed(client)
        if ciphering is None:
            return self._opened(client, t_ms)
        client.state = "proving"
        proof = Data(Tag.OCTET_STRING, ciphering.mac(answer.challenge or b""))
        request = ActionRequest(0, ASSOCIATION, proof)
        return Received(replies=(Reply(self._link.wrap(client.address, request)),))

    def _proved(self, client: _Client, apdu: Apdu, t_ms: int) -> Received:
        ciphering = self._link.ciphering
        if not isinstance(apdu, ActionResponse) or ciphering is None:
            return Received()
        data = apdu.data
        answer = b"" if data is None or data.tag is not Tag.OCTET_STRING else data.value
        if not apdu.result and ciphering.is_mac(answer, client.challenge):
            return self._opened(client, t_ms)
        # the meter may have begun anew in between
        client.failed += 1
        if client.failed >= _FAILURES:
            return self._closed(client)
        client.state = "closed"
        return Received(replies=[Reply(payload) for payload in self._open(client, t_ms)])

    def _opened(self, client: _Client, t_ms: int) -> Received:
        """Ask all that waited for the association."""
        client.state, client.failed = "open", 0
        return Received(replies=self._sent(client, t_ms))

    def _closed(self, client: _Client) -> Received:
        """Tell all who waited that the meter does not let them in."""
        client.state, client.failed = "closed", 0
        waiting, client.waiting = client.waiting, []
        return Received(
            [
                failed(job.message, Result.DENIED)
                for job in waiting
                if isinstance(job.message, Request)
            ]
        )

    def _refused(self, client: _Client, apdu: ExceptionResponse, t_ms: int) -> Received:
        """Open a new association where the meter has lost the one before."""
        if (
            client.state not in {"open", "proving"}
            or apdu.state != 1
            or not (client.asked or client.waiting)
        ):
            return Received()
        client.waiting = [*client.asked.values(), *client.waiting]
        client.asked.clear()
        for job in client.waiting:
            job.begin_anew()
        client.state = "closed"
        return Received(replies=[Reply(payload) for payload in self._open(client, t_ms)])

    def _answered(self, client: _Client, apdu: Apdu, t_ms: int) -> Received:
        number = getattr(apdu, "number", -1)
        job = client.asked.get(number)
        if job is None:
            return Received()  # a second answer to what was asked twice
        if isinstance(apdu, GetBlock) and not apdu.error:
            if apdu.block != job.block + 1:
                return Received()  # one that was there before
            if not apdu.last:
                job.block, job.sent_ms = apdu.block, t_ms
                job.blocks += apdu.content
                wrapped = self._link.wrap(client.address, GetNext(number, apdu.block))
                return Received(replies=(Reply(wrapped, job.message),))
        answer = job.finish(job.whole(apdu) if isinstance(apdu, GetBlock) else apdu)
        del client.asked[number]
        return Received(() if answer is None else (answer,), self._sent(client, t_ms))

    def _sent(self, client: _Client, t_ms: int) -> list[Reply]:
        """Send what waited for an association, or for a number."""
        waiting, client.waiting = client.waiting, []
        return [
            Reply(payload, job.message)
            for job in waiting
            for payload in self._send(client, job, t_ms)
        ]

    def _pushed(self, apdu: DataNotification) -> Message:
        """Return what a meter sent unasked; raises DlmsError."""
        name, content = mark_of(apdu.data)
        unit, peer = self._ends
        if name == MESSAGES.name:
            if content[0].tag is not Tag.OCTET_STRING:
                raise DlmsError("no message")
            try:
                return self._codec.decode(content[0].value, peer, unit)
            except DecodeError as error:
                raise DlmsError(str(error)) from error
        return self._setups.read(name, content, apdu.number, self._objects, self._ends)
