"""Erasing: an entity leaves the log, the state, snapshots, decisions, jobs and quarantine, and the disk below them.

The log comes first and in one transaction, with a note that names pseudonyms alone; everything after it can be done
again from that note. So an erasure that was cut off anywhere is ended by asking for it again.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from proffer.core.clock import first_id
from proffer.core.decisions import Decision
from proffer.core.entities import EntityRef, stable_key
from proffer.core.errors import Busy, Conflict, Corrupt, Invalid, NotFound
from proffer.core.events import ENTITY_MERGE, Event
from proffer.core.jobs import Job
from proffer.engine import erasures, skew
from proffer.engine.erasing import Eraser

if TYPE_CHECKING:
    from proffer.engine.engine import Engine
    from proffer.engine.live import Live

PAGE = 1_000
WAIT_SECONDS = 600.0
PASSES = 20
CLOCKS = timedelta(minutes=10)
logger = logging.getLogger("proffer.privacy")


class Erased(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an erasure found and what became of it.

    `names` counts the ids (the entities' own and those of visitors merged into them), `events`, `quarantined`,
    `decisions`, `changed_decisions` and `jobs` what was replaced, blanked, removed or changed. `mentions` counts texts
    of others in which an id still stands among other words. `sequence` is the place of the note in the log,
    `pseudonyms` stand for the entities in notes and logs, `again` says whether one had been erased before; `unknown`
    are ids of which nothing was found.
    """

    kind: str
    pseudonyms: tuple[str, ...]
    sequence: int
    at: datetime
    names: int = 0
    events: int = 0
    quarantined: int = 0
    decisions: int = 0
    changed_decisions: int = 0
    jobs: int = 0
    mentions: int = 0
    again: bool = False
    unknown: tuple[str, ...] = ()


def erase_entities(
    engine: "Engine", refs: Sequence[EntityRef], *, texts: bool = False, at: datetime | None = None
) -> Erased:
    """Erase entities of one kind for good and return what was found of them.

    With `texts` the ids are also blanked where they stand among other words in texts of others. `at` is the time of
    the erasure, where it was done before and is done again after a restore. Raises Invalid for an unknown kind,
    NotFound where nothing is known of any, Conflict under another pseudonym key than before, Busy.
    """
    kinds = engine.app.schema.entities
    if not refs or len({ref.kind for ref in refs}) > 1 or refs[0].kind not in kinds:
        raise Invalid("not entities of one kind", field="kind", remedy=f"Use one of {', '.join(kinds)}.")
    if not engine.stores.writable:
        raise Invalid("the workspace was opened for reading only", field="workspace", remedy="Open it for writing.")
    if not engine.erasing.acquire(timeout=WAIT_SECONDS):
        raise Busy("another erasure goes on", field="id", remedy="Ask again when it has ended.")
    try:
        check_key(engine)
        erased = _erased(engine, refs, texts, at or engine.clock.now())
        if engine.stores.root is not None:
            erasures.write(engine.stores.root, erasures.notes(engine.stores.log))
        return erased
    finally:
        engine.erasing.release()


def check_key(engine: "Engine") -> None:
    """Raise Conflict where the log's notes were made under a pseudonym key that is not here."""
    for note in erasures.notes(engine.stores.log):
        if note.fields.get("key") not in engine.pseudonyms.marks:
            message = "somebody was erased under a pseudonym key that is not here"
            remedy = "Put back the workspace's pseudonym.key, or set PROFFER_PSEUDONYM_KEY."
            raise Conflict(message, field="pseudonym.key", remedy=remedy)


def _erased(engine: "Engine", asked: Sequence[EntityRef], texts: bool, at: datetime) -> Erased:
    """Erase entities from the log, and with the state that follows from it also from decisions and jobs."""
    log, names, app = engine.stores.log, engine.pseudonyms, engine.app
    engine.known_erased.follow()
    refs, kind = named(log.scan(types=[ENTITY_MERGE]), asked), asked[0].kind
    tokens = {}
    if kind != app.subject or kind == app.item:
        tokens = {ref: EntityRef(kind, engine.ids.new("erased")) for ref in refs}
    eraser = Eraser(refs, tokens, app.schema, names, subject=app.subject, item=app.item, texts=texts)
    before = {ref for ref in refs if engine.known_erased.erased(ref)}
    decided = {ref: set(_decided(engine, ref)) for ref in refs}
    eraser.met |= {ref for ref in refs if ref in before or decided[ref]}
    events, rows, sequence = _from_log(engine, eraser, at)
    # The state that served until now may have named it in a decision: first another one serves.
    engine.catch_up()
    engine.rebuild()
    stable_key.cache_clear()
    jobs = _from_jobs(engine, eraser)
    gone, changed = sweep(engine, eraser)
    # Another process may have removed some of them already, when it read the note.
    gone |= {id for ids in decided.values() for id in ids}
    if engine.stores.root is not None:
        _from_watch(engine.stores.root, eraser, gone)
    logger.info("erased %s %s of %s", kind, ", ".join(map(names.of, asked)), engine.workspace)
    return Erased(
        kind=kind, pseudonyms=tuple(map(names.of, asked)), sequence=sequence, at=at, names=len(refs), events=events,
        quarantined=rows, decisions=len(gone), changed_decisions=changed, jobs=jobs, mentions=eraser.mentioned,
        again=bool(before), unknown=tuple(ref.id for ref in asked if ref not in eraser.met),
    )  # fmt: skip


