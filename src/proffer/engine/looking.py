"""One look for skew: a sample of decisions made again, and what does not come out equal."""

import logging
import random
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from proffer.core.decisions import Decision
from proffer.core.errors import CannotReplay, NotFound
from proffer.engine.bygone import Past
from proffer.engine.replay import Replayed, erasures, replay_decision
from proffer.engine.skew import Found, drawn
from proffer.engine.verdict import Ground, ground

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

GONE, ERASED = "gone", "erased"
logger = logging.getLogger("proffer.watch")


class Judged(NamedTuple):
    """Why a decision cannot be compared, or what came out otherwise; neither where it is equal."""

    left_out: str | None = None
    mismatch: str | None = None


EQUAL = Judged()


def look(engine: "Engine", since: datetime, until: datetime, size: int, seed: int) -> Found:
    """Replay a sample of the decisions from `since` to before `until` and return what came of that.

    They are replayed in the order of their places in the log, so that one state of the past walks forward.
    """
    ids = drawn(engine.stores.decisions, since, until, size, random.Random(seed))
    decisions = [found for id in ids if (found := engine.stores.decisions.get(id)) is not None]
    past, mismatched, left_out = Past(engine), {}, Counter[str]()
    for decision in sorted(decisions, key=lambda one: one.as_of):
        judged = judge(engine, decision, past)
        if judged.left_out is not None:
            left_out[judged.left_out] += 1
        elif judged.mismatch is not None:
            mismatched[decision.id] = judged.mismatch
    return Found(checked=len(decisions) - left_out.total(), mismatched=mismatched, incomparable=dict(left_out))


def judge(engine: "Engine", decision: Decision, past: Past) -> Judged:
    """Replay a decision and say what its coming out or not coming out means."""
    try:
        return verdict(engine, replay_decision(engine, decision, past=past))
    except NotFound:
        # The cursor of a later page names an earlier one, which a crash may have taken.
        return Judged(left_out=GONE)
    except CannotReplay as error:
        if error.field in ("model", "schema", "after"):
            return Judged(left_out=GONE)
        return _explained(engine, decision, ground(decision.made), "it cannot be made again")
    except Exception as error:
        # That it cannot be made at all is the worst way to come out otherwise.
        logger.warning("the decision %s could not be made again: %s", decision.id, type(error).__name__)
        return _explained(engine, decision, ground(decision.made), f"making it again fails: {type(error).__name__}")


def verdict(engine: "Engine", replayed: Replayed) -> Judged:
    """Return what a comparison means: rounding is no skew where something else computed, and nothing else is."""
    if replayed.verdict == "exact" or (replayed.verdict == "close" and not replayed.ground.same):
        return EQUAL
    # No ids: this is kept, and told where somebody who was erased must not be named.
    places = ", ".join(dict.fromkeys(one.where for one in replayed.differences))
    return _explained(engine, replayed.logged, replayed.ground, f"other {places}")


def _explained(engine: "Engine", decision: Decision, on: Ground, text: str) -> Judged:
    """Leave a decision out where something that changed since explains why it came out otherwise."""
    if not on.same:
        return Judged(left_out=f"other {on.differs[0]}")
    if erasures(engine.stores.log, decision):
        return Judged(left_out=ERASED)
    return Judged(mismatch=text)
