"""A meter's end: a COSEM server whose objects are the variables of its unit.

What is asked of an object becomes a request of the Data Interface in the name of the service whose
association it came by; the answer goes back as the response to it. Subscriptions are push set-ups,
their notifications DataNotifications.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controllers.dlms import apdu as apdus
from controllers.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    Apdu,
    DataNotification,
    ExceptionResponse,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    SetRequest,
    encode_apdu,
    encode_outcomes,
)
from controllers.dlms.asking import Answers, Asking, Setup, Slot
from controllers.dlms.association import Aare, read_aarq
from controllers.dlms.axdr import Data, DlmsError, Tag, encode
from controllers.dlms.link import Link
from controllers.dlms.objects import (
    ASSOCIATION,
    MESSAGES,
    objects_of,
    push_setup,
)
from controllers.dlms.pushes import marked
from controllers.dlms.results import to_access
from controllers.unit.catalogue import Catalogue
from controllers.unit.channels import Received, Reply
from controllers.unit.codec import CborCodec
from controllers.unit.notes import Notebook
from controllers.unit.service import Result
from controllers.unit.wire import Message, Notify, Request

__all__ = ["MAX_PDU", "MeterEnd"]

MAX_PDU = 1024
"""The longest APDU that a meter sends or takes; longer answers go in blocks."""
_BLOCK_HEAD = 48  # of a block's APDU, and its ciphering
_CHALLENGE_BYTES = 12
_RECENT = 8  # half of the numbers that requests have
_CLIENT = 1  # where nobody has an association: the management client


@dataclass(slots=True)
class _Association:
    """One client's: whom it speaks for, and the challenges it and we have yet to answer.

    ``blocks`` are the long answers that it is still fetching, by the request's number; ``recent``
    its last requests, and what was answered: one that comes again is not executed again.
    """

    stakeholder: str
    service: str
    max_pdu: int
    is_open: bool
    ours: bytes = b""
    theirs: bytes = b""
    blocks: dict[int, bytes] = field(default_factory=dict)
    recent: dict[int, tuple[Apdu, Apdu | None]] = field(default_factory=dict)

    def answered(self, number: int, request: Apdu, answer: Apdu | None) -> None:
        """Remember an answer in place of the oldest; None: to read twice does no harm."""
        self.recent.pop(number, None)
        self.recent[number] = request, answer
        if len(self.recent) > _RECENT:
            del self.recent[next(iter(self.recent))]


@dataclass(slots=True)
class _Awaited:
    """A client's request, until the unit has answered all that it asks of it."""

    client: int
    request: GetRequest | GetListRequest | SetRequest | ActionRequest
    finish: Callable[[Answers], Apdu]
    asked: tuple[str, ...]
    answers: dict[str, Notify] = field(default_factory=dict)


