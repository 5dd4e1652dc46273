"""What the gateway answers: ``oadrCreatedEvent`` for events, ``oadrCreateOpt`` for who is out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

__all__ = ["Reply", "create_opt", "created_event"]

_OADR = "http://openadr.org/oadr-2.0b/2012/07"
_EI = "http://docs.oasis-open.org/ns/energyinterop/201110"
_PYLD = "http://docs.oasis-open.org/ns/energyinterop/201110/payloads"
_OK = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered on one event; ``code`` is OpenADR's response code."""

    event: str
    modification: int
    request: str
    opted_in: bool
    code: int = _OK
    text: str = "OK"


def created_event(ven: str, replies: Sequence[Reply]) -> str:
    """Return the answer to a distribution of events."""
    root, signed = _payload()
    body = ET.SubElement(
        signed, f"{{{_OADR}}}oadrCreatedEvent", {f"{{{_EI}}}schemaVersion": "2.0b"}
    )
    created = ET.SubElement(body, f"{{{_PYLD}}}eiCreatedEvent")
    response = ET.SubElement(created, f"{{{_EI}}}eiResponse")
    _text(response, _EI, "responseCode", str(_OK))
    _text(response, _EI, "responseDescription", "OK")
    _text(response, _PYLD, "requestID", replies[0].request if replies else "")
    several = ET.SubElement(created, f"{{{_EI}}}eventResponses")
    for reply in replies:
        one = ET.SubElement(several, f"{{{_EI}}}eventResponse")
        _text(one, _EI, "responseCode", str(reply.code))
        _text(one, _EI, "responseDescription", reply.text)
        _text(one, _PYLD, "requestID", reply.request)
        _qualified(one, reply)
        _text(one, _EI, "optType", "optIn" if reply.opted_in else "optOut")
    _text(created, _EI, "venID", ven)
    return _written(root)


def create_opt(ven: str, reply: Reply, out: Sequence[str], number: int, at: datetime) -> str:
    """Return the notice that the resources ``out`` do not follow an event."""
    root, signed = _payload()
    body = ET.SubElement(signed, f"{{{_OADR}}}oadrCreateOpt", {f"{{{_EI}}}schemaVersion": "2.0b"})
    _text(body, _EI, "optID", f"{reply.event}-{number}")
    _text(body, _EI, "optType", "optOut")
    _text(body, _EI, "optReason", "notParticipating")
    _text(body, _EI, "venID", ven)
    _text(body, _EI, "createdDateTime", at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    _text(body, _PYLD, "requestID", f"{reply.request}-{number}")
    _qualified(body, reply)
    target = ET.SubElement(body, f"{{{_EI}}}eiTarget")
    for name in out:
        _text(target, _EI, "resourceID", name)
    return _written(root)


def _payload() -> tuple[ET.Element, ET.Element]:
    root = ET.Element(f"{{{_OADR}}}oadrPayload")
    return root, ET.SubElement(root, f"{{{_OADR}}}oadrSignedObject")


def _qualified(parent: ET.Element, reply: Reply) -> None:
    node = ET.SubElement(parent, f"{{{_EI}}}qualifiedEventID")
    _text(node, _EI, "eventID", reply.event)
    _text(node, _EI, "modificationNumber", str(reply.modification))


def _text(parent: ET.Element, space: str, name: str, text: str) -> None:
    ET.SubElement(parent, f"{{{space}}}{name}").text = text


def _written(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")
