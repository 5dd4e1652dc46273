"""Who may connect to a broker, and what each may say and hear there.

Passwords are kept as salted scrypt digests (RFC 7914). A token stands in the password's place: its
user, the instant it ends and an HMAC-SHA256 over both, ``<end_ms>.<hex>``, so that the broker
needs the one key only. Who has neither is refused; topics are refused unless a filter allows them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import scrypt, sha256

from controllers.mqtt.topics import covers, matches

__all__ = ["ANYTHING", "Credentials", "Rights", "rights_of", "token"]

_COST = {"n": 1 << 12, "r": 8, "p": 1, "dklen": 32}


@dataclass(frozen=True, slots=True)
class Rights:
    """Filters of the topics that a user may publish under, and subscribe to.

    ``%c`` in them stands for the client's name.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()

    def may_publish(self, client: str, topic: str) -> bool:
        """Tell whether ``client`` may publish under ``topic``."""
        return any(matches(one.replace("%c", client), topic) for one in self.publish)

    def may_subscribe(self, client: str, wanted: str) -> bool:
        """Tell whether all that a filter means is allowed."""
        return any(covers(one.replace("%c", client), wanted) for one in self.subscribe)


ANYTHING = Rights(("#",), ("#",))


@dataclass(slots=True)
class Credentials:
    """``rights`` by user; ``key`` of tokens, empty: no tokens."""

    rights: Mapping[str, Rights]
    key: bytes = b""
    _digests: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def add(self, user: str, password: bytes, salt: bytes) -> None:
        """Give a user a password."""
        self._digests[user] = (salt, _digest(password, salt))

    def accepts(self, user: str | None, password: bytes | None, t_ms: int) -> bool:
        """Tell whether this password or token is this user's now."""
        if user is None or password is None or user not in self.rights:
            return False
        known = self._digests.get(user)
        if known is not None and hmac.compare_digest(known[1], _digest(password, known[0])):
            return True
        return bool(self.key) and self._is_token(user, password, t_ms)

    def _is_token(self, user: str, password: bytes, t_ms: int) -> bool:
        end, _, _ = password.partition(b".")
        if not end.isdigit() or len(end) > 16:
            return False
        end_ms = int(end)
        return t_ms < end_ms and hmac.compare_digest(token(self.key, user, end_ms), password)


def token(key: bytes, user: str, end_ms: int) -> bytes:
    """Return the token with which ``user`` may connect until ``end_ms`` of the broker's clock."""
    said = f"mqtt\n{user}\n{end_ms}".encode()
    return f"{end_ms}.{hmac.new(key, said, sha256).hexdigest()}".encode()


def _digest(password: bytes, salt: bytes) -> bytes:
    return scrypt(password, salt=salt, **_COST)


def rights_of(plain: Mapping[str, Mapping[str, Iterable[str]]]) -> dict[str, Rights]:
    """Return rights by user, of ``{user: {publish: [filter], subscribe: [filter]}}``."""
    return {
        user: Rights(tuple(one.get("publish", ())), tuple(one.get("subscribe", ())))
        for user, one in sorted(plain.items())
    }
