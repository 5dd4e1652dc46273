"""The machine of ``test_machine`` at length: every rule often, and every seeded fault found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from controllers.unit import Result
from controllers.unit.answers import Answers
from controllers.unit.notes import MemoryNotebook
from controllers.unit.policy import AccessControl
from controllers.unit.publisher import Publisher
from controllers.unit.requests import RequestProcessor
from controllers.unit.subscriptions import Subscription, Subscriptions
from tests.controllers.unit.test_machine import DataInterfaceMachine

RULES = [
    "the_network_doubles", "the_instrument_reads", "the_owner_writes", "the_operator_writes",
    "somebody_asks", "somebody_subscribes", "somebody_unsubscribes",
    "the_meter_is_killed_and_begins_anew", "the_unit_between_is_killed_and_begins_anew",
    "time_passes",
]  # fmt: skip
LONG = settings(
    max_examples=600,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
def test_ten_thousand_steps_in_which_every_rule_is_reached_a_hundred_times() -> None:
    steps: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(DataInterfaceMachine, name)

        def step(self: Any, **arguments: Any) -> Any:
            steps[name] += 1
            return original(self, **arguments)

        for key, value in vars(original).items():
            setattr(step, key, value)
        return step

    class Counted(DataInterfaceMachine):
        pass

    for name in RULES:
        rule = getattr(DataInterfaceMachine, name)
        marks = {key: value for key, value in vars(rule).items() if "rule" in key}
        (mark,) = marks
        step = counted(name)
        setattr(step, mark, replace(marks[mark], function=step))
        setattr(Counted, name, step)
    run_state_machine_as_test(Counted, settings=LONG)  # type: ignore[no-untyped-call]
    assert sum(steps.values()) >= 10_000, steps
    assert min(steps[name] for name in RULES) >= 100, steps


def without_policy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AccessControl, "decide", lambda *_, **__: Result.OK)


def notified_twice(patch: pytest.MonkeyPatch) -> None:
    put = Publisher._put

    def twice(self: Publisher, subscription: Subscription, notify: Any, brought: str) -> None:
        put(self, subscription, replace(notify), brought)
        put(self, subscription, notify, brought)

    patch.setattr(Publisher, "_put", twice)


def forgets(collection: str) -> Callable[[pytest.MonkeyPatch], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        items = MemoryNotebook.items
        patch.setattr(
            MemoryNotebook,
            "items",
            lambda self, name: {} if name == collection else items(self, name),
        )

    apply.__name__ = f"forgets_{collection}_over_a_restart"
    return apply


def latest_policy_for_old_instances(patch: pytest.MonkeyPatch) -> None:
    query = RequestProcessor._query

    def wrong(self: Any, request: Any, variable: Any, owner: str, flow: str, t_ms: int) -> Any:
        policy = self._policies.current(variable.name, owner, variable.policy)
        result = self.access.decide((policy,), 1, variable.name, owner, by=request, t_ms=t_ms)
        outcome = query(self, request, variable, owner, flow, t_ms)
        outcome.notify.result = result if result is not Result.OK else outcome.notify.result
        return outcome

    patch.setattr(RequestProcessor, "_query", wrong)


def repeated_requests_are_executed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answers, "__contains__", lambda *_: False)


def conditions_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscription, "condition", None)


def unsubscribing_does_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscriptions, "remove", lambda *_: None)


def the_delay_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    decide = AccessControl.decide

    def hasty(self: AccessControl, *arguments: Any, **named: Any) -> Result:
        self._last.clear()
        return decide(self, *arguments, **named)

    patch.setattr(AccessControl, "decide", hasty)


def the_newest_is_lost(patch: pytest.MonkeyPatch) -> None:
    from controllers.unit.store import MemoryStore

    append, count = MemoryStore.append, [0]

    def lossy(self: MemoryStore, instance: Any, retention_ms: int) -> None:
        count[0] += 1
        if count[0] % 5:
            append(self, instance, retention_ms)

    patch.setattr(MemoryStore, "append", lossy)


MUTANTS = [
    without_policy,
    notified_twice,
    forgets("subscriptions"),
    forgets("rates"),
    forgets("policies"),
    latest_policy_for_old_instances,
    repeated_requests_are_executed_again,
    conditions_are_ignored,
    unsubscribing_does_nothing,
    the_delay_is_not_kept,
    the_newest_is_lost,
]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_seeded_fault_is_found(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    quick = settings(LONG, max_examples=4000, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):  # the model's, not an accident of the fault itself
        run_state_machine_as_test(DataInterfaceMachine, settings=quick)  # type: ignore[no-untyped-call]
