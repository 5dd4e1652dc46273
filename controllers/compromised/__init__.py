"""Units whose program was changed: their services' writes are falsified on the way out.

For adversaries alone. A service inside is the same object and knows nothing of it; it writes with
the unit's own keys, so nothing that protects messages protects from it.
"""

from __future__ import annotations

from controllers.compromised.service import Compromised, Rule, compromise, parse_rules

__all__ = ["Compromised", "Rule", "compromise", "parse_rules"]
