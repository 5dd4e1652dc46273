"""Parameters of a cellular technology: the resources of a cell, and how a subscriber gets them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import log10

from simulators.network import phy
from simulators.network.radio import PATH_LOSSES
from simulators.network.technology import Technology

__all__ = ["CELL_PHYS", "CellTechnology", "cell_rules", "efficiency"]

CELL_PHYS = ("gprs", "ofdma", "channels")
_ELEMENTS = 168  # resource elements of a resource block: 12 subcarriers, 14 symbols

# Bits per resource element of the channel quality indicators 1 to 15 (3GPP 36.213 table 7.2.3-1,
# 38.214 table 5.2.2.1-2), and the signal-to-noise ratios [dB] from which on 10 % of the blocks or
# fewer are lost (link-level simulation, as used with the Vienna LTE simulators).
_EFFICIENCIES = (
    0.1523, 0.2344, 0.3770, 0.6016, 0.8770, 1.1758, 1.4766, 1.9141,
    2.4063, 2.7305, 3.3223, 3.9023, 4.5234, 5.1152, 5.5547,
)  # fmt: skip
_FROM_DB = (-6.7, -4.7, -2.3, 0.2, 2.4, 4.3, 5.9, 8.1, 10.3, 11.7, 14.1, 16.3, 18.7, 21.0, 22.7)


def efficiency(snr_db: float) -> float:
    """Return the bits per resource element that link adaptation chooses, 0 out of reach."""
    place = bisect_right(_FROM_DB, snr_db)
    return _EFFICIENCIES[place - 1] if place else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTechnology(Technology):
    """A base station and its subscribers; ``up`` is from a subscriber to the base station.

    Every ``tti_us`` the scheduler gives away ``channels`` (time slots, resource blocks, tones,
    dedicated channels) in each direction, at most ``slots`` of them to one subscriber (0: all). A
    channel carries in one interval a radio block of GPRS in ``mode``; what modulation and coding
    allow at ``snr`` for a resource block of which ``overhead`` is no data (``ofdma``); or its
    share of ``rate`` (``channels``). With ``ofdma``, ``rate`` is the most that a subscriber's
    device can do. Everything is sent ``repetitions`` times, or twice, four times … as often, up to
    ``most``, by who is not heard otherwise (coverage enhancement). Below
    ``least`` there is no reception (``gprs``, ``channels``).

    A block is lost with probability ``error``, repeated ``harq_us`` later (what follows does not
    wait for it), then lost with ``error_again``, ``retries`` times. What is received passes on
    ``decode_us`` later.

    Who has sent nothing for ``hold_us`` is idle. It gets access at one of the opportunities every
    ``access_period_us``, with one of ``preambles`` (0: without contention); the n-th try is heard
    with probability 1 - exp(-``ramp`` n) (0: always), and ``answers`` preambles are answered (0:
    all); who is not answered knows ``answer_us`` later, who shares a preamble ``resolve_us`` later,
    and tries again after up to ``backoff_us``, ``access_tries`` in all; who gets through is
    connected ``setup_us`` later (0: always connected). The base station pages who is idle, every
    ``paging_us``, unless it was heard less than ``known_us`` ago. Who is connected asks for a
    grant at an opportunity every ``request_us`` and may send ``grant_us`` later.

    ``core`` is the technology of the link to the mobile core that belongs to it. Where a cell's
    ``air`` is ``radio``, what follows gives the ``snr`` of each subscriber; see ``cells.reach``:
    ``entry_db`` is lost on the way into buildings, ``gain_db`` that of the base station's antenna,
    power is spread over ``bandwidth``, ``noise`` is the receiver's figure.
    """

    tti_us: int
    channels_up: int
    channels_down: int
    slots_up: int = 0
    slots_down: int = 0
    rate_up_bps: float = 0.0
    rate_down_bps: float = 0.0
    snr_up_db: float = 0.0
    snr_down_db: float = 0.0
    least_up_db: float = 0.0
    least_down_db: float = 0.0
    overhead: float = 0.0
    repetitions_up: int = 1
    repetitions_down: int = 1
    most_up: int = 0
    most_down: int = 0
    error_again: float = 0.0
    harq_us: int = 0
    decode_us: int = 0
    preambles: int = 0
    access_period_us: int = 0
    access_tries: int = 1
    ramp: float = 0.0
    answers: int = 0
    answer_us: int = 0
    resolve_us: int = 0
    backoff_us: int = 0
    setup_us: int = 0
    hold_us: int = 0
    known_us: int = 0
    paging_us: int = 0
    request_us: int = 0
    grant_us: int = 0
    core: str = ""
    frequency_hz: float = 0.0
    path_loss: str = ""
    path_exponent: float = 2.0
    reference_m: float = 1.0
    shadowing_db: float = 0.0
    entry_db: float = 0.0
    gain_db: float = 0.0
    antenna_m: float = 0.0
    tx_up_dbm: float = 0.0
    tx_down_dbm: float = 0.0
    bandwidth_up_hz: float = 0.0
    bandwidth_down_hz: float = 0.0
    noise_up_db: float = 0.0
    noise_down_db: float = 0.0

    def width(self, up: bool) -> int:
        """Return the channels that a subscriber can use at once."""
        slots = self.slots_up if up else self.slots_down
        channels = self.channels_up if up else self.channels_down
        return min(slots or channels, channels)

    def lanes(self, up: bool) -> int:
        """Return how many subscribers can use as many as they can at once."""
        return (self.channels_up if up else self.channels_down) // self.width(up)

    def repetitions(self, up: bool) -> int:
        """Return how often everything is sent."""
        return self.repetitions_up if up else self.repetitions_down

    def snr_db(self, up: bool) -> float:
        """Return the signal-to-noise ratio of a subscriber of whom nothing else is known."""
        return self.snr_up_db if up else self.snr_down_db

    def reception(self, up: bool, snr_db: float) -> tuple[int, int]:
        """Return the bits of a channel in an interval, 0 out of reach, and how often they are sent.

        Repetitions add up: twice as many hear 3 dB less.
        """
        times, most = self.repetitions(up), self.most_up if up else self.most_down
        while not (bits := self._bits(up, snr_db + 10 * log10(times))) and 2 * times <= most:
            times *= 2
        return bits, times

    def unit_bits(self, up: bool, snr_db: float) -> int:
        """Return the bits that one channel carries in one interval; 0 out of reach."""
        return self.reception(up, snr_db)[0]

    def _bits(self, up: bool, heard_db: float) -> int:
        if self.phy == "ofdma":
            return int(efficiency(heard_db) * _ELEMENTS * (1 - self.overhead))
        if heard_db < (self.least_up_db if up else self.least_down_db):
            return 0
        if self.phy == "gprs":
            return 8 * phy.GPRS_BLOCK_BYTES[self.mode]
        return int((self.rate_up_bps if up else self.rate_down_bps) * self.tti_us / 1e6)

    @property
    def capped(self) -> bool:
        """Tell whether a subscriber's device may be slower than the channels it is given."""
        return self.phy == "ofdma"

    def limit_bits(self, up: bool) -> int:
        """Return the most that a subscriber's device can do in one interval; 0: no limit."""
        rate_bps = self.rate_up_bps if up else self.rate_down_bps
        return int(rate_bps * self.tti_us / 1e6) if self.capped else 0

    def rate_bps(self, up: bool) -> float:
        """Return the rate of one subscriber alone in the cell."""
        bits = self.width(up) * self.unit_bits(up, self.snr_db(up)) // self.repetitions(up)
        return min(bits, self.limit_bits(up) or bits) * 1e6 / self.tti_us


