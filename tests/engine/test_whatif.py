"""What if over a period: what another model would have shown and earned, and when that cannot be told."""

import shutil
from datetime import timedelta

import msgspec
import pytest

from proffer.core.clock import first_id
from proffer.core.errors import CannotReplay, Invalid, NotFound
from proffer.engine import whatif
from proffer.engine.replay import Change, make_again
from proffer.engine.wanted import wanted as answers
from proffer.engine.whatif import WhatIf, what_if
from tests.engine.periods import PLACES, decided, house, later, readers, truth
from tests.engine.releases import EVENTS, FIRST, SECOND, opened, saved
from tests.engine.worlds import DAY, NOW, accepted, asks, champion, did


@pytest.fixture(scope="module")
def world():
    """A feed with its two versions, and what is said of the second."""
    engine, serving, other = house()
    readers(engine, 0)
    later(engine)
    return engine, serving, other, what_if(engine, other)


def test_the_truth_lies_in_the_intervals(world):
    engine, _, other, found = world
    clicks = found.clicks
    assert clicks.why is None
    assert clicks.places >= 2
    assert (clicks.decisions, clicks.subjects, clicks.left_out) == (400, 100, {})
    true, logged = truth(engine, other, clicks.places), truth(engine, found_version(found), clicks.places)
    for one in (clicks.ips, clicks.snips, clicks.dr):
        assert one.low < true < one.high
    assert clicks.logged.low < logged < clicks.logged.high
    assert clicks.lead.low < true - logged < clicks.lead.high
    # The intervals say something: half as wide as their value, and the model is better.
    assert clicks.snips.high - clicks.snips.low < 0.5
    assert true > logged + 0.05


def found_version(found):
    [version] = found.versions
    return version


def test_the_rest_of_the_report(world):
    engine, serving, other, found = world
    assert (found.version, found.pipeline, found.decisions, found.replayed) == (other, "home", 400, 400)
    assert (found.versions, found.verdicts, found.left_out) == ({serving: 400}, {"exact": 400}, {})
    assert (found.since, found.until) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=400))
    agreement = found.agreement
    assert set(agreement) == {"kendall", "spearman", "overlap@1", "overlap@5", "overlap@10", "candidates"}
    assert agreement["candidates"].value == 1.0
    assert -1 < agreement["kendall"].low < agreement["kendall"].value < 0.9
    assert agreement["overlap@1"].value < agreement["overlap@10"].value < 1
    again = [make_again(engine.past, one, Change(model=other)).decision for one in decided(engine)]
    same = [one.slate[0].id == two.slate[0].id for one, two in zip(decided(engine), again, strict=True)]
    assert agreement["overlap@1"].value == pytest.approx(sum(same) / 400)
    for side in (found.logged, found.model):
        assert 0 < side.p50_ms <= side.p99_ms
        assert (side.fallback, side.items, side.coverage) == (0.0, 8, 1.0)
    assert [depth.places for depth in found.clicks.depths] == [1, 2, 3, 4]


def test_it_is_kept_with_the_version(world):
    engine, serving, other, found = world
    [review] = engine.stores.registry.reviews(other)
    assert (review.kind, review.version) == ("shadow", other)
    assert msgspec.convert(review.body, WhatIf) == found
    assert engine.stores.registry.reviews(serving) == []


def test_the_same_again_finds_the_same_and_another_sample_another(world):
    engine, _, other, _ = world
    one, two, three = (what_if(engine, other, sample=60, seed=seed) for seed in (1, 1, 2))
    assert (one.replayed, one.decisions) == (60, 400)
    assert (one.agreement, one.clicks) == (two.agreement, two.clicks)
    assert one.agreement != three.agreement
    assert len(engine.stores.registry.reviews(other)) == 4


def test_of_the_model_itself_nothing_differs(world):
    engine, serving, _, _ = world
    found = what_if(engine, serving)
    assert {one.value for name, one in found.agreement.items()} == {1.0}
    clicks = found.clicks
    assert clicks.places == PLACES
    assert all(depth.ess == pytest.approx(400) and depth.lost == 0 for depth in clicks.depths)
    assert clicks.ips.value == clicks.snips.value == pytest.approx(clicks.logged.value)
    assert clicks.lead.value == pytest.approx(0.0, abs=0.02)


