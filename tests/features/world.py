"""A small world: a schema, a view with every family in it, and logs of random events."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from proffer.core.entities import EntityRef
from proffer.core.events import Event
from proffer.core.labels import Scale
from proffer.core.schema import Attribute, EntityKind, EventType, Field, Schema
from proffer.features import accumulators as acc
from proffer.features import counts, decay, given, lists, listwise, pairs, rates, recency, temporal, text, windows
from proffer.features.base import PlainFeature, Scope, each, graded
from proffer.features.live import DAY, HOUR, popularity
from proffer.features.state import State
from proffer.features.view import FeatureView

START = datetime(2026, 1, 1, tzinfo=UTC)
WEIGHTS = {"impression": 0.0, "view": 1.0, "like": 2.0, "hide": -2.0}
WANTED = each("view", "like")
ALL = each("impression", "view", "like", "hide", "follow", "unfollow")
SCHEMA = Schema(
    (
        *(EventType(n, "user", ("post",), (Field("seconds", "number"),), w) for n, w in WEIGHTS.items()),
        EventType("follow", "user", ("user", "post"), weight=2.0),
        EventType("unfollow", "user", ("user", "post")),
    ),
    (
        EntityKind(
            "user",
            (
                Attribute("country", "text", role="segment"),
                Attribute("language", "text", role="language"),
                Attribute("tone", "text", role="code"),
            ),
        ),
        EntityKind(
            "forum",
            (
                Attribute("topic", "text", role="category"),
                Attribute("tone", "text", role="code"),
                Attribute("text", "text", role="text"),
                Attribute("size", "number"),
            ),
        ),
        EntityKind(
            "post",
            (
                *(Attribute(n, "text", role=n) for n in ("title", "text", "category", "author", "language")),
                Attribute("published_at", "time", role="published"),
                Attribute("price", "number"),
                Attribute("forum", "text", role="group", kind="forum"),
                Attribute("tone", "text", role="code"),
                Attribute("grade", "text", role="code", levels=("low", "middle", "high")),
            ),
        ),
    ),
)
SHOWN = acc.DecayGrid(each("impression"), (DAY, 7 * DAY, math.inf))
TAKEN = acc.DecayGrid(each("view"), (DAY, 7 * DAY, math.inf))
REFUSED = acc.decay(each("hide"), 7 * DAY)
DAILY = acc.Tiles(WANTED, DAY, 10)
STAMP = acc.Stamp(ALL)
LAST = acc.LastN(WANTED, 4)
SCALE = Scale("seconds", ((2.0, -0.5), (20.0, 0.0), (60.0, 1.0)))
DWELL = acc.Moments(each("view"), "seconds", 0.0, 600.0, 30 * DAY)
FOND = acc.decay(WANTED, 14 * DAY)
SESSIONS = acc.Sessions(ALL)
BLOCKS = acc.Blocks(WANTED, 30 * DAY)
SKETCH = acc.Sketch(WANTED, 30 * DAY)
POPULAR = popularity(SCHEMA)
BACK = ("item", "author", "category", "all")


class Likes(PlainFeature):
    """A stranger's feature: likes by the subject of whatever has a price above 1."""

    name, scope, formula, types = "x_dear_likes", "user", "likes of items of a price above 1", ("like",)

    def update(self, row, event, attributes):
        row[0] += (attributes["target"].get("price") or 0.0) > 1.0

    def read(self, row, batch, place):
        return math.nan if row is None else row[0]

    def merge(self, row, other):
        row += other


