"""Operations that tell what people did: with one recommendation, and what one user did with them all."""

from datetime import datetime
from typing import Any

import msgspec

from proffer.api import messages
from proffer.api.advisor import PATH, grouped
from proffer.api.answers import Members
from proffer.api.operations import READ, Call, Operation
from proffer.core.checks import check_id
from proffer.engine.stats import LEVEL, Mean, Rate, item_stats, subject_history

VIEW, CLICK, IMPLEMENT = "view", "click", "implement"


class HistoryQuery(messages.Body, frozen=True, kw_only=True):
    """Whose history, and how many of the newest interactions are listed."""

    user: messages.Id
    limit: messages.Limit = 100


class RecommendationStats(msgspec.Struct, frozen=True, kw_only=True):
    """What people did with a recommendation.

    `total_interactions` and `type_counts` leave impressions out, `avg_label` is the mean of the users' grades under the
    labels in force. A rate has its counts, what they are counts of, and its interval; null where there is nothing.
    """

    recommendation_id: str
    total_interactions: int
    type_counts: dict[str, int]
    impressions: int
    users: int
    click_through_rate: Rate
    implementation_rate: Rate
    avg_label: Mean


class CategoryPreference(msgspec.Struct, frozen=True, kw_only=True):
    """What a user did with the recommendations of a category (null: of none)."""

    category: str | None
    interactions: int
    recommendations: int
    share: float
    avg_label: Mean


class Interacted(msgspec.Struct, frozen=True, kw_only=True):
    """One interaction, with the grade that it alone would give."""

    recommendation_id: str
    interaction_type: str
    at: datetime
    label: float
    fields: Members


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How much a user did, with how many recommendations, from when to when."""

    interactions: int
    recommendations: int
    impressions: int
    first_at: datetime | None
    last_at: datetime | None


class UserHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What a user did, all of it counted; `interactions` are the newest, newest first.

    `avg_engagement` is the mean grade of the recommendations the user did something with.
    """

    user: str
    totals: Totals
    type_counts: dict[str, int]
    category_preferences: list[CategoryPreference]
    implementation_rate: Rate
    avg_engagement: Mean
    interactions: list[Interacted]


def stats(call: Call) -> RecommendationStats:
    """Return what people did with a recommendation, with rates that name what they are of."""
    grouped(call.engine)
    found = item_stats(call.engine, call.path["id"])
    return RecommendationStats(
        recommendation_id=found.id, total_interactions=found.total, type_counts=found.counts,
        impressions=found.impressions, users=found.subjects,
        click_through_rate=Rate.of(found.counts, CLICK, VIEW),
        implementation_rate=Rate.of(found.counts, IMPLEMENT, CLICK), avg_label=found.grade,
    )  # fmt: skip


def history(call: Call) -> UserHistory:
    """Return what a user did: everything is counted, and the newest interactions are listed."""
    grouped(call.engine)
    asked: HistoryQuery = call.query
    found = subject_history(call.engine, check_id(asked.user, "user"), asked.limit)
    preferences = [
        CategoryPreference(
            category=one.category, interactions=one.interactions, recommendations=one.items,
            share=one.interactions / found.total, avg_label=one.grade,
        )
        for one in found.tastes
    ]  # fmt: skip
    interactions = [
        Interacted(recommendation_id=one.item, interaction_type=one.type, at=one.at, label=one.grade, fields=one.fields)
        for one in found.newest
    ]
    totals = Totals(
        interactions=found.total, recommendations=found.items, impressions=found.impressions, first_at=found.first_at,
        last_at=found.last_at,
    )  # fmt: skip
    return UserHistory(
        user=found.id, totals=totals, type_counts=found.counts, category_preferences=preferences,
        implementation_rate=Rate.of(found.counts, IMPLEMENT, CLICK), avg_engagement=found.grade,
        interactions=interactions,
    )  # fmt: skip


CTR: dict[str, Any] = {
    "value": 0.3, "numerator": 3, "denominator": 10, "counts": "click / view", "low": 0.108, "high": 0.603,
    "level": LEVEL, "why": None,
}  # fmt: skip
NO_RATE = {
    **CTR, "value": None, "numerator": 0, "denominator": 0, "counts": "implement / click", "low": None, "high": None,
    "why": "no click yet",
}  # fmt: skip
LABEL = {"value": 0.4, "denominator": 4, "counts": "users who did something", "why": None}
COUNTS = {"view": 10, "click": 3, "implement": 0, "save": 1, "share": 0, "rate": 0, "dismiss": 1}
OPERATIONS = (
    Operation(
        name="recommendationStats",
        method="GET",
        path=f"{PATH}/stats/{{id}}",
        scope=READ,
        tag="recommendations",
        summary="Return what people did with a recommendation: counts, rates with intervals, the mean label.",
        returns=RecommendationStats,
        answer={
            "recommendation_id": "r1", "total_interactions": 15, "type_counts": COUNTS, "impressions": 25, "users": 4,
            "click_through_rate": CTR, "implementation_rate": NO_RATE | {"denominator": 3}, "avg_label": LABEL,
        },
        call=stats,
    ),
    Operation(
        name="userHistory",
        method="GET",
        path=f"{PATH}/user/history",
        scope=READ,
        tag="recommendations",
        summary="Return what a user did with recommendations: counts, preferences, rates, the newest interactions.",
        query=HistoryQuery,
        returns=UserHistory,
        answer={
            "user": "u1", "type_counts": COUNTS, "implementation_rate": NO_RATE, "avg_engagement": LABEL,
            "totals": {
                "interactions": 15, "recommendations": 6, "impressions": 25, "first_at": "2026-01-30T09:00:00Z",
                "last_at": "2026-01-31T12:00:00Z",
            },
            "category_preferences": [
                {"category": "security", "interactions": 15, "recommendations": 6, "share": 1.0, "avg_label": LABEL}
            ],
            "interactions": [
                {
                    "recommendation_id": "r1", "interaction_type": "save", "at": "2026-01-31T12:00:00Z", "label": 0.8,
                    "fields": {},
                }
            ],
        },
        call=history,
    ),
)  # fmt: skip
