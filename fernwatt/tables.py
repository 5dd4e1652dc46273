"""The tables of a run folder: their columns, types, units and meaning, in one place.

The recorder writes by them, the reader reads by them, ``docs/run-folder.md`` is made of them.
Types: ``i`` int64, ``f`` float64, ``s`` text (dictionary-encoded where it repeats), ``b`` bool.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TABLES", "Column", "Table"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``nullable`` columns may hold null, none ever holds NaN."""

    name: str
    kind: str
    meaning: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table; ``path`` is below the run folder, ``sort`` names what orders its rows.

    A table without ``sort`` keeps the order in which its only producer made the rows.
    """

    name: str
    path: str
    meaning: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...] = ()


def _table(
    name: str, meaning: str, columns: str, *, path: str = "", sort: tuple[str, ...] = ()
) -> Table:
    parsed = []
    for line in columns.strip().splitlines():
        head, text = line.strip().split("  ", 1)
        column, kind = head.split(":")
        parsed.append(Column(column, kind.rstrip("?"), text.strip(), kind.endswith("?")))
    return Table(name, path or f"series/{name}.parquet", meaning, tuple(parsed), sort)


_ALL = (
    _table(
        "bus",
        "voltage of each bus, time-weighted mean and extremes of the recording interval",
        """
        t_ms:i  start of the interval
        bus:s  bus
        vm_pu:f?  mean voltage magnitude (null: not energised)
        vm_min_pu:f?  lowest
        vm_max_pu:f?  highest
        """,
    ),
    _table(
        "branch",
        "flow through each line and transformer, time-weighted mean of the interval",
        """
        t_ms:i  start of the interval
        branch:s  line or transformer
        kind:s  line, transformer
        p_from_w:f  active power into the branch at its from or high-voltage side
        p_to_w:f  active power into the branch at its to or low-voltage side
        loss_w:f  p_from_w + p_to_w
        loading_percent:f  mean loading
        loading_max_percent:f  highest loading
        """,
    ),
    _table(
        "system",
        "energy balance of the grid, time-weighted mean of the interval",
        """
        t_ms:i  start of the interval
        p_import_w:f  active power drawn from the upstream grid
        q_import_var:f  reactive power drawn from the upstream grid
        p_terminals_w:f  active power that the terminals draw, as solved
        p_loss_w:f  sum of the losses of all branches and shunts, and in arcs
        p_unmet_w:f  asked for and not drawn: without supply, at a fault's voltage, or shed
        """,
    ),
    _table(
        "terminal",
        "each connection point, time-weighted mean of the interval",
        """
        t_ms:i  start of the interval
        terminal:s  connection point
        p_w:f  active power drawn
        q_var:f  reactive power drawn
        v_v:f?  phase-to-neutral voltage, mean of the connected phases
        """,
    ),
    _table(
        "phase",
        "phases of each connection point, time-weighted mean (four-wire solver only)",
        """
        t_ms:i  start of the interval
        terminal:s  connection point; 1, 2, 3 are its own conductors
        p_1_w:f  active power drawn on the first
        p_2_w:f  on the second
        p_3_w:f  on the third
        v_1_v:f?  voltage of the first to neutral (null: not connected, no supply)
        v_2_v:f?  of the second
        v_3_v:f?  of the third
        v_neutral_v:f?  voltage of the neutral to earth
        v_neutral_max_v:f?  highest
        """,
    ),
    _table(
        "conductor",
        "current in each conductor, time-weighted mean (four-wire solver only)",
        """
        t_ms:i  start of the interval
        branch:s  line or transformer (low-voltage side)
        i_1_a:f  in phase 1
        i_2_a:f  in phase 2
        i_3_a:f  in phase 3
        i_neutral_a:f  in the neutral
        i_neutral_max_a:f  highest
        """,
    ),
    _table(
        "switch",
        "each operation of a switch",
        """
        t_us:i  time
        id:s  event
        cause:s  what made it happen
        switch:s  switch
        closed:b  whether it closed
        phases:s  poles that moved
        """,
    ),
    _table(
        "protection",
        "what each relay, recloser, sectionaliser and fuse did",
        """
        t_us:i  time
        id:s  event
        cause:s  what made it happen
        device:s  protective device
        kind:s  pick-up, trip, reset, reclose, lockout, melted, count, …
        i_a:f?  current at that instant (null: does not matter)
        """,
    ),
    _table(
        "interruption",
        "each interruption of a terminal's supply",
        """
        begin_us:i  when all its conductors had lost voltage
        end_us:i  when one of them had it again (the end of the run, where it lasted longer)
        terminal:s  connection point
        customer:s  customer (empty: nobody's)
        cause:s  event that brought it about
        restored_by:s  event that ended it
        complete:b  whether it ended within the run
        energy_wh:f  energy not supplied: what the terminal drew last, times the duration
        """,
    ),
    _table(
        "unsupplied",
        "customers without supply, in each interval and area that had some",
        """
        t_ms:i  start of the interval
        area:s  area
        customers:i  most of them at once
        customer_h:f  their time without supply, summed
        energy_wh:f  energy not supplied
        """,
    ),
    _table(
        "lighting",
        "each segment of a public lighting feeder, time-weighted mean of the interval",
        """
        t_ms:i  start of the interval
        segment:s  segment, behind one sensor
        p_w:f  active power of its lamps and its part of the cable
        q_var:f  reactive power
        v_end_v:f?  voltage at its last luminaire while its feeder is on (null: off)
        v_end_min_v:f?  lowest
        lamps:i  luminaires
        due:f  luminaires that ought to burn
        lit:f  luminaires that burn
        dark:f  luminaires that ought to burn and do not
        """,
    ),
    _table(
        "quality",
        "voltage of ten minutes at each place of grid.quality (EN 50160)",
        """
        t_ms:i  start of the ten minutes
        place:s  bus or connection point
        nominal_v:f  nominal voltage to neutral
        v_1_v:f?  r.m.s. voltage of the bus's phase 1 to neutral (null: the place has it not)
        v_2_v:f?  of phase 2
        v_3_v:f?  of phase 3
        thd_1_percent:f?  total harmonic distortion of phase 1, orders to 25 (null: not solved)
        thd_2_percent:f?  of phase 2
        thd_3_percent:f?  of phase 3
        pst_1:f?  short-term flicker of phase 1
        pst_2:f?  of phase 2
        pst_3:f?  of phase 3
        plt_1:f?  long-term flicker of phase 1 over the two hours that end (null: fewer, flagged)
        plt_2:f?  of phase 2
        plt_3:f?  of phase 3
        u2_percent:f?  negative- by positive-sequence voltage, r.m.s. (null: not energised)
        u0_percent:f?  zero- by positive-sequence voltage
        hz_min:f  lowest mean frequency of ten seconds
        hz_max:f  highest
        flagged:b  whether a phase of the bus was outside of 0.9 to 1.1 pu at some instant
        """,
    ),
    _table(
        "harmonic",
        "harmonic voltages at each place of grid.quality, at the end of each ten minutes",
        """
        t_ms:i  start of the ten minutes
        place:s  bus or connection point
        harmonic:i  order
        u_1_percent:f?  phase 1 to neutral, by its fundamental (null: no such phase, no supply)
        u_2_percent:f?  phase 2
        u_3_percent:f?  phase 3
        """,
    ),
    _table(
        "harmonic_current",
        "harmonic currents of low voltage, at the end of each ten minutes",
        """
        t_ms:i  start of the ten minutes
        branch:s  line (from end) or transformer (low-voltage side)
        i_1_a:f  all orders together, r.m.s., in phase 1
        i_2_a:f  in phase 2
        i_3_a:f  in phase 3
        i_neutral_a:f  in the neutral
        triplen_1_a:f  orders 3, 9, 15, 21 together in phase 1
        triplen_2_a:f  in phase 2
        triplen_3_a:f  in phase 3
        triplen_neutral_a:f  in the neutral
        """,
    ),
    _table(
        "voltage_event",
        "each dip, swell and interruption at the places of grid.quality, and each transient",
        """
        begin_us:i  when the voltage left its band
        end_us:i  when it came back (the end of the run, where it lasted longer)
        place:s  bus or connection point
        kind:s  dip, swell, interruption, transient
        extreme_pu:f  lowest voltage of a phase; of a swell the highest, of a transient its peak
        phases:s  phases that passed the threshold
        deep:b  whether a dip held an interruption
        complete:b  whether it ended within the run
        cause:s  event that brought it about
        ended_by:s  event that ended it
        """,
    ),
    _table(
        "device",
        "each device, mean power of the interval and content at its end",
        """
        t_ms:i  start of the interval
        device:s  device
        kind:s  load, pv, ev, battery, heat_pump, thermostat, appliance, chp, wind
        terminal:s  where it is connected
        p_w:f  active power drawn
        q_var:f  reactive power drawn
        energy_wh:f?  stored energy at the end of the interval (storage only)
        loss_w:f  power lost inside the device
        """,
    ),
    _table(
        "thermal",
        "temperatures of each heat pump's building and each thermostatic device",
        """
        t_ms:i  start of the interval
        device:s  device
        temperature_c:f  of air or contents, at the end of the interval
        low_c:f  lowest of the interval
        high_c:f  highest of the interval
        discomfort_kh:f  kelvin-hours outside of the comfort band
        tank_c:f?  hot water at the end of the interval (heat pumps)
        """,
    ),
    _table(
        "session",
        "each EV charging session that began",
        """
        session:s  session
        device:s  charging point
        arrival_ms:i  plugged in
        departure_ms:i  unplugged (planned, where the run ended before)
        requested_wh:f  energy asked for, at the socket
        delivered_wh:f  energy of it that was in; what was fed back counts less
        complete:b  whether the vehicle left before the run's end
        """,
    ),
    _table(
        "reading",
        "each value of an instrument",
        """
        id:s  reading
        cause:s  what made it happen
        instrument:s  instrument
        variable:s  variable
        t_sample_ms:i  true time of the sample
        t_clock_ms:i  the instrument's clock
        value:f?  value (null where it is a record)
        record:s?  a record as JSON
        measure:s  unit of the value
        quality:s  good, estimated, missing
        """,
    ),
    _table(
        "request",
        "each request of the Data Interface, when its outcome reached the caller",
        """
        t_ms:i  when the outcome was known
        id:s  request
        cause:s  what made the caller ask
        unit:s  calling unit
        service:s  calling service
        operation:s  write, query, event, periodic, unsubscribe
        variable:s  variable
        location:s  unit that holds it
        result:s  result code
        latency_ms:i  from the request to its outcome
        """,
    ),
    _table(
        "export",
        "what the top unit was told for the tools of the control centre",
        """
        t_ms:i  when it was there
        id:s  what brought it
        interface:s  scada, dms, oms, mdm, market, tso
        variable:s  variable
        unit:s  unit that has it
        owner:s  whose it is
        value_ms:i  its time stamp, by the clock of who made it
        value:s  the value as JSON
        """,
    ),
    _table(
        "negotiation",
        "each round of an energy-balancing negotiation",
        """
        t_ms:i  end of the round
        unit:s  negotiating parent
        supplier:s  for whom it negotiates; empty: for all its houses together
        id:s  negotiation
        began_ms:i  when it began
        stage:s  what the round was for: profiles, agree, limits, beyond (comfort), flat
        round:i  round, from 0
        children:i  children that take part
        answers:i  answers that came in time
        committed:i  children whose new plan was taken
        distance_before_w:f?  2-norm of the sum's distance from what is desired; empty: not known
        distance_after_w:f?  the same after the round
        peak_after_w:f  largest magnitude of the sum after the round
        beyond_after_w:f?  largest power beyond the limits after the round; empty: no limits
        """,
    ),
    _table(
        "response",
        "what was asked of customers by demand response, promised and delivered, slot by slot",
        """
        t_ms:i  start of the quarter-hour
        unit:s  unit that balances the customers
        id:s  request
        phase:s  before, window, after
        customers:i  customers that count: who follow and have not left
        baseline_w:f  what they would draw by the plan agreed to before the request
        days_w:f?  what they would draw by the days before (null: none known of some of them)
        asked_w:f  by how much they were asked to reduce
        promised_w:f?  what they agreed to draw (null: nothing was agreed)
        measured_w:f?  what their meters measured (null: of some of them nothing)
        """,
    ),
    _table(
        "auction",
        "each auction of a unit: what was bid, what came of it",
        """
        t_ms:i  when it was held
        unit:s  unit of the market
        slot_ms:i  start of the quarter-hour that it is for
        price:i?  price on the ladder, 0 to 100 (null: the unit is a bidder itself)
        demand_w:f  demand at that price (null price: at the ladder's middle)
        most_w:f  demand at the lowest price
        least_w:f  demand at the highest price
        bidders:i  who may bid
        bids:i  bids for this quarter-hour that were there; older ones stood in for the others
        again:b  whether one was held for this quarter-hour before
        """,
    ),
    _table(
        "deviation",
        "how far a planned device was from its plan in a quarter-hour (where customers have a say)",
        """
        t_ms:i  start of the quarter-hour
        unit:s  unit that controls the device
        device:s  device
        planned_w:f  mean power that plans asked for
        ordered_w:f  mean power that it was told at last
        measured_w:f  mean power by its register
        why:s  what made it other: override, sure, grid, reserve, limit; hold: by its clamp; empty
        """,
    ),
    _table(
        "prediction",
        "what balancing predicted of a quarter-hour when the day before was over, and what came",
        """
        t_ms:i  start of the quarter-hour
        unit:s  unit that predicted
        what:s  load (without what is planned), group (of houses without a unit), or a panel
        mean_w:f  predicted mean power
        low_w:f?  predicted 10 % quantile; empty: not known
        high_w:f?  predicted 90 % quantile
        yesterday_w:f?  the quarter-hour of the day before
        weekday_w:f?  that of the same weekday, a week before
        week_w:f?  mean of the 7 days before
        days:i  earlier days that were known when it was said; 0: a cold start
        measured_w:f  mean power measured
        """,
    ),
    _table(
        "membership",
        "each change of a group's members, its sensors, and of who is whose parent",
        """
        t_ms:i  time
        id:s  event that tells of it
        unit:s  unit that tells of it
        member:s  unit or instrument that it is told of
        kind:s  unit (below), sensor, parent
        state:s  joined, suspected, lost, returned, left, expelled, refused
        why:s  backup, place, silent, expired, revoked, forged, role, area and so on
        silent_ms:i  for how long nothing had been heard
        """,
    ),
    _table(
        "truth",
        "what is true of the world and told to no unit: for figures of merit alone",
        """
        t_ms:i  time
        id:s  row
        cause:s  what made it happen (empty: the scenario)
        kind:s  loss_begins, register, wiring, passage_missed, fault_begins, tapped and so on
        element:s  what it is true of
        value:s  details as JSON
        """,
    ),
    _table(
        "medium",
        "each link and shared medium over the recording interval",
        """
        t_ms:i  start of the interval
        medium:s  link or medium
        technology:s  technology
        transmissions:i  transmissions begun, repetitions counted
        collisions:i  transmissions lost to another one
        errors:i  transmissions lost to noise
        airtime_us:i  time the medium was busy
        queue_max:i  longest queue at a sender
        """,
    ),
    _table(
        "mesh",
        "each medium with routing over several hops, over the recording interval",
        """
        t_ms:i  start of the interval
        medium:s  medium
        nodes:i  nodes that are up at its end
        joined:i  of these, nodes that believe to have a way to the root, the root included
        parent_changes:i  nodes that took another parent, counted each time
        hops_mean:f?  mean hops to the root of those that have a way (null: none)
        control_transmissions:i  transmissions of the routing protocol, repetitions counted
        control_bytes:i  their bytes, headers included
        """,
    ),
    _table(
        "node_energy",
        "what each node that sleeps used until the end of the run",
        """
        node:s  node
        technology:s  technology whose currents count
        sent:i  messages that it sent to its neighbour, acknowledgements and the like counted
        received:i  messages that it got from its neighbour
        transmit_us:i  time it transmitted, repetitions counted
        listen_us:i  time it was awake otherwise
        sleep_us:i  time it slept
        energy_j:f  energy used
        message_j:f?  energy beyond that of its schedule, by message sent or received (null: none)
        day_j:f  energy of a day like this one
        life_d:f?  how long its battery lasts so (null: no battery stated)
        """,
    ),
    _table(
        "flexibility",
        "each quarter-hour in which an operator had paid for less to be drawn, when it was settled",
        """
        t_ms:i  start of the quarter-hour
        unit:s  operator's unit
        area:s  area behind the congestion point
        stated_wh:i?  the aggregator's last prognosis before it, orders included (null: none)
        ordered_wh:i  how much less was ordered
        measured_wh:f?  what the meters of its customers say was drawn (null: none answered)
        """,
    ),
    _table(
        "cause",
        "further causes of what has more than one",
        """
        id:s  what happened
        cause:s  one of the things that made it happen
        """,
    ),
    _table(
        "event",
        "what happened, in order of time",
        """
        t_us:i  time
        id:s  event
        cause:s  what made it happen (empty: the scenario)
        source:s  simulator
        kind:s  kind of event
        element:s  what it happened to
        value:s  details as JSON
        """,
        path="events.parquet",
        sort=("t_us", "source", "id"),
    ),
    _table(
        "message",
        "each frame handed to the network, when its fate was known",
        """
        id:s  frame
        cause:s  what made it happen
        src:s  sending unit
        dst:s  receiving unit
        flow:s  application class
        priority:i  0 highest
        bytes:i  payload above the transport
        wire_bytes:i  bytes on all hops, headers and repetitions included
        t_send_us:i  tick at which the unit sent it
        t_arrival_us:i?  fine time of arrival (null: not arrived)
        fate:s  delivered, lost, in-flight
        loss:s  why it was lost (docs/models/network.md): queue-full, access, retries, …, none
        delay_us:i?  delivery tick less sending tick: the sum of the parts below
        processing_us:i  in the sending unit's host
        queue_us:i  waiting behind other frames
        access_us:i  waiting for the medium
        air_us:i  on the medium, the transmission that got through
        retry_us:i  transmissions that did not get through, and waits between them
        core_us:i  core network, propagation, forwarding
        tick_us:i  from the fine arrival to the delivery tick
        hops:i  links passed
        attempts:i  transmissions, repetitions counted
        """,
        path="messages.parquet",
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
