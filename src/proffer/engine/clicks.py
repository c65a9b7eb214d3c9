"""Expected clicks under another model: logged decisions with the answers they got, weighed by how likely it is to
show the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Decision
from proffer.core.queries import Query
from proffer.engine.chances import Path, Policy
from proffer.engine.metrics import Interval
from proffer.experiments import direct, offpolicy, support
from proffer.experiments.offpolicy import Direct, Estimated, Slates
from proffer.experiments.support import Drawn

PLACES = 10
"""So many places of a slate are looked at, at most."""
FOLDS = 5
SPREADS = 5.0

Floats = NDArray[np.float64]


class Shown(NamedTuple):
    """What one decision tells of two policies on its first places, as columns of length k <= 10.

    `logged` and `target` are the chances of what was shown under either, `items` what it was. `own` are the same two
    chances of the list that the target policy draws. `taken` (k, 3), `choices` and `ahead` (k', 3) are what a direct
    model reads: of what was shown, of all that the target policy could show after the same places, with its chances,
    and of its own list.
    """

    id: str
    query: Query
    items: tuple[str, ...]
    logged: list[float]
    target: list[float]
    own: tuple[list[float], list[float]]
    taken: Floats
    choices: list[tuple[Floats, Floats]]
    ahead: Floats

    @classmethod
    def of(cls, decision: Decision, logging: Policy, target: Policy, slate: Sequence[str]) -> "Shown":
        """Return what a decision with propensities tells; `slate` is the list that the target policy draws."""
        items = tuple(placed.id for placed in decision.slate[:PLACES])
        slate = slate[:PLACES]
        path, mine = target.along(items, PLACES), target.along(slate, PLACES)
        read = _reader(logging, target)
        return cls(
            id=decision.id,
            query=decision.query,
            items=items,
            logged=[float(placed.propensity or 0.0) for placed in decision.slate[:PLACES]],
            target=path.chances,
            own=(logging.along(slate, PLACES).chances, mine.chances),
            taken=read([*items]),
            choices=_choices(path, target.ids, read),
            ahead=read([*slate]),
        )


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """What the decisions can tell of the first `places`: see `proffer.experiments.support.Depth`."""

    places: int
    ess: float
    expected_ess: float
    mean_weight: float
    due_weight: float
    lost: float
    answers: float
    why: str | None = None


class Clicks(msgspec.Struct, frozen=True, kw_only=True):
    """Wanted answers per decision on the first `places`, as logged and as expected under the model, 95 % intervals.

    `decisions` of `subjects` could be used, the rest is `left_out` by reason. `places` is the deepest that they can
    tell of, 0 where they cannot at all; then `why` says why and no number is given. `lead` is `dr` minus `logged` over
    the same decisions. `dm` is the direct model's own expectation and has no interval: it is as wrong as that model.
    """

    decisions: int
    subjects: int
    left_out: dict[str, int]
    places: int = 0
    why: str | None = None
    logged: Interval | None = None
    ips: Interval | None = None
    snips: Interval | None = None
    dr: Interval | None = None
    dm: float | None = None
    lead: Interval | None = None
    depths: tuple[Depth, ...] = ()


def unusable(decision: Decision, position: int, open_since: float) -> str | None:
    """Return why a decision says nothing of clicks, None where it does.

    `position` is how far the log went that the model was fitted on; decisions after `open_since` (epoch seconds) may
    still be answered.
    """
    if not decision.slate:
        return "nothing was shown"
    if any(placed.propensity is None for placed in decision.slate[:PLACES]):
        return "no propensities: exploration was off"
    if decision.as_of < position:
        return "the model was fitted on their answers"
    if decision.query.at.timestamp() > open_since:
        return "they may still be answered"
    return None


def expected(
    shown: Sequence[Shown], wanted: Mapping[str, frozenset[str]], left_out: Mapping[str, int], seed: int
) -> Clicks:
    """Return the clicks to expect under the target policy, or why the decisions do not tell."""
    codes = {id: code for code, id in enumerate(dict.fromkeys(one.query.subject.id for one in shown))}
    told = Clicks(decisions=len(shown), subjects=len(codes), left_out=dict(left_out))
    if len(shown) < support.ENOUGH:
        total = len(shown) + sum(left_out.values())
        reasons = "; ".join(f"{count:,}: {reason}" for reason, count in Counter(left_out).most_common())
        why = f"{len(shown):,} of {total:,} decisions can be used and {support.ENOUGH} are needed"
        return msgspec.structs.replace(told, why=f"{why} ({reasons})" if reasons else why)
    clusters = np.array([codes[one.query.subject.id] for one in shown])
    width = max(len(one.items) for one in shown)
    rewards = _matrix([[float(item in wanted[one.id]) for item in one.items] for one in shown], width)
    slates = Slates.of(
        _matrix([one.logged for one in shown], width), _matrix([one.target for one in shown], width), rewards, clusters
    )
    drawn = Drawn.of(_matrix([one.own[0] for one in shown], width), _matrix([one.own[1] for one in shown], width))
    depths = support.depths(slates, drawn)
    places = sum(depth.why is None for depth in depths)
    told = msgspec.structs.replace(
        told, places=places, why=None if places else depths[0].why, depths=tuple(_depth(depth) for depth in depths)
    )
    if not places:
        return told
    model = _direct(shown, rewards, clusters, seed).first(places)
    return _estimates(told, slates.first(places), model)


def _estimates(told: Clicks, slates: Slates, model: Direct) -> Clicks:
    logged, robust = offpolicy.on_policy(slates), offpolicy.doubly_robust(slates, model)
    return msgspec.structs.replace(
        told, logged=_interval(logged), ips=_interval(offpolicy.ips(slates)), snips=_interval(offpolicy.snips(slates)),
        dr=_interval(robust), dm=offpolicy.direct(model),
        lead=_interval(offpolicy.difference(robust, logged, slates.clusters)),
    )  # fmt: skip


def _direct(shown: Sequence[Shown], rewards: Floats, clusters: NDArray[np.int64], seed: int) -> Direct:
    """Return what a logistic regression on place and standings expects, fitted on other subjects' decisions."""
    fold = direct.folds(clusters, FOLDS, np.random.default_rng(seed))
    X = [one.taken for one in shown]
    taken, policy, ahead = (np.full(rewards.shape, np.nan) for _ in range(3))
    for number in range(FOLDS):
        others = np.flatnonzero(fold != number)
        if not len(others) or len(others) == len(fold):
            continue
        y = np.concatenate([rewards[row, : len(X[row])] for row in others.tolist()])
        weights = direct.fit(np.vstack([X[row] for row in others.tolist()]), y)
        for row in np.flatnonzero(fold == number).tolist():
            one = shown[row]
            taken[row, : len(one.taken)] = direct.predict(weights, one.taken)
            own = one.ahead[: rewards.shape[1]]
            ahead[row, : len(own)] = direct.predict(weights, own)
            for place, (choices, chances) in enumerate(one.choices[: rewards.shape[1]]):
                policy[row, place] = float(chances @ direct.predict(weights, choices)) if len(chances) else 0.0
    return Direct.of(taken, policy, ahead)


def _reader(logging: Policy, target: Policy) -> "_Reader":
    return _Reader(_standings(logging), _standings(target))


class _Reader:
    """Reads what the direct model knows of items: their place, and where they stand for either policy."""

    def __init__(self, one: Mapping[str, float], other: Mapping[str, float]) -> None:
        self._one, self._other = one, other

    def __call__(self, items: Sequence[str], place: int | None = None) -> Floats:
        places = np.log1p(np.arange(len(items)) if place is None else np.full(len(items), place))
        # Who does not consider an item ranks it below all it does.
        found = [(self._one.get(item, -SPREADS), self._other.get(item, -SPREADS)) for item in items]
        return np.column_stack([places, np.array(found).reshape(-1, 2)])


def _standings(policy: Policy) -> dict[str, float]:
    scores = np.asarray(policy.arranged.scores, np.float64)
    spread = float(scores.std()) if len(scores) else 0.0
    away = (scores - scores.mean()) / spread if spread > 0 else np.zeros(len(scores))
    return dict(zip(policy.ids, np.clip(away, -SPREADS, SPREADS).tolist(), strict=True))


def _choices(path: Path, ids: Sequence[str], read: _Reader) -> list[tuple[Floats, Floats]]:
    found = []
    for place, choice in enumerate(path.choices):
        rows = [] if choice is None else choice.rows
        chances = np.empty(0) if choice is None else np.asarray(choice.chances, np.float64)
        found.append((read([ids[row] for row in rows], place), chances))
    return found


def _matrix(rows: Sequence[Sequence[float]], width: int) -> Floats:
    found = np.full((len(rows), width), np.nan)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row[:width]
    return found


def _interval(found: Estimated) -> Interval:
    return Interval(value=found.value, low=found.low, high=found.high)


def _depth(depth: support.Depth) -> Depth:
    return Depth(
        places=depth.places, ess=depth.ess, expected_ess=depth.expected, mean_weight=depth.mean, due_weight=depth.due,
        lost=depth.lost, answers=depth.answers, why=depth.why,
    )  # fmt: skip
