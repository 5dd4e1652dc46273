"""Cheaper carriers: one event for each message and hop, its delay by formula or from a table.

``flow`` works out queueing and loss for each message from the state of the carrier; ``analytic``
draws the delay from what was measured once in packet mode. Both are carriers like others: their
time is booked in parts, and outages stop what they carry. What neither knows: priorities,
who hears whom, capture, jamming and noise by place. ``docs/models/fidelity.md`` states the error.
"""

from simulators.network.fidelity.build import build_fluids, parse_fidelity

__all__ = ["build_fluids", "parse_fidelity"]