def test_under_caps_and_pins():
    rules = [{"do": "pin", "item": "b", "position": 2}, {"do": "cap", "per": "author", "at_most": 2}]
    engine, serving, other = house(rules)
    readers(engine, 1, users=60)
    later(engine)
    found = what_if(engine, other)
    assert found.verdicts == {"exact": 240}
    clicks = found.clicks
    assert clicks.places >= 2
    true, logged = (truth(engine, version, clicks.places) for version in (other, serving))
    assert clicks.snips.low < true < clicks.snips.high
    assert clicks.dr.low < true < clicks.dr.high
    assert clicks.logged.low < logged < clicks.logged.high


def test_a_period_is_from_its_first_moment_to_before_its_last(world):
    engine, _, other, _ = world
    begin, end = NOW + timedelta(seconds=11), NOW + timedelta(seconds=31)
    found = what_if(engine, other, begin, end)
    assert (found.decisions, found.since, found.until) == (20, begin, end)
    assert found.clicks.places == 0
    assert "20 of 20 decisions can be used and 50 are needed" in found.clicks.why
    with pytest.raises(Invalid, match="no decisions of home"):
        what_if(engine, other, until=NOW)
    with pytest.raises(Invalid, match="ends before it begins"):
        what_if(engine, other, end, begin)
    for sample in (0, whatif.MOST + 1):
        with pytest.raises(Invalid, match="sample"):
            what_if(engine, other, sample=sample)
    with pytest.raises(Invalid, match="seed"):
        what_if(engine, other, seed=-1)
    with pytest.raises(Invalid, match="zone"):
        what_if(engine, other, since=begin.replace(tzinfo=None))
    with pytest.raises(NotFound, match="m_nothing"):
        what_if(engine, "m_nothing")


def refused(engine, version):
    clicks = what_if(engine, version).clicks
    assert clicks.places == 0
    numbers = (clicks.logged, clicks.ips, clicks.snips, clicks.dr, clicks.dm, clicks.lead)
    assert numbers == (None,) * 6
    return clicks


def test_without_propensities_no_number_is_given():
    engine, _, other = house(exploration={"policy": "off"})
    readers(engine, 0, users=15)
    later(engine)
    clicks = refused(engine, other)
    assert "0 of 60 decisions can be used" in clicks.why
    assert "60: no propensities: exploration was off" in clicks.why


def test_what_the_model_was_fitted_on_cannot_judge_it():
    engine, _, _ = house()
    readers(engine, 0, users=15)
    later(engine)
    accepted(engine, did("x1", "view", "a"))
    learned = champion(engine, {"popularity": 1.0})
    assert "60: the model was fitted on their answers" in refused(engine, learned).why


def test_decisions_that_may_still_be_answered_do_not_count():
    engine, _, other = house()
    readers(engine, 0, users=15)
    assert "60: they may still be answered" in refused(engine, other).why


def test_too_little_chance_tells_too_little():
    engine, _, other = house(exploration={"policy": "epsilon", "epsilon": 0.02})
    readers(engine, 0, users=15)
    later(engine)
    clicks = refused(engine, other)
    assert "of equal weight, and 50 are needed" in clicks.why
    assert clicks.depths[0].expected_ess < 50


def test_what_the_logging_one_never_shows_cannot_be_judged():
    """Its head holds two items alone: the four that the other one likes are not among them."""
    engine, _, other = house(exploration={"policy": "epsilon", "epsilon": 1.0, "depth": 4})
    readers(engine, 0, users=20)
    later(engine)
    assert "is never shown by the one that was logged" in refused(engine, other).why


def test_a_log_whose_propensities_are_wrong_is_noticed(world):
    engine, serving, _, _ = world
    wrong = [
        msgspec.structs.replace(
            decision,
            slate=tuple(msgspec.structs.replace(one, propensity=one.propensity**2) for one in decision.slate),
        )
        for decision in decided(engine)
    ]
    engine.stores.decisions.replace(wrong, ())
    found = what_if(engine, serving)
    assert found.verdicts == {"differs": 400}
    assert "they do not come out again as they were logged" in found.clicks.why


