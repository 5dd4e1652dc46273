"""Name plate and settings of an inverter with grid support."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.devices.checks import Checker

__all__ = ["Q_MODES", "InverterSpec", "parse_inverter"]

Q_MODES = ("none", "cos_phi", "cos_phi_p", "q_u")
_NOMINAL_V = 400.0 / 3**0.5


@dataclass(frozen=True, slots=True)
class InverterSpec:
    """Settings; voltages in pu of ``v_nominal_v`` (phase to neutral).

    ``q`` is ``none``, ``cos_phi`` (fixed, under-excited), ``cos_phi_p`` (1 up to half the rating,
    then falling to ``cos_phi``) or ``q_u`` (corners ``q_u_pu``: full over-excited, none, none, full
    under-excited; full is the reactive power of ``cos_phi`` at the rating). ``p_u_pu`` are the
    voltages between which the power that may be fed in falls from the rating to 0; None: never.
    ``s_rated_va`` is at least ``p_rated_w``.
    """

    p_rated_w: float
    s_rated_va: float
    v_nominal_v: float
    q: str
    cos_phi: float
    q_u_pu: tuple[float, ...]
    p_u_pu: tuple[float, ...] | None
    tau_s: float
    trip_low_pu: float
    trip_high_pu: float
    trip_mean_pu: float
    return_pu: tuple[float, ...]
    reconnect_s: float
    ramp_per_min: float


def parse_inverter(check: Checker | None, most_w: float) -> InverterSpec | None:
    """Return the inverter of a system that gives ``most_w`` at its best; None where none is."""
    if check is None:
        return None
    p_rated_w = check.number("p_rated_w", above=0.0)
    if p_rated_w < most_w - 1e-3:  # courses are rounded to a milliwatt
        hint = "the course is that of the power after the inverter"
        check.fault("p_rated_w", f"{p_rated_w:g} W is below the course's {most_w:g} W", hint)
    mode = check.text("q", "none")
    if mode not in Q_MODES:
        check.fault("q", f"must be one of {', '.join(Q_MODES)}, not {mode!r}")
    cos_phi = check.number("cos_phi", 0.9, above=0.5, most=1.0)
    low = check.number("trip_low_pu", 0.8, least=0.0, most=1.0)
    high = check.number("trip_high_pu", 1.25, least=1.0)
    back = check.rising("return_pu", (0.85, 1.10))
    if not low <= back[0] < back[1] <= high:
        check.fault("return_pu", f"{list(back)} is not within the trip limits {low:g} to {high:g}")
    curtails = check.other("p_u_pu") is not None
    made = InverterSpec(
        p_rated_w,
        check.number("s_rated_va", p_rated_w / cos_phi, least=p_rated_w),
        check.number("v_nominal_v", _NOMINAL_V, above=0.0),
        mode,
        cos_phi,
        check.rising("q_u_pu", (0.93, 0.97, 1.03, 1.07)),
        check.rising("p_u_pu", (1.08, 1.10)) if curtails else None,
        check.number("tau_s", 5.0, above=0.0),
        low,
        high,
        check.number("trip_mean_pu", 1.10, least=1.0),
        back,
        check.number("reconnect_s", 60.0, least=0.0),
        check.number("ramp_per_min", 0.1, above=0.0),
    )
    check.no_others()
    return made
