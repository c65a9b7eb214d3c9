"""The advisor's features: what is known of a user, an assessment, a recommendation, and of them together."""

import math

from proffer.apps.advisor.entities import EVENTS, LABELS
from proffer.features import (
    context,
    counts,
    derived,
    deviation,
    given,
    lists,
    listwise,
    match,
    pairs,
    rates,
    ratios,
    recency,
    temporal,
    text,
)
from proffer.features.accumulators.lists import LastN
from proffer.features.accumulators.marks import LastScaled
from proffer.features.accumulators.sums import DecayGrid, Total
from proffer.features.accumulators.tally import Tally
from proffer.features.accumulators.times import Stamp
from proffer.features.accumulators.vectors import Declared, Moments, Sketch, Tags
from proffer.features.base import Amount, Feature, Scope, each, graded
from proffer.features.live import DAY
from proffer.features.ratios import Of
from proffer.features.view import FeatureView

TYPES = tuple(event.name for event in EVENTS)
GRADES = {event.name: event.weight for event in EVENTS}
UNRATED = {name: grade for name, grade in GRADES.items() if grade and name != "rate"}
INTEREST = {name: GRADES[name] for name in ("click", "share", "save", "implement")}
"""What a user thinks of a recommendation, by what he does with it; a rating says so by its stars alone."""
SCALES = tuple(sorted(LABELS.scales.items()))
ANSWERS = ("click", "implement", "save", "share", "rate", "dismiss")
WANTED = each(*INTEREST)

BEFORE = {
    "user": ("actor",),
    "recommendation": ("target",),
    "assessment": ("group",),
    "category": ("target.category",),
    "action": ("target.action",),
    "provider": ("target.provider",),
    "all": ("all",),
    "user_recommendation": ("actor", "target"),
    "user_assessment": ("actor", "group"),
    "user_category": ("actor", "target.category"),
    "user_action": ("actor", "target.action"),
    "user_provider": ("actor", "target.provider"),
    "assessment_category": ("group", "target.category"),
    "company_recommendation": ("actor.company", "target"),
}
ASSESSMENTS = {
    "industry": "group.segment",
    "size": "group.company_size",
    "workload": "group.workload",
    "current_provider": "group.provider",
}
EVIDENCE = ("industry", "size", "workload", "role")
ALIKE = {**ASSESSMENTS, "role": "actor.segment", "company": "actor.company"}
"""Whose answers tell something about those of an assessment: assessments, and users, that have one of these alike."""
SCOPES = (
    *(Scope(name, parts) for name, parts in BEFORE.items()),
    Scope("priority_category", ("group.category", "target.category")),
    *(Scope(f"{name}_{of}", (part, f"target.{of}")) for name, part in ALIKE.items() for of in ("category", "action")),
)

DAILY, WEEKLY, MONTHLY, LONG, EVER = (Tally(TYPES, life) for life in (DAY, 7 * DAY, 30 * DAY, 180 * DAY, math.inf))
ACTIVE = DecayGrid(each(*TYPES), (DAY, 7 * DAY, 30 * DAY))
POSITIVE = DecayGrid(WANTED, (7 * DAY, 30 * DAY))
SHOWN = DecayGrid(each("impression"), (7 * DAY, 30 * DAY))
SECONDS = Moments(each("view"), "seconds", 0.0, 600.0, 90 * DAY)
STARS = Moments(each("rate"), "stars", 1.0, 5.0, 180 * DAY)
LATELY = LastN(WANTED, 32, "target.category")
STAMP = Stamp(each(*TYPES))
BACKOFF = ("recommendation", "action", "category", "all")


def interest(tally: Tally) -> Amount:
    """Return the sum of the grades of clicks, shares, saves and implementations."""
    return tally.of(**INTEREST)


def among(name: str) -> tuple[str, ...]:
    """Return how rates of an action back off where this is alike: to its category there, to its category anywhere."""
    return f"{name}_action", f"{name}_category", "category", "all"


