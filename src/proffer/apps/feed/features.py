"""The feed's features: what is known of a user, a post and the two together when a slate is made."""

from proffer.features import counts, decay, lists, listwise, pairs, rates, recency, temporal, text, windows
from proffer.features.accumulators.lists import LastN
from proffer.features.accumulators.marks import LastGrade, flag
from proffer.features.accumulators.sums import Decayed, DecayGrid, Total
from proffer.features.accumulators.sums import decay as decayed
from proffer.features.accumulators.tiles import Tiles
from proffer.features.accumulators.times import Sessions, Stamp
from proffer.features.accumulators.vectors import Blocks, Moments, Sketch
from proffer.features.base import Feature, Scope, Weights, each, graded
from proffer.features.live import DAY, HALF_LIVES, HOUR
from proffer.features.view import FeatureView

WANTED = each("view", "like", "comment", "share", "bookmark", "follow")
SHOWN = each("impression")
UNWANTED = each("hide", "report")
ACTIVITY = each("impression", "view", "like", "comment", "share", "bookmark", "follow", "hide", "report")
GRADES = graded({"view": 1, "like": 2, "comment": 3, "share": 4, "bookmark": 3, "follow": 2, "hide": -2, "report": -4})
BY_TYPE = ("view", "like", "comment", "share", "bookmark", "hide", "report")

USER = Scope("user", ("actor",))
POST = Scope("post", ("target",))
AUTHOR = Scope("author", ("target.author",))
CATEGORY = Scope("category", ("target.category",))
ALL = Scope("all", ("all",))
USER_POST = Scope("user_post", ("actor", "target"))
USER_CATEGORY = Scope("user_category", ("actor", "target.category"))
USER_AUTHOR = Scope("user_author", ("actor", "target.author"))
BACKOFF = ("post", "author", "category", "all")

POPULARITY = DecayGrid(WANTED, HALF_LIVES)
"""The same grid that every state keeps for retrievers: declared here, it shares their slots."""
PACES = (DAY, 7 * DAY, 14 * DAY)
ACTIVE = DecayGrid(ACTIVITY, PACES)


def fading(weights: Weights, half_life: float = 7 * DAY) -> Decayed:
    """Return a decayed count that shares the slots of day and week."""
    return DecayGrid(weights, (DAY, 7 * DAY)).at(half_life)


DAILY = Tiles(WANTED, DAY, 30)
HOURLY = Tiles(WANTED, HOUR, 25)
FORTNIGHT = Tiles(WANTED, DAY, 15)
DWELL = Moments(each("view"), "seconds", 0.0, 600.0)
LATELY = LastN(WANTED, 30, "target.category")
RATED = {name: decayed(weights, 30 * DAY) for name, weights in {"hit": WANTED, "no": UNWANTED, "shown": SHOWN}.items()}