def cell_rules(it: CellTechnology) -> list[tuple[str, bool, str, str]]:
    """Return what may be wrong with a cellular technology: parameter, whether it is, text, hint."""
    at_least_one = ("tti_us", "channels_up", "channels_down", "repetitions_up", "repetitions_down")
    rules = [(key, getattr(it, key) < 1, "must be at least 1", "") for key in at_least_one]
    rules += [
        ("access_tries", it.access_tries < 1, "must be at least 1", ""),
        ("overhead", it.overhead >= 1, "leaves nothing for data", "a share: 0 to 1"),
        (
            "path_loss",
            bool(it.path_loss) and it.path_loss not in PATH_LOSSES,
            f"unknown path loss {it.path_loss!r}",
            f"one of {', '.join(PATH_LOSSES)}",
        ),
        ("reference_m", it.reference_m <= 0, "must be above 0", ""),
        *(
            (key, it.frequency_hz > 0 >= getattr(it, key), "must be > 0 for radio", "")
            for key in ("antenna_m", "bandwidth_up_hz", "bandwidth_down_hz")
        ),
        ("error_again", it.error_again > 1, "is a probability: 0 to 1", ""),
        (
            "access_period_us",
            it.setup_us > 0 >= it.access_period_us,
            "must be at least 1",
            "access opportunities come at a period",
        ),
    ]
    for key, up in (("up", True), ("down", False)):
        rules += _direction_rules(it, key, up)
    return rules


def _direction_rules(it: CellTechnology, key: str, up: bool) -> list[tuple[str, bool, str, str]]:
    still = it.phy != "gprs" and getattr(it, f"rate_{key}_bps") <= 0
    sane = (
        it.phy in CELL_PHYS
        and it.mode in (phy.modes().get(it.phy) or (it.mode,))
        and it.tti_us > 0
        and it.repetitions(up) > 0
        and it.overhead < 1
        and not still
    )
    mute = sane and not (it.unit_bits(up, it.snr_db(up)) and (it.limit_bits(up) or not it.capped))
    cause = f"snr_{key}_db" if it.phy == "ofdma" else f"rate_{key}_bps"
    slots = getattr(it, f"slots_{key}")
    return [
        (f"slots_{key}", it.phy != "ofdma" and slots < 1, "must be at least 1", ""),
        (f"slots_{key}", slots > getattr(it, f"channels_{key}"), f"more than channels_{key}", ""),
        (f"rate_{key}_bps", still, "the rate must be above 0", "bit/s"),
        (
            cause,
            mute,
            "an interval carries not even a bit",
            f"from {_FROM_DB[0]} dB on (ofdma), or least_{key}_db",
        ),
    ]
