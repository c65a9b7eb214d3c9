"""Events in order of time: the same from memory, streamed past a buffer, or packed; and a past read from a log."""

import tracemalloc
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from proffer.app import Settings
from proffer.apps.feed.app import HOME, app
from proffer.core.clock import FixedClock
from proffer.engine.past import Past, moment
from proffer.engine.timeline import Packed, Streamed, Tape, timeline
from proffer.engine.walks import walk
from proffer.stores.memory import memory_stores
from tests.engine.pasts import TWO, happens, made_of, past
from tests.engine.worlds import NOW, START, toy


def log_of(hours):
    events = [happens(hour, "view", f"u{place}", "a") for place, hour in enumerate(hours)]
    return [changed(event, sequence=place, fields={"seconds": 3.5}) for place, event in enumerate(events, 1)]


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 7), st.integers(0, 10), st.integers(0, 40))
@settings(max_examples=60)
def test_streamed_and_packed_are_the_sorted_log_from_any_place(hours, size, end, place):
    events = log_of(hours)
    chunks = lambda: [events[start : start + size] for start in range(0, len(events), size)]  # noqa: E731
    times = np.array([event.at.timestamp() for event in events])
    until = (START + timedelta(hours=end)).timestamp()
    kept = [event for event in events if event.at.timestamp() < until]
    ordered = sorted(kept, key=lambda event: event.at)
    expected = [changed(event, sequence=number) for number, event in enumerate(ordered, 1)]
    streamed, packed = timeline(chunks, times, until, held=10**6), timeline(chunks, times, until, held=-1)
    assert isinstance(streamed, Streamed)
    assert isinstance(packed, Packed) or not len(kept)
    for found in (streamed, packed):
        read = [event for chunk in found.since(place) for event in chunk]
        assert read == expected[place:]
        tape = Tape(found)
        first = [event for chunk in tape.before(place) for event in chunk]
        assert first == expected[:place]
        assert [event for chunk in tape.before(10**6) for event in chunk] == expected[place:]


def test_a_log_in_order_streams_and_one_in_disorder_is_packed():
    events = log_of(range(50))
    mixed = [events[place] for place in np.random.default_rng(0).permutation(50)]
    for logged, form in ((events, Streamed), (mixed, Packed)):
        times = np.array([event.at.timestamp() for event in logged])
        assert isinstance(timeline(lambda logged=logged: [logged], times, np.inf, held=5), form)


def test_what_the_log_gains_meanwhile_is_no_part_of_the_past():
    stores = memory_stores(FixedClock(NOW))
    events = [*toy().events[:3000]]
    stores.log.append(events)
    found = Past.read(app, TWO, Settings(), stores.log)
    stores.log.append([happens(3, "view", "u1", "p1"), happens(900, "view", "u2", "p1")])
    assert len(found) == 3000
    assert sum(len(chunk) for chunk in found.timeline.since(0)) == 3000


@pytest.mark.parametrize("protocol", ["daily", "temporal", "leave-last-out"])
def test_a_past_read_from_a_log_gives_the_lists_of_one_in_memory(protocol):
    stores = memory_stores(FixedClock(NOW))
    events = [*toy().events[:4000]]
    stores.log.append(events)
    found = Past.read(app, TWO, Settings(), stores.log)
    whole = [made_of(one) for one in walk(found, protocol).phase("report", 20)]
    assert whole
    assert whole == [made_of(one) for one in walk(past(events), protocol).phase("report", 20)]


def test_a_past_until_a_moment_knows_nothing_later():
    stores = memory_stores(FixedClock(NOW))
    events = [*toy().events]
    stores.log.append(events)
    cut = events[5000].at
    found = Past.read(app, HOME, Settings(), stores.log, until=cut)
    earlier = past([event for event in events if event.at < cut], HOME)
    assert len(found) == len(earlier)
    assert moment(found.times[-1]) < cut
    assert [made_of(one) for one in walk(found).phase("report", 9)] == [
        made_of(one) for one in walk(earlier).phase("report", 9)
    ]


def test_a_past_holds_columns_and_not_events():
    many = 60_000

    def chunks():
        for first in range(0, many, 1000):
            yield [
                happens(place / 100, "view", f"u{place % 50}", f"p{place % 99}") for place in range(first, first + 1000)
            ]

    class Log:
        def last(self):
            return many

        def scan(self, since, until, *, chunk):
            return chunks()

    Past.read(app, TWO, Settings(), Log())
    tracemalloc.start()
    found = Past.read(app, TWO, Settings(), Log())
    held, most = tracemalloc.get_traced_memory()
    for _ in found.timeline.since(0):
        pass
    _, streaming = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found.timeline, Streamed)
    assert held < 100 * many
    assert max(most, streaming) < 250 * many