OF_USER: tuple[Feature, ...] = (
    counts.Count("u_events_1d", "user", ACTIVE.at(DAY)),
    counts.Count("u_events_7d", "user", ACTIVE.at(7 * DAY)),
    counts.Count("u_events_30d", "user", ACTIVE.at(30 * DAY)),
    counts.Count("u_positive_7d", "user", POSITIVE.at(7 * DAY)),
    counts.Count("u_positive_30d", "user", POSITIVE.at(30 * DAY)),
    counts.Below("u_is_cold", "user", Total(WANTED)),
    rates.Rate("u_ctr", ("user", "all"), MONTHLY.of("click"), MONTHLY.exposures),
    rates.Rate("u_grade_mean", ("user", "all"), LONG.of(**UNRATED), LONG.of(*UNRATED)),
    rates.Rate("u_implement_rate", ("user", "all"), LONG.of("implement"), LONG.exposures),
    rates.Rate("u_dismiss_rate", ("user", "all"), MONTHLY.of("dismiss"), MONTHLY.exposures),
    rates.Mean("u_view_seconds", "user", SECONDS),
    recency.Recency("u_recency", "user", STAMP),
    recency.Tenure("u_tenure", "user", STAMP),
    lists.Entropy("u_cat_entropy", "user", LATELY),
)
OF_ASSESSMENT: tuple[Feature, ...] = (
    given.Number("a_company_size", "company_size", "group"),
    ratios.Logged("a_employees", Of("employees", "group")),
    ratios.Logged("a_budget", Of("budget", "group")),
    ratios.Logged("a_spend", Of("spend", "group")),
    ratios.Ratio("a_spend_of_budget", Of("spend", "group"), Of("budget", "group")),
    match.Members("a_providers", "providers"),
    recency.GroupAge("a_age"),
    counts.LogCount("a_events", "assessment", EVER.of("view", *ANSWERS)),
    counts.LogCount("a_implemented", "assessment", EVER.of("implement")),
    rates.Rate("a_implement_rate", ("assessment", "all"), EVER.of("implement"), EVER.exposures),
    rates.Rate("a_dismiss_rate", ("assessment", "all"), EVER.of("dismiss"), EVER.exposures),
    recency.Recency("a_recency", "assessment", STAMP),
)
OF_RECOMMENDATION: tuple[Feature, ...] = (
    given.Number("r_confidence", "confidence"),
    given.Number("r_saving", "saving"),
    given.Number("r_cost", "cost"),
    given.Number("r_effort", "effort"),
    given.Number("r_risk", "risk"),
    given.Number("r_priority", "priority"),
    ratios.Product("r_expected_saving", Of("confidence"), Of("saving")),
    ratios.Portion("r_payback", Of("saving"), Of("cost")),
    ratios.Ratio("r_saving_per_hour", Of("saving"), Of("effort")),
    recency.Age("r_age"),
    recency.Left("r_expires_in"),
    text.Words("len_title", "title"),
    text.Words("len_text", "text"),
)
ANSWERED: tuple[Feature, ...] = (
    rates.Rate("i_ctr_1d", BACKOFF, DAILY.of("click"), DAILY.exposures),
    rates.Rate("i_ctr_7d", BACKOFF, WEEKLY.of("click"), WEEKLY.exposures),
    rates.Rate("i_ctr_30d", BACKOFF, MONTHLY.of("click"), MONTHLY.exposures),
    rates.Rate("i_conv", BACKOFF, MONTHLY.of("implement"), MONTHLY.of("click")),
    rates.Rate("i_implement_rate", BACKOFF, LONG.of("implement"), LONG.exposures),
    rates.Rate("i_save_share_rate", BACKOFF, MONTHLY.of("save", "share"), MONTHLY.exposures),
    rates.Rate("i_dismiss_rate", BACKOFF, MONTHLY.of("dismiss"), MONTHLY.exposures),
    rates.Rate("i_view_seconds", ("recommendation", "action", "all"), SECONDS.total, SECONDS.number),
    rates.Rate("i_rating_bayes", ("recommendation", "action", "all"), STARS.total, STARS.number),
    rates.Mean("i_stars", "recommendation", STARS),
    rates.Rate("i_cat_ctr", ("category", "all"), MONTHLY.of("click"), MONTHLY.exposures),
    counts.LogCount("i_impr_log", "recommendation", MONTHLY.exposures),
    counts.LogCount("i_seen_log", "recommendation", LONG.exposures),
    counts.Count("i_implemented", "recommendation", LONG.of("implement")),
    counts.Count("g_company_peers_pos", "company_recommendation", MONTHLY.of(*INTEREST)),
)
OF_USER_AND_RECOMMENDATION: tuple[Feature, ...] = (
    counts.Count("ui_seen_7d", "user_recommendation", SHOWN.at(7 * DAY)),
    counts.Count("ui_seen_30d", "user_recommendation", SHOWN.at(30 * DAY)),
    counts.Count("ui_views", "user_recommendation", EVER.of("view")),
    counts.Count("ui_clicks", "user_recommendation", EVER.of("click")),
    counts.Count("ui_kept", "user_recommendation", EVER.of("save", "share")),
    counts.Count("ui_dismissed", "user_recommendation", EVER.of("dismiss")),
    counts.Below("ui_open", "user_recommendation", EVER.of(*ANSWERS), 0.5),
    pairs.Grade("ui_last_grade", "user_recommendation", LastScaled(graded(GRADES), SCALES)),
    recency.Recency("ui_since_last", "user_recommendation", STAMP),
    counts.LogCount("ua_events", "user_assessment", EVER.of("view", *ANSWERS)),
    recency.Recency("ua_recency", "user_assessment", STAMP),
    match.Same("ua_is_owner", "actor", "group.author"),
    lists.Affinity("aff_cat", "user", LATELY),
    rates.Rate("aff_cat_rate", ("user_category", "user", "all"), interest(LONG), LONG.exposures),
    rates.Rate("aff_cat_implement", ("user_category", "user", "all"), LONG.of("implement"), LONG.exposures),
    pairs.Share("aff_neg_cat", "user_category", "user", LONG.of("dismiss")),
    rates.Rate("aff_action_rate", ("user_action", "user", "all"), interest(LONG), LONG.exposures),
    rates.Rate("aff_provider_rate", ("user_provider", "user", "all"), interest(LONG), LONG.exposures),
    text.TagCosine("aff_tag", "user", Tags(WANTED, 90 * DAY)),
    text.ProfileCosine("aff_text", "user", Sketch(WANTED, 90 * DAY)),
    text.LanguageMatch("lang_match"),
    deviation.Deviation("d_saving", "user", Declared(WANTED, "saving", 90 * DAY)),
    deviation.Deviation("d_cost", "user", Declared(WANTED, "cost", 90 * DAY)),
    deviation.Deviation("d_effort", "user", Declared(WANTED, "effort", 90 * DAY)),
)
OF_ASSESSMENT_AND_RECOMMENDATION: tuple[Feature, ...] = (
    match.Same("ar_priority_match", "target.category", "group.category"),
    match.Same("ar_provider_match", "target.provider", "group.provider"),
    match.Member("ar_provider_used", "provider", "providers"),
    match.GroupCosine("ar_goals_cos"),
    ratios.Ratio("ar_saving_of_spend", Of("saving"), Of("spend", "group")),
    ratios.Ratio("ar_saving_of_budget", Of("saving"), Of("budget", "group")),
    ratios.Ratio("ar_cost_of_budget", Of("cost"), Of("budget", "group")),
    ratios.Ratio("ar_effort_per_head", Of("effort"), Of("employees", "group")),
    ratios.Product("ar_size_effort", Of("company_size", "group"), Of("effort")),
    pairs.Share("ac_implemented", "assessment_category", "assessment", LONG.of("implement")),
    pairs.Share("ac_dismissed", "assessment_category", "assessment", LONG.of("dismiss")),
    rates.Rate("ac_rate", ("assessment_category", "category", "all"), interest(LONG), LONG.exposures),
)
OF_OTHERS: tuple[Feature, ...] = (
    rates.Rate("cf_action", ("action", "category", "all"), interest(LONG), LONG.exposures),
    rates.Rate("cf_category", ("category", "all"), interest(LONG), LONG.exposures),
    rates.Rate("cf_provider", ("provider", "all"), interest(LONG), LONG.exposures),
    rates.Rate("cf_priority", ("priority_category", "category", "all"), interest(LONG), LONG.exposures),
    *(rates.Rate(f"cf_{name}", among(name), interest(LONG), LONG.exposures) for name in ALIKE),
    *(rates.Rate(f"cf_{name}_done", among(name), LONG.of("implement"), LONG.exposures) for name in ASSESSMENTS),
    *(counts.LogCount(f"cf_{name}_seen", f"{name}_action", LONG.exposures) for name in EVIDENCE),
    derived.MeanOf("cf_alike", tuple(f"cf_{name}" for name in ASSESSMENTS), LONG.window),
    derived.MeanOf("cf_alike_done", tuple(f"cf_{name}_done" for name in ASSESSMENTS), LONG.window),
)
HIGH = {
    "confidence": "r_confidence", "saving": "r_saving", "priority": "r_priority", "payback": "r_payback",
    "per_hour": "r_saving_per_hour", "ctr": "i_ctr_30d", "goals": "ar_goals_cos", "action": "aff_action_rate",
    "alike": "cf_alike", "done": "cf_alike_done",
}  # fmt: skip
LOW = {"cost": "r_cost", "effort": "r_effort", "risk": "r_risk", "age": "r_age"}
APART = ("confidence", "saving", "cost", "effort", "risk", "priority")
OF_REQUEST: tuple[Feature, ...] = (
    temporal.Cycle("hour"),
    temporal.Cycle("dow"),
    temporal.Weekend(),
    context.Said("on_mobile", "device", "mobile"),
    listwise.ListLength(),
    *(listwise.ListRank(f"list_rank_{name}", of) for name, of in HIGH.items()),
    *(listwise.ListLow(f"list_low_{name}", of) for name, of in LOW.items()),
    *(listwise.ListDifference(f"list_diff_{name}", f"r_{name}") for name in APART),
    listwise.ListPart("list_saving_part", "r_saving"),
    listwise.ListShare("list_cat_share", "category"),
    listwise.ListShare("list_action_share", "action"),
    listwise.ListMean("list_open", "ui_open"),
    listwise.ListOthers("list_cat_open", "ui_open"),
)

view = FeatureView(
    "advisor",
    SCOPES,
    (
        *OF_USER, *OF_ASSESSMENT, *OF_RECOMMENDATION, *ANSWERED, *OF_USER_AND_RECOMMENDATION,
        *OF_ASSESSMENT_AND_RECOMMENDATION, *OF_OTHERS, *OF_REQUEST,
    ),
)  # fmt: skip
