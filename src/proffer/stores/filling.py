"""What every store checks before it takes over what another one held."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from proffer.core.errors import Conflict, Corrupt
from proffer.core.events import Event, Quarantined
from proffer.core.ports import ModelVersion, Promotion, Review

T = TypeVar("T")


def check_empty(held: object) -> None:
    """Raise Conflict when a store that is to be filled holds something."""
    if held:
        message = "what is to be filled is not empty"
        raise Conflict(message, field="target", remedy="Choose a workspace that does not exist yet.")


def dense_events(chunks: Iterable[list[Event]]) -> Iterator[list[Event]]:
    """Yield lists of events as they come. Raises Corrupt unless their sequences are 1, 2, 3 and so on."""
    return _dense(chunks, lambda event: event.sequence, "event")


def dense_rows(chunks: Iterable[list[Quarantined]]) -> Iterator[list[Quarantined]]:
    """Yield lists of quarantined rows as they come. Raises Corrupt unless their numbers are 1, 2, 3 and so on."""
    return _dense(chunks, lambda row: row.number, "quarantined row")


def check_listed(versions: Sequence[ModelVersion], promotions: Sequence[Promotion], reviews: Sequence[Review]) -> None:
    """Raise Corrupt when a promotion or a review is of a version that is not among these."""
    listed = {version.id for version in versions}
    named = {one.version for one in promotions if one.version is not None} | {one.version for one in reviews}
    for version in sorted(named - listed):
        message = f"version {version} is promoted or reviewed, but not listed"
        raise Corrupt(message, remedy="Look at the registry it comes from.")


def serving(promotions: Sequence[Promotion]) -> dict[str, Promotion]:
    """Return the promotion with the highest revision of each pipeline."""
    return {one.pipeline: one for one in sorted(promotions, key=lambda one: one.revision)}


def twice() -> Corrupt:
    """Return the error of a log that holds two events with one id."""
    return Corrupt("two events have the same id", remedy="Look at the log they come from.")


def _dense(chunks: Iterable[list[T]], number: Callable[[T], int], what: str) -> Iterator[list[T]]:
    last = 0
    for chunk in chunks:
        for one in chunk:
            last += 1
            if number(one) != last:
                message = f"{what} {last} is missing: {number(one)} comes in its place"
                raise Corrupt(message, remedy="Look at the log it comes from.")
        yield chunk
