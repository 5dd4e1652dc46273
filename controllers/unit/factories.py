"""How the services named in a unit's specification are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from controllers.unit.directory import Directory
from controllers.unit.metering import Metering
from controllers.unit.service import Service, kind_of_service
from fernwatt.errors import Fault, ScenarioError

__all__ = ["ServiceFactory", "find_factory"]

# unit specification, the service's parameters in it, directory
ServiceFactory = Callable[[Mapping[str, Any], Mapping[str, Any], Directory], Service]

_OWN: dict[str, ServiceFactory] = {"metering": Metering.make}


def find_factory(name: str, path: str, version: str = "") -> ServiceFactory:
    """Return the factory of service ``name``: one of ours, or ``controllers.<name>.make_service``.

    An instance, ``balancing:green``, is made by the factory of its kind.
    A ``version`` other than the first is in ``controllers.<name>.VERSIONS``. Raises
    ScenarioError where there is none.
    """
    name = kind_of_service(name)
    if version:
        return _find_version(name, path, version)
    if name in _OWN:
        return _OWN[name]
    module = f"controllers.{name}"
    try:
        factory: ServiceFactory = import_module(module).make_service
    except ModuleNotFoundError as error:
        if error.name not in {module, "controllers"}:
            raise
        hint = f"metering, aggregation, or a package {module} with make_service"
        raise ScenarioError([Fault(path, f"there is no service {name!r}", hint)]) from error
    return factory


def _find_version(name: str, path: str, version: str) -> ServiceFactory:
    try:
        versions: Mapping[str, ServiceFactory] = import_module(f"controllers.{name}").VERSIONS
        return versions[version]
    except (ModuleNotFoundError, AttributeError, KeyError) as error:
        message = f"service {name!r} has no version {version!r}"
        raise ScenarioError([Fault(path, message)]) from error