def test_a_period_begins_at_an_id_of_that_time():
    """Ids of servers sort by time: what was made long before the period is not even read."""
    engine, _, other = house()
    decision = engine.recommend(asks("u1", 4, at=NOW))
    early, due = (first_id("d", NOW - days * DAY) + "0" * 16 for days in (3, 0.5))
    for id in (early, due):
        engine.stores.decisions.put(msgspec.structs.replace(decision, id=id))
    found = [place.id for place in whatif.period(engine, "home", NOW, None)]
    assert due in found
    assert early not in found
    assert early in [place.id for place in whatif.period(engine, "home", None, None)]
    assert what_if(engine, other, NOW, sample=1).replayed == 1


def test_nothing_shown_tells_nothing():
    engine, _, other = house()
    accepted(engine, {"type": "entity.delete", "at": NOW.isoformat(), "actor": {"kind": "post", "id": "a"}})
    for user in range(5):
        engine.recommend(msgspec.structs.replace(asks(f"u{user}", 4, at=NOW, candidates=("a",)), id=f"q{user}"))
    later(engine)
    found = what_if(engine, other)
    assert found.clicks.left_out == {"nothing was shown": 5}
    assert (found.agreement, found.logged.items) == ({}, 0)


def test_answers_join_as_in_training():
    engine, _, _ = house()
    first, second = (
        engine.recommend(msgspec.structs.replace(asks("u1", 4, at=NOW + timedelta(hours=hour)), id=f"q{hour}"))
        for hour in (1, 2)
    )
    items = [placed.id for placed in first.slate]
    later(engine)
    accepted(
        engine,
        {**did("u1", "view", items[0], NOW + timedelta(hours=3)), "query_id": "q1"},
        {**did("someone", "view", items[1], NOW + timedelta(hours=3)), "query_id": "q1"},
        did("u1", "view", items[2], NOW + timedelta(hours=3)),
        did("u1", "like", items[3], NOW + timedelta(hours=3)),
        did("u1", "hide", items[3], NOW + timedelta(hours=4)),
        did("u2", "view", items[3], NOW + timedelta(hours=3)),
        {**did("u1", "view", items[3], NOW + timedelta(hours=26)), "query_id": "q1"},
    )
    home = engine.app.pipelines[0]
    found = answers(engine, home, [(one.id, one.query) for one in (first, second)])
    assert found == {first.id: {items[0], items[1]}, second.id: {items[2]}}


def test_a_version_that_is_damaged_or_gone_is_named(tmp_path):
    engine = opened(tmp_path / "feed")
    engine.stores.log.append(EVENTS)
    engine.catch_up()
    first, second = saved(engine, FIRST), saved(engine, SECOND)
    engine.release(first.id, 0)
    engine.recommend(asks("u1"))
    engine.stores.decisions.flush()
    assert what_if(engine, second.id).replayed == 1
    engine.past.forget()
    shutil.rmtree(tmp_path / "feed" / "models" / second.id)
    with pytest.raises(CannotReplay, match=second.id[:20]):
        what_if(engine, second.id)
    shutil.rmtree(tmp_path / "feed" / "models" / first.id)
    third = saved(engine, {"popularity": 1.0})
    with pytest.raises(CannotReplay, match="none of the decisions can be made again"):
        what_if(engine, third.id)
    engine.close()


def test_nobody_is_named_in_a_review(world):
    engine, _, other, _ = world
    text = msgspec.json.encode(engine.stores.registry.reviews(other)).decode()
    assert "u1" not in text


def test_a_decision_of_beyond_the_end_of_the_log_is_left_out(world, monkeypatch):
    engine, _, other, _ = world
    late = msgspec.structs.replace(decided(engine)[0], as_of=10**9)
    monkeypatch.setattr(engine.stores.decisions, "get", lambda _: late)
    walked = whatif.Walked(engine, whatif.listed(engine, other))
    with engine.past.held() as past:
        walked.visit(past, late.id)
    assert dict(walked.left_out) == {whatif.GONE: 1}
