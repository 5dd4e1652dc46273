"""DLMS/COSEM, as much as reading and setting a smart meter needs (IEC 62056-5-3, 6-1, 6-2)."""

from __future__ import annotations

from controllers.dlms.axdr import Data, DlmsError

__all__ = ["Data", "DlmsError"]
