"""Skew: do past decisions come out the same when they are made again? What was found out, kept beside the log."""

import os
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from proffer.core.clock import first_id
from proffer.core.ports import DecisionLog

FILE = "skew.json"
PAGE, FEW = 500, 2_000
REMEMBERED, KEPT = timedelta(days=1), 10
DRAWS = 4
"""Times as many moments are drawn as decisions wanted: some fall into the same pause."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that came out otherwise when it was replayed: when that was seen, and what differs."""

    decision: str
    seen_at: datetime
    text: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found: decisions replayed and compared, what differs by id, how many were left out and why."""

    checked: int = 0
    mismatched: dict[str, str] = {}
    incomparable: dict[str, int] = {}


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """What every look so far found: totals, and the newest mismatches.

    `looked_at` is when the last look ended, `until` the time up to which decisions were drawn; `failed` says why the
    last look came to nothing.
    """

    looked_at: datetime | None = None
    until: datetime | None = None
    looks: int = 0
    checked: int = 0
    mismatched: int = 0
    incomparable: dict[str, int] = {}
    mismatches: tuple[Mismatch, ...] = ()
    failed: str | None = None

    def plus(self, found: Found, *, until: datetime, now: datetime) -> "Skew":
        """Return what is known after one more look.

        >>> from datetime import UTC
        >>> now = datetime(2026, 1, 1, tzinfo=UTC)
        >>> Skew(checked=20).plus(Found(checked=20, mismatched={"d_1": "order"}), until=now, now=now).mismatched
        1
        """
        seen = tuple(Mismatch(decision=id, seen_at=now, text=text) for id, text in found.mismatched.items())
        return Skew(
            looked_at=now, until=until, looks=self.looks + 1, checked=self.checked + found.checked,
            mismatched=self.mismatched + len(found.mismatched),
            incomparable=dict(Counter(self.incomparable) + Counter(found.incomparable)),
            mismatches=(seen + self.mismatches)[:KEPT],
        )  # fmt: skip

    def recent(self, now: datetime) -> list[Mismatch]:
        """Return the mismatches of the last day, newest first."""
        return [one for one in self.mismatches if now - one.seen_at <= REMEMBERED]


def kept(root: Path) -> Skew:
    """Return what the looks at a workspace found so far; nothing where there was none, or its file is damaged."""
    try:
        return msgspec.json.decode((root / FILE).read_bytes(), type=Skew)
    except (OSError, msgspec.DecodeError):
        return Skew()


def keep(root: Path, skew: Skew) -> None:
    """Write what the looks found, whole or not at all; it may be deleted at any time."""
    part = root / f".tmp-{FILE}.{os.getpid()}"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(skew)))
    part.replace(root / FILE)


def drawn(log: DecisionLog, since: datetime, until: datetime, size: int, rng: random.Random) -> list[str]:
    """Return ids of at most `size` decisions made from `since` to before `until`, drawn by chance, in order of time.

    Of up to 2,000 decisions each is as likely as another. Of more, moments are drawn and the next decision after each
    taken, so that a busy period costs no more: one after a pause is then likelier than one in a crowd.
    """
    end, ids = first_id("d", until), [first_id("d", since)]
    while len(ids) <= max(FEW, size):
        page = [decision.id for decision in log.find(after=ids[-1], limit=PAGE)]
        ids += [id for id in page if id < end]
        if len(page) < PAGE or page[-1] >= end:
            return sorted(rng.sample(ids[1:], min(size, len(ids) - 1)))
    found: set[str] = set()
    for _ in range(DRAWS * size):
        moment = since + (until - since) * rng.random()
        found |= {decision.id for decision in log.find(after=first_id("d", moment), limit=1) if decision.id < end}
        if len(found) == size:
            break
    return sorted(found)
