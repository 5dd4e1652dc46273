"""Security of messages, data and membership: keys, envelopes, freshness, certificates, privacy."""

from __future__ import annotations

from controllers.security.errors import Refusal, RefusedError

__all__ = ["Refusal", "RefusedError"]
