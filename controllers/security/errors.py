"""Why an envelope, a certificate or a ciphertext was refused."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Refusal", "RefusedError"]


class Refusal(StrEnum):
    """The grounds; each is counted apart."""

    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    DECRYPTION = "decryption"
    REPLAYED = "replayed"
    STALE = "stale"
    FORGED = "forged"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_CRL = "no-revocation-list"
    ROLE = "role"
    AREA = "area"
    RANGE = "range"
    GREETING = "greeting"


class RefusedError(Exception):
    """Something was refused; nothing has changed."""

    def __init__(self, why: Refusal, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else str(why))
        self.why = why
