"""What carries APDUs between a meter and its reader: wrapper, keys, and counters that last."""

from __future__ import annotations

from hashlib import sha256

from controllers.dlms.apdu import EXCEPTION, Apdu, decode_apdu, encode_apdu
from controllers.dlms.axdr import DlmsError
from controllers.dlms.ciphering import GLO, Ciphering, SuiteKeys, UntrueError
from controllers.dlms.wrapper import MANAGEMENT, Wrapped
from controllers.security.keys import derive
from controllers.unit.notes import Notebook

__all__ = ["AARE", "AARQ", "Link", "system_title"]

AARQ, AARE = 0x60, 0x61
_MAKER = b"FWT"
_BLOCK = 1000


def system_title(unit: str) -> bytes:
    """Return a unit's system title: three letters of the maker, the rest of its name's hash."""
    return _MAKER + sha256(unit.encode()).digest()[: 8 - len(_MAKER)]


class Link:
    """One end; ``is_server`` for the meter's.

    Invocation counters are noted in blocks before they are used, and each highest one that was
    taken, so that neither end uses or takes one twice over its restart.
    """

    __slots__ = ("_notes", "_reserved", "_titles", "_where", "ciphering", "is_server")

    def __init__(self, unit: str, peer: str, notes: Notebook, *, is_server: bool) -> None:
        self._notes, self._where, self.is_server = notes, f"dlms/{peer}", is_server
        self._titles = system_title(unit), system_title(peer)
        self._reserved = 0
        self.ciphering: Ciphering | None = None

    def protect(self, level: str, secret: bytes) -> None:
        """Cipher from now on: ``integrity`` authenticates, all else encrypts, too."""
        noted = self._notes.items(self._where)
        self._reserved = noted.get("spent", 1)
        keys = SuiteKeys(derive(secret, "dlms/encryption", 16), derive(secret, "dlms/mac", 16))
        self.ciphering = Ciphering(
            keys,
            *self._titles,
            self._reserved,
            noted.get("taken", 0),
            encrypted=level != "integrity",
            spent=self._spend,
            taken=lambda last: self._notes.put(self._where, "taken", last),
        )

    def _spend(self, number: int) -> None:
        if number >= self._reserved:
            self._reserved = number + _BLOCK
            self._notes.put(self._where, "spent", self._reserved)

    def wrap(self, client: int, apdu: Apdu | bytes) -> bytes:
        """Return what goes to or from a client's address; bytes are an association's."""
        content = apdu if isinstance(apdu, bytes) else encode_apdu(apdu)
        if self.ciphering is not None and content[0] not in (AARQ, AARE, EXCEPTION):
            content = self.ciphering.protect(content)
        source, destination = (MANAGEMENT, client) if self.is_server else (client, MANAGEMENT)
        return Wrapped(source, destination, content).encoded()

    def unwrap(self, payload: bytes) -> tuple[int, Apdu | bytes]:
        """Return the client's address and the APDU, as bytes where it is an association's.

        Raises DlmsError, UntrueError for what lacks the protection that was agreed.
        """
        wrapped = Wrapped.read(payload)
        ends = (wrapped.destination, wrapped.source)
        client, meter = reversed(ends) if self.is_server else ends
        if meter != MANAGEMENT:
            raise DlmsError("another logical device")
        content = wrapped.apdu
        if content[0] == (AARQ if self.is_server else AARE):
            return client, content
        if self.ciphering is not None and (content[0] != EXCEPTION or self.is_server):
            content = self.ciphering.unprotect(content)
        elif content[0] in GLO.values():
            raise UntrueError("ciphered, and no keys for it")
        return client, decode_apdu(content)
