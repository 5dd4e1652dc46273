"""Parameters of what is between stations: radio, power line, and the rules of a shared band."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.network.radio import PATH_LOSSES
from simulators.network.technology import Technology

__all__ = ["PLANS", "AirTechnology", "air_rules"]

PLANS = ("", "eu868")


@dataclass(frozen=True, slots=True, kw_only=True)
class AirTechnology(Technology):
    """What a medium's ``air`` is worked out from; without one all hear all, and none of it counts.

    Both: ``capture_db`` a frame survives an overlap that is weaker by so much, ``ack_bytes`` of
    an acknowledgement decide on its errors (0: it always arrives).

    Radio: see ``radio``. ``antenna_m`` is the height of antennas of nodes without one,
    ``sense_dbm`` the energy at which the channel counts as busy.

    Hopping: ``channels``, ``bandwidth_hz`` apart from ``channel_hz`` on, taken in turn, each for
    ``dwell_us`` of a receiver's own schedule; all listen to broadcasts for ``broadcast_dwell_us``
    at the begin of each ``broadcast_us``. ``duty_share`` of every ``duty_window_ms`` is what a
    station may transmit (0: no limit); with the ``duty_plan`` "eu868" each sub-band has its own.

    Power line: see ``powerline``. ``tx_dbuv`` is the transmitter's voltage, the noise between
    ``band_low_hz`` and ``band_high_hz`` is a floor and a rise towards low frequencies [dBµV in
    200 Hz], ``noise_sigma_db`` how much places differ, ``sense_db`` the level over noise at
    which the line counts as busy (0: where frames can be received), ``tap_db`` the loss at a
    house passed. Bursts raise the noise
    by ``burst_db`` for ``burst_ms`` about every ``burst_every_ms``, more often by ``day_swing``
    around ``day_peak_h``, less so twelve hours away.
    """

    capture_db: float = 10.0
    ack_bytes: int = 0
    frequency_hz: float = 0.0
    bandwidth_hz: float = 0.0
    tx_dbm: float = 0.0
    noise_figure_db: float = 0.0
    antenna_m: float = 0.0
    path_loss: str = ""
    path_exponent: float = 2.0
    reference_m: float = 1.0
    shadowing_db: float = 0.0
    sense_dbm: float = 0.0
    channels: int = 0
    channel_hz: float = 0.0
    dwell_us: int = 0
    broadcast_us: int = 0
    broadcast_dwell_us: int = 0
    duty_share: float = 0.0
    duty_window_ms: int = 0
    duty_plan: str = ""
    tx_dbuv: float = 0.0
    band_low_hz: float = 0.0
    band_high_hz: float = 0.0
    noise_floor_dbuv: float = 0.0
    noise_rise_dbuv: float = 0.0
    noise_fall_hz: float = 0.0
    noise_sigma_db: float = 0.0
    sense_db: float = 0.0
    tap_db: float = 0.0
    burst_every_ms: float = 0.0
    burst_ms: float = 0.0
    burst_db: float = 0.0
    day_swing: float = 0.0
    day_peak_h: float = 0.0


def air_rules(technology: AirTechnology) -> list[tuple[str, bool, str, str]]:
    """Return (parameter, whether it is impossible, why, how to mend it)."""
    it = technology
    return [
        (
            "path_loss",
            bool(it.path_loss) and it.path_loss not in PATH_LOSSES,
            f"unknown path loss {it.path_loss!r}",
            f"one of {', '.join(PATH_LOSSES)}",
        ),
        *(
            (key, getattr(it, key) < 0, "must not be negative", "")
            for key in ("capture_db", "shadowing_db", "noise_sigma_db", "tap_db", "burst_db")
        ),
        ("bandwidth_hz", it.frequency_hz > 0 >= it.bandwidth_hz, "must be > 0 for radio", ""),
        ("antenna_m", it.frequency_hz > 0 >= it.antenna_m, "must be > 0 for radio", ""),
        ("reference_m", it.reference_m <= 0, "must be above 0", ""),
        ("channels", it.dwell_us > 0 >= it.channels, "must be > 0 with dwell_us", ""),
        (
            "broadcast_dwell_us",
            it.broadcast_us > 0 and not 0 < it.broadcast_dwell_us < it.broadcast_us,
            "must lie between 0 and broadcast_us",
            "",
        ),
        ("duty_plan", it.duty_plan not in PLANS, f"unknown plan {it.duty_plan!r}", "eu868"),
        (
            "channel_hz",
            bool(it.duty_plan) and not (it.channels and it.channel_hz and it.duty_window_ms),
            "must be > 0 with duty_plan, as channels and duty_window_ms",
            "",
        ),
        ("duty_share", it.duty_share > 1, "is a share: 0 to 1", ""),
        ("duty_window_ms", it.duty_share > 0 >= it.duty_window_ms, "must be > 0", ""),
        ("band_high_hz", it.tx_dbuv > 0 and it.band_high_hz <= it.band_low_hz, "is no band", ""),
        ("noise_fall_hz", it.tx_dbuv > 0 >= it.noise_fall_hz, "must be > 0", ""),
        ("burst_ms", it.burst_every_ms > 0 >= it.burst_ms, "must be > 0", ""),
        ("day_swing", it.day_swing > 1, "is a share: 0 to 1", ""),
        ("day_peak_h", it.day_peak_h >= 24, "is an hour of the day: 0 to 24", ""),
    ]