FEATURES = (
    counts.Count("u_likes", "user", acc.Total(each("like"))),
    counts.Count("u_week", "user", DAILY.last(7 * DAY)),
    counts.Active("u_days", "user", DAILY.last(10 * DAY)),
    counts.Count("u_sessions", "user", SESSIONS),
    counts.Below("u_is_cold", "user", acc.Total(WANTED)),
    rates.Rate("u_ctr", ("user", "all"), TAKEN.at(7 * DAY), SHOWN.at(7 * DAY)),
    recency.Recency("u_recency", "user", STAMP),
    recency.Tenure("u_tenure", "user", STAMP),
    lists.Entropy("u_entropy", "user", LAST),
    lists.Affinity("aff_cat", "user", LAST),
    rates.Mean("u_dwell", "user", DWELL),
    rates.Rate("i_ctr", BACK, TAKEN.at(DAY), SHOWN.at(DAY)),
    rates.WilsonLow("i_wilson", "item", TAKEN.at(math.inf), SHOWN.at(math.inf)),
    rates.Rate("i_refused", BACK, REFUSED, SHOWN.at(7 * DAY)),
    counts.Count("i_pop", "item", POPULAR.at(DAY)),
    decay.Trend("i_trend", "item", POPULAR.at(DAY), POPULAR.at(14 * DAY)),
    decay.Acceleration("i_accel", "item", POPULAR.at(DAY), POPULAR.at(14 * DAY)),
    decay.Velocity("velocity", "item", POPULAR.at(HOUR), POPULAR.at(7 * DAY)),
    counts.LogCount("i_impr_log", "item", SHOWN.at(math.inf)),
    windows.Burst("burst", "item", DAILY.last(10 * DAY)),
    windows.Slope("slope", "item", DAILY.last(10 * DAY)),
    recency.Age("i_age"),
    recency.Freshness("i_freshness"),
    counts.Count("ui_seen", "user_item", acc.Total(each("impression"))),
    pairs.Grade("ui_grade", "user_item", acc.LastGrade(graded(WEIGHTS))),
    pairs.Grade("ui_scaled", "user_item", acc.LastScaled(graded(WEIGHTS), (("view", SCALE),))),
    recency.Recency("ui_since", "user_item", STAMP),
    pairs.Share("aff_cat_decay", "user_category", "user", FOND),
    counts.Count("aff_author", "user_author", FOND),
    pairs.SwitchedOn("follows", "user_author", acc.flag(("follow",), ("unfollow",))),
    temporal.BlockMatch("u_hour", "user", BLOCKS),
    temporal.Cycle("hour"),
    temporal.Cycle("dow", "Europe/Stockholm"),
    temporal.Weekend(),
    temporal.SwedishHoliday(),
    text.ProfileCosine("text_cos", "user", SKETCH),
    text.Words("len_title"),
    text.LanguageMatch("lang_match"),
    given.Number("price", "price"),
    given.Number("grade", "grade"),
    given.Number("g_size", "size", "group"),
    counts.Count("g_wanted", "forum", acc.Total(WANTED)),
    counts.Count("g_topics", "forum_category", acc.Total(WANTED)),
    counts.Count("tones", "tones", acc.Total(WANTED)),
    pairs.Share("aff_forum", "user_forum", "user", FOND),
    given.Source("src_news", "newest"),
    listwise.ListLength(),
    listwise.ListRank("rank_pop", "i_pop"),
    listwise.ListRank("rank_age", "i_age"),
    listwise.ListDifference("diff_age", "i_age"),
    listwise.ListShare("cat_share"),
    Likes(),
)
SCOPES = tuple(
    Scope(name, parts)
    for name, parts in {
        "user": ("actor",),
        "item": ("target",),
        "author": ("target.author",),
        "category": ("target.category",),
        "all": ("all",),
        "user_item": ("actor", "target"),
        "user_category": ("actor", "target.category"),
        "user_author": ("actor", "target.author"),
        "forum": ("group",),
        "user_forum": ("actor", "target.group"),
        "forum_category": ("group.category", "target.category"),
        "tones": ("actor.tone", "group.tone", "target.tone"),
    }.items()
)
VIEW = FeatureView("world", SCOPES, FEATURES)

USERS = [EntityRef("user", name) for name in ("u0", "u1", "u2", "v0", "v1")]
POSTS = [EntityRef("post", f"p{n}") for n in range(4)]
FORUMS = [EntityRef("forum", f"f{n}") for n in range(3)]
TOPICS = ("food", "music", "ångström")
TONES = ("kind", "harsh")


def event(
    type: str, at: float, actor: EntityRef, target: EntityRef | None = None, fields=None, sequence: int = 0
) -> Event:
    """Return an event at seconds after the start."""
    when = START + timedelta(seconds=at)
    return Event(
        id=str(sequence), type=type, at=when, actor=actor, target=target, fields=fields or {}, sequence=sequence
    )


def numbered(events: list[Event]) -> list[Event]:
    """Return the events with sequences 1, 2, 3 ..."""
    return [
        Event(id=str(n), type=e.type, at=e.at, actor=e.actor, target=e.target, fields=e.fields, sequence=n)
        for n, e in enumerate(events, 1)
    ]


def new_state(view: FeatureView = VIEW, schema: Schema = SCHEMA) -> State:
    return State(view, schema, subject="user", item="post")


def folded(events: list[Event], view: FeatureView = VIEW) -> State:
    state = new_state(view)
    state.fold(events)
    return state


