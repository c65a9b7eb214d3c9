"""A naive oracle: every column from the list of events, by definition, without any state."""

import math
from datetime import datetime

from proffer.core.entities import EntityRef
from proffer.core.events import Event

from .world import DAY, HOUR, SCALE, WEIGHTS

WANTED = {"view", "like"}
SWITCH = {"follow": 1.0, "unfollow": -1.0}


class Oracle:
    """All events of a log without merges, each with its category and author as of its place."""

    def __init__(self, log: list[Event]) -> None:
        known: dict[EntityRef, dict] = {}
        self.seen, self.known, self.first = [], known, {}
        self.acts: list[dict] = []
        for event in log:
            if event.type not in ("settings.set", "unheard.of"):
                for ref in (event.actor, event.target):
                    if ref is not None:
                        self.first.setdefault(ref, event.at.timestamp())
            if event.type == "entity.set":
                merged = {**known.get(event.actor, {}), **event.fields}
                known[event.actor] = {name: value for name, value in merged.items() if value is not None}
            elif event.type == "entity.delete":
                known.pop(event.actor, None)
            elif event.type in WEIGHTS or event.type in ("follow", "unfollow"):
                facts = dict(known.get(event.target, {}))
                author = facts.get("author") or (event.target.id if event.target.kind == "user" else None)
                item = event.target.id if event.target.kind == "post" else None
                group = facts.get("forum") or None
                about = known.get(EntityRef("forum", group or ""), {})
                self.acts.append(
                    {
                        "type": event.type, "at": event.at.timestamp(), "user": event.actor.id, "item": item,
                        "author": author, "category": facts.get("category"), "price": facts.get("price"),
                        "group": group, "topic": about.get("topic"),
                        "tones": tones(known.get(event.actor, {}), about, facts),
                        "seconds": event.fields.get("seconds"),
                    }
                )  # fmt: skip

    def of(self, types=None, **where) -> list[dict]:
        """Return the acts of these types whose members are these; one that is None matches nothing."""
        if None in where.values():
            return []
        return [
            a for a in self.acts if (types is None or a["type"] in types) and all(a[k] == v for k, v in where.items())
        ]

    def decayed(self, acts, half_life, at) -> float:
        """Return the decayed sum; nothing decays before the newest act."""
        now = max([at, *(a["at"] for a in acts)])
        return sum(2.0 ** (-(now - a["at"]) / half_life) for a in acts)

    def window(self, acts, at, hop, width, count, active=False) -> float:
        """Return the sum of the last `width` tiles, of those a ring of `count` still has."""
        tiles: dict[int, int] = {}
        head = max([0, *(math.floor(a["at"] / hop) for a in acts)])
        now = math.floor(at / hop)
        for a in acts:
            epoch = math.floor(a["at"] / hop)
            if epoch > head - count and now - width < epoch <= now:
                tiles[epoch] = tiles.get(epoch, 0) + 1
        return len(tiles) if active else sum(tiles.values())

    def rate(self, levels, hits, trials, half_life, at, hit_half_life=None) -> float:
        """Return the smoothed rate through the levels, narrowest first."""
        rate = None
        for where in reversed(levels):
            h = self.decayed(self.of(hits, **where), hit_half_life or half_life, at)
            n = self.decayed(self.of(trials, **where), half_life, at)
            broadest = h / n if n else math.nan
            rate = broadest if rate is None else (h + 10 * rate) / (n + 10)
        return rate

    def columns(self, user: str, item: str, at: float) -> dict[str, float]:
        """Return what each column should be."""
        facts = self.known.get(EntityRef("post", item), {})
        item = item if EntityRef("post", item) in self.first else None
        cat, author = facts.get("category"), facts.get("author")
        group = facts.get("forum") or None
        about = self.known.get(EntityRef("forum", group or ""), {})
        told = tones(self.known.get(EntityRef("user", user or ""), {}), about, facts)
        near = self.of(WANTED, user=user, group=group)
        mine, wanted = self.of(user=user), self.of(WANTED, user=user)
        item_wanted, daily = self.of(WANTED, item=item), (at, DAY, 10, 10)
        back = [{"item": item}, {"author": author}, {"category": cat}, {}]
        pair, pops = (
            self.of(WEIGHTS, user=user, item=item),
            {h: self.decayed(self.of({*WANTED, "follow"}, item=item), h, at) for h in (HOUR, DAY, 7 * DAY, 14 * DAY)},
        )
        published = facts.get("published_at")
        born = (
            datetime.fromisoformat(published).timestamp()
            if published
            else self.first.get(EntityRef("post", item or ""), math.nan)
        )
        mean = self.window(item_wanted, *daily) / 10
        cats = [a["category"] for a in wanted if a["category"]][-4:]
        fond = self.of(WANTED, user=user, category=cat)
        whole = self.decayed(wanted, 14 * DAY, at)
        # Only the author's own scopes see a follow: a person followed is the author of himself.
        return {
            "u_likes": len(self.of({"like"}, user=user)),
            "u_week": self.window(wanted, at, DAY, 7, 10),
            "u_days": self.window(wanted, *daily, active=True),
            "u_sessions": _sessions([a["at"] for a in mine]),
            "u_is_cold": float(len(wanted) < 3),
            "u_ctr": self.rate([{"user": user}, {}], {"view"}, {"impression"}, 7 * DAY, at),
            "u_recency": _log_since(at, max((a["at"] for a in mine), default=math.nan)),
            "u_tenure": _since(at, min((a["at"] for a in mine), default=math.nan)) / DAY,
            "u_entropy": _entropy(cats),
            "aff_cat": cats.count(cat) / len(cats) if cats and cat else math.nan,
            "u_dwell": self.dwell(self.of({"view"}, user=user), at),
            "i_ctr": self.rate(back, {"view"}, {"impression"}, DAY, at),
            "i_wilson": _wilson(len(self.of({"view"}, item=item)), len(self.of({"impression"}, item=item))),
            "i_refused": self.rate(back, {"hide"}, {"impression"}, 7 * DAY, at),
            "i_pop": pops[DAY],
            "i_trend": math.log((pops[DAY] + 1) / (pops[14 * DAY] / 14 + 1)),
            "i_accel": pops[DAY] / (pops[14 * DAY] / 14 + 1),
            "velocity": pops[HOUR] / (1 + pops[7 * DAY] / 168),
            "i_impr_log": math.log(1 + len(self.of({"impression"}, item=item))),
            "burst": (self.window(item_wanted, at, DAY, 1, 10) - mean) / math.sqrt(mean + 1),
            "slope": self.slope(item_wanted, at),
            "i_age": math.log(1 + max(at - born, 0) / HOUR),
            "i_freshness": 2.0 ** (-max(at - born, 0) / (7 * DAY)),
            "ui_seen": len(self.of({"impression"}, user=user, item=item)),
            "ui_grade": _last_grade([a for a in pair if WEIGHTS[a["type"]]]),
            "ui_scaled": _last_scaled([a for a in pair if WEIGHTS[a["type"]]]),
            "ui_since": _log_since(at, max((a["at"] for a in self.of(user=user, item=item)), default=math.nan)),
            "aff_cat_decay": self.decayed(fond, 14 * DAY, at) / whole if whole else math.nan,
            "aff_author": self.decayed(self.of(WANTED, user=user, author=author), 14 * DAY, at),
            "follows": _last_grade(self.of(SWITCH, user=user, author=author), SWITCH) > 0,
            "u_hour": self.block_share(wanted, at),
            "price": facts.get("price", math.nan),
            "grade": ("low", "middle", "high").index(facts["grade"]) if "grade" in facts else math.nan,
            "g_size": about.get("size", math.nan),
            "g_wanted": len(self.of(WANTED, group=group)),
            "g_topics": len(self.of(WANTED, topic=about.get("topic"), category=cat)),
            "tones": len(self.of(WANTED, tones=told)),
            "aff_forum": self.decayed(near, 14 * DAY, at) / whole if whole else math.nan,
            "x_dear_likes": sum((a["price"] or 0) > 1 for a in self.of({"like"}, user=user)) if mine else math.nan,
        }  # fmt: skip

    def dwell(self, acts, at) -> float:
        """Return the mean of the clipped seconds, the past fading with 30 days."""
        told = [a for a in acts if a["seconds"] is not None]
        weights = [2.0 ** (-(at - a["at"]) / (30 * DAY)) for a in told]
        clipped = [min(max(a["seconds"], 0.0), 600.0) for a in told]
        return sum(w * x for w, x in zip(weights, clipped, strict=True)) / sum(weights) if told else math.nan

    def slope(self, acts, at) -> float:
        """Return the least-squares slope of the last ten days."""
        days = [self.window(acts, at - back * DAY, DAY, 1, 10) for back in range(9, -1, -1)]
        head = max([0, *(math.floor(a["at"] / DAY) for a in acts)])
        now = math.floor(at / DAY)
        days = [n if now - 9 + place > head - 10 else 0 for place, n in enumerate(days)]
        return sum((x - 4.5) * y for x, y in enumerate(days)) / sum((x - 4.5) ** 2 for x in range(10))

    def block_share(self, acts, at) -> float:
        """Return the share of the acts in the 4-hour block of `at`, the past fading with 30 days."""
        weights = [2.0 ** (-(at - a["at"]) / (30 * DAY)) for a in acts]
        same = [w for w, a in zip(weights, acts, strict=True) if a["at"] // (4 * HOUR) % 6 == at // (4 * HOUR) % 6]
        return sum(same) / sum(weights) if weights else math.nan


def tones(*sides: dict) -> tuple | None:
    """Return the tones of subject, group and item, None where one of them has none."""
    found = tuple(side.get("tone") for side in sides)
    return None if None in found else found


def _since(at: float, then: float) -> float:
    return math.nan if math.isnan(then) else max(at - then, 0.0)


def _log_since(at: float, then: float) -> float:
    return math.log(1 + _since(at, then))


def _sessions(times: list[float]) -> int:
    last, count = 0.0, 0
    for at in times:
        count += at - last > 1800
        last = max(last, at)
    return count


def _entropy(keys: list[str]) -> float:
    if not keys:
        return math.nan
    shares = [keys.count(key) / len(keys) for key in set(keys)]
    return -sum(p * math.log(p) for p in shares)


def _wilson(hits: int, n: int) -> float:
    if not n:
        return math.nan
    p, z = min(hits / n, 1.0), 1.959963984540054
    return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def _last_scaled(acts: list[dict]) -> float:
    def grade(act: dict) -> float:
        told = act["type"] == "view" and act["seconds"] is not None
        return SCALE.grade(act["seconds"]) if told else WEIGHTS[act["type"]]

    graded = [(act["at"], place, grade(act)) for place, act in enumerate(acts)]
    return max(((at, place, worth) for at, place, worth in graded if worth), default=(0, 0, math.nan))[2]


def _last_grade(acts: list[dict], grades: dict[str, float] = WEIGHTS) -> float:
    last = max(enumerate(acts), key=lambda placed: (placed[1]["at"], placed[0]), default=None)
    return grades[last[1]["type"]] if last else math.nan
