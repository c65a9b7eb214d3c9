"""Which columns of a file mean what."""

import tomllib
from collections.abc import Mapping as Members
from pathlib import Path
from typing import Any, Literal

import msgspec

from proffer.core.errors import Invalid, Malformed, NotFound

BELOW = "below"


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the columns of a file mean; members left out are guessed, and `--map FILE` takes it as JSON or TOML.

    Events: `actor`, `target`, `type`, `time`, `id` and `query` name columns. `types` translates values of the type
    column; `fixed_type` is the type of every row; `rating` is a numeric column and `grades` its event types by lowest
    value: {"4": "like", "2.5": "view", "below": "hide"}. `fields` maps a field of the event (or `context.NAME`),
    `actor_attributes` and `target_attributes` an attribute of the entity, to a column.
    Entities: `entities` is their kind, `id` the column of their ids, `attributes` maps attributes to columns.
    A list is cut at the character after the column's name: {"tags": "genres:|"}.
    `at` is the time of every row of a file without a time column. `ids` is `content` (identical rows are one) or
    `row` (identical rows are separate). `missing` lists texts that mean no value.
    """

    entities: str | None = None
    actor: str | None = None
    target: str | None = None
    target_kind: str | None = None
    type: str | None = None
    types: dict[str, str] = {}
    fixed_type: str | None = None
    rating: str | None = None
    grades: dict[str, str] = {}
    time: str | None = None
    time_unit: Literal["s", "ms", "us"] | None = None
    time_zone: str | None = None
    time_format: str | None = None
    at: str | None = None
    id: str | None = None
    ids: Literal["content", "row"] = "content"
    query: str | None = None
    fields: dict[str, str] = {}
    actor_attributes: dict[str, str] = {}
    target_attributes: dict[str, str] = {}
    attributes: dict[str, str] = {}
    decimal: Literal[".", ","] = "."
    missing: list[str] = []
    outcome: str | None = None
    wire: bool = False


def read_mapping(values: Members[str, Any]) -> Mapping:
    """Return a mapping after checking its members. Raises Invalid.

    >>> read_mapping({"actor": "userId", "fixed_type": "view"}).actor
    'userId'
    """
    try:
        return msgspec.convert(values, Mapping)
    except msgspec.ValidationError as error:
        remedy = "See `proffer import --help` for its members."
        raise Invalid(str(error), field="mapping", remedy=remedy) from None


def load_mapping(path: Path) -> dict[str, Any]:
    """Return the members in a mapping file, JSON or TOML. Raises NotFound, Malformed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        raise NotFound(f"no mapping file {path}", field="--map", remedy="Check the path.") from None
    except UnicodeDecodeError:
        raise Malformed(f"{path.name} is not UTF-8 text", field="--map", remedy="Save it as UTF-8.") from None
    try:
        found = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        remedy = f"Mend it: {str(error)[:200]}."
        raise Malformed(f"{path.name} is neither JSON nor TOML", field="--map", remedy=remedy) from None
    if not isinstance(found, dict):
        raise Malformed(f"{path.name} holds no object", field="--map", remedy="See `proffer import --show-map`.")
    return found


def show_mapping(mapping: Mapping) -> dict[str, Any]:
    """Return the members that are set, as a mapping file has them."""
    shown: dict[str, Any] = msgspec.to_builtins(mapping)
    return shown


def column_of(text: str, columns: Members[str, int]) -> tuple[str, str]:
    """Return the column a mapping's text names, and the character that cuts lists.

    >>> column_of("genres:|", {"genres": 0}), column_of("a:b", {"a:b": 0})
    (('genres', '|'), ('a:b', ''))
    """
    name, colon, cut = text.rpartition(":")
    if colon and cut and text not in columns:
        return name, cut
    return text, ""
