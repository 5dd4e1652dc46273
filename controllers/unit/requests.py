"""The request processor: every request, local or remote, passes here.

verify → authorise → rate → execute → audit. It calls nobody: the outcome and the instance that
a write made are returned, and the unit sends and hands on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controllers.security.audit import Entry
from controllers.unit.auditing import AuditLog
from controllers.unit.catalogue import Catalogue, Variable
from controllers.unit.condition import ConditionError, parse
from controllers.unit.contracts import Terms, is_outside
from controllers.unit.copies import travelling
from controllers.unit.directory import Directory
from controllers.unit.functions import FunctionError, is_function, reduce_values
from controllers.unit.kernelvariables import AUDIT_LOG, TRANSIT
from controllers.unit.notes import Notebook
from controllers.unit.policy import (
    READ,
    READ_WRITE,
    WRITE,
    AccessControl,
    Accessor,
    Policy,
    PolicyBook,
)
from controllers.unit.privatevariables import ACCESS_POLICY
from controllers.unit.service import Result
from controllers.unit.store import Instance, Store
from controllers.unit.subscriptions import Subscription, Subscriptions
from controllers.unit.transit import Transit
from controllers.unit.variable import AUTHORS
from controllers.unit.wire import Notify, Operation, Request

__all__ = ["Outcome", "RequestProcessor", "check", "refusal"]

_MAX_PERIOD_MS = 1 << 40
_ON_SUBSCRIPTIONS = (Operation.UNSUBSCRIBE, Operation.ACKNOWLEDGE)


@dataclass(slots=True)
class Outcome:
    """What a request led to: the answer, and what else the unit has to see to."""

    notify: Notify
    instance: Instance | None = None
    written: bool = False
    subscription: Subscription | None = None
    replaced: Subscription | None = None
    acknowledged: Subscription | None = None
    conflict: bool = False


def check(request: Request) -> Result:
    """Return MALFORMED for what no unit could execute, else OK."""
    try:
        parse(request.condition)
        if request.policy is not None:
            Policy.from_plain(request.policy)
    except (ConditionError, ValueError):
        return Result.MALFORMED
    operation = request.operation
    if operation is Operation.QUERY and not is_function(request.function):
        return Result.MALFORMED
    if operation is Operation.PERIODIC and not 0 < request.period_ms < _MAX_PERIOD_MS:
        return Result.MALFORMED
    return Result.OK


class RequestProcessor:
    """Executes requests on one unit's data."""

    __slots__ = (
        "_catalogue",
        "_directory",
        "_operations",
        "_policies",
        "_store",
        "_terms",
        "_unit",
        "access",
        "audit",
        "log",
        "subscriptions",
    )

    def __init__(
        self,
        unit: str,
        *,
        catalogue: Catalogue,
        directory: Directory,
        store: Store,
        policies: PolicyBook,
        notes: Notebook,
        log: AuditLog,
        terms: Terms,
    ) -> None:
        self.log, self._terms = log, terms
        self._unit, self._catalogue, self._directory = unit, catalogue, directory
        self._store, self._policies = store, policies
        self.access = AccessControl(notes)
        self.subscriptions = Subscriptions(notes)
        self.audit: Counter[tuple[int, Result]] = Counter()
        self._operations: dict[Operation, Callable[[Request, Variable, str, str, int], Outcome]] = {
            Operation.WRITE: self._write,
            Operation.QUERY: self._query,
            Operation.EVENT: self._subscribe,
            Operation.PERIODIC: self._subscribe,
        }

    def execute(self, request: Request, flow: str, t_ms: int) -> Outcome:
        """Return the outcome of ``request`` at the unit's time ``t_ms``."""
        outcome = self._execute(request, flow, t_ms)
        result = outcome.notify.result
        self.audit[request.operation, result] += 1
        if result is not Result.OK:
            right = WRITE if request.operation is Operation.WRITE else READ
            outcome.conflict = self.breaks(request.variable, right, request, result, t_ms)
            if outcome.conflict:
                outcome.notify.value = {"conflict": "contract"}
        if self.log.wants(result):
            owner = self._directory.owner(self._unit, request.variable)
            self._note(request.operation.label, request.id, request.variable, owner,
                       by=request, result=result, t_ms=t_ms)  # fmt: skip
        return outcome

    def breaks(self, variable: str, right: int, by: Accessor, result: Result, t_ms: int) -> bool:
        """Tell whether a contract grants an access that was refused."""
        if not self._terms.contracts:
            return False
        owner = self._directory.owner(self._unit, variable)
        since_ms = self.access.since(right, variable, owner, by=by, t_ms=t_ms)
        return self._terms.contracts.broken(variable, right, by, result, since_ms)

    def _note(
        self,
        operation: str,
        request: str,
        variable: str,
        owner: str,
        *,
        by: Accessor,
        result: Result,
        t_ms: int,
    ) -> None:
        self.log.add(
            Entry(
                t_ms, request, by.stakeholder, by.service, operation, variable, owner, result.label
            )
        )

    def pass_on(self, transit: Transit, t_ms: int) -> Result:
        """Decide whether somebody else's request may pass this unit: OK, DENIED or RATE.

        The unit's owner says so in the policy of ``transit``; a write passes by the right to write.
        """
        variable = self._catalogue.get(TRANSIT)
        if variable is None:
            return Result.DENIED
        owner = self._directory.owner(self._unit, TRANSIT)
        policy = self._policies.current(TRANSIT, owner, variable.policy)
        operation = transit.operation
        right = READ_WRITE  # of an operation that only newer units have
        if isinstance(operation, Operation):
            right = WRITE if operation is Operation.WRITE else READ
        result = self.access.decide((policy,), right, TRANSIT, owner, by=transit, t_ms=t_ms)
        self.audit[operation, result] += 1
        if self.log.wants(result):
            label = operation.label if isinstance(operation, Operation) else str(operation)
            self._note(f"pass {label}", transit.request, TRANSIT, owner,
                       by=transit, result=result, t_ms=t_ms)  # fmt: skip
        return result

    def record(self, identifier: str, variable: Variable, value: object, t_ms: int) -> Instance:
        """Write a reading of the unit's own instrument; it is the owner's by nature."""
        owner = self._directory.owner(self._unit, variable.name)
        policy = self._policies.current(variable.name, owner, variable.policy)
        instance = Instance(identifier, variable.name, value, t_ms, self._unit, owner, policy)
        self._store.append(instance, variable.retention_ms)
        return instance

    def release(self, subscription: Subscription, instance: Instance, t_ms: int) -> Result:
        """Decide whether ``instance`` may go to a subscriber now: OK, DENIED or RATE."""
        variable, owner = instance.variable, instance.owner
        policies = (instance.policy, *self._also(variable, owner, subscription.unit))
        result = self.access.decide(policies, READ, variable, owner, by=subscription, t_ms=t_ms)
        if self.log.wants(result):
            self._note(
                "notify",
                subscription.id,
                variable,
                owner,
                by=subscription,
                result=result,
                t_ms=t_ms,
            )
        return result

    def find(self, subscription: Subscription, identifier: str) -> Instance | None:
        """Return the instance of that name of a subscription's series, None where it is gone."""
        kept = self._store.series(subscription.variable, subscription.owner, self._unit)
        return next((one for one in kept if one.id == identifier), None)

    def newest(self, variable: str, owner: str) -> Instance | None:
        """Return the newest instance of a series, None where there is none."""
        return self._store.newest(variable, owner, self._unit)

    # -- the stages --------------------------------------------------------------------------

    def _execute(self, request: Request, flow: str, t_ms: int) -> Outcome:
        if request.location != self._unit and not self._is_of_copy(request):
            return refusal(request, Result.UNKNOWN_LOCATION)
        if request.operation in _ON_SUBSCRIPTIONS:
            return self._on_subscription(request)
        variable = self._catalogue.get(request.variable)
        if variable is None:
            return refusal(request, Result.UNKNOWN_VARIABLE)
        if check(request) is not Result.OK:
            return refusal(request, Result.MALFORMED)
        owner = self._directory.owner(request.location, variable.name)
        return self._operations[request.operation](request, variable, owner, flow, t_ms)

    def _also(self, variable: str, owner: str, source: str) -> tuple[Policy, ...]:
        """Return what must grant an access from outside besides the policy: a contract.

        Where nothing is agreed upon, that is the variable's usual policy.
        """
        if not self._terms.shut or not is_outside(self._directory, self._unit, source, owner):
            return ()
        declared = self._catalogue.get(variable)
        usual = Policy.of(()) if declared is None else declared.policy
        return (self._terms.contracts.of(variable) or usual,)

    def _is_of_copy(self, request: Request) -> bool:
        """Tell whether a request may be for a copy of another unit's data."""
        return (
            request.operation is Operation.QUERY
            and request.variable in self._terms.copies
            and request.location in self._directory
        )

    def _write(
        self, request: Request, variable: Variable, owner: str, _flow: str, t_ms: int
    ) -> Outcome:
        name = variable.name
        if variable.only and (request.source, request.service) != (self._unit, variable.only):
            return refusal(request, Result.DENIED)
        policy = self._policies.current(name, owner, variable.policy)
        policies = (policy, *self._also(name, owner, request.source))
        answered = owner
        result = self.access.decide(policies, WRITE, name, owner, by=request, t_ms=t_ms)
        if result is not Result.OK:
            return refusal(request, result)
        if not variable.takes(request.value):
            return refusal(request, Result.MALFORMED)
        if name == ACCESS_POLICY and not self._put_in_force(request.value, owner):
            return refusal(request, Result.MALFORMED)
        if variable.authored:  # who may write, the unit says; who may read it, its author
            owner = request.stakeholder
            policy = self._policies.current(name, owner, policy)
        if request.policy is not None and request.stakeholder == owner:
            policy = Policy.from_plain(request.policy)
            self._policies.set(name, owner, policy)
        instance = Instance(request.id, name, request.value, t_ms, self._unit, owner, policy)
        self._store.append(instance, variable.retention_ms)
        # the writer knows what it wrote: the answer does not carry it back
        return Outcome(_answer(request, Result.OK, answered), instance, written=True)

    def _put_in_force(self, value: Any, owner: str) -> bool:
        """Have an owner's policy hold for what is written of a variable from now on."""
        variable = None if value is None else self._catalogue.get(value.get("variable", ""))
        if variable is None:
            return False
        whose = AUTHORS if variable.authored else owner
        if self._directory.owner(self._unit, variable.name) != whose:
            return False
        try:
            policy = Policy.from_plain(value.get("grants"))
        except ValueError:
            return False
        self._policies.set(variable.name, whose, policy)
        return True

    def _query(
        self, request: Request, variable: Variable, owner: str, _flow: str, t_ms: int
    ) -> Outcome:
        if variable.authored:  # of those only the caller's own
            owner = request.stakeholder
        if request.function == "last" and not request.condition:
            newest = self._newest(variable, owner, request.location)
            chosen = [newest] if newest is not None else []
        else:
            holds = parse(request.condition)
            kept = self._series(variable, owner, request.location)
            chosen = [one for one in kept if holds is None or holds(one)]
        # every instance that takes part must be open to the caller: a sum is no way round
        policies = {id(one.policy): one.policy for one in chosen} or {
            0: self._policies.current(variable.name, owner, variable.policy)
        }
        also = self._also(variable.name, owner, request.source)
        result = self.access.decide(
            (*policies.values(), *also), READ, variable.name, owner, by=request, t_ms=t_ms
        )
        if result is not Result.OK:
            return refusal(request, result)
        if len(chosen) == 1 and request.function in {"last", "first"}:
            answer = _of_instance(request, chosen[0])
            answer.policy = travelling(chosen[0].policy, variable)
            return Outcome(answer, chosen[0])
        return self._reduce(request, chosen, owner)

    def _newest(self, variable: Variable, owner: str, location: str) -> Instance | None:
        if variable.name == AUDIT_LOG:
            return next(reversed(list(self._series(variable, owner, location))), None)
        return self._store.newest(variable.name, owner, location)

    def _series(self, variable: Variable, owner: str, location: str) -> Iterable[Instance]:
        if variable.name == AUDIT_LOG:
            return self._logged(variable, owner)
        return self._store.series(variable.name, owner, location)

    def _logged(self, variable: Variable, owner: str) -> Iterable[Instance]:
        """Return the audit log as instances: it is the one variable that nobody writes."""
        policy = self._policies.current(variable.name, owner, variable.policy)

        def like(value: dict[str, object], t_ms: int) -> Instance:
            name = f"{self._unit}/{variable.name}/{value['first']}"
            return Instance(name, variable.name, value, t_ms, self._unit, owner, policy)

        return self.log.instances(like)

    @staticmethod
    def _reduce(request: Request, chosen: list[Instance], owner: str) -> Outcome:
        times, values = [one.t_ms for one in chosen], [one.value for one in chosen]
        try:
            reduced = reduce_values(request.function, times, values)
        except FunctionError:
            return refusal(request, Result.MALFORMED)
        if reduced is None:
            return refusal(request, Result.NO_DATA)
        value, at_ms = reduced
        return Outcome(
            Notify(request.id, Result.OK, request.variable, request.location, owner, value, at_ms)
        )

    def _subscribe(
        self, request: Request, variable: Variable, owner: str, flow: str, t_ms: int
    ) -> Outcome:
        policy = self._policies.current(variable.name, owner, variable.policy)
        policies = (policy, *self._also(variable.name, owner, request.source))
        needed = READ
        if variable.authored and not policy.allows(READ, request.stakeholder, request.service):
            needed = WRITE  # who takes part gets what authors let him read
        allowed = all(one.allows(needed, request.stakeholder, request.service) for one in policies)
        if not (allowed or request.stakeholder == owner):
            return refusal(request, Result.DENIED)
        subscription = Subscription(
            request.id,
            request.operation,
            variable.name,
            owner,
            request.source,
            request.service,
            request.stakeholder,
            flow,
            request.condition.strip(),
            request.period_ms,
            reliable=request.reliable,
        )
        if self.subscriptions.is_late(subscription):
            return refusal(request, Result.UNKNOWN_SUBSCRIPTION)  # a later one is in its place
        if request.reliable:
            subscription.serial = subscription.reserved = max(0, t_ms)
        replaced = self.subscriptions.add(subscription)
        notify = _answer(request, Result.REPLACED if replaced else Result.OK, owner)
        return Outcome(notify, subscription=subscription, replaced=replaced)

    def _on_subscription(self, request: Request) -> Outcome:
        """End a subscription of the caller's own, or take what it has got of it."""
        subscription = self.subscriptions.owned(request)
        if subscription is None:
            return refusal(request, Result.UNKNOWN_SUBSCRIPTION)
        request.variable = subscription.variable
        outcome = Outcome(_answer(request, Result.OK, subscription.owner))
        if request.operation is Operation.UNSUBSCRIBE:
            self.subscriptions.remove(subscription)
        else:
            outcome.acknowledged = subscription
        return outcome


def _answer(request: Request, result: Result, owner: str) -> Notify:
    return Notify(request.id, result, request.variable, request.location, owner, None, -1)


def refusal(request: Request, result: Result) -> Outcome:
    """Return the outcome of a request that was not executed."""
    return Outcome(_answer(request, result, ""))


def _of_instance(request: Request, instance: Instance) -> Notify:
    return Notify(
        request.id,
        Result.OK,
        instance.variable,
        instance.location,
        instance.owner,
        instance.value,
        instance.t_ms,
    )