def named(merges: Iterable[list[Event]], asked: Sequence[EntityRef]) -> list[EntityRef]:
    """Return entities and every other that was merged with one of them, themselves first."""
    pairs = [(event.actor, event.target) for chunk in merges for event in chunk if event.target is not None]
    found = dict.fromkeys(asked)
    while new := [one for pair in pairs if not found.keys().isdisjoint(pair) for one in pair if one not in found]:
        found |= dict.fromkeys(new)
    return list(found)


def _from_log(engine: "Engine", eraser: Eraser, at: datetime) -> tuple[int, int, int]:
    """Rewrite the log until nothing in it names the entities; return the events and rows, and where the note is.

    Where they were erased before, the log is rewritten all the same: that may have been cut off before the disk let go
    of what stood there. Raises NotFound where nothing is known of any.
    """
    log, position, sequence = engine.stores.log, 0, 0
    events = rows = 0
    for _ in range(PASSES):
        before = log.last()
        position, changed, blank = _look(engine, eraser, position)
        if sequence and not changed and not blank:
            return events, rows, sequence
        if not (eraser.met or changed or blank):
            raise NotFound("nothing is known of it", field="id", remedy="Look at its kind and id.")
        sequence = log.rewrite(changed, blank, _note(engine, eraser, at, len(changed), len(blank)))
        events, rows = events + len(changed), rows + len(blank)
        _mend(engine, changed, before, sequence)
    raise Busy("events of it keep coming in", field="id", remedy="Stop sending them, then ask again.")


def _look(engine: "Engine", eraser: Eraser, position: int) -> tuple[int, list[Event], list[int]]:
    """Return how far the log was read, what stands in the places of its events, and quarantined rows to blank."""
    changed, blank, repaired, number = [], [], set(), 0
    for chunk in engine.stores.log.scan(position):
        position = chunk[-1].sequence
        for event in chunk:
            if (new := eraser.event(event)) is not None:
                changed.append(_free(engine, new))
                repaired.add(event.id)
    while page := engine.stores.log.quarantined(after=number, limit=PAGE, open_only=False):
        number = page[-1].number
        blank += [row.number for row in page if row.repaired_by in repaired or eraser.row(row.reject)]
    return position, changed, blank


def _free(engine: "Engine", event: Event) -> Event:
    """Return a tombstone with an id of its own, where the event came once more after it had been erased."""
    before = engine.stores.log.get(event.id)
    if before is None or before.sequence == event.sequence:
        return event
    return msgspec.structs.replace(event, id=f"{event.id}.{event.sequence}")


def _note(engine: "Engine", eraser: Eraser, at: datetime, events: int, rows: int) -> Event:
    used = [list(token) for old, token in eraser.tokens.items() if old in eraser.used]
    return erasures.note(
        engine.ids.new("e"), at, engine.workspace, sorted(eraser.met or eraser.refs), engine.pseudonyms,
        tokens=used, events=events, quarantined=rows,
    )  # fmt: skip


def _mend(engine: "Engine", changed: Sequence[Event], since: int, until: int) -> None:
    """Erase again who was erased by another process since these events were read: they came back with them.

    `since` is where the log ended before that: who was erased earlier and is named in them came back by himself.
    """
    others = [note for note in erasures.notes(engine.stores.log, since) if note.sequence < until]
    if not others:
        return
    gone = {pseudonym for note in others for pseudonym in note.fields["pseudonyms"]}
    kinds = tuple(engine.app.schema.entities)
    back = {
        ref for event in changed for ref in erasures.named_by(event, kinds)
        if gone.intersection(engine.pseudonyms.all_of(ref))
    }  # fmt: skip
    for ref in sorted(back):
        _erased(engine, [ref], False, engine.clock.now())


def _decided(engine: "Engine", ref: EntityRef) -> Iterator[str]:
    after = ""
    while page := engine.stores.decisions.find(subject=ref, after=after, limit=PAGE):
        after = page[-1].id
        yield from (one.id for one in page)


