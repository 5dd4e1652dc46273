"""Maintenance: signed packages at the top, and the service that takes them at every unit."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from controllers.security.certificates import Role
from controllers.unit.catalogue import CATALOGUE, OPERATOR
from controllers.unit.condition import ConditionError, parse
from controllers.update import Check, Kind, Manifest, Publisher, make_body
from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.maintenance import Package

__all__ = ["with_maintenance"]

Spec = dict[str, Any]
_SERVICE = "update"
_ROLES = {"engineer": Role.ENGINEER, "security-administrator": Role.SECADM}


def with_maintenance(config: ScenarioConfig, units: Sequence[Spec]) -> list[Spec]:
    """Return the units with the service ``update`` where there is maintenance.

    Raises ScenarioError for packages that fit no unit.
    """
    wanted = config.units.maintenance
    if wanted is None:
        return list(units)
    faults: list[Fault] = []
    for place, package in enumerate(wanted.packages):
        faults += _faults(package, f"units.maintenance.packages[{place}]", units)
    if faults:
        raise ScenarioError(faults)
    publisher = Publisher(config.seed)
    common = {
        "run": str(config.seed),
        "keys": publisher.public(),
        "parallel": wanted.parallel,
        "boot_ms": round(wanted.boot_s * 1000),
    }
    packages = [
        _made(package, serial, config, publisher)
        for serial, package in enumerate(wanted.packages, 1)
    ]
    return [_with_service(unit, common, packages) for unit in units]


def _with_service(unit: Spec, common: Spec, packages: list[Spec]) -> Spec:
    """Return a unit of the tree with the service; the top has the packages."""
    if not unit.get("parent") and not unit.get("children"):
        return unit
    own = common | ({"packages": packages} if not unit.get("parent") else {})
    return unit | {
        "services": {**unit["services"], _SERVICE: own},
        "stakeholders": {**unit.get("stakeholders", {}), _SERVICE: OPERATOR},
    }


def _made(package: Package, serial: int, config: ScenarioConfig, publisher: Publisher) -> Spec:
    """Return what the top is given of a package."""
    modules = {
        name: change.model_dump(exclude_defaults=True) for name, change in package.modules.items()
    }
    filler = stream(config.seed, "update", f"{serial}\x1f{package.name}")
    body = make_body(modules, package.size_bytes if modules else 0, filler)
    manifest = Manifest(
        name=package.name,
        serial=serial,
        kind=Kind(package.kind),
        targets=tuple(package.units),
        keep=package.keep,
        size=len(body),
        block=config.units.maintenance.block_bytes if config.units.maintenance else len(body),
        digest=sha256(body).digest(),
        trial_ms=round(package.trial_s * 1000),
        checks=tuple(Check(check.variable, check.condition) for check in package.checks),
    )
    signer = publisher
    if package.signed_by == "stranger":  # with keys of his own, which nobody knows
        signer = Publisher(config.seed, "stranger")
    signed = signer.sign(manifest, _ROLES.get(package.signed_by))
    if package.altered:
        body = bytes([body[0], *body[1:-1], body[-1] ^ 1])
    return {
        "at_ms": round(package.at_h * HOUR_MS),
        "signed_b64": b64encode(signed).decode(),
        "body_b64": b64encode(body).decode(),
    }


def _faults(package: Package, path: str, units: Sequence[Spec]) -> list[Fault]:
    """Return what is wrong with a package."""
    faults = []
    names = [unit["id"] for unit in units]
    for place, pattern in enumerate(package.units):
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = nearest(pattern, names)
            faults.append(Fault(f"{path}.units[{place}]", f"no unit {pattern}", hint))
    meant = [
        unit for unit in units if any(fnmatchcase(unit["id"], pattern) for pattern in package.units)
    ]
    known = {name for unit in meant for name in unit["services"]}
    for name in package.modules:
        if name not in known:
            hint = nearest(name, known) if known else "they have none"
            message = f"none of the units has the service {name}"
            faults.append(Fault(f"{path}.modules.{name}", message, hint))
    return faults + _check_faults(package, path, [variable.name for variable in CATALOGUE])


def _check_faults(package: Package, path: str, variables: Collection[str]) -> list[Fault]:
    faults = []
    for place, check in enumerate(package.checks):
        where = f"{path}.checks[{place}]"
        if check.variable not in variables:
            hint = nearest(check.variable, variables)
            faults.append(Fault(f"{where}.variable", f"no variable {check.variable}", hint))
        try:
            parse(check.condition)
        except ConditionError as error:
            faults.append(Fault(f"{where}.condition", str(error)))
    if package.kind == "reset" and (package.modules or package.checks):
        faults.append(Fault(path, "a reset changes no modules and is not on trial"))
    elif package.kind != "reset" and not package.modules:
        faults.append(Fault(f"{path}.modules", "it changes nothing"))
    return faults
