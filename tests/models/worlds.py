"""Toy worlds with a known answer."""

import numpy as np

from proffer.models.base import DAY, HOUR
from proffer.testing.world import START, Happened, World


def popular(seed: int, *, users: int = 600, items: int = 30, events: int = 1_500) -> World:
    """Everybody draws from one steady distribution over items: item i in proportion to 1 / (1 + i)."""
    rng = np.random.default_rng(seed)
    weights = 1.0 / (1.0 + np.arange(items))
    drawn = rng.choice(items, events, p=weights / weights.sum())
    times = START + np.sort(rng.uniform(0, 90 * DAY, events))
    return World([(f"u{rng.integers(users)}", f"p{d}", t, "view") for d, t in zip(drawn, times, strict=True)])


def ageing(seed: int, *, life: float, days: int = 30, users: int = 500, hourly: int = 8) -> World:
    """An item appears every `life` / 4 and is wanted in proportion to 2^(-age / life), whoever asks."""
    rng = np.random.default_rng(seed)
    born = START + np.arange(0, days * DAY, life / 4)
    happened: list[Happened] = []
    for at in START + np.sort(rng.uniform(life, days * DAY, int(days * 24 * hourly))):
        alive = np.flatnonzero((born <= at) & (born > at - 10 * life))
        want = 0.5 ** ((at - born[alive]) / life)
        happened.append((f"u{rng.integers(users)}", f"p{rng.choice(alive, p=want / want.sum())}", at, "view"))
    return World(happened, posts={f"p{row}": {"published": float(at)} for row, at in enumerate(born)})


def fresh_item() -> World:
    """Ann and Bob want the same things; an hour ago Bob wanted something new. Others want other things."""
    happened = [(user, f"p{i}", START + i * HOUR, "view") for i in range(5) for user in ("ann", "bob")]
    happened += [(f"u{i}", f"x{i % 7}", START + i * HOUR, "view") for i in range(40)]
    happened = sorted(happened, key=lambda row: row[2])
    return World([*happened, ("bob", "new", START + 50 * HOUR, "view")])


def hits(found: tuple[str, ...], wanted: set[str]) -> float:
    """Return the share of the slate that is wanted."""
    return len(wanted & set(found)) / max(len(found), 1)
