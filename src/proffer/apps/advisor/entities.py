"""What the advisor knows: users, assessments, their recommendations, and what users do with these."""

from datetime import timedelta

from proffer.core.labels import Labels, Scale
from proffer.core.schema import Attribute, EntityKind, EventType, Field

USER = EntityKind(
    "user",
    (
        Attribute("name", "text", "What people call the user."),
        Attribute("role", "text", "What the user does, such as engineer or finance.", "segment"),
        Attribute("company", "text", "Id or name of the user's company.", "code"),
        Attribute("language", "text", "The user's language, as a code like sv.", "language"),
    ),
    "Reads an assessment's recommendations and answers them.",
)
ASSESSMENT = EntityKind(
    "assessment",
    (
        Attribute("title", "text", "A line of text.", "title"),
        Attribute("goals", "text", "What the assessment is for, in words.", "text"),
        Attribute("owner", "text", "Id of the user whose it is: who is meant where a request names no user.", "author"),
        Attribute("industry", "text", "Industry of the company.", "segment"),
        Attribute(
            "company_size", "text", "Size of the company.", "code", levels=("small", "medium", "large", "enterprise")
        ),
        Attribute("employees", "number", "People in the company."),
        Attribute("budget", "number", "What may be spent, a month, in the currency of savings and costs."),
        Attribute("spend", "number", "What is spent now, a month."),
        Attribute("workload", "text", "What runs there, such as web, batch, analytics.", "code"),
        Attribute("priority", "text", "What matters most: a category of recommendations.", "category"),
        Attribute("providers", "list", "Current providers."),
        Attribute("provider", "text", "Main provider.", "code"),
        Attribute("created", "time", "When it was made.", "published"),
    ),
    "A look at a company's infrastructure, which gave recommendations.",
)
RECOMMENDATION = EntityKind(
    "recommendation",
    (
        Attribute("assessment", "text", "Id of the assessment it belongs to.", "group", kind="assessment"),
        Attribute("title", "text", "A line of text.", "title"),
        Attribute("text", "text", "The body.", "text"),
        Attribute("category", "text", "Such as cost_optimization, security, performance, reliability.", "category"),
        Attribute("tags", "list", "Further topics.", "tags"),
        Attribute("action", "text", "What kind of step it is, the same for alike ones of other assessments.", "code"),
        Attribute("provider", "text", "Whose product it is about.", "code"),
        Attribute("confidence", "number", "How sure who made it is, 0 to 1."),
        Attribute("saving", "number", "Estimated saving a month."),
        Attribute("cost", "number", "Estimated cost of doing it, once."),
        Attribute("effort", "number", "Estimated hours of work."),
        Attribute("risk", "number", "What may go wrong, 0 to 1."),
        Attribute("priority", "text", "How urgent.", levels=("low", "medium", "high", "critical")),
        Attribute("language", "text", "Language of the text, as a code like sv.", "language"),
        Attribute("created", "time", "When it was made.", "published"),
        Attribute("expires", "time", "Until when it may be shown.", "expires"),
    ),
    "A step that an assessment recommends.",
)
SESSION = Field("session", "text", "The visit it happened in.")
EVENTS = (
    EventType(
        "impression", "user", ("recommendation",),
        (Field("position", "number", "The place on the screen, from 1.", minimum=1), SESSION), 0.0,
        "The recommendation was on the user's screen.",
    ),
    EventType(
        "view", "user", ("recommendation",),
        (Field("seconds", "number", "How long it was visible.", minimum=0, maximum=86_400), SESSION), 0.1,
        "The user looked at it.",
    ),
    EventType("click", "user", ("recommendation",), (SESSION,), 0.4, "The user opened it."),
    EventType("implement", "user", ("recommendation",), (SESSION,), 1.0, "The user did it."),
    EventType("save", "user", ("recommendation",), (SESSION,), 0.8, "The user kept it for later."),
    EventType("share", "user", ("recommendation",), (SESSION,), 0.6, "The user passed it on."),
    EventType(
        "rate", "user", ("recommendation",),
        (Field("stars", "number", "1 to 5.", required=True, minimum=1, maximum=5), SESSION), 0.6,
        "The user rated it.",
    ),
    EventType("dismiss", "user", ("recommendation",), (SESSION,), -1.0, "The user does not want it."),
)  # fmt: skip
LABELS = Labels(
    outweighed=0.4,
    window=timedelta(days=7),
    scales={
        "view": Scale("seconds", ((1.0, 0.1), (60.0, 0.4))),
        "rate": Scale("stars", ((1.0, -1.0), (2.0, -0.5), (3.0, 0.6), (5.0, 1.0))),
    },
    gain="grade",
    looks=("view",),
)
"""A dismissal, or one or two stars, outweighs views and clicks (0.4 and below); a save, a share or doing it stands."""
VALUES = {"view": "seconds", "rate": "stars"}
