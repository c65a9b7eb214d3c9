"""The feed, declared."""

from functools import partial

from proffer.app import App, Objective, Pipeline, Rule, Template
from proffer.apps.feed.eligible import Expiry, NotBlocked, NotHidden, Visibility
from proffer.apps.feed.features import view
from proffer.apps.feed.simulate import Toy
from proffer.core.schema import Attribute, EntityKind, EventType, Field
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker
from proffer.models.retrievers.active import Active
from proffer.models.retrievers.als import ALS
from proffer.models.retrievers.bpr import BPR
from proffer.models.retrievers.cold import ColdItems, SegmentPopularity
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.ease import EASE
from proffer.models.retrievers.gfcf import GFCF
from proffer.models.retrievers.itemknn import ItemKNN
from proffer.models.retrievers.lar import LAR
from proffer.models.retrievers.markov import Markov
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.nmf import NMF
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.models.retrievers.trending import Trending

USER = EntityKind(
    "user",
    (
        Attribute("name", "text", "What people call the user; authors are users too."),
        Attribute("country", "text", "Where the user is, part of the segment.", "segment"),
        Attribute("region", "text", "Region within the country."),
        Attribute("language", "text", "The user's language, as a code like sv.", "language"),
    ),
    "Reads, answers and writes posts.",
)
POST = EntityKind(
    "post",
    (
        Attribute("title", "text", "A line of text.", "title"),
        Attribute("text", "text", "The body.", "text"),
        Attribute("category", "text", "What it is about.", "category"),
        Attribute("author", "text", "Id of the user who wrote it.", "author"),
        Attribute("tags", "list", "Further topics.", "tags"),
        Attribute("language", "text", "Language code.", "language"),
        Attribute("published_at", "time", "When it appears; the first mention where this is missing.", "published"),
        Attribute("expires_at", "time", "When it is no longer shown.", "expires"),
        Attribute("visibility", "text", "public (default), followers, or private (author only).", "visibility"),
    ),
    "What the feed holds out.",
)
SECONDS = Field("seconds", "number", "Dwell time in seconds.", minimum=0, maximum=86_400)
EVENTS = (
    EventType(
        "impression",
        "user",
        ("post",),
        (Field("position", "number", "The place on the screen, from 1.", minimum=1),),
        0.0,
        "The post stood on the user's screen.",
    ),
    EventType("view", "user", ("post",), (SECONDS,), 1.0, "The user opened the post."),
    EventType("like", "user", ("post",), (), 2.0, "The user liked it."),
    EventType("comment", "user", ("post",), (), 3.0, "The user wrote under it."),
    EventType("share", "user", ("post",), (), 4.0, "The user passed it on."),
    EventType("bookmark", "user", ("post",), (), 3.0, "The user kept it for later."),
    EventType("follow", "user", ("user", "post"), (), 2.0, "The user follows an author, or a post's discussion."),
    EventType("unfollow", "user", ("user", "post"), (), 0.0, "The user follows no longer."),
    EventType("hide", "user", ("post",), (), -2.0, "The user does not want to see it."),
    EventType("report", "user", ("post",), (), -4.0, "The user says it breaks the rules."),
    EventType("block", "user", ("user",), (), -4.0, "The user wants nothing from this author."),
    EventType("unblock", "user", ("user",), (), 0.0, "The user lifts a block."),
)
TEMPLATES = (
    Template(
        code="followed_author", column="g_author_follow", above=0.5,
        en="You follow {author}", sv="Du följer {author}",
    ),
    Template(
        code="similar_readers", column="source:covisits", above=0.8,
        en="People who read what you read also opened this", sv="De som läser det du läser har också öppnat detta",
    ),
    Template(
        code="read_next", column="source:markov", above=0.95,
        en="Often read after what you read last", sv="Läses ofta efter det du läste senast",
    ),
    Template(
        code="next_step", column="source:lar", above=0.95,
        en="Where your latest reads lead", sv="Dit det du läst senast leder",
    ),
    Template(
        code="goes_together", column="source:ease", above=0.95,
        en="Goes with much of what you read", sv="Hör ihop med mycket av det du läst",
    ),
    Template(
        code="similar_content", column="source:content", above=0.8,
        en="Close to what you read lately", sv="Liknar det du läst på senaste tiden",
    ),
    Template(
        code="your_category", column="aff_cat", above=0.2,
        en="You often read about {category}", sv="Du läser ofta om {category}",
    ),
    Template(
        code="popular_near_you", column="source:segment", above=0.95, also=(("i_pop_7d", 0.5),),
        en="Popular where you are", sv="Populärt där du är",
    ),
    Template(
        code="popular", column="source:popularity", above=0.9, also=(("i_pop_1d", 0.5),),
        en="Popular right now", sv="Populärt just nu",
    ),
    Template(
        code="trending", column="source:trending", above=0.95, also=(("i_pop_1d", 0.5),),
        en="On the rise", sv="På väg upp",
    ),
    Template(
        code="fresh", column="i_freshness", above=0.5,
        en="Published within the last day", sv="Publicerat det senaste dygnet",
    ),
    Template(code="new", column="source:newest", above=0.8, en="Newer than most", sv="Nyare än de flesta"),
)  # fmt: skip
LIKE_THIS = (
    Template(
        code="same_readers", column="source:covisits", above=0.5,
        en="People who read this also opened it", sv="De som läst detta har också öppnat det",
    ),
    Template(
        code="like_this", column="source:content", above=0.5,
        en="About the same things", sv="Handlar om samma saker",
    ),
    Template(
        code="popular", column="source:popularity", above=0.9, also=(("i_pop_1d", 0.5),),
        en="Popular right now", sv="Populärt just nu",
    ),
)  # fmt: skip
PERSONAL = LinearHeuristic(
    {
        "i_freshness": (2.0, "identity"),
        "i_age": (-0.2, "identity"),
        "i_pop_1d": (1.0, "log1p"),
        "i_pop_6h": (1.0, "log1p"),
        "aff_cat": (1.5, "identity"),
        "aff_author": (0.5, "log1p"),
        "g_author_follow": (1.0, "identity"),
        "text_profile_cos": (1.0, "identity"),
        "aff_neg_cat": (-1.0, "identity"),
        "i_dismiss_rate": (-2.0, "identity"),
    }
)
ENGAGEMENT = LinearHeuristic(
    {
        "i_view_7d": (0.5, "log1p"),
        "i_like_7d": (1.0, "log1p"),
        "i_comment_7d": (1.5, "log1p"),
        "i_share_7d": (2.0, "log1p"),
        "i_bookmark_7d": (1.5, "log1p"),
        "i_hide_7d": (-1.0, "log1p"),
        "i_report_7d": (-2.0, "log1p"),
        "i_freshness": (3.0, "identity"),
        "i_age": (-0.1, "identity"),
    }
)
ELIGIBLE = (Visibility(), Expiry(), NotBlocked(), NotHidden())
HOME = Pipeline(
    name="home",
    retrievers=(
        Newest, DecayedPopularity, Active, Trending, Covisits, partial(ItemKNN, "cosine"), partial(ItemKNN, "bm25"),
        EASE, GFCF, Markov, LAR, ALS, BPR, NMF, Content, SegmentPopularity, ColdItems,
    ),
    heuristics={"personal": PERSONAL, "engagement": ENGAGEMENT},
    ladder=("personal", "engagement", "newest"),
    rankers=(LambdaRank, Pointwise, LinearRanker),
    eligible=ELIGIBLE,
    rules=(Rule(do="seen_out", name="not seen yet"),),
    templates=TEMPLATES,
    objectives={
        "relevance": Objective(en="likely to be opened", sv="blir troligen öppnat"),
        "fresh": Objective(column="i_freshness", en="fresh", sv="färskt"),
    },
)  # fmt: skip
SIMILAR = Pipeline(
    name="similar",
    retrievers=(Covisits, Content, DecayedPopularity, Newest),
    weights={"covisits": 1.0, "content": 1.0, "popularity": 0.1},
    ladder=("content", "covisits", "popularity", "newest"),
    eligible=ELIGIBLE,
    rules=(),
    templates=LIKE_THIS,
)

app = App(
    name="feed",
    doc="Ranks the posts of a social feed for each user.",
    entities=(USER, POST),
    events=EVENTS,
    subject="user",
    item="post",
    view=view,
    pipelines=(HOME, SIMILAR),
    response=("i_ctr_decay", "i_impr_log"),
    impression="impression",
    values={"view": "seconds"},
    simulate=Toy,
)
