"""Signing and verifying of requests and notifications, one class per level of security.

At the level ``none`` a message carries the signature's field, empty, and nothing is verified.
"""

from __future__ import annotations

from typing import Protocol

from controllers.unit.wire import Message

__all__ = ["LEVELS", "NoSecurity", "Security"]


class Security(Protocol):
    """What the communication platform asks of a level."""

    def sign(self, message: Message) -> bytes:
        """Return the signature of ``message`` by whom it is from."""

    def verify(self, message: Message, src: str) -> bool:
        """Tell whether ``message`` is authentic and fresh."""


class NoSecurity:
    """Level ``none``."""

    __slots__ = ()

    def sign(self, message: Message) -> bytes:  # noqa: ARG002 - the interface's
        """Return the empty signature."""
        return b""

    def verify(self, message: Message, src: str) -> bool:  # noqa: ARG002 - the interface's
        """Take every message for authentic."""
        return True


LEVELS: dict[str, type[NoSecurity]] = {"none": NoSecurity}
