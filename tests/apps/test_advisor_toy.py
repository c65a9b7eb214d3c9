"""The toy advisor: the same for its seed, its events the application's own, its answers by its utility and by place."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from proffer.apps.advisor.app import app
from proffer.apps.advisor.simulate import START, Toy
from proffer.apps.advisor.toy import NATURE, OFFERED
from proffer.core.errors import Invalid


def members(group: str) -> list[str]:
    return [f"{group}-{row + 1}" for row in range(OFFERED)]


def test_a_world_is_that_of_its_seed():
    assert Toy(3, "tiny").events == Toy(3, "tiny").events
    assert Toy(3, "tiny").events != Toy(4, "tiny").events


def test_events_are_in_order_with_ids_of_their_own_and_pass_the_advisors_checks():
    events = Toy(3, "tiny").events
    times = [event.at for event in events]
    assert times == sorted(times)
    assert times[0] >= START
    assert len({event.id for event in events}) == len(events)
    for event in events[::13]:
        row = {"id": event.id, "type": event.type, "at": event.at.isoformat(), "fields": dict(event.fields),
               "actor": event.actor._asdict(), "query_id": event.query_id}  # fmt: skip
        if event.target is not None:
            row["target"] = event.target._asdict()
        assert app.schema.read(row, id="x", latest=event.at, now=event.at) == event


def test_every_type_of_interaction_happens():
    kinds = Counter(event.type for event in Toy(0, "small").events)
    assert set(kinds) == {"entity.set", "impression", "view", "click", "implement", "save", "share", "rate", "dismiss"}
    assert kinds["impression"] > kinds["view"] > kinds["click"] > kinds["implement"] > 0


def test_a_list_has_positions_from_one_and_names_its_visit():
    impressions = [event for event in Toy(0, "tiny").events if event.type == "impression"]
    shown: dict[str, list[float]] = {}
    for event in impressions:
        assert event.query_id is not None
        shown.setdefault(event.query_id, []).append(event.fields["position"])
    assert all(places == [*range(1, len(places) + 1)] for places in shown.values())


def test_utility_is_a_chance_and_nought_once_it_is_done():
    toy = Toy(0, "tiny")
    visit = toy.visits(0)[0]
    before = toy.utilities(visit.subject, members(visit.group), visit.at)
    assert 0 < before.min() < before.max() < 1
    best = [members(visit.group)[row] for row in np.argsort(-before)[:10]]
    done = [e.target.id for other in toy.visits(0) for e in toy.answers(visit._replace(number=other.number), best, "q")
            if e.type == "implement" and e.target is not None]  # fmt: skip
    assert done
    later = toy.visits(0)[-1].at
    assert toy.utility(visit.subject, done[0], later) == 0.0
    assert toy.utility(visit.subject, done[0], START) > 0.0


def test_people_look_less_often_at_later_places():
    toy = Toy(0, "small")
    seen: Counter[int] = Counter()
    long: Counter[int] = Counter()
    for visit in toy.visits(0):
        for event in toy.answers(visit, members(visit.group)[:10], "q"):
            place = int(event.target.id.split("-")[1]) if event.target else 0
            if event.type == "impression":
                seen[place] += 1
            long[place] += event.type == "view" and float(event.fields["seconds"]) > 3
    visits = len(toy.visits(0))
    assert long[1] == visits
    assert long[10] < 0.4 * visits
    assert seen[1] == visits > seen[10]


def test_who_looks_at_the_same_item_does_the_same_with_it_whatever_the_order():
    """All places are looked at, so only the order differs."""
    everywhere = replace(NATURE, looked=0.0)
    visit = Toy(0, "tiny").visits(0)[0]
    slate = members(visit.group)[:10]
    one = Toy(0, "tiny", everywhere).answers(visit, slate, "q")
    other = Toy(0, "tiny", everywhere).answers(visit, slate[::-1], "q")
    acts = [{(e.type, e.target) for e in found if e.type != "impression"} for found in (one, other)]
    assert acts[0] == acts[1]


def test_confidence_knows_something_and_leans_to_what_is_common():
    toy = Toy(0, "small")
    gains = {"confidence": [], "chance": []}
    for visit in toy.visits(0):
        true = toy.utilities(visit.subject, members(visit.group), visit.at)
        place = (int(visit.group[1:]) - 1) % toy.assessments
        order = np.argsort(-toy._week(0).confidence[place])
        best = np.sort(true)[-10:].sum()
        gains["confidence"].append(true[order[:10]].sum() / best)
        gains["chance"].append(10 * true.mean() / best)
    assert np.mean(gains["chance"]) + 0.2 < np.mean(gains["confidence"]) < 0.8


def test_an_unknown_size_is_refused():
    with pytest.raises(Invalid, match="unknown size"):
        Toy(0, "huge")
