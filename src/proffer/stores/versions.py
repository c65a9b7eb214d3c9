"""The version of a workspace's tables, and the steps from one to the next; alike for every database."""

from collections.abc import Mapping

from proffer.core.errors import CannotStart

VERSION = 2
"""The version of the tables that this code reads and writes: 1 is that of the first workspaces, all in SQLite."""


def check_version(found: int, where: str, name: str) -> None:
    """Raise CannotStart, telling what to do, unless the tables at a place are of this code's version.

    `name` is the workspace's, as the commands take it.
    """
    if found > VERSION:
        message = f"{where} has tables of version {found}, this Proffer knows versions up to {VERSION}"
        raise CannotStart(message, field="workspace", remedy="Start the newer Proffer that wrote it.")
    if found < VERSION:
        message = f"{where} has tables of version {found}, this Proffer needs version {VERSION}"
        remedy = f"Stop what uses the workspace, keep a copy of it, then run: proffer migrate {name}"
        raise CannotStart(message, field="workspace", remedy=remedy)


def steps_after(found: int, steps: Mapping[int, str]) -> list[tuple[int, str]]:
    """Return the steps that lead on from a version, in order."""
    return sorted((number, sql) for number, sql in steps.items() if number > found)
