"""What a message becomes on a carrier: frames with headers, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from simulators.network.technologies import Technology

__all__ = ["Cost", "Coster", "frame_sizes"]


class Cost(NamedTuple):
    """The frames of one message: bytes and air time [µs] of each, and their sums."""

    sizes: tuple[int, ...]
    airs_us: tuple[int, ...]
    wire_bytes: int
    air_us: int


def frame_sizes(technology: Technology, size: int) -> tuple[int, ...]:
    """Return the frames [bytes, headers included] that ``size`` bytes of payload need.

    A message that fits goes in one frame without fragment header; fragments but the last are
    multiples of ``fragment_unit_bytes``.
    """
    rest = size + technology.message_header_bytes
    if rest + technology.frame_header_bytes <= technology.mtu_bytes:
        return (rest + technology.frame_header_bytes,)
    head = technology.frame_header_bytes + technology.fragment_header_bytes
    room = technology.mtu_bytes - head
    room -= room % technology.fragment_unit_bytes
    full, last = divmod(rest, room)
    return (room + head,) * full + ((last + head,) if last else ())


class Coster(dict[int, Cost]):
    """Costs by payload size, each worked out once."""

    __slots__ = ("_technology", "air_us")

    def __init__(self, technology: Technology, air_us: Callable[[int], int]) -> None:
        super().__init__()
        self._technology, self.air_us = technology, air_us

    def __missing__(self, size: int) -> Cost:
        """Work out the cost of a payload of ``size`` bytes."""
        sizes = frame_sizes(self._technology, size)
        airs_us = tuple(self.air_us(frame) for frame in sizes)
        cost = self[size] = Cost(sizes, airs_us, sum(sizes), sum(airs_us))
        return cost
