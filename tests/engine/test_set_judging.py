"""A ready-made set is judged on lists that nothing was learned or chosen on."""

from dataclasses import replace

import numpy as np
import pytest

from proffer.core.errors import CannotTrain, Invalid
from proffer.engine import set_judging
from proffer.engine.judged_set import JudgedSet, Origin
from proffer.engine.metrics import gains
from proffer.engine.set_choice import best_way, climbed
from proffer.engine.set_folds import MEASURES, Folds, measured
from proffer.engine.set_judging import judge_set
from proffer.engine.set_models import (
    FEATURE,
    PEER,
    RANDOM,
    Part,
    Ranked,
    Scores,
    Variant,
    best_feature,
    contenders,
    relative,
)
from proffer.models.rankers.linear import LinearRanker

ORIGIN = Origin(file="toy.txt", format="svmlight")


def toy(lists: int = 90, seed: int = 0, *, noise: float = 0.3, rows: int = 6) -> JudgedSet:
    """Return lists whose grade is told by two columns of five together, and by either alone a little."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(lists * rows, 5)).astype(np.float32)
    wanted = X[:, 1] - X[:, 3] + noise * rng.normal(size=len(X))
    y = np.digitize(wanted, [0.8, 1.8, 2.8]).astype(np.float64)
    names = tuple(f"f{place}" for place in range(5))
    sizes = np.full(lists, rows)
    queries = tuple(map(str, range(lists)))
    return JudgedSet(name="toy", columns=names, X=X, y=y, sizes=sizes, queries=queries, sparse=False, origin=ORIGIN)


def part_of(found: JudgedSet) -> Part:
    X = np.asarray(found.X, np.float32)
    return Part(X, relative(X, found.sizes), found.y, gains(found.y, "exponential"), found.sizes, found.columns)


@pytest.fixture(scope="module")
def report():
    return judge_set(toy(), folds=3)


def test_every_contender_is_there_and_what_is_known_to_be_best_leads(report) -> None:
    ndcg = {row.name: row.metrics["ndcg@10"].value for row in report.rows}
    assert {RANDOM, FEATURE, "linear", "pointwise", "lambdarank", "blend", PEER} <= ndcg.keys()
    assert ndcg["linear"] > ndcg[FEATURE] + 0.05 > ndcg[RANDOM] + 0.1
    assert report.champion != FEATURE
    assert report.leads[FEATURE].low > 0
    assert report.leads[RANDOM].low > 0
    assert report.rows == sorted(report.rows, key=lambda row: -row.metrics["ndcg@10"].value)


def test_lists_without_a_grade_above_0_are_counted_apart(report) -> None:
    found = toy()
    without = int((found.y.reshape(-1, 6).max(axis=1) == 0).sum())
    assert report.judged.without == without > 0
    assert report.lists == 90 - without == report.judged.lists - without


def test_the_same_set_and_seed_give_the_same_report(report) -> None:
    again = judge_set(toy(), folds=3)
    assert again.rows == report.rows
    assert again.judged == report.judged


def test_nothing_is_chosen_by_a_look_at_the_test_set() -> None:
    train, test = toy(60, rows=5), toy(30, 1, rows=5)
    one = judge_set(train, test, folds=3)
    turned = judge_set(train, replace(test, y=test.y.max() - test.y), folds=3)
    assert one.judged is not None
    assert turned.judged is not None
    assert one.judged.folds == turned.judged.folds
    assert one.tried == turned.tried
    assert one.lists != turned.lists or one.rows != turned.rows
    assert (one.judged.pooled, one.judged.lists) == (60, 30)


def test_what_is_left_out_is_never_learned_from() -> None:
    found, seen = toy(30), list[frozenset[float]]()

    def learns(part: Part, seed: int) -> Scores:
        seen.append(frozenset(part.X[:, 0].tolist()))
        return lambda other: np.zeros(len(other.y))

    folds = Folds(part_of(found), np.arange(30) % 5, list(range(5)), 0)
    way = Variant(learns)
    crossed = folds.crossed(way, 2)
    folds.final(way, 2)
    held = {fold: set(found.X[np.repeat(np.arange(30) % 5 == fold, 6), 0].tolist()) for fold in range(5)}
    assert len(seen) == 5
    assert not any(held[2] & one for one in seen)
    assert all(sum(not held[fold] & one for one in seen[:4]) == 1 for fold in (0, 1, 3, 4))
    assert np.isnan(crossed[folds.rows(2)]).all()
    assert not np.isnan(crossed[~folds.rows(2)]).any()
    # What learned without two folds serves both: nothing is fitted for the pair again.
    folds.crossed(way, 0)
    assert len(seen) == 5 + 3


def test_the_order_of_the_file_tells_nothing() -> None:
    found = toy(40)
    order = np.lexsort((-found.y, np.repeat(np.arange(40), 6)))
    flat = replace(found, X=np.ones_like(found.X[order]), y=found.y[order])
    report = judge_set(flat, folds=3)
    ndcg = {row.name: row.metrics["ndcg@10"] for row in report.rows}
    assert ndcg[FEATURE].value < ndcg[RANDOM].high + 0.05  # type: ignore[operator]


def test_measures_agree_with_a_worked_list() -> None:
    X = np.array([[3.0], [2.0], [1.0]], np.float32)
    sizes = np.array([3])
    part = Part(X, relative(X, sizes), np.array([0.0, 2.0, 1.0]), np.array([0.0, 3.0, 1.0]), sizes, ("f1",))
    values = dict(zip(MEASURES, measured(X[:, 0].astype(np.float64), part)[0], strict=True))
    assert values["ndcg@10"] == pytest.approx((3 / np.log2(3) + 1 / 2) / (3 + 1 / np.log2(3)))
    assert values["mrr"] == 0.5
    assert values["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_the_best_feature_has_a_direction_and_unknown_values_come_last() -> None:
    found = toy(noise=0.0)
    X = found.X.copy()
    X[:, 1] = np.nan
    best = best_feature(part_of(replace(found, X=X)), 0)
    assert best.named == "less f3"  # type: ignore[attr-defined]
    assert best(part_of(replace(found, X=np.full_like(X, np.nan)))).tolist() == [-np.inf] * len(X)


def test_a_way_is_taken_when_it_leads_by_a_standard_error() -> None:
    base = np.array([0.5, 0.6, 0.7, np.nan])
    assert best_way([base, base + np.array([0.1, -0.1, 0.0, np.nan])]) == 0
    assert best_way([base, base + np.array([0.1, 0.1, 0.11, np.nan])]) == 1


def test_a_tie_goes_to_the_simpler() -> None:
    rng = np.random.default_rng(0)
    simple = rng.random(200)
    champion, steps = climbed({"a": simple, "b": simple + rng.normal(0, 0.3, 200), "c": simple + 0.2}, 0)
    assert champion == "c"
    assert [(step.challenger, step.taken) for step in steps] == [("b", False), ("c", True)]


def test_grades_that_are_no_whole_numbers_count_as_gains() -> None:
    found = toy(60)
    report = judge_set(replace(found, y=found.y / 3), folds=3)
    assert report.judged is not None
    assert report.judged.gain == "grade"
    assert any("no whole numbers" in text for text in report.notes)


def test_columns_are_matched_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_judging, "contenders", lambda gain: [contenders(gain)[place] for place in (0, 1, 4)])
    train, test = toy(60), toy(30, 1)
    moved = replace(test, X=np.ascontiguousarray(test.X[:, ::-1]), columns=test.columns[::-1])
    assert judge_set(train, moved, folds=3).rows == judge_set(train, test, folds=3).rows
    with pytest.raises(Invalid, match="no column"):
        judge_set(train, replace(test, columns=tuple("abcde")), folds=3)


def test_bagging_and_relative_columns_are_drawn_by_the_seed() -> None:
    part = part_of(toy(60))
    scores = [Ranked(LinearRanker, relative=True, times=3)(part, seed)(part) for seed in (0, 0, 1)]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_of_many_lists_some_are_drawn() -> None:
    found = toy(60).drawn(40, 0)
    assert (len(found.sizes), len(found.y), len(set(found.queries))) == (40, 240, 40)
    place = int(found.queries[7])
    assert (found.X[42:48] == toy(60).X[6 * place : 6 * place + 6]).all()
    assert toy(60).drawn(60, 0).queries == toy(60).queries


@pytest.mark.parametrize("folds", [2, 21])
def test_folds_within_bounds(folds: int) -> None:
    with pytest.raises(Invalid, match="folds"):
        judge_set(toy(60), folds=folds)


def test_too_few_lists_say_so() -> None:
    with pytest.raises(CannotTrain, match="lists with a grade above 0"):
        judge_set(toy(20), folds=3)
