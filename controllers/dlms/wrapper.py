"""The wrapper that DLMS has over UDP, TCP and PRIME's IPv6 (IEC 62056-4-7): who speaks to whom."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.axdr import DlmsError

__all__ = ["MANAGEMENT", "VERSION", "Wrapped"]

VERSION = b"\x00\x01"
_HEAD = 8
MANAGEMENT = 1
"""The address of a meter's management logical device."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An APDU with the addresses of the application processes that send and get it."""

    source: int
    destination: int
    apdu: bytes

    def encoded(self) -> bytes:
        """Return the bytes; raises DlmsError for what is too long."""
        if len(self.apdu) > 0xFFFF:
            raise DlmsError("an APDU too long for the wrapper")
        addresses = self.source.to_bytes(2, "big") + self.destination.to_bytes(2, "big")
        return VERSION + addresses + len(self.apdu).to_bytes(2, "big") + self.apdu

    @classmethod
    def read(cls, content: bytes) -> Wrapped:
        """Return what the bytes wrap; raises DlmsError."""
        apdu = content[_HEAD:]
        size = int.from_bytes(content[6:_HEAD], "big")
        if len(content) <= _HEAD or not content.startswith(VERSION) or size != len(apdu):
            raise DlmsError("wrapper")
        return cls(int.from_bytes(content[2:4], "big"), int.from_bytes(content[4:6], "big"), apdu)
