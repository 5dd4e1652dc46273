"""A node's registration at the root: sent when its parent changes, repeated until acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpy.events import Timeout

from simulators.network.mesh.control import Ack, Dao

if TYPE_CHECKING:
    from simulators.network.mesh.carrier import Mesh
    from simulators.network.mesh.router import Router

__all__ = ["Registration"]

_TRIES = 5  # Contiki-NG: RPL_DAO_MAX_RETRANSMISSIONS


class Registration:
    """The DAO of one node: soon after a new parent, and again well before it runs out."""

    __slots__ = ("_mesh", "_router", "_timer", "_tries", "sequence")

    def __init__(self, mesh: Mesh, router: Router) -> None:
        self._mesh, self._router = mesh, router
        self._timer: Timeout | None = None
        self._tries = self.sequence = 0

    def renew(self) -> None:
        """Tell the root of a new parent, after a while: others have news too."""
        self._tries = 0
        self._wait(self._mesh.technology.mesh_dao_delay_ms)

    def settle(self) -> None:
        """Be registered since some time ago."""
        half_us = 500 * self._mesh.technology.mesh_lifetime_ms
        self._set(int(self._router.uniform() * half_us))

    def stop(self) -> None:
        """Send no more."""
        self._timer = None

    def acknowledged(self, ack: Ack) -> None:
        """Rest until the registration must be refreshed."""
        if ack.sequence == self.sequence and self._timer is not None:
            self._refresh_later()

    def _refresh_later(self) -> None:
        self._tries = 0
        lifetime_us = 1000 * self._mesh.technology.mesh_lifetime_ms
        self._set(int((0.4 + 0.2 * self._router.uniform()) * lifetime_us))

    def _wait(self, mean_ms: int) -> None:
        self._set(int((0.5 + self._router.uniform()) * 1000 * mean_ms))

    def _set(self, delay_us: int) -> None:
        self._timer = timer = Timeout(self._mesh.fabric.clock, delay_us)
        timer.callbacks.append(self._send)

    def _send(self, event: Any) -> None:
        router = self._router
        if event is not self._timer or router.parent is None:
            return
        if self._tries >= _TRIES:
            self._refresh_later()  # the way up is of no use just now
            return
        self.sequence += 1
        self._wait(self._mesh.technology.mesh_dao_timeout_ms << self._tries)
        self._tries += 1
        self._mesh.send_up(router, Dao(router.number, router.parent.number, self.sequence))
