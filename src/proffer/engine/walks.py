"""The walk of a protocol over a past."""

import math
from datetime import datetime

from proffer.core.errors import Invalid
from proffer.engine.daily import DailyWalk, reporting
from proffer.engine.held_out import HeldOutWalk, leave_last_out
from proffer.engine.past import DAY, Past
from proffer.engine.protocols import PROTOCOLS, SERVED, Walk
from proffer.engine.served import SPLIT, ListsWalk
from proffer.engine.temporal import TemporalWalk, last_cut


def walk(
    past: Past, protocol: str = PROTOCOLS[0], *, since: datetime | None = None, until: datetime | None = None,
    seed: int = 0, logged: bool = True, split: float | None = None, lookback: float | None = None, debias: bool = True,
) -> Walk:  # fmt: skip
    """Return the walk of a protocol whose last phase, the report, covers `since` to `until`.

    `since` None: what leaves the newest tenth to report on (daily: of the user-days, at least 250 and at most 1,500;
    temporal: of the wanted interactions); `until` None: the end of the past. Leave-last-out goes by neither.
    `logged` lets logged decisions take part in the learn phase. `split` reports on that share instead; no phase begins
    more than `lookback` days before the end; unless `debias`, places of lists that were shown tell nothing. Raises
    Invalid for an unknown protocol, a period that it does not take, or one in which nobody acted.
    """
    if protocol not in PROTOCOLS:
        raise Invalid(
            f"unknown protocol {protocol[:20]!r}", field="protocol", remedy=f"Use one of {', '.join(PROTOCOLS)}."
        )
    if protocol == SERVED:
        if since is not None and until is not None and since >= until:
            raise Invalid("the period is empty", field="until", remedy="Name a later end.")
        return ListsWalk(
            past, None if since is None else since.timestamp(), math.inf if until is None else until.timestamp(), seed,
            split=SPLIT if split is None else split, lookback=lookback, debias=debias,
        )  # fmt: skip
    if protocol == "leave-last-out":
        if since is not None or until is not None:
            raise Invalid("leave-last-out goes by no period", field="from", remedy="Leave --from and --until out.")
        return HeldOutWalk(past, protocol, leave_last_out(past), seed)
    daily = protocol == "daily"
    end = float(past.times[-1]) + 1.0 if len(past) else 0.0
    earliest = end - lookback * DAY if lookback is not None else -math.inf
    cut = reporting if daily else last_cut
    first = since.timestamp() if since else cut(past, split, earliest)
    last = until.timestamp() if until else max(end, first)
    if first >= last and (since or until):
        raise Invalid("the period is empty", field="until", remedy="Name a later end.")
    if (since or until) and not len(past.user_days(first, last)):
        period = f"from {since:%Y-%m-%d}" if since else f"until {until:%Y-%m-%d}"
        raise Invalid(f"nobody acted {period}", field="from", remedy=past.span())
    made = DailyWalk if daily else TemporalWalk
    return made(past, first, last, seed, logged=logged, earliest=earliest)