def matrix(state: State, subject: EntityRef | None, at: float, ids=("p0", "p1", "p2", "p3", "nope")) -> np.ndarray:
    moment = START.timestamp() + at
    scores = {"newest": np.arange(len(ids), dtype=np.float64)}
    return state.view.matrix(state.batch(subject, state.ordinals(ids), moment, {"language": "sv-SE"}, scores))


def exact(state: State, subject: EntityRef | None, at: float) -> dict[str, np.ndarray]:
    """Return the columns of the same matrix before they are rounded to float32."""
    batch = state.batch(subject, state.ordinals(("p0", "p1", "p2", "p3", "nope")), START.timestamp() + at, {})
    state.view.matrix(batch)
    return batch.columns


def assert_same(one: State, other: State) -> None:
    """Assert that two states hold the same bits."""
    mine, theirs = one.snapshot(), other.snapshot()
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert array.dtype == theirs[name].dtype, name
        assert array.tobytes() == theirs[name].tobytes(), name
    for left, right in zip(_chains(one), _chains(other), strict=True):
        assert np.array_equal(left, right)


def _chains(state: State) -> list[np.ndarray]:
    found = state.interactions()
    return [found.by_subject, found.by_item, found.subject_head, found.item_head]


# Mostly ordered times with ties, late ones, and ones on the borders of hours and days.
times = st.one_of(
    st.integers(0, 40 * 24).map(lambda hours: hours * HOUR), st.floats(0, 40 * DAY), st.sampled_from([0.0, 5 * DAY])
)
users, posts, forums = (st.sampled_from(refs) for refs in (USERS, POSTS, FORUMS))
acts = st.builds(
    lambda kind, at, *pair, seconds: event(kind, at, *pair, {} if seconds is None else {"seconds": seconds}),
    st.sampled_from([*WEIGHTS, "view", "like"]), times, users, posts,
    seconds=st.one_of(st.none(), st.floats(-10, 1000), st.integers(0, 50)),
)  # fmt: skip
follows = st.builds(event, st.sampled_from(["follow", "unfollow"]), times, users, st.one_of(users, posts))
described = st.fixed_dictionaries(
    {},
    optional={
        "category": st.one_of(st.none(), st.sampled_from(TOPICS)),
        "author": st.sampled_from(["u0", "u1"]),
        "title": st.sampled_from(["Svensk matlagning", "Musik i Norden", "!"]),
        "language": st.sampled_from(["sv", "en-GB"]),
        "price": st.sampled_from([0.5, 2.0, None]),
        "forum": st.sampled_from(["f0", "f1", "f2", None]),
        "tone": st.sampled_from(TONES),
        "grade": st.sampled_from(["low", "high", None]),
        "published_at": st.integers(0, 30).map(lambda day: (START + timedelta(days=day)).isoformat()),
    },
)
post_facts = st.builds(lambda at, actor, fields: event("entity.set", at, actor, None, fields), times, posts, described)
user_facts = st.builds(
    lambda at, actor, country: event(
        "entity.set", at, actor, None, {"country": country, "language": "sv", "tone": "kind"}
    ),
    times, users, st.sampled_from(["SE", "NO", None]),
)  # fmt: skip
forum_facts = st.builds(
    lambda at, actor, fields: event("entity.set", at, actor, None, fields), times, forums,
    st.fixed_dictionaries(
        {},
        optional={
            "topic": st.sampled_from(TOPICS), "tone": st.sampled_from([*TONES, None]),
            "size": st.sampled_from([1.0, 5.0]), "text": st.just("Om mat och musik"),
        },
    ),
)  # fmt: skip
deletes = st.builds(lambda at, ref: event("entity.delete", at, ref), times, st.one_of(posts, posts, users, forums))
pairs_of_a_kind = st.one_of(st.tuples(users, users), st.tuples(forums, forums), st.tuples(posts, posts))
merges = st.builds(lambda at, pair: event("entity.merge", at, *pair), times, pairs_of_a_kind)
settings_set = st.builds(
    lambda at, value: event("settings.set", at, EntityRef("workspace", "w"), None, {"k": value}), times, st.integers()
)
strangers = st.builds(event, st.just("unheard.of"), times, users, posts)
quiet = st.one_of(acts, acts, acts, post_facts, forum_facts, follows, user_facts, deletes, settings_set, strangers)


def several(events):
    """Return lists of events, many of them long: a list alone is mostly short."""
    return st.one_of(st.lists(events, max_size=8), st.lists(events, min_size=20, max_size=60))


logs = several(st.one_of(quiet, quiet, quiet, merges)).map(numbered)
quiet_logs = several(quiet).map(numbered)