class MeterEnd:
    """The server of one meter for one unit that reads it, which may have many clients."""

    def __init__(
        self, unit: str, peer: str, catalogue: Catalogue, notes: Notebook, link: Link
    ) -> None:
        self._ends, self._link, self._notes = (unit, peer), link, notes
        self._objects, self._codec = objects_of(catalogue), CborCodec(catalogue)
        self._associations: dict[int, _Association] = {}
        self._awaited: dict[str, _Awaited] = {}
        self._silent: set[str] = set()  # requests whose answers no client waits for
        self._where = f"dlms-push/{peer}"
        self._pushes: dict[int, Setup] = {
            int(number): Setup(*noted) for number, noted in notes.items(self._where).items()
        }

    # -- what the unit sends -----------------------------------------------------------------

    def send(self, message: Message) -> list[bytes]:
        """Return what goes out of the unit's answers, notifications, and own requests.

        Raises DlmsError for an answer to what did not come by an association.
        """
        if isinstance(message, Request):
            return [self._link.wrap(self._any_client(), self._carried(message))]
        if message.number:
            return [self._notification(message)]
        if message.request in self._silent:
            self._silent.remove(message.request)
            return []
        awaited = self._awaited.pop(message.request, None)
        if awaited is None:
            raise DlmsError("no client has asked that")
        awaited.answers[message.request] = message
        if len(awaited.answers) < len(awaited.asked):
            return []
        return [self._link.wrap(awaited.client, self._answer(awaited))]

    def _answer(self, awaited: _Awaited) -> Apdu:
        apdu = awaited.finish(awaited.answers)
        association = self._associations.get(awaited.client)
        if association is None:
            return apdu
        reads = isinstance(apdu, GetResponse | GetListResponse)
        association.answered(awaited.request.number, awaited.request, None if reads else apdu)
        return self._fitting(association, apdu)

    def _any_client(self) -> int:
        return min(self._associations, default=_CLIENT)

    def _carried(self, message: Message) -> DataNotification:
        """Return a message that COSEM has no form for, in the platform's protocol."""
        content = self._codec.encode(message, *self._ends)
        number = message.number if isinstance(message, Notify) else 0
        return DataNotification(number, marked(MESSAGES, Data(Tag.OCTET_STRING, content)))

    def _notification(self, notify: Notify) -> bytes:
        of = (push for push, one in self._pushes.items() if one.subscription == notify.request)
        push, found = next(of, 0), self._objects.of(notify.variable)
        if not push or found is None:
            return self._link.wrap(self._any_client(), self._carried(notify))
        told: tuple[Data, ...] = (Data(Tag.ENUM, to_access(notify.result)),)
        if notify.result is Result.OK:
            told = found.encode((notify.value, notify.t_ms), notify.policy)
        client = self._pushes[push].client
        if notify.result is Result.DENIED:
            self._set_up(push, None)
        return self._link.wrap(
            client, DataNotification(notify.number, marked(push_setup(push), *told))
        )

    # -- what clients send -------------------------------------------------------------------

    def receive(self, payload: bytes, identifier: str) -> Received:
        """Take a client's APDU; raises DlmsError, and then nothing has changed."""
        client, apdu = self._link.unwrap(payload)
        if isinstance(apdu, bytes):
            return self._reply(client, self._associate(client, apdu))
        association = self._associations.get(client)
        if association is None:
            return self._reply(client, ExceptionResponse(1, 1))
        if isinstance(apdu, ActionRequest) and apdu.method == ASSOCIATION:
            return self._reply(client, self._admit(association, apdu))
        if not association.is_open:
            return self._reply(client, ExceptionResponse(1, 1))
        if isinstance(apdu, GetNext):
            return self._reply(client, self._block(association, apdu.number, apdu.block + 1))
        return self._serve(client, association, apdu, identifier)

    def _reply(self, client: int, apdu: Apdu | bytes) -> Received:
        return Received(replies=(Reply(self._link.wrap(client, apdu)),))

    def _associate(self, client: int, content: bytes) -> bytes:
        ciphering = self._link.ciphering
        request = read_aarq(content, ciphering)
        if ciphering is not None and request.challenge is None:
            return Aare(1).encoded()
        stakeholder, _, service = request.client.partition("\x1f")
        made = _Association(
            stakeholder, service, min(MAX_PDU, max(request.max_pdu, 2 * _BLOCK_HEAD)), True
        )
        before = self._associations.get(client)
        self._associations[client] = made
        if ciphering is None:
            return Aare(max_pdu=made.max_pdu).encoded()
        if before is not None and before.theirs == request.challenge:
            made = self._associations[client] = before  # the request was repeated
        else:
            made.is_open, made.theirs = False, request.challenge or b""
            made.ours = ciphering.fresh(_CHALLENGE_BYTES)
        answer = Aare(max_pdu=made.max_pdu, title=ciphering.title, challenge=made.ours)
        return answer.encoded(ciphering)

    def _admit(self, association: _Association, request: ActionRequest) -> Apdu:
        """Check a client's answer to our challenge, and answer its own."""
        ciphering, data = self._link.ciphering, request.data
        if ciphering is None or data is None or data.tag is not Tag.OCTET_STRING:
            return ActionResponse(request.number, apdus.OTHER)
        if not ciphering.is_mac(data.value, association.ours):
            return ActionResponse(request.number, apdus.DENIED)
        association.is_open = True
        answer = Data(Tag.OCTET_STRING, ciphering.mac(association.theirs))
        return ActionResponse(request.number, apdus.SUCCESS, answer)

    def _serve(
        self, client: int, association: _Association, apdu: Apdu, identifier: str
    ) -> Received:
        who = (association.stakeholder, association.service)
        if not isinstance(apdu, GetRequest | GetListRequest | SetRequest | ActionRequest):
            raise DlmsError("no request")
        before = association.recent.get(apdu.number)
        if before is not None and before[0] == apdu and before[1] is not None:
            return self._reply(client, before[1])
        asking = Asking(self._ends, self._objects, self._codec, who, identifier)
        finish: Callable[[Answers], Apdu]
        if isinstance(apdu, GetRequest):
            finish = _single(apdu.number, asking.slot(apdu.attribute, apdu.selection))
        elif isinstance(apdu, GetListRequest):
            finish = _several(apdu.number, [asking.slot(*one) for one in apdu.attributes])
        elif isinstance(apdu, SetRequest):
            finish = asking.written(apdu, client, self._pushes, self._set_up)
        else:
            finish = asking.carried(apdu)
        awaited = _Awaited(client, apdu, finish, tuple(asking.awaited))
        self._silent |= asking.silent
        if awaited.asked:
            self._awaited |= dict.fromkeys(awaited.asked, awaited)
            return Received(asking.messages)
        return Received(asking.messages, self._reply(client, self._answer(awaited)).replies)

    # -- long answers ------------------------------------------------------------------------

    def _fitting(self, association: _Association, apdu: Apdu) -> Apdu:
        """Return an answer, or its first block where it is too long."""
        if not isinstance(apdu, GetResponse | GetListResponse):
            return apdu
        if len(encode_apdu(apdu)) + _BLOCK_HEAD <= association.max_pdu:
            association.blocks.pop(apdu.number, None)
            return apdu
        if isinstance(apdu, GetListResponse):
            content = encode_outcomes(apdu.outcomes)
        else:
            assert isinstance(apdu.outcome, Data)
            content = encode(apdu.outcome)
        association.blocks[apdu.number] = content
        return self._block(association, apdu.number, 1)

    @staticmethod
    def _block(association: _Association, number: int, block: int) -> GetBlock:
        """Return a block, the first being 1; one that was lost may be asked for again."""
        content = association.blocks.get(number, b"")
        room = association.max_pdu - _BLOCK_HEAD
        part = content[(block - 1) * room : block * room]
        if not part:
            return GetBlock(number, True, block, b"", apdus.NO_BLOCK)
        return GetBlock(number, block * room >= len(content), block, part)

    # -- push set-ups ------------------------------------------------------------------------

    def _set_up(self, push: int, noted: Setup | None) -> None:
        """Note what a push set-up is for now; None: nothing."""
        if noted is not None:
            self._pushes[push] = noted
            self._notes.put(self._where, str(push), list(noted))
        elif self._pushes.pop(push, None) is not None:
            self._notes.drop(self._where, str(push))


def _single(number: int, slot: Slot) -> Callable[[Answers], Apdu]:
    return lambda answers: GetResponse(number, slot(answers))


def _several(number: int, slots: list[Slot]) -> Callable[[Answers], Apdu]:
    return lambda answers: GetListResponse(number, tuple(slot(answers) for slot in slots))
