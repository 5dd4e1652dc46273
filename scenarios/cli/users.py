"""``fernwatt users``: accounts of a scenario, listed, added, revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fernwatt.errors import Fault, ScenarioError
from scenarios.cli.options import AsJson, Quiet, ScenarioSource
from scenarios.cli.screen import note, write_json

__all__ = ["users_app"]

users_app = typer.Typer(
    help="Accounts of persons in a scenario: list, add, revoke.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The person.")]
OwnFile = Annotated[Path, typer.Argument(help="The scenario's file, which is changed.")]


@users_app.command("list")
def list_users(scenario: ScenarioSource, as_json: AsJson = False) -> None:
    """List the accounts of a scenario: name, role, for whom, where, until when."""
    from scenarios.loader import load

    users = load(scenario).config.units.users
    accounts = [] if users is None else users.accounts
    revoked = {} if users is None else {one.name: one.at_h for one in users.revoked}
    rows = [account.model_dump() | {"revoked_h": revoked.get(account.name)} for account in accounts]
    if as_json:
        write_json(rows)
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        where = ", ".join(row["units"])
        until = "" if row["until_h"] is None else f", until {row['until_h']:g} h"
        gone = "" if row["revoked_h"] is None else f", revoked at {row['revoked_h']:g} h"
        line = f"{row['name'].ljust(width)}  {row['role']:<9}  for {row['stakeholder']}  at {where}"
        typer.echo(line + until + gone)


@users_app.command("add")
def add(
    scenario: OwnFile,
    name: Name,
    *,
    role: Annotated[str, typer.Option(help="Role of IEC 62351-8.")] = "VIEWER",
    stakeholder: Annotated[str, typer.Option(help="For whom the person acts.")] = "operator",
    at: Annotated[list[str] | None, typer.Option(help="Units; * stands for anything.")] = None,
    until_h: Annotated[float | None, typer.Option(help="When it ends [h].")] = None,
    quiet: Quiet = False,
) -> None:
    """Add an account to a scenario's file; the rest of the file stays as it is.

    Examples:
      fernwatt users add mine.yaml anna --role ENGINEER --at 'lvgmu/*'
    """
    account: dict[str, Any] = {"name": name, "role": role, "stakeholder": stakeholder}
    account["units"] = at or ["*"]
    if until_h is not None:
        account["until_h"] = until_h
    _change(scenario, "accounts", account)
    note(f"{name} has an account in {scenario}", quiet=quiet)


@users_app.command("revoke")
def revoke(
    scenario: OwnFile,
    name: Name,
    *,
    at_h: Annotated[float, typer.Option(help="When, after the start of the run [h].")] = 0.0,
    quiet: Quiet = False,
) -> None:
    """Revoke an account in a scenario's file."""
    from scenarios.loader import load

    users = load(str(scenario)).config.units.users
    names = [] if users is None else [account.name for account in users.accounts]
    if name not in names:
        from scenarios.faults import nearest

        hint = nearest(name, names)
        raise ScenarioError([Fault("units.users.accounts", f"no account of {name}", hint)])
    _change(scenario, "revoked", {"name": name, "at_h": at_h})
    note(f"the account of {name} is revoked in {scenario}", quiet=quiet)


def _change(path: Path, part: str, entry: dict[str, Any]) -> None:
    """Append an entry to a list of ``units.users``; written only if the whole stays valid."""
    from ruamel.yaml import YAML

    from scenarios.loader import load

    load(str(path))  # what is not valid before is not to be changed
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(path.read_text("utf-8"))
    users = tree.setdefault("units", {}).setdefault("users", {})
    users.setdefault(part, []).append(entry)
    trial = path.with_name(f".{path.name}.trial")
    try:
        with trial.open("w", encoding="utf-8", newline="\n") as file:
            yaml.dump(tree, file)
        load(str(trial))
        trial.replace(path)
    finally:
        trial.unlink(missing_ok=True)
