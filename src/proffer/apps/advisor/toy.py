"""What a toy world of assessments is made of: companies, their users, assessments, recommendations, all by a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CATEGORIES = ("cost_optimization", "security", "performance", "reliability", "operations", "sustainability")
COMMON = (0.5, 0.3, 0.0, -0.2, -0.3, -0.3)
"""How much more each category is needed than others everywhere; confidence makes too much of it."""
SHARES = (0.4, 0.2, 0.13, 0.12, 0.08, 0.07)
"""How much of what is recommended is of each category."""
ACTIONS = {
    "cost_optimization": ("rightsize instances", "reserve capacity", "stop idle machines", "archive cold storage"),
    "security": ("enforce multifactor", "encrypt volumes", "rotate keys", "close open ports"),
    "performance": ("add cache", "tune queries", "scale out", "move to faster disks"),
    "reliability": ("add replicas", "test backups", "spread zones", "add health checks"),
    "operations": ("automate deploys", "collect logs", "write runbooks", "alert on errors"),
    "sustainability": ("use efficient processors", "shift batch jobs", "retire servers", "pick green regions"),
}
WORDS = {
    "cost_optimization": "bill discount waste unused commitment invoice saving cheaper",
    "security": "attack leak credential audit compliance breach access policy",
    "performance": "latency throughput slow response bottleneck memory faster load",
    "reliability": "outage failover recovery redundancy downtime restore resilient incident",
    "operations": "pipeline monitoring release automation dashboard manual toil ticket",
    "sustainability": "carbon energy emission footprint renewable power cooling climate",
}
PHRASES = {
    "cost_optimization": "Lowers the monthly cloud bill without touching what customers see, compared with last year",
    "security": "Closes a gap that an attacker or an auditor would find first, rated after the common benchmark",
    "performance": "Makes pages answer sooner when many people come at once, measured at the busiest hour",
    "reliability": "Keeps the service up when a machine or a whole zone fails, tested by switching one off",
    "operations": "Saves the team manual work every week and shows problems before users notice them",
    "sustainability": "Uses less electricity for the same jobs and counts towards the yearly climate report",
}
"""What every text of a category says: such texts are written by templates."""
INDUSTRIES = ("bank", "retail", "health", "media", "industry", "public")
WORKLOADS = ("web", "batch", "analytics", "storage")
PROVIDERS = ("aws", "azure", "gcp")
SIZES = ("small", "medium", "large", "enterprise")
URGENCIES = ("low", "medium", "high", "critical")
ROLES = ("engineer", "finance", "security", "operations", "manager")
TASTES = {
    "engineer": (-0.3, 0.1, 1.0, 0.5, 0.1, 0.0), "finance": (1.2, -0.3, -0.5, -0.2, -0.2, 0.2),
    "security": (-0.5, 1.3, -0.3, 0.3, 0.0, -0.2), "operations": (-0.2, 0.0, 0.1, 0.8, 1.0, -0.1),
    "manager": (0.5, 0.2, -0.2, 0.1, -0.1, 0.5),
}  # fmt: skip
"""How much more or less than others a role does of each category, in the units of the wish."""
MEMBERS = 4
"""Users of a company."""
OFFERED = 40
"""Recommendations of an assessment."""
ALL_ACTIONS = tuple(action for actions in ACTIONS.values() for action in actions)
PER_CATEGORY = len(ALL_ACTIONS) // len(CATEGORIES)


@dataclass(frozen=True)
class Nature:
    """How strongly each circumstance moves what a user wishes to do, in spreads of it, and how people look.

    `need` and `first` are the company's need of a category and the one it names first, `quality` what an action is
    worth in itself, `fit` beside the workload, `taste` and `personal` the role's and the user's own liking of a
    category, `hidden` the spread of what nobody can know. The confidence of who made the assessment knows `known` of
    what does not hang on whom it is for, makes `leaning` too much of common needs and errs by `error`. Chances are
    logistic in `slope` x wish plus `clicked`, or plus `done` once it was clicked; a place is looked at with the chance
    1 / place^`looked`.
    """

    need: float = 0.6
    first: float = 0.7
    saving: float = 0.7
    effort: float = 0.6
    cost: float = 0.3
    quality: float = 0.9
    fit: float = 0.5
    provider: float = 0.5
    risk: float = 0.4
    urgency: float = 0.25
    taste: float = 0.8
    personal: float = 0.3
    hidden: float = 0.3
    known: float = 1.0
    leaning: float = 3.0
    error: float = 0.2
    slope: float = 1.1
    clicked: float = -3.2
    done: float = -3.2
    looked: float = 0.8


NATURE = Nature()


@dataclass(frozen=True)
class Companies:
    """Companies (c,), what they need of each category (c, 6), and the taste of each user (c * MEMBERS, 6)."""

    industry: Ints
    size: Ints
    workload: Ints
    provider: Ints
    second: Ints
    spend: Floats
    need: Floats
    role: Ints
    taste: Floats
    quality: Floats
    fit: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int, nature: Nature) -> "Companies":
        """Draw them, and what each action is worth: in itself (24,) and beside each workload (24, 4)."""
        industry, size = rng.integers(0, len(INDUSTRIES), count), rng.integers(0, len(SIZES), count)
        by_industry = rng.normal(0, 0.6, (len(INDUSTRIES), len(CATEGORIES)))
        by_size = rng.normal(0, 0.4, (len(SIZES), len(CATEGORIES)))
        role = rng.integers(0, len(ROLES), count * MEMBERS)
        tastes = np.array([TASTES[name] for name in ROLES])
        personal = rng.normal(0, nature.personal, (count * MEMBERS, len(CATEGORIES)))
        return cls(
            industry=industry,
            size=size,
            workload=rng.integers(0, len(WORKLOADS), count),
            provider=rng.integers(0, len(PROVIDERS), count),
            second=rng.integers(0, len(PROVIDERS), count),
            spend=np.exp(rng.normal(8.5, 0.5, count) + size),
            need=nature.need * (np.array(COMMON) + by_industry[industry] + by_size[size]),
            role=role,
            taste=nature.taste * tastes[role] + personal,
            quality=rng.normal(0, nature.quality, len(ALL_ACTIONS)),
            fit=rng.normal(0, nature.fit, (len(ALL_ACTIONS), len(WORKLOADS))),
        )


@dataclass(frozen=True)
class Week:
    """The assessments of a week (a,) and their recommendations (a, 40); `wish` is what all users share of theirs."""

    company: Ints
    owner: Ints
    priority: Ints
    wanted: Ints
    budget: Floats
    created: Floats
    category: Ints
    action: Ints
    provider: Ints
    saving: Floats
    cost: Floats
    effort: Floats
    risk: Floats
    urgency: Ints
    confidence: Floats
    said: Ints
    unknown: NDArray[np.bool_]
    wish: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, count: int, known: Companies, nature: Nature) -> "Week":
        """Draw a week of so many assessments of these companies."""
        company = rng.integers(0, len(known.industry), count)
        gumbel = rng.gumbel(0, 1, (count, len(CATEGORIES)))
        ordered = np.argsort(-(1.5 * known.need[company] + gumbel), axis=1)
        need = known.need[company].copy()
        need[np.arange(count), ordered[:, 0]] += nature.first
        need[np.arange(count), ordered[:, 1]] += nature.first / 2
        shape, main, size = (count, OFFERED), known.provider[company, None], known.size[company, None]
        category = rng.choice(len(CATEGORIES), shape, p=SHARES)
        action = category * PER_CATEGORY + rng.integers(0, PER_CATEGORY, shape)
        provider = np.where(rng.random(shape) < 0.7, main, rng.integers(0, len(PROVIDERS), shape))
        at_home = (provider == main) | (provider == known.second[company, None])
        saved = rng.normal(0, 1, shape) + 0.8 * (category == 0)
        worked, costed, risk = rng.normal(0, 1, shape), rng.normal(0, 1, shape), rng.beta(2, 4, shape)
        budget = known.spend[company] * rng.uniform(0.1, 0.5, count)
        needed = np.take_along_axis(need, category, 1)
        urgency = np.clip(np.round(1.2 + 0.6 * needed + rng.normal(0, 0.8, shape)), 0, 3).astype(np.int64)
        # What does not hang on whom it is for: this much the one who made the assessment could know.
        plain = (
            known.quality[action] + nature.saving * saved - nature.effort * worked - nature.cost * costed
            - nature.risk * (risk - 1 / 3) / 0.18 + np.where(at_home, nature.provider, -nature.provider)
        )  # fmt: skip
        suits = needed + known.fit[action, known.workload[company, None]] + nature.urgency * (urgency - 1.2)
        leaning = nature.leaning * np.array(COMMON)[category]
        sure = nature.known * plain + leaning + rng.normal(0, nature.error, shape)
        return cls(
            company=company, owner=company * MEMBERS + rng.integers(0, MEMBERS, count), priority=ordered[:, 0],
            wanted=ordered[:, 1], budget=budget, created=np.sort(rng.uniform(0, 24, count)), category=category,
            action=action, provider=provider, urgency=urgency, risk=risk, confidence=1 / (1 + np.exp(-sure)),
            saving=0.02 * known.spend[company, None] * np.exp(0.9 * saved),
            cost=0.15 * budget[:, None] * np.exp(0.8 * costed),
            # A bigger company has more people to do it: what counts is the effort beside that.
            effort=16 * np.exp(0.8 * worked + 0.4 * size),
            said=rng.integers(0, 8, (count, OFFERED, 4)), unknown=rng.random((count, OFFERED, 3)) < 0.04,
            wish=plain + suits + rng.normal(0, nature.hidden, shape),
        )  # fmt: skip
