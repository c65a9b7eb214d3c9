"""A ready-made set is judged: folds by list, everything chosen inside what is learned from, one table."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import CannotTrain, Invalid
from proffer.engine.judged_set import JudgedSet
from proffer.engine.metrics import Gain, gains
from proffer.engine.plan import Budget
from proffer.engine.report import Report
from proffer.engine.set_choice import choose
from proffer.engine.set_folds import Folds
from proffer.engine.set_models import Part, contenders, relative
from proffer.engine.set_report import Compared, report_of

if TYPE_CHECKING:
    from proffer.engine.engine import Progress

FOLDS, FEWEST_FOLDS, MOST_FOLDS = 5, 3, 20
LISTS = 20_000
FEWEST = 10
"""So many lists with a grade above 0 each fold needs at least."""


def judge_set(
    train: JudgedSet, test: JudgedSet | None = None, *, folds: int = FOLDS, gain: Gain | None = None, seed: int = 0,
    lists: int = LISTS, progress: "Progress | None" = None,
) -> Report:  # fmt: skip
    """Judge rankers on a set: each fold by what the others taught, or a test set by what the training set taught.

    `gain` is by default 2^grade - 1, and the grade itself where grades are no whole numbers. Of a set with more than
    `lists` lists so many are drawn. Raises Invalid for a
    number of folds that is none, CannotTrain for too few lists with a grade above 0.
    """
    if not FEWEST_FOLDS <= folds <= MOST_FOLDS:
        raise Invalid(f"{FEWEST_FOLDS} to {MOST_FOLDS} folds", field="--folds", remedy="Choose within them.")
    gain = gain or ("exponential" if train.whole else "grade")
    notes = _notes(train, test, gain)
    for one in (train, *(() if test is None else (test,))):
        if len(one.sizes) > lists:
            notes.append(f"{lists:,} of the {len(one.sizes):,} lists of {one.name} take part, drawn by chance")
    train, test = train.drawn(lists, seed), None if test is None else test.drawn(lists, seed)
    part, fold = _laid_out(train, test, folds, gain, seed)
    report = list(range(folds)) if test is None else [folds]
    compared = contenders(gain)
    ways = sum(len(one.variants) for one in compared if not one.peer)
    pairs = folds * (folds - 1) // 2 if test is None else folds
    total, done = ways * pairs + len(compared) * len(report), [0]

    def tell() -> None:
        done[0] += 1
        if progress is not None:
            progress("learning", min(done[0], total), total)

    held = Folds(part, fold, report, seed, tell)
    insides = [choose(held, outer, compared) for outer in report]
    names = train.name, None if test is None else test.name
    return report_of(Compared(held, insides, compared, names, gain, Budget.of()), notes)


def _laid_out(
    train: JudgedSet, test: JudgedSet | None, folds: int, gain: Gain, seed: int
) -> tuple[Part, NDArray[np.int64]]:
    """Return all lists as one part and the fold of each: a test set is one of its own, the last."""
    rng = np.random.default_rng(seed)
    X, y, sizes = train.X, train.y, train.sizes
    fold = (rng.permutation(len(sizes)) % folds).astype(np.int64)
    if test is not None:
        X = np.vstack([X, _aligned(test, train)])
        y, sizes = np.concatenate([y, test.y]), np.concatenate([sizes, test.sizes])
        fold = np.concatenate([fold, np.full(len(test.sizes), folds)])
    of_row = np.repeat(np.arange(len(sizes)), sizes)
    # The order of a file may tell the grades: what a contender says the same of stands in a drawn order.
    order = np.lexsort((rng.random(len(y)), of_row))
    X, y = np.ascontiguousarray(X[order]), y[order]
    wanted = np.bincount(of_row, y > 0, len(sizes)) > 0
    fewest = int(np.bincount(fold[wanted], minlength=folds + (test is not None)).min())
    if fewest < FEWEST:
        remedy = f"Each fold, and a test set, needs {FEWEST}: give more lists, or ask for fewer folds."
        raise CannotTrain(f"a fold has only {fewest} lists with a grade above 0", field="set", remedy=remedy)
    return Part(X, relative(X, sizes), y, gains(y, gain), sizes, train.columns), fold


def _aligned(test: JudgedSet, train: JudgedSet) -> NDArray[np.float32]:
    """Return the test set's matrix with the columns of the training set."""
    places = {name: place for place, name in enumerate(test.columns)}
    X = np.full((len(test.y), len(train.columns)), 0.0 if test.sparse else np.nan, np.float32)
    for place, name in enumerate(train.columns):
        if name in places:
            X[:, place] = test.X[:, places[name]]
    return X


def _notes(train: JudgedSet, test: JudgedSet | None, gain: Gain) -> list[str]:
    notes = []
    if not train.whole:
        notes.append(
            f"the grades of {train.name} are no whole numbers (gain: {gain}); --cuts makes grades at the import"
        )
    for one in (train, *(() if test is None else (test,))):
        if one.origin.damaged:
            first = one.origin.faults[0]
            where = f"first line {first.number}: {first.reason}"
            notes.append(f"{one.origin.damaged} rows of {one.origin.file} are left out, {where}")
    if test is not None:
        shared = set(train.columns) & set(test.columns)
        if not shared:
            raise Invalid("the two sets share no column", field="--test-set", remedy="Give sets of the same features.")
        gone, more = len(train.columns) - len(shared), len(test.columns) - len(shared)
        if gone or more:
            state = "0" if test.sparse else "unknown"
            notes.append(f"{gone} features of {train.name} are not in {test.name} ({state} there), {more} only there")
    return notes