def sweep(engine: "Live", eraser: Eraser | None = None, *, after: str = "") -> tuple[set[str], int]:
    """Remove decisions made for whom was erased since, and take the entity out of those of others.

    Returns the ids of the removed and the number of the changed ones.
    """
    known = engine.known_erased
    gone: list[str] = []
    changed: list[Decision] = []
    while page := engine.stores.decisions.find(after=after, limit=PAGE):
        after = page[-1].id
        for one in page:
            if (eraser is not None and one.query.subject in eraser.refs) or known.erased(one.query.subject, one.as_of):
                gone.append(one.id)
            elif eraser is not None and (new := eraser.decision(one)) is not None:
                changed.append(new)
    if gone or changed or eraser is not None:
        # Also where there is none: what was taken out of other tables leaves the disk with it.
        engine.stores.decisions.replace(changed, gone)
    return set(gone), len(changed)


def sweep_recent(engine: "Live") -> None:
    """Remove what this process decided for the erased until it heard of it: another one had looked before that.

    The list beside the workspace gets the erasures of other machines, too.
    """
    notes = [*erasures.notes(engine.stores.log)]
    if not notes:
        return
    # Ids of decisions begin with their time; clocks of machines differ by less than this.
    sweep(engine, after=first_id("d", max(note.at for note in notes) - CLOCKS))
    if engine.stores.root is not None:
        try:
            erasures.write(engine.stores.root, notes)
        except (OSError, Corrupt) as error:
            # The log has its notes: whoever erases next is told.
            logger.warning("the list of erasures is not written: %s", error)


def _from_jobs(engine: "Engine", eraser: Eraser) -> int:
    """Take the ids out of what trainings that are over said last; return how many said them."""
    changed, before = 0, None
    while page := engine.stores.jobs.find(before=before, limit=PAGE):
        before = page[-1].id
        for job in page:
            new = _told(job, eraser)
            if not job.active and new != job:
                engine.stores.jobs.put(new)
                changed += 1
    return changed


def _from_watch(root: Path, eraser: Eraser, gone: set[str]) -> None:
    """Take out of what the skew watch found which decisions are gone, and texts that name the entities."""
    known = skew.kept(root)
    kept = tuple(
        one for one in known.mismatches if one.decision not in gone and eraser.told(one.text) == one.text
    )  # fmt: skip
    failed = None if known.failed is None else eraser.told(known.failed)
    if (kept, failed) != (known.mismatches, known.failed):
        skew.keep(root, msgspec.structs.replace(known, mismatches=kept, failed=failed))


def _told(job: Job, eraser: Eraser) -> Job:
    error, remedy, why = (None if text is None else eraser.told(text) for text in (job.error, job.remedy, job.why))
    log = tuple(eraser.told(line) for line in job.log)
    return msgspec.structs.replace(job, error=error, remedy=remedy, why=why, log=log)


def reapply(engine: "Engine", lines: Sequence[erasures.Line] | None = None) -> int:
    """Erase again, after a restore, who is on a list and not in the notes of the log; return how many were found.

    Without `lines` the list is the one beside the workspace. An erasure is in the log when a note of its time names one
    of its pseudonyms. Raises Conflict for a list that was made under a pseudonym key that is not here.
    """
    if lines is None:
        lines = [] if engine.stores.root is None else erasures.read(engine.stores.root / erasures.FILE)
    done = {(note.at, name) for note in erasures.notes(engine.stores.log) for name in note.fields["pseudonyms"]}
    due = [line for line in lines if all((line.at, name) not in done for name in line.pseudonyms)]
    if any(line.key not in engine.pseudonyms.marks for line in due):
        message = "the list of erasures was made under a pseudonym key that is not here"
        remedy = "Put back the workspace's pseudonym.key, or set PROFFER_PSEUDONYM_KEY."
        raise Conflict(message, field="pseudonym.key", remedy=remedy)
    called: dict[str, EntityRef] = {}
    if due:
        called = {name: ref for ref in _everybody(engine) for name in engine.pseudonyms.all_of(ref)}
    found = 0
    for line in sorted(due, key=lambda line: line.at):
        refs = [called[name] for name in line.pseudonyms if name in called]
        if refs:
            erase_entities(engine, refs, at=line.at)
            found += len(refs)
    return found


def _everybody(engine: "Engine") -> set[EntityRef]:
    """Return everything that events, decisions and quarantined rows name, and more that might be a name."""
    found: set[EntityRef] = set()
    for chunk in engine.stores.log.scan():
        found.update(event.actor for event in chunk)
        found.update(event.target for event in chunk if event.target is not None)
    after, number = "", 0
    while page := engine.stores.decisions.find(after=after, limit=PAGE):
        after = page[-1].id
        found.update(one.query.subject for one in page)
    while rows := engine.stores.log.quarantined(after=number, limit=PAGE, open_only=False):
        number = rows[-1].number
        texts = {text for row in rows for text in erasures.named_in(row.reject)}
        found.update(EntityRef(kind, text) for text in texts for kind in engine.app.schema.entities)
    return found
