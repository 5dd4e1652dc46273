"""The kernel that every fernwatt package shares: errors, time, identifiers, streams, messages."""

__all__ = ["__version__"]

__version__ = "0.1.0"
