"""Every KPI of a real run, worked out anew from the rows of its tables and nothing else.

The run's last recording interval is cut short by its end, so that lengths count.
"""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any

import pyarrow.parquet as pq
import pytest

from scenarios import load, run

HALF_HOUR_MS, END_MS = 1_800_000, 8_100_000
LIGHTING = """{areas: all,
  design: {switching: {mode: timetable, burns_from: '15:40', burns_until: '16:50'}},
  failures: [{lamp: lighting/lv4.101/feeder-1/lamp-009, at_h: 1}],
  stuck: [{feeder: lighting/lv4.101/feeder-1, from_h: 1.5}]}"""
SETTINGS = [
    "time.start='2016-04-20T15:00:00Z'", "time.duration_h=2.25", "record.interval_s=1800",
    "units.history_days=1", f"lighting={LIGHTING}",
]  # fmt: skip

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of two hours and a quarter of the street's afternoon."""
    target = tmp_path_factory.mktemp("kpis") / "run"
    return run(load("street", SETTINGS), folder=target, with_report=False).check().folder


@pytest.fixture(scope="module")
def kpis(folder):
    """Return the KPIs, taking note of which ones are looked at."""
    return json.loads((folder / "kpis.json").read_text())


@pytest.fixture(scope="module")
def table(folder):
    """Return a function that gives a table's rows."""
    read: dict[str, list[Row]] = {}

    def rows(name: str) -> list[Row]:
        if name not in read:
            path = folder / f"{name}.parquet"
            read[name] = pq.read_table(
                path if path.exists() else folder / "series" / path.name
            ).to_pylist()
        return read[name]

    return rows


def hours(row: Row) -> float:
    """Return the length of a row's recording interval [h]."""
    return min(HALF_HOUR_MS, END_MS - row["t_ms"]) / 3.6e6


def wh(rows: Iterable[Row], column: str = "p_w") -> float:
    """Return the integral of a power over the intervals of rows [Wh]."""
    return math.fsum(row[column] * hours(row) for row in rows)


