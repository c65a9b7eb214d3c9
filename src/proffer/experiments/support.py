"""Whether logged decisions can tell what another policy would have earned, and how far down the list."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proffer.core.errors import Invalid
from proffer.experiments.offpolicy import Slates, effective_size

ENOUGH = 50
"""Decisions of equal weight that an estimate needs: with fewer its interval is too often wrong."""
ANSWERED = 10
"""Answers of equal weight that it needs, for the same reason."""
LOST = 0.05
"""The share of the target policy's lists that the logging one may never show."""
AWAY = 4.0
"""Standard errors that the mean weight may be away from what it must be."""

Floats = NDArray[np.float64]


class Drawn(NamedTuple):
    """Lists drawn from the target policy, one for each logged decision: matrices (n, K), NaN beyond a list's end.

    `logged` and `target` are the chances with which either policy fills each place so, given the places before; a
    `logged` of 0 says that the logging policy never does.
    """

    logged: Floats
    target: Floats

    @classmethod
    def of(cls, logged: ArrayLike, target: ArrayLike) -> "Drawn":
        """Return checked matrices; vectors (n,) are lists of one place. Raises Invalid."""
        found = [np.asarray(values, np.float64) for values in (logged, target)]
        one, other = [values[:, None] if values.ndim == 1 else values for values in found]
        if one.shape != other.shape:
            raise Invalid("chances differ in shape", remedy="Give both policies' for each list and place.")
        return cls(one, other)

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Return whether the logging policy shows the first k places so at all (n, K)."""
        return np.logical_and.accumulate(~(self.logged <= 0), axis=1)

    @property
    def weights(self) -> Floats:
        """Return how much likelier the target policy is to fill the first k places so (n, K).

        It is 0 where that is out of reach, and beyond a list's end.
        """
        ratios = np.where(self.logged > 0, self.target / np.where(self.logged > 0, self.logged, 1.0), 0.0)
        return np.asarray(np.cumprod(ratios, axis=1))


class Depth(NamedTuple):
    """What logged decisions can tell of the first `places`.

    `ess` is the effective sample size of their weights; `expected` what it is on average, seen from the target policy's
    own lists: a few weights that are huge, but rarely drawn, spoil this one first. `mean` is the weights' mean and
    `due` what it must be near: the share of the target policy's lists that have so many places and that logging may
    show. `lost` is the share that it never shows. `answers` is how many answers of equal weight are to be expected, at
    most one a subject. `why` says why they cannot tell, None where they can.
    """

    places: int
    ess: float
    expected: float
    mean: float
    due: float
    lost: float
    answers: float
    why: str | None


def depths(slates: Slates, drawn: Drawn, *, enough: float = ENOUGH) -> list[Depth]:
    """Return for each number of places, from 1, whether an estimate of them can be trusted, and why not.

    >>> evenly = np.full((200, 1), 0.5)
    >>> [depth.why for depth in depths(Slates.of(evenly, evenly, evenly > 0), Drawn.of(evenly, evenly))]
    [None]
    """
    found: list[Depth] = []
    for places in range(1, slates.logged.shape[1] + 1):
        depth = _depth(slates, drawn, places)
        why = found[-1].why if found and found[-1].why else _objection(depth, len(slates.logged), enough)
        found.append(depth._replace(why=why))
    return found


def _depth(slates: Slates, drawn: Drawn, places: int) -> Depth:
    weights, own = slates.weights[:, places - 1], drawn.weights[:, places - 1]
    due, second = float((own > 0).mean()), float(own.mean())
    expected = len(own) * due**2 / second if second > 0 else 0.0
    # Not weighed: a log that is looked at because its weighed answers are many has too many of them.
    earned = slates.earned[:, :places].sum(axis=1)
    answers = effective_size(earned) * min(expected / len(own), 1.0)
    if slates.clusters is not None:
        answers = min(answers, effective_size(np.bincount(np.unique(slates.clusters, return_inverse=True)[1], earned)))
    return Depth(
        places=places,
        ess=effective_size(weights),
        expected=expected,
        mean=float(weights.mean()),
        due=due,
        lost=1.0 - float(drawn.reached[:, places - 1].mean()),
        answers=answers,
        why=None,
    )


def _objection(depth: Depth, n: int, enough: float) -> str | None:
    where = "the first place" if depth.places == 1 else f"the first {depth.places} places"
    if depth.lost > LOST:
        return (
            f"of {where}, {depth.lost:.0%} of what the other policy shows is never shown by the one that was logged: "
            "explore more, or deeper"
        )
    if min(depth.ess, depth.expected) < enough:
        return (
            f"of {where}, {n:,} decisions say as much as {min(depth.ess, depth.expected):.1f} of equal weight, and "
            f"{enough:g} are needed: replay more decisions, or explore more"
        )
    spread = depth.due * np.sqrt(max(n / depth.expected - 1.0, 0.0) / n)
    # Chance has a say in what is due as well.
    spread += np.sqrt(depth.due * (1.0 - depth.due) / n)
    if abs(depth.mean - depth.due) > AWAY * spread + 1e-9:
        return (
            f"of {where}, the mean weight is {depth.mean:.2f} and must be near {depth.due:.2f}: the logged "
            "propensities are not the chances with which the lists were drawn"
        )
    if depth.answers < ANSWERED:
        return (
            f"of {where}, the answers say as much as {depth.answers:.1f} of equal weight, and {ANSWERED} are needed: "
            "replay more decisions"
        )
    return None
