"""Columns that a mapping names, and how their values become members of a row."""

from collections.abc import Mapping as Members
from collections.abc import Sequence
from typing import Any

from proffer.app import App
from proffer.core.errors import Invalid
from proffer.engine.imports.convert import Convert, Missing, converter
from proffer.engine.imports.mapping import Mapping, column_of

Taken = tuple[str, str, int, Convert]
"""A member to fill: its name, the name within it (a map's member, else empty), the column's place, the conversion."""


def place_of(name: str, columns: Members[str, int], flag: str) -> int:
    """Return where a column stands. Raises Invalid naming those there are."""
    if name not in columns:
        raise Invalid(f"no column {name!r}", field=flag, remedy=f"The file has {listed(columns)}.")
    return columns[name]


def optional_place(name: str | None, columns: Members[str, int], flag: str) -> int | None:
    """Return where a column stands, None when none is named. Raises Invalid."""
    return None if name is None else place_of(name, columns, flag)


def taken_from(path: str, type: str, text: str, mapping: Mapping, columns: Members[str, int], flag: str) -> Taken:
    """Return how to fill the member `path` of a type from the column that a mapping's text names."""
    name, cut = column_of(text, columns)
    group, _, member = path.partition(".")
    return group, member, place_of(name, columns, flag), converter(type, mapping, cut)


def members_of(taken: Sequence[Taken], values: Sequence[Any], missing: Missing) -> dict[str, Any]:
    """Return the members that have a value in a row. Raises Invalid naming the one that cannot be converted."""
    found: dict[str, Any] = {}
    for group, member, place, convert in taken:
        value = values[place]
        if missing(value):
            continue
        try:
            value = convert(value)
        except Invalid as error:
            raise Invalid(error.message, field=f"fields.{group}", remedy=error.remedy) from None
        if member:
            found.setdefault(group, {})[member] = value
        else:
            found[group] = value
    return found


def facts_of(
    wanted: Members[str, str], app: App, kind: str, mapping: Mapping, columns: Members[str, int], flag: str
) -> tuple[Taken, ...]:
    """Return how to fill attributes of a kind from columns. Raises Invalid for a kind or attribute not declared."""
    if kind not in app.schema.entities:
        remedy = f"Use one of {', '.join(app.schema.entities)}."
        raise Invalid(f"unknown kind {kind[:40]!r}", field="--entities", remedy=remedy)
    types: dict[str, str] = {attribute.name: attribute.type for attribute in app.schema.entities[kind].attributes}
    check_declared(wanted, types.keys() | {"extra"}, flag)
    return tuple(
        taken_from(name, types.get(name, "text"), text, mapping, columns, flag) for name, text in wanted.items()
    )


def check_declared(wanted: Members[str, str], known: Any, flag: str) -> None:
    """Raise Invalid for a name that is not among the known ones; `map.member` counts as `map`."""
    unknown = next((name for name in wanted if name.partition(".")[0] not in known), None)
    if unknown is not None:
        remedy = f"Use {', '.join(sorted(known))}; a member of a map is NAME.MEMBER."
        raise Invalid(f"{unknown[:40]!r} is not declared", field=flag, remedy=remedy)


def listed(columns: Members[str, int]) -> str:
    """Return the names of columns as a message lists them: at most 40."""
    shown = ", ".join(list(columns)[:40])
    return f"{shown} and {len(columns) - 40} more" if len(columns) > 40 else shown