def summed(rows: Iterable[Row], *keys: str) -> dict[Any, dict[str, float]]:
    """Return demand, sun and net storage power by keys, for the rows of devices."""
    sums: dict[Any, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        part = sums[tuple(row[key] for key in keys)]
        if row["kind"] == "battery":
            part["store"] += row["p_w"]
        else:
            part["demand" if row["p_w"] > 0 else "sun"] += abs(row["p_w"])
    return sums


def own(sums: dict[Any, dict[str, float]]) -> tuple[float, float]:
    """Return self-consumption and self-sufficiency [%] of sums whose key begins with t_ms."""
    used = met = sun = demand = 0.0
    for key, part in sums.items():
        h = hours({"t_ms": key[0]})
        sun, demand = sun + part["sun"] * h, demand + part["demand"] * h
        used += min(part["sun"], part["demand"] + max(0.0, part["store"])) * h
        met += min(part["demand"], part["sun"] + max(0.0, -part["store"])) * h
    return 100 * used / sun, 100 * met / demand


def energy(table: Any) -> Row:
    """Return the KPIs of energy."""
    system, device = table("system"), table("device")
    lost, flow = wh(system, "p_loss_w"), [row["p_import_w"] * hours(row) for row in system]
    others = [row for row in device if row["kind"] != "battery"]
    fed = -wh(row for row in table("terminal") if row["p_w"] < 0)
    stores = [row for row in device if row["kind"] == "battery"]
    stored = wh(stores) - wh(stores, "loss_w")
    owed = sum(row["requested_wh"] - row["delivered_wh"]
               for row in table("session") if not row["complete"])  # fmt: skip
    street, house = own(summed(device, "t_ms")), own(summed(device, "t_ms", "terminal"))
    return {
        "imported_wh": sum(part for part in flow if part > 0),
        "exported_wh": -sum(part for part in flow if part < 0),
        "demand_wh": wh(row for row in others if row["p_w"] > 0),
        "produced_wh": -wh(row for row in others if row["p_w"] < 0),
        "losses_wh": lost,
        "losses_percent": 100 * lost / (sum(part for part in flow if part > 0) + fed),
        "storage_change_wh": stored,
        "end_state_wh": stored - owed,
        "settled_wh": sum(flow) - stored + owed,
        "self_consumption_percent": street[0],
        "self_sufficiency_percent": street[1],
        "customer_self_consumption_percent": house[0],
        "customer_self_sufficiency_percent": house[1],
    }


def profile(table: Any) -> Row:
    """Return the KPIs of the profile; intervals that are longer than a slot stand as they are."""
    system = table("system")
    p_w = [row["p_import_w"] for row in system]
    owing = max(0.0, -energy(table)["end_state_wh"]) / (END_MS / 3.6e6)
    ramps = [abs(after - before) for before, after in pairwise(p_w)]
    mean = wh(system, "p_import_w") / (END_MS / 3.6e6)
    norm = math.dist(p_w, [statistics.fmean(p_w)] * len(p_w))
    return {
        "peak_import_w": max(p_w), "peak_export_w": max(0.0, -min(p_w)), "daily_peak_w": max(p_w),
        "peak_settled_w": max(p_w) + owing,
        "load_factor": mean / max(p_w), "profile_norm_w": norm,
        "profile_std_w": statistics.pstdev(p_w), "steepest_ramp_w": max(ramps),
    }  # fmt: skip


def grid(table: Any) -> Row:
    """Return the KPIs of the grid."""
    branch, bus = table("branch"), table("bus")
    outside = sum(not 0.9 <= row["vm_pu"] <= 1.1 for row in bus if row["vm_pu"] is not None)
    loading = {kind: max(row["loading_max_percent"] for row in branch if row["kind"] == kind)
               for kind in ("line", "transformer")}  # fmt: skip
    return {
        "transformer_loading_max_percent": loading["transformer"],
        "line_loading_max_percent": loading["line"],
        "overload_percent": 100 * sum(row["loading_percent"] > 100 for row in branch) / len(branch),
        "transformer_overload_percent_h": sum(
            max(row["loading_percent"] - 100, 0) * hours(row)
            for row in branch
            if row["kind"] == "transformer"
        ),
        "voltage_min_pu": min(row["vm_min_pu"] for row in bus),
        "voltage_max_pu": max(row["vm_max_pu"] for row in bus),
        "voltage_violations": outside,
        "voltage_violations_percent": 100 * outside / len(bus),
        "unsupplied_percent": 100 * sum(row["vm_pu"] is None for row in bus) / len(bus),
    }


def vehicles(table: Any) -> Row:
    """Return the KPIs of vehicles, delivered energy from the devices' power."""
    sessions = table("session")
    done = [row for row in sessions if row["complete"]]
    return {
        "ev_sessions": sum(row["kind"] == "session_started" for row in table("events")),
        "ev_requested_wh": sum(row["requested_wh"] for row in sessions),
        "ev_delivered_wh": wh(row for row in table("device") if row["kind"] == "ev"),
        "ev_not_served_wh": sum(r["requested_wh"] - r["delivered_wh"] for r in done) or None,
        "ev_not_served_percent": None,
        "ev_short_percent": None,
    }


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, linear between the order's neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def communication(table: Any) -> Row:
    """Return the KPIs of communication, the delay from the times of sending and arrival."""
    messages, media = table("messages"), table("medium")
    there = [row for row in messages if row["fate"] == "delivered"]
    known = [row for row in messages if row["fate"] != "in-flight"]
    for row in there:
        tick_us = max(row["t_send_us"] + 1000, math.ceil(row["t_arrival_us"] / 1000) * 1000)
        assert row["delay_us"] == tick_us - row["t_send_us"]
    delay = [row["delay_us"] / 1000 for row in there]
    busy = [row["airtime_us"] / (hours(row) * 3.6e9) for row in media]
    sent = sum(row["transmissions"] for row in media)
    failed = sum(row["collisions"] + row["errors"] for row in media)
    airtime = sum(row["airtime_us"] for row in media)
    return {
        "messages": len({row["id"] for row in messages}),
        "message_bytes": sum(row["bytes"] for row in messages),
        "wire_bytes": sum(row["wire_bytes"] for row in messages),
        "delivery_percent": 100 * len(there) / len(known),
        "messages_lost": sum(row["fate"] == "lost" for row in messages),
        "messages_in_flight": len(messages) - len(known),
        "message_delay_p50_ms": percentile(delay, 0.5),
        "message_delay_p95_ms": percentile(delay, 0.95),
        "message_delay_p99_ms": percentile(delay, 0.99),
        "message_delay_mean_ms": statistics.fmean(delay),
        "late_messages_percent": 100 * sum(ms > 1000 for ms in delay) / len(delay),
        "retries_per_message": statistics.fmean(row["attempts"] - row["hops"] for row in there),
        "airtime_percent": 100 * airtime / (END_MS * 1000 * len({r["medium"] for r in media})),
        "airtime_max_percent": 100 * max(busy),
        "failed_transmissions_percent": 100 * failed / sent,
        "collisions_percent": 100 * sum(row["collisions"] for row in media) / sent,
        "longest_queue": max(row["queue_max"] for row in media),
        "message_delay_p999_ms": percentile(delay, 0.999),
        "messages_unaccounted": 0,
        "delay_gap_us": max(
            abs(row["delay_us"] - sum(row[f"{part}_us"] for part in PARTS)) for row in there
        ),
        "goodput_bps": 8000 * sum(row["bytes"] for row in there) / END_MS,
        "queueing_percent": 100 * sum(row["queue_us"] for row in there)
        / sum(row["delay_us"] for row in there),
    }  # fmt: skip


def mesh(table: Any) -> Row:
    """Return the KPIs of meshes, and of sleepers; here none sleeps."""
    rows, routed = table("mesh"), {row["medium"] for row in table("mesh")}
    assert {row["medium"] for row in rows} == {"lv-fan/lv4.101"}
    known = [row for row in rows if row["hops_mean"] is not None]
    sent = sum(row["transmissions"] for row in table("medium") if row["medium"] in routed)
    assert table("node_energy") == []
    return {
        "mesh_joined_percent": 100 * sum(row["joined"] for row in rows)
        / sum(row["nodes"] for row in rows),
        "mesh_hops": sum(row["hops_mean"] * row["joined"] for row in known)
        / sum(row["joined"] for row in known),
        "mesh_parent_changes": sum(row["parent_changes"] for row in rows),
        "mesh_control_percent": 100 * sum(row["control_transmissions"] for row in rows) / sent,
        "battery_life_d": None, "node_energy_j": None, "node_awake_percent": None,
    }  # fmt: skip


def worth(delay_ms: float | None, limit_ms: float) -> float:
    """Return the score of a delay: 5 up to a fifth of the limit, 1 from five times it."""
    if delay_ms is None:
        return 1.0
    times = min(max(delay_ms / limit_ms, 0.2), 5.0)
    return 3.0 - 2.0 * math.log(times, 5)


def requirements(table: Any) -> Row:
    """Return the KPIs of what applications ask, their limits written out here [ms]."""
    limits = {"metering": 15_000, "balancing": 15_000, "control": 500, "management": 10_000}
    fifths = limits | {"control": 100}
    known = [row for row in table("messages") if row["fate"] != "in-flight"]
    delay = [None if row["fate"] == "lost" else row["delay_us"] / 1000 for row in known]
    flows = [row["flow"] for row in known]
    missed = [
        100 * statistics.fmean(
            ms is None or ms > of[flow] for flow, ms in zip(flows, delay, strict=True)
        )
        for of in (limits, fifths)
    ]  # fmt: skip
    scores, asked = defaultdict(list), defaultdict(list)
    for flow, ms in zip(flows, delay, strict=True):
        scores[flow].append(worth(ms, limits[flow]))
    for row in table("request"):
        if row["service"] in limits:
            failed = row["result"] in ("timeout", "unreachable", "overloaded")
            asked[row["service"]].append(
                worth(None if failed else row["latency_ms"], limits[row["service"]])
            )
    return {
        "in_time_percent": 100
        * min(
            statistics.fmean(
                ms is not None and ms <= limits[flow]
                for of, ms in zip(flows, delay, strict=True)
                if of == flow
            )
            for flow in set(flows)
        ),
        "deadline_misses_percent": missed[0],
        "network_deadline_misses_percent": missed[1],
        "experience": statistics.fmean(map(statistics.fmean, scores.values())),
        "request_experience": statistics.fmean(map(statistics.fmean, asked.values())),
    }


def classes(table: Any) -> Row:
    """Return the KPIs of classes met: (limit [ms], part of it the network's, share) by flow."""
    tt3, tt2, tt1 = (100, 0.2, 0.99), (500, 0.2, 0.99), (1000, 0.2, 0.99)
    of = {
        "metering": [tt1, (15e3, 1, 0.98), (15e3, 1, 0.99), (14.4e6, 1, 0.98)],
        "balancing": [(15e3, 1, 0.99), (6e4, 1, 0.99), (3e5, 1, 0.99), (6e4, 1, 0.995),
                      (15e3, 1, 0.98)],
        "control": [tt1, tt2, tt3, (1e3, 1, 0.99), (2e3, 1, 0.99), (5e3, 1, 0.995)],
        "management": [(math.inf, 1, 0.99), (1e4, 1, 0.99), (1e4, 1, 0.99), (3e4, 1, 0.99)],
    }  # fmt: skip
    found: dict[bool, list[bool]] = {False: [], True: []}
    known = [row for row in table("messages") if row["fate"] != "in-flight"]
    for flow in sorted({row["flow"] for row in known}):
        delay = [math.inf if row["fate"] == "lost" else row["delay_us"] / 1000
                 for row in known if row["flow"] == flow]  # fmt: skip
        for (limit, part, share), network in product(of[flow], (False, True)):
            most = limit * part if network else limit
            there = sum(ms < math.inf and ms <= most for ms in delay)
            found[network].append(there / len(delay) >= share)
    return {
        "requirements_met_percent": 100 * statistics.fmean(found[False]),
        "network_requirements_met_percent": 100 * statistics.fmean(found[True]),
    }


def ages(table: Any) -> Row:
    """Return the KPIs of age, event by event along each stream."""
    streams: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in table("messages"):
        if row["fate"] == "delivered":
            there_us = row["t_send_us"] + row["delay_us"]
            streams[row["flow"], row["src"], row["dst"]].append((there_us, row["t_send_us"]))
    area = length = 0.0
    peaks: list[float] = []
    for stream in streams.values():
        newest, since, falls, below = -1, 0, [], 0.0
        for there_us, sent_us in sorted(stream, key=lambda pair: (pair[0], -pair[1])):
            if sent_us > newest:
                if newest >= 0:
                    falls.append((there_us - newest) / 1e6)
                    below += ((there_us - newest) ** 2 - (since - newest) ** 2) / 2e12
                newest, since = sent_us, there_us
        below += ((END_MS * 1000 - newest) ** 2 - (since - newest) ** 2) / 2e12
        if len(falls) >= 2:
            area += below
            length += END_MS / 1000 - min(stream)[0] / 1e6
            peaks += falls
    return {"age_mean_s": area / length, "age_peak_s": statistics.fmean(peaks)}


def services(table: Any) -> Row:
    """Return the KPIs of services."""
    talks: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(table("negotiation"), key=lambda row: row["round"]):
        talks[row["unit"], row["id"]].append(row)
    begin = sum(talk[0]["distance_before_w"] for talk in talks.values())
    end = sum(talk[-1]["distance_after_w"] for talk in talks.values())
    rounds = [row for talk in talks.values() for row in talk]
    flow = Counter(row["flow"] for row in table("messages"))
    reports = [json.loads(row["value"]) for row in table("events") if row["kind"] == "area_energy"]
    whole = [report for report in reports if report["missing"] == 0]
    asked = table("request")
    good = [row for row in asked if row["result"] == "ok"]
    took = [(talk[-1]["t_ms"] - talk[0]["t_ms"]) / 1000 for talk in talks.values()]
    return {
        "negotiations": len(talks),
        "negotiation_rounds": len(rounds) / len(talks),
        "negotiation_time_s": statistics.fmean(took),
        "negotiation_messages": flow["balancing"] / len(talks),
        "negotiation_duration_s": statistics.fmean(
            (talk[-1]["t_ms"] - talk[0]["began_ms"]) / 1000 for talk in talks.values()
        ),
        "negotiation_distance_w": statistics.fmean(
            talk[-1]["distance_after_w"] for talk in talks.values()
        ),
        "negotiation_bytes": sum(
            row["wire_bytes"] for row in table("messages")
            if row["flow"] == "balancing" and "lvgmu" in row["src"] + row["dst"]
        ) / len(talks),
        "limits_kept_percent": None,
        "distance_reduction_percent": 100 * (1 - end / begin),
        "negotiation_answers_percent": 100 * sum(row["answers"] for row in rounds)
        / sum(row["children"] for row in rounds),
        "metering_complete_percent": 100 * len(whole) / len(reports),
        "readings": len({row["id"] for row in table("reading")}),
        "requests": len({row["id"] for row in asked}),
        "requests_ok_percent": 100 * len(good) / len(asked),
        "request_latency_p95_ms": percentile([row["latency_ms"] for row in good], 0.95),
        "events": len({row["id"] for row in table("events")}),
    }  # fmt: skip


def lighting(table: Any) -> Row:
    """Return the KPIs of public lighting: on at 15:40, a lamp less from 16:00, stuck at 16:50."""
    rows = table("lighting")
    due_h, dark_h, lit_h = (wh(rows, name) for name in ("due", "dark", "lit"))
    assert due_h == pytest.approx(32 * 70 / 60)
    assert dark_h == pytest.approx(50 / 60)
    assert lit_h == pytest.approx(32 * 20 / 60 + 31 * 75 / 60)
    return {
        "lighting_wh": wh(rows),
        "lamp_availability_percent": 100 * (1 - dark_h / due_h),
        "lamp_hours_unasked_h": 31 * 25 / 60,
    }


def reliability(table: Any) -> Row:
    """Return the KPIs of continuity; here nobody is interrupted."""
    assert table("interruption") == []
    return {"saifi": 0, "saidi_min": 0, "maifi": 0, "energy_not_supplied_wh": 0, "caidi_min": None}


def quality(table):
    return dict.fromkeys(
        ("en50160_percent", "thd_95_percent", "unbalance_95_percent", "voltage_events")
    )


def predictions(table):
    """Errors of what was said of loads, by their mean, house by house and of all together."""
    rows = [row for row in table("prediction") if row["what"] == "load"]
    by_unit, by_slot = defaultdict(list), defaultdict(list)
    for row in rows:
        by_unit[row["unit"]].append((row["mean_w"], row["measured_w"]))
        by_slot[row["t_ms"]].append((row["mean_w"], row["measured_w"]))

    def error(pairs):
        squares = statistics.fmean((said - came) ** 2 for said, came in pairs)
        return math.sqrt(squares) / statistics.fmean(abs(came) for _, came in pairs)

    def pinball(pairs):
        losses = [max(level * off, (level - 1) * off) for level, off in pairs]
        return statistics.fmean(losses)

    quantiles, inside = defaultdict(list), []
    for row in rows:
        assert row["days"] == 1
        came = row["measured_w"]
        quantiles[row["unit"]] += [(0.1, came - row["low_w"]), (0.9, came - row["high_w"])]
        inside.append(row["low_w"] <= came <= row["high_w"])
    lost = [
        pinball(quantiles[unit]) / statistics.fmean(abs(came) for _, came in by_unit[unit])
        for unit in quantiles
    ]
    sums = [
        tuple(math.fsum(one) for one in zip(*pairs, strict=True))
        for pairs in by_slot.values()
        if len(pairs) == len(by_unit)
    ]
    return {
        "load_prediction_nrmse": statistics.fmean(error(pairs) for pairs in by_unit.values()),
        "feeder_prediction_nrmse": error(sums),
        "panel_prediction_nrmse": None,
        "group_prediction_nrmse": None,  # all houses have units
        "load_prediction_pinball": statistics.fmean(lost),
        "load_prediction_coverage_percent": 100 * statistics.fmean(inside),
    }


def asleep(table):
    """What the street has none of: their KPIs say so."""
    del table
    none = (
        "alarms area_energy_error_wh attacks_detected_percent commands_followed_percent "
        "auction_bids_percent auction_price_mean "
        "control_done_percent control_reaction_p95_s detection_time_s false_alarms_per_day "
        "false_suspicions group_members hidden_sums joining_p95_s joins_refused "
        "loss_detection_p95_s loss_detection_s losses_noticed messages_shed orders_not_given "
        "own_delivery_percent reads_refused tariff_cost_eur units_cut_off_s update_time_s updates "
        "updates_refused user_denials user_logins user_refusals values_disclosed "
        "der_available_percent der_problems "
        "flex_delivered_percent flex_ordered_wh flex_paid_eur flex_reaction_p95_s "
        "flex_requested_wh response_asked_wh response_customers response_delivered_percent "
        "response_paid_eur response_promised_percent response_rebound_wh"
    )
    zero = "access_conflicts attacks_acting auctions control_orders frames_refused suppressed_sums"
    return dict.fromkeys(none.split()) | dict.fromkeys(zero.split(), 0)


def money(table):
    """By the usual prices of 2016: flat ones, and the levies pay for what is fed in."""
    drawn = fed_in = 0.0
    sums: dict[int, float] = defaultdict(float)
    for row in table("terminal"):
        if "/lighting-" in row["terminal"]:
            continue  # they have no meter
        mwh = row["p_w"] * hours(row) / 1e6
        drawn, fed_in = drawn + max(mwh, 0.0), fed_in + max(-mwh, 0.0)
        sums[row["t_ms"]] += row["p_w"]
    lost = sum(row["p_loss_w"] * hours(row) for row in table("system")) / 1e6
    return {
        "customers_cost_eur": drawn * 286.9 - fed_in * 123.1,
        "suppliers_margin_eur": drawn * (286.9 - 155.1 - 71.7 - 28.8),
        "operator_margin_eur": drawn * 71.7 - lost * 28.8,
        "aggregator_margin_eur": None,
        "outside_eur": drawn * (155.1 + 28.8) + lost * 28.8 - fed_in * 123.1,
        "payments_gap_eur": 0.0,
        "left_to_later_eur": energy(table)["end_state_wh"] / 1e6 * 286.9,
        "co2_kg": (drawn - fed_in + lost) * 527.0,
        "supplier_peak_w": max(sums.values()),
    }


def warmth(table: Any) -> Row:
    """Return the KPIs of comfort."""
    rows = table("thermal")
    tanks = [row["tank_c"] for row in rows if row["tank_c"] is not None]
    return {
        "discomfort_kh": sum(row["discomfort_kh"] for row in rows) if rows else None,
        "water_min_c": min(tanks, default=None),
    }


def deviations(table: Any) -> Row:
    """Return the KPIs of plans and what became of them."""
    rows = table("deviation")
    free = [row for row in rows if not row["why"]]
    far_w = [abs(row["measured_w"] - row["planned_w"]) for row in free]
    others = sum(row["why"] not in {"", "hold"} for row in rows)
    return {
        "plan_deviation_w": statistics.fmean(far_w) if far_w else None,
        "plan_interventions": others if rows else None,
    }


@pytest.mark.parametrize(
    "family",
    [
        energy,
        profile,
        grid,
        lighting,
        reliability,
        quality,
        vehicles,
        communication,
        requirements,
        classes,
        ages,
        services,
        predictions,
        asleep,
        money,
        warmth,
        deviations,
    ],
    ids=lambda f: f.__name__,
)
def test_the_kpis_are_what_the_tables_say(kpis, table, family):
    for name, expected in family(table).items():
        if expected is None:
            assert kpis[name]["value"] is None, name
            assert kpis[name]["reason"], name
        else:
            assert kpis[name]["value"] == pytest.approx(expected, rel=1e-9, abs=1e-6), name


def test_none_is_left_out(kpis, table):
    families = (energy, profile, grid, lighting, reliability, quality, vehicles, communication)
    families += (mesh, requirements, classes, ages, services, predictions, asleep, money, warmth)
    families += (deviations,)
    looked_at = {name for family in families for name in family(table)}
    assert looked_at | {"energy_balance_gap"} == kpis.keys()


def test_parts_add_up_to_the_whole(kpis):
    for name in ("messages", "message_bytes", "wire_bytes", "messages_lost", "negotiations",
                 "readings", "requests", "events", "message_delay_mean_ms",
                 "goodput_bps"):  # fmt: skip
        assert sum(kpis[name]["by"].values()) == pytest.approx(kpis[name]["value"]), name


def test_registers_of_the_meters_agree_with_the_intervals(table):
    """They are integrals of their own, read in whole Wh at slots' ends, of class 1."""
    until_ms = 7_200_000
    moved: dict[str, float] = defaultdict(float)
    for row in table("reading"):
        sign = {"energy.import": 1.0, "energy.export": -1.0}.get(row["variable"], 0.0)
        end = {0: -1.0, until_ms: 1.0}.get(row["t_sample_ms"], 0.0)
        if sign and end and row["instrument"].startswith("meter/"):
            customer = row["instrument"].removeprefix("meter/").removesuffix("/register")
            moved[customer] += sign * end * row["value"]
    recorded: dict[str, float] = defaultdict(float)
    for row in table("terminal"):
        if row["t_ms"] < until_ms and "/lighting-" not in row["terminal"]:  # they have no meter
            recorded[row["terminal"].removeprefix("terminal/")] += row["p_w"] * hours(row)
    assert moved.keys() == recorded.keys()
    for customer, energy_wh in recorded.items():
        assert moved[customer] == pytest.approx(energy_wh, rel=0.01, abs=4.0), customer
    assert sum(moved.values()) == pytest.approx(sum(recorded.values()), rel=0.01)
