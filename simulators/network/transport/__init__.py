"""Transports: what carries an application's frame from one end to the other, per flow class.

``spec["transport"]`` names a transport for each flow class and one for the rest::

    transport:
      default: datagram              # a kind, or a mapping as below
      flows:
        metering: {kind: reliable, protocol: mqtt, topic_bytes: 24, security: certificate}
        control: {kind: request, security: psk, session_s: 3600}
        management: reliable

Keys, all but ``kind`` with a default (``settings.FlowTransport`` has their meaning):
``kind`` datagram | reliable | request, ``protocol`` none | coap | mqtt, ``topic_bytes``,
``security`` none | psk | certificate, ``version`` "1.2" | "1.3", ``session_s``, ``timeout_s``,
``waiting_messages``; reliable: ``mss_bytes``, ``window_bytes``, ``initial_window_segments``,
``min_rto_s``, ``ack_delay_ms``; request: ``block_bytes``, ``ack_timeout_s``, ``ack_random_factor``,
``max_retransmit``, ``outstanding``.

``spec["groups"]`` is ``{name: [member, …]}``: a frame to ``group/<name>`` goes to every member but
its sender, with one row for each.

``spec["nodes"][n]["sleep"]`` is ``{period_ms, awake_ms, parent: node | null, offset_ms: null,
battery_mah: null}``; see ``simulators.network.sleep``.

Without ``transport`` and ``groups`` nothing changes: a plain datagram is a message of the core's.
"""

from __future__ import annotations

from simulators.network.transport.layer import Transports, make_host
from simulators.network.transport.settings import (
    FlowTransport,
    TransportSpec,
    parse_groups,
    parse_transport,
)

__all__ = [
    "FlowTransport",
    "TransportSpec",
    "Transports",
    "make_host",
    "parse_groups",
    "parse_transport",
]
