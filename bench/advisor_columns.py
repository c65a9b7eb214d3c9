"""What each family of the advisor's columns is worth: rankers that learn with and without it, against the true order.

    python bench/advisor_columns.py [--seeds 5] [--first 0] [--size small] [--small]

Simulation. In each toy world lists of ten in order of confidence were shown and answered, and a place was looked at
with a known chance. The first four fifths of the lists teach: what was answered counts as its grade divided by that
chance (at most 5), what was not shown as half the mean of what was. On the rest each ranker orders all of an
assessment's recommendations; NDCG@10 goes by the true chances of implementing, which no column knows. "without" leaves
out the columns of that family, from lists of the same world; the differences are paired by world.
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from proffer.apps.advisor.app import app
from proffer.apps.advisor.simulate import Toy
from proffer.core.events import Event
from proffer.core.labels import Labels
from proffer.features.state import State
from proffer.models.rankers.boosted import LambdaRank
from proffer.models.rankers.linear import LinearRanker

FAMILIES = {
    "user and assessment alone": ("u_", "a_"), "what was done with it": ("i_", "g_"), "what others did": ("cf_",),
    "user x recommendation": ("ui_", "ua_", "aff_", "d_", "lang"), "assessment x recommendation": ("ar_", "ac_"),
    "list-relative": ("list_",),
}  # fmt: skip
COLUMNS = app.view.columns
MOST, UNSEEN, PLACES, TAUGHT = 5.0, 0.5, 10, 0.8


class Shown(NamedTuple):
    """One list: its columns (n, d), grades and places (n,) (0: not shown), and true chances of implementing (n,)."""

    matrix: NDArray[np.float32]
    grades: NDArray[np.float64]
    places: NDArray[np.int64]
    chances: NDArray[np.float64]


def grade(events: Sequence[Event], labels: Labels = app.labels) -> float:
    """Return the grade of what was done with one recommendation."""
    scales = labels.scales
    worth = [
        scales[e.type].grade(float(e.fields[scales[e.type].field]))
        if e.type in scales and scales[e.type].field in e.fields else app.weights[e.type]
        for e in events
    ]  # fmt: skip
    best = max(worth, default=0.0)
    return min(worth) if worth and min(worth) < 0 and best <= labels.outweighed else best


def lists(toy: Toy) -> list[Shown]:
    """Return the lists of a world, oldest first, with the columns as they were just before each was shown."""
    events = [replace(event, sequence=place) for place, event in enumerate(toy.events, 1)]
    answers: dict[str, list[Event]] = {}
    for event in events:
        if event.query_id:
            answers.setdefault(event.query_id, []).append(event)
    state = State(app.view, app.schema, subject=app.subject, item=app.item)
    found = []
    for told in sorted(answers.values(), key=lambda told: told[0].sequence):
        state.fold(events[state.position : told[0].sequence - 1])
        subject, at = told[0].actor, told[0].at
        items = state.members(str(told[0].target and told[0].target.id).rsplit("-", 1)[0])
        ids = [state.ids[item] for item in items]
        of: dict[str, list[Event]] = {}
        for event in told:
            of.setdefault(event.target.id if event.target else "", []).append(event)
        at_place = {e.target.id: int(e.fields["position"]) for e in told if e.target and e.type == app.impression}
        places = [at_place.get(id, 0) for id in ids]
        matrix = app.view.matrix(state.batch(subject, items, at.timestamp(), {}))
        grades = np.array([grade(of.get(id, ())) for id in ids])
        found.append(Shown(matrix, grades, np.array(places), toy.utilities(subject.id, ids, at)))
    return found


def taught(shown: Sequence[Shown], looked: float) -> NDArray[np.float64]:
    """Return what the rows of these lists teach (total,)."""
    due = [np.minimum(np.maximum(s.grades, 0) * np.maximum(s.places, 1) ** looked, MOST) for s in shown]
    mean = np.concatenate([own[s.places > 0] for own, s in zip(due, shown, strict=True)]).mean()
    return np.concatenate([np.where(s.places > 0, own, UNSEEN * mean) for own, s in zip(due, shown, strict=True)])


def ndcg(scores: NDArray[np.floating], chances: NDArray[np.float64]) -> float:
    """Return NDCG@10 of an order against the true chances; NaN where there is nothing to gain."""
    discount = 1.0 / np.log2(np.arange(2, PLACES + 2))
    best = float(np.sort(chances)[::-1][:PLACES] @ discount)
    own = float(chances[np.argsort(-scores, kind="stable")[:PLACES]] @ discount)
    return own / best if best > 0 else float("nan")


def world(seed: int, size: str) -> dict[tuple[str, str], float]:
    """Return the NDCG@10 of each ranker, by what it does without."""
    toy = Toy(seed, size)
    every = lists(toy)
    cut = int(len(every) * TAUGHT)
    old, new = every[:cut], every[cut:]
    y, sizes = np.round(taught(old, toy.nature.looked), 2), np.array([len(s.grades) for s in old])
    at = COLUMNS.index("r_confidence")
    out = {("confidence", ""): float(np.nanmean([ndcg(s.matrix[:, at], s.chances) for s in new]))}
    for left, prefixes in {"": (), **FAMILIES}.items():
        keep = [place for place, name in enumerate(COLUMNS) if not prefixes or not name.startswith(prefixes)]
        names, X = [COLUMNS[place] for place in keep], np.vstack([s.matrix[:, keep] for s in old])
        for kind in (LambdaRank, LinearRanker):
            ranker = kind().fit(X, y, sizes, columns=names, rng=np.random.default_rng(seed))
            scores = [ndcg(ranker.predict(s.matrix[:, keep], names), s.chances) for s in new]
            out[kind.name, left] = float(np.nanmean(scores))
    return out


def main() -> None:
    """Print a table over worlds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--size", default="small")
    parser.add_argument("--small", action="store_true", help="one tiny world")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + (1 if asked.small else asked.seeds))
    found = [world(seed, "tiny" if asked.small else asked.size) for seed in seeds]
    mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    print(f"Simulation, {len(found)} worlds. Order of confidence: {mean['confidence', '']:.3f}\n")
    print("| without | columns | lambdarank | | linear | |\n|---|---|---|---|---|---|")
    for left, prefixes in {"": (), **FAMILIES}.items():
        kept = sum(not prefixes or not name.startswith(prefixes) for name in COLUMNS)
        cells = [
            f"{mean[kind, left]:.3f} | {mean[kind, left] - mean[kind, '']:+.3f}" for kind in ("lambdarank", "linear")
        ]
        print(f"| {left or 'nothing'} | {kept} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