OF_USER: tuple[Feature, ...] = (
    counts.Count("u_activity_decay", "user", ACTIVE.at(7 * DAY)),
    decay.Acceleration("u_activity_accel", "user", ACTIVE.at(DAY), ACTIVE.at(14 * DAY)),
    counts.Count("u_positive_7d", "user", DAILY.last(7 * DAY)),
    counts.Count("u_positive_30d", "user", DAILY.last(30 * DAY)),
    counts.Active("u_active_days", "user", DAILY.last(30 * DAY)),
    counts.LogCount("u_events", "user", Total(ACTIVITY)),
    counts.Below("u_is_cold", "user", Total(WANTED)),
    rates.Rate("u_ctr", ("user", "all"), RATED["hit"], RATED["shown"]),
    rates.Rate("u_dismiss_rate", ("user", "all"), RATED["no"], RATED["shown"]),
    rates.Mean("u_dwell_mean", "user", DWELL),
    recency.Recency("u_recency", "user", Stamp(ACTIVITY)),
    recency.Tenure("u_tenure", "user", Stamp(ACTIVITY)),
    counts.Count("u_sessions", "user", Sessions(ACTIVITY, half_life=30 * DAY)),
    lists.Entropy("u_cat_entropy", "user", LATELY),
    temporal.BlockMatch("u_hour_match", "user", Blocks(WANTED, 30 * DAY)),
)
OF_POST: tuple[Feature, ...] = (
    *(counts.Count(f"i_{name}_7d", "post", fading(each(name))) for name in BY_TYPE),
    rates.Rate("i_ctr_1d", BACKOFF, fading(WANTED, DAY), fading(SHOWN, DAY)),
    rates.Rate("i_ctr_decay", BACKOFF, fading(WANTED), fading(SHOWN)),
    rates.Rate("i_cat_ctr", ("category", "all"), fading(WANTED), fading(SHOWN)),
    rates.Rate("i_author_ctr", ("author", "all"), fading(WANTED), fading(SHOWN)),
    rates.Rate("i_dismiss_rate", BACKOFF, fading(UNWANTED), fading(SHOWN)),
    rates.Rate("i_save_share_rate", BACKOFF, fading(each("bookmark", "share")), fading(SHOWN)),
    rates.WilsonLow("i_ctr_wilson_low", "post", fading(WANTED), fading(SHOWN)),
    counts.LogCount("i_impr_log", "post", fading(SHOWN)),
    counts.Count("i_pop_6h", "post", POPULARITY.at(6 * HOUR)),
    counts.Count("i_pop_1d", "post", POPULARITY.at(DAY)),
    counts.Count("i_pop_7d", "post", POPULARITY.at(7 * DAY)),
    decay.Trend("i_trend", "post", POPULARITY.at(DAY), POPULARITY.at(14 * DAY)),
    decay.Velocity("i_velocity", "post", POPULARITY.at(HOUR), POPULARITY.at(7 * DAY)),
    windows.Burst("i_burst", "post", HOURLY.last(24 * HOUR)),
    windows.Slope("i_slope", "post", FORTNIGHT.last(14 * DAY)),
    rates.Mean("i_dwell_mean", "post", DWELL),
    recency.Recency("i_recency", "post", Stamp(WANTED)),
    recency.Age("i_age"),
    recency.Freshness("i_freshness", DAY),
    text.Words("len_title", "title"),
    text.Words("len_text", "text"),
)
OF_BOTH: tuple[Feature, ...] = (
    counts.Count("ui_seen", "user_post", Total(SHOWN)),
    pairs.Grade("ui_last_grade", "user_post", LastGrade(GRADES)),
    recency.Recency("ui_since_last", "user_post", Stamp(ACTIVITY)),
    lists.Affinity("aff_cat", "user", LATELY),
    rates.Rate("aff_cat_rate", ("user_category", "user", "all"), RATED["hit"], RATED["shown"]),
    pairs.Share("aff_cat_decay", "user_category", "user", RATED["hit"]),
    pairs.Share("aff_neg_cat", "user_category", "user", RATED["no"]),
    counts.Count("aff_author", "user_author", RATED["hit"]),
    pairs.SwitchedOn("g_author_follow", "user_author", flag(("follow",), ("unfollow",))),
    text.ProfileCosine("text_profile_cos", "user", Sketch(WANTED, 14 * DAY)),
    text.LanguageMatch("lang_match"),
)
OF_REQUEST: tuple[Feature, ...] = (
    temporal.Cycle("hour"),
    temporal.Cycle("dow"),
    temporal.Weekend(),
    temporal.SwedishHoliday(),
    listwise.ListLength(),
    listwise.ListRank("list_rank_pop", "i_pop_1d"),
    listwise.ListRank("list_rank_ctr", "i_ctr_decay"),
    listwise.ListRank("list_rank_age", "i_age"),
    listwise.ListDifference("list_diff_age", "i_age"),
    listwise.ListShare("list_cat_share", "category"),
)
SCOPES = (USER, POST, AUTHOR, CATEGORY, ALL, USER_POST, USER_CATEGORY, USER_AUTHOR)

view = FeatureView("feed", SCOPES, (*OF_USER, *OF_POST, *OF_BOTH, *OF_REQUEST))
